-- The facts of all patients of some practices in one statement over sets: the body of write_facts(practices), and, for some patients only, of
-- write_facts(practices, patients). For the first, facts.py leaves out the conditions between [some and some], which each say so of one table.
-- Nothing here depends on the day it runs. Days are local to the practice. 24 months are 730 days.
-- A visit is a day with a completed procedure or appointment of ours: care done elsewhere (existing, referred), tracking codes and past
-- appointments that are still "scheduled" are none.
WITH event AS (
    -- the conditions stand outside, so that the two come from their indexes as one list that is in order already
    SELECT * FROM (
        SELECT practice_id, patient_id, done_on AS day, care, fee_cents FROM procedure
        UNION ALL SELECT practice_id, patient_id, starts_on, care, 0::bigint FROM appointment) happened
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/ AND care <> 0
), day AS (
    -- a missed visit's fee is no production; cents are summed as floating-point numbers, which are exact here and half as slow as numeric
    SELECT practice_id, patient_id, day, bit_or(care) AS what, bit_or(care) & 16383 <> 0 AS visit,
        sum(fee_cents::float8) FILTER (WHERE care < 8192) AS cents
    FROM event GROUP BY practice_id, patient_id, day
), ranked AS (
    SELECT *, max(day) FILTER (WHERE visit) OVER (PARTITION BY practice_id, patient_id) AS last_on FROM day
), history AS (
    SELECT practice_id, patient_id,
        min(day) FILTER (WHERE visit) AS first_on,
        max(last_on) AS last_on,
        max(day) FILTER (WHERE what & 4096 <> 0) AS hygiene_on,
        count(*) FILTER (WHERE visit) AS visits,
        count(*) FILTER (WHERE visit AND day > last_on - 730) AS visits_24m,
        sum(cents) FILTER (WHERE day > last_on - 730) AS cents_24m,
        count(*) FILTER (WHERE what & 16384 <> 0) AS missed,
        max(day) FILTER (WHERE what & 49152 <> 0) AS broken_on,
        bit_or(what) & 4095 AS care
    FROM ranked GROUP BY practice_id, patient_id
), visit_ahead AS (
    SELECT practice_id, patient_id, starts_at FROM appointment
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND status = 'scheduled' AND deleted_at IS NULL AND starts_at IS NOT NULL
    UNION
    SELECT practice_id, patient_id, lower(during) FROM booking
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND state = 'booked'
), ahead AS (
    SELECT practice_id, patient_id, array_agg(starts_at ORDER BY starts_at) AS scheduled_at FROM visit_ahead GROUP BY practice_id, patient_id
), open_recall AS (
    -- the recall that rules, as rank, day and interval: perio replaces prophy, either the child's, that the exam; the earliest of a kind.
    -- A recall disabled until a day is due on that day; one disabled for good is closed.
    SELECT practice_id, patient_id, min(spec) AS ruling, min(spec) FILTER (WHERE kind <> 'child') AS grown_up
    FROM recall
    CROSS JOIN LATERAL (SELECT ARRAY[
        CASE kind WHEN 'perio' THEN 1 WHEN 'prophy' THEN 2 WHEN 'child' THEN 3 ELSE 4 END,
        greatest(due_on, CASE WHEN disabled THEN disabled_until END) - date '2000-01-01',
        least(round(coalesce(interval_months, 0) * 30.4375) + coalesce(interval_days, 0), 32000)::integer] AS spec) s
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND due_on IS NOT NULL AND (NOT disabled OR disabled_until IS NOT NULL) AND kind IN ('perio', 'prophy', 'child', 'exam')
    GROUP BY practice_id, patient_id
), booked_code AS (
    SELECT DISTINCT practice_id, patient_id, unnest(codes) AS code FROM appointment
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND status = 'scheduled' AND deleted_at IS NULL AND codes <> '{}'
), planned AS (
    SELECT true AS from_plan, practice_id, patient_id, code, planned_on, expires_on, fee_cents FROM treatment_plan_item
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND status IN ('proposed', 'accepted')
    UNION ALL
    SELECT false, practice_id, patient_id, code, done_on, NULL, fee_cents FROM procedure
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
        AND status = 'planned'
), plan AS (
    -- many systems write the same treatment both as a plan item and as a planned procedure: the larger of the two counts, never the sum
    SELECT practice_id, patient_id,
        greatest(sum(fee_cents::float8) FILTER (WHERE from_plan), sum(fee_cents::float8) FILTER (WHERE NOT from_plan)) AS cents,
        greatest(count(*) FILTER (WHERE from_plan), count(*) FILTER (WHERE NOT from_plan)) AS items,
        min(planned_on) AS oldest_on, min(expires_on) AS expires_on
    FROM planned LEFT JOIN booked_code b USING (practice_id, patient_id, code)
    WHERE b.code IS NULL
    GROUP BY practice_id, patient_id
), payer AS (
    -- the strictest payer of all; benefits of the insurance that lasts longest, then of the first: end, ordinal, id, month, cents left
    SELECT practice_id, patient_id,
        min(CASE payer_class WHEN 'medicaid' THEN 1 WHEN 'chip' THEN 2 WHEN 'medicare' THEN 3 WHEN 'tricare' THEN 4 WHEN 'commercial' THEN 5
            WHEN 'membership' THEN 6 WHEN 'self_pay' THEN 7 ELSE 8 END) AS strictest,
        min(ARRAY[coalesce(date '2000-01-01' - ends_on, -99999), ordinal, id, renews_month,
            annual_max_cents - least(coalesce(used_cents, 0), annual_max_cents)]) FILTER (WHERE payer_class NOT IN ('self_pay', 'membership')) AS benefit
    FROM coverage
    WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
    GROUP BY practice_id, patient_id
), point AS (
    -- the best point of each channel that nothing suppresses: consent first, then the label, then the patient's own order. One number to take the least of:
    -- (3 - level) * 10^16 + label * 10^15 + rank * 10^12 + id
    SELECT h.practice_id, h.patient_id,
        min(CASE WHEN c.kind = 'phone' AND h.extension = '' AND (h.label IN ('mobile', 'other') OR c.sms_level > 0)
                AND c.sms_out_at IS NULL AND c.sms_incapable_at IS NULL THEN
            (3 - c.sms_level) * 10000000000000000 + CASE h.label WHEN 'mobile' THEN 0 ELSE 1000000000000000 END + o.rank + c.id END) AS sms,
        min(CASE WHEN c.kind = 'email' AND c.email_out_at IS NULL AND c.hard_bounced_at IS NULL THEN
            (3 - c.email_level) * 10000000000000000 + o.rank + c.id END) AS email,
        min(CASE WHEN c.kind = 'phone' AND c.call_out_at IS NULL THEN
            (3 - c.call_level) * 10000000000000000
            + CASE h.label WHEN 'mobile' THEN 0 WHEN 'home' THEN 1000000000000000 WHEN 'other' THEN 2000000000000000 ELSE 3000000000000000 END
            + o.rank + c.id END) AS call
    FROM patient_contact h
    JOIN contact_point c ON c.practice_id = h.practice_id AND c.id = h.contact_point_id AND c.practice_id = ANY(practices)
        /*[some*/ AND c.id = ANY(ARRAY(SELECT contact_point_id FROM patient_contact
            WHERE practice_id = ANY(practices) AND patient_id = ANY(patients))) /*some]*/
    CROSS JOIN LATERAL (SELECT least(greatest(h.rank, 0), 999) * 1000000000000 AS rank) o
    WHERE h.practice_id = ANY(practices) /*[some*/ AND h.patient_id = ANY(patients) /*some]*/
        AND h.ended_at IS NULL AND c.address <> '' AND c.wrong_number_at IS NULL AND c.complained_at IS NULL AND c.reassigned <> 'yes'
    GROUP BY h.practice_id, h.patient_id
), answer AS (
    SELECT practice_id, patient_id, max(at) AS last_at, (max(at) AT TIME ZONE tz)::date AS last_on FROM (
        SELECT practice_id, patient_id, at FROM reply
        WHERE practice_id = ANY(practices) AND patient_id IS NOT NULL
            /*[some*/ AND patient_id = ANY(patients) /*some]*/
        UNION ALL
        SELECT practice_id, patient_id, at FROM call_outcome
        WHERE practice_id = ANY(practices) /*[some*/ AND patient_id = ANY(patients) /*some]*/
            AND outcome IN ('booked', 'call_later', 'not_interested', 'new_dentist', 'moved')
    ) spoke JOIN practice ON practice.id = practice_id GROUP BY practice_id, patient_id, tz
), contacted AS (
    SELECT t.practice_id, t.patient_id, (max(t.decided_at) AT TIME ZONE tz)::date AS last_on,
        count(*) FILTER (WHERE answer.last_at IS NULL OR t.decided_at > answer.last_at) AS since_reply
    FROM touch t JOIN practice ON practice.id = t.practice_id
    LEFT JOIN answer ON answer.practice_id = t.practice_id AND answer.patient_id = t.patient_id
    WHERE t.practice_id = ANY(practices) /*[some*/ AND t.patient_id = ANY(patients) /*some]*/
        AND t.verdict = 'send'
    GROUP BY t.practice_id, t.patient_id, tz
), family AS (
    SELECT * FROM household_sizes(practices)
    /*[some*/ WHERE household_id = ANY(ARRAY(SELECT household_id FROM patient WHERE practice_id = ANY(practices) AND id = ANY(patients))) /*some]*/
), fresh AS (
    SELECT p.practice_id, p.id AS patient_id, p.household_id, coalesce(family.size, 1)::smallint AS household_size,
        CASE WHEN p.guarantor_id <> p.id THEN p.guarantor_id END AS guardian_id,
        CASE WHEN p.merged_into_id IS NULL THEN p.status ELSE 'merged' END AS status,
        p.merged_into_id IS NULL AND p.status IN ('active', 'inactive', 'unknown') AND p.standing IN ('', 'active', 'lapsed') AND p.hold = '' AND p.deceased_on IS NULL
            AND p.dismissed_on IS NULL AND NOT p.do_not_contact AND NOT p.cannot_schedule AS contactable,
        p.paused_until, p.birthdate, (p.birthdate + interval '18 years')::date AS adult_on, p.sex, p.language, p.state, p.zip,
        (ARRAY['medicaid', 'chip', 'medicare', 'tricare', 'commercial', 'membership', 'self_pay', 'unknown'])[coalesce(payer.strictest, 8)]
            AS payer_class,
        least(p.first_visit_on, h.first_on) AS first_visit_on, coalesce(h.last_on, p.last_visit_stated_on) AS last_visit_on,
        h.hygiene_on AS last_hygiene_on, coalesce(h.visits, 0)::integer AS visits, coalesce(h.visits_24m, 0)::smallint AS visits_24m,
        coalesce(h.cents_24m, 0)::bigint AS production_24m_cents, coalesce(ahead.scheduled_at, '{}') AS scheduled_at,
        due.kind AS recall_kind,
        -- a hygiene visit after the due date answers that recall, even where the source has not moved it on yet
        CASE WHEN h.hygiene_on >= due.due_on THEN h.hygiene_on + coalesce(due.interval_days, 183) ELSE due.due_on END AS recall_due_on,
        due.interval_days AS recall_interval_days, coalesce(h.missed, 0)::smallint AS missed_visits, h.broken_on AS last_broken_on,
        coalesce(plan.cents, 0)::bigint AS unscheduled_cents, least(coalesce(plan.items, 0), 32000)::smallint AS unscheduled_items,
        plan.oldest_on AS oldest_plan_on, plan.expires_on AS plan_expires_on,
        payer.benefit[4]::smallint AS benefit_renews_month, payer.benefit[5] AS benefit_left_cents,
        date '2000-01-01' - nullif(payer.benefit[1], -99999)::integer AS benefit_ends_on,
        coalesce(h.care, 0) AS care,
        CASE WHEN 'sms' <> ALL (p.banned_channels) THEN point.sms % 1000000000000 END AS sms_point_id,
        CASE WHEN 'email' <> ALL (p.banned_channels) THEN point.email % 1000000000000 END AS email_point_id,
        CASE WHEN 'call' <> ALL (p.banned_channels) THEN point.call % 1000000000000 END AS call_point_id,
        p.street <> '' AND p.zip <> '' AND 'letter' <> ALL (p.banned_channels) AS letter_ok,
        coalesce('sms' <> ALL (p.banned_channels) AND point.sms < 20000000000000000, false) AS sms_ok,
        coalesce('email' <> ALL (p.banned_channels) AND point.email < 20000000000000000, false) AS email_ok,
        -- a number in the chart was given to the practice: that is the consent (C1) which a call dialled by a person needs
        'call' <> ALL (p.banned_channels) AND point.call IS NOT NULL AS call_ok,
        p.preferred_channel, contacted.last_on AS last_touch_on,
        answer.last_on AS last_reply_on, least(coalesce(contacted.since_reply, 0), 32000)::smallint AS touches_since_reply
    FROM patient p
    LEFT JOIN history h ON h.practice_id = p.practice_id AND h.patient_id = p.id
    LEFT JOIN ahead ON ahead.practice_id = p.practice_id AND ahead.patient_id = p.id
    LEFT JOIN open_recall q ON q.practice_id = p.practice_id AND q.patient_id = p.id
    LEFT JOIN plan ON plan.practice_id = p.practice_id AND plan.patient_id = p.id
    LEFT JOIN payer ON payer.practice_id = p.practice_id AND payer.patient_id = p.id
    LEFT JOIN point ON point.practice_id = p.practice_id AND point.patient_id = p.id
    LEFT JOIN contacted ON contacted.practice_id = p.practice_id AND contacted.patient_id = p.id
    LEFT JOIN answer ON answer.practice_id = p.practice_id AND answer.patient_id = p.id
    LEFT JOIN family ON family.practice_id = p.practice_id AND family.household_id = p.household_id
    -- a child's recall due after the 18th birthday is stale
    CROSS JOIN LATERAL (SELECT CASE WHEN q.ruling[1] = 3 AND date '2000-01-01' + q.ruling[2] >= p.birthdate + interval '18 years'
        THEN q.grown_up ELSE q.ruling END AS spec) rule
    CROSS JOIN LATERAL (SELECT date '2000-01-01' + spec[2] AS due_on, nullif(spec[3], 0)::smallint AS interval_days,
        coalesce((ARRAY['perio', 'prophy', 'child', 'exam'])[spec[1]], '') AS kind) due
    WHERE p.practice_id = ANY(practices) /*[some*/ AND p.id = ANY(patients) /*some]*/
)
