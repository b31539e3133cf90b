-- Facts: one row per patient, dates and not ages, so that a day passing changes no row. Bands, ages, overdue days and the next visit are
-- computed when read: facts_on(today).

-- What a procedure or an appointment was, in bits, kept beside it so that facts need no words. From the practice's own code by ranges of ours,
-- in our own words; no descriptor of any code set is kept. 0 = nothing that was done here.
-- 1 exam, 2 images, 4 cleaning, 8 prevention, 16 fillings and crowns, 32 root canal, 64 gum care, 128 dentures, 256 implants and bridges,
-- 512 surgery, 1024 orthodontics, 2048 other care, 4096 of the hygiene department, 8192 a kept appointment, 16384 missed or broken, 32768 cancelled.
-- The two tracking codes of missed and cancelled visits are "completed" in every system and are no care.
ALTER TABLE procedure ADD COLUMN care integer NOT NULL GENERATED ALWAYS AS (CASE
    WHEN status <> 'completed' OR done_on IS NULL THEN 0
    WHEN code LIKE 'D9986%' THEN 16384
    WHEN code LIKE 'D9987%' THEN 32768
    WHEN code LIKE 'D01%' THEN 1
    WHEN code LIKE 'D02%' OR code LIKE 'D03%' THEN 2
    WHEN code LIKE 'D0%' THEN 2048
    WHEN code LIKE 'D11%' THEN 4 + 4096
    WHEN code LIKE 'D1%' THEN 8
    WHEN code LIKE 'D2%' THEN 16
    WHEN code LIKE 'D3%' THEN 32
    WHEN code LIKE 'D434%' OR code LIKE 'D4355%' OR code LIKE 'D4910%' THEN 64 + 4096
    WHEN code LIKE 'D4%' THEN 64
    WHEN code LIKE 'D5%' THEN 128
    WHEN code LIKE 'D6%' THEN 256
    WHEN code LIKE 'D7%' THEN 512
    WHEN code LIKE 'D8%' THEN 1024
    ELSE 2048 END) STORED;
ALTER TABLE appointment ADD COLUMN care integer NOT NULL GENERATED ALWAYS AS (CASE
    WHEN deleted_at IS NOT NULL OR starts_at IS NULL THEN 0
    WHEN status = 'completed' THEN CASE WHEN is_hygiene THEN 8192 + 4096 ELSE 8192 END
    WHEN status IN ('missed', 'broken') THEN 16384
    WHEN status = 'cancelled' THEN 32768
    ELSE 0 END) STORED;

-- Facts read these two tables from their indexes alone, both in the order of patients and days, so that nothing has to be sorted; the plain
-- indexes by patient are their prefixes.
DROP INDEX procedure_patient;
CREATE INDEX procedure_patient ON procedure (practice_id, patient_id, done_on) INCLUDE (care, fee_cents);
DROP INDEX appointment_patient;
CREATE INDEX appointment_patient ON appointment (practice_id, patient_id, starts_on) INCLUDE (care);
CREATE INDEX procedure_planned ON procedure (practice_id, patient_id) INCLUDE (code, done_on, fee_cents) WHERE status = 'planned';
CREATE INDEX appointment_scheduled ON appointment (practice_id, patient_id) WHERE status = 'scheduled' AND deleted_at IS NULL;

-- A mark that is there already is locked by whoever marks again. Else facts could be computed, and the old mark consumed, between that
-- transaction's change and its commit, and nobody would look at the change.
CREATE FUNCTION keep_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM patient_change WHERE practice_id = NEW.practice_id AND patient_id = NEW.patient_id FOR KEY SHARE;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_mark BEFORE INSERT ON patient_change FOR EACH ROW EXECUTE FUNCTION keep_mark();

CREATE TABLE patient_facts (
    practice_id bigint NOT NULL,
    patient_id bigint NOT NULL,
    household_id bigint,
    household_size smallint NOT NULL DEFAULT 1,
    guardian_id bigint,                    -- whom a minor's message is addressed to: the guarantor, when it is somebody else
    status text NOT NULL,                  -- of the chart; 'merged' = another chart stands for this person
    contactable boolean NOT NULL,          -- no standing, hold or restriction forbids every contact; a pause is read with the day
    paused_until date,
    birthdate date,
    adult_on date,                         -- 18th birthday; null = unknown, and unknown is not adult
    sex text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT '',
    zip text NOT NULL DEFAULT '',
    payer_class text NOT NULL DEFAULT 'unknown',       -- the strictest of all coverages (OFR-02)
    first_visit_on date,
    last_visit_on date,
    last_hygiene_on date,
    visits integer NOT NULL DEFAULT 0,
    visits_24m smallint NOT NULL DEFAULT 0,            -- in the 730 days up to the last visit
    production_24m_cents bigint NOT NULL DEFAULT 0,    -- in the 730 days up to the last visit
    scheduled_at timestamptz[] NOT NULL DEFAULT '{}',  -- every visit still scheduled, in order; "next" depends on the day asked
    recall_kind text NOT NULL DEFAULT '',
    recall_due_on date,
    recall_interval_days smallint,
    missed_visits smallint NOT NULL DEFAULT 0,         -- days missed or broken; a visit cancelled in time is none
    last_broken_on date,                               -- missed, broken or cancelled
    unscheduled_cents bigint NOT NULL DEFAULT 0,
    unscheduled_items smallint NOT NULL DEFAULT 0,
    oldest_plan_on date,
    plan_expires_on date,
    benefit_renews_month smallint,
    benefit_left_cents bigint,
    benefit_ends_on date,
    care integer NOT NULL DEFAULT 0,       -- kinds of completed care, bits 1 to 2048 of procedure.care
    sms_point_id bigint,                   -- the patient's own contact point a text would go to; null = none that may be texted
    email_point_id bigint,
    call_point_id bigint,
    letter_ok boolean NOT NULL DEFAULT false,
    sms_ok boolean NOT NULL DEFAULT false, -- the consent a recall message needs is recorded (level 2); a number given to the practice may be dialled
    email_ok boolean NOT NULL DEFAULT false,
    call_ok boolean NOT NULL DEFAULT false,
    preferred_channel text NOT NULL DEFAULT '',
    last_touch_on date,
    last_reply_on date,
    touches_since_reply smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (practice_id, patient_id)
);
SELECT guard_by_practice('patient_facts');

-- People of each household who are still somebody's patient here.
CREATE FUNCTION household_sizes(practices bigint[]) RETURNS TABLE (practice_id bigint, household_id bigint, size bigint) LANGUAGE sql STABLE AS $$
SELECT practice_id, household_id, count(*) AS size FROM patient
WHERE practice_id = ANY(practices) AND household_id IS NOT NULL AND merged_into_id IS NULL AND status NOT IN ('deceased', 'deleted')
    AND deceased_on IS NULL
GROUP BY practice_id, household_id
$$;

-- rebuild_facts and refresh_facts run in the caller's transaction, which must see these practices. Both call write_facts (facts.py): the query of
-- facts.sql and the MERGE that writes it.

-- One transaction at a time computes the facts of a practice: who has looked at an older chart must not write over newer facts.
CREATE FUNCTION lock_facts(practices bigint[]) RETURNS void LANGUAGE sql AS $$
SELECT pg_advisory_xact_lock(hashtext('patient_facts'), id::integer) FROM (SELECT unnest(practices) AS id ORDER BY id) in_order
$$;

-- Consumes up to so many marks (null: all) and returns whose they were. Marks that open transactions hold are left for the next time.
-- Rows are locked and then found by their place, so that no plan depends on how many marks there were when it was made.
CREATE FUNCTION take_marks(practices bigint[], most integer) RETURNS SETOF bigint LANGUAGE sql AS $$
DELETE FROM patient_change WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM patient_change WHERE practice_id = ANY(practices)
    ORDER BY practice_id, patient_id LIMIT most FOR UPDATE SKIP LOCKED)) RETURNING patient_id
$$;

-- Computes everybody's facts anew; returns how many rows are new or different.
CREATE FUNCTION rebuild_facts(practices bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_facts(practices);
    PERFORM take_marks(practices, NULL);
    RETURN write_facts(practices);
END $$;

-- Computes the facts of those who are marked, and of everybody whose household has grown or shrunk by that; returns how many marks and whom.
-- Each statement looks anew: what somebody has committed before a mark is taken is seen by the statements after it.
CREATE FUNCTION refresh_facts(practice bigint, most integer, OUT marks integer, OUT people bigint[]) LANGUAGE plpgsql
    -- few people: looked up one by one, in the order written, however old the statistics are
    SET enable_hashjoin = off SET enable_mergejoin = off SET join_collapse_limit = 1 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    marked bigint[];
    homes bigint[];
BEGIN
    PERFORM lock_facts(ARRAY[practice]);
    marked := ARRAY(SELECT take_marks(ARRAY[practice], most));
    marks := cardinality(marked);
    IF marks > 0 THEN
        homes := ARRAY(  -- where they are now, and where they were when facts last looked
            SELECT household_id FROM patient WHERE practice_id = practice AND id = ANY(marked)
            UNION SELECT household_id FROM patient_facts WHERE practice_id = practice AND patient_id = ANY(marked));
        people := marked || ARRAY(  -- OFFSET: from the homes to their people to their facts, also while nothing is known about the tables
            SELECT p.id FROM unnest(homes) AS home
            CROSS JOIN LATERAL (SELECT id FROM patient WHERE practice_id = practice AND household_id = home AND id <> ALL(marked) OFFSET 0) p
            CROSS JOIN LATERAL (SELECT household_size FROM patient_facts WHERE practice_id = practice AND patient_id = p.id OFFSET 0) f
            WHERE f.household_size <> coalesce((SELECT size FROM household_sizes(ARRAY[practice]) WHERE household_id = home), 1));
        PERFORM write_facts(ARRAY[practice], people);
    END IF;
END $$;

-- Facts as they read on one day: a minor's points are the guardian's, the next visit is the first still to come, and so on.
-- A plain SQL function, so the planner sees through it and computes only what is asked for.
CREATE FUNCTION facts_on(today date) RETURNS TABLE (
    practice_id bigint, patient_id bigint, household_id bigint, household_size smallint, guardian_id bigint, status text, contactable boolean,
    birthdate date, sex text, language text, state text, zip text, payer_class text,
    age integer, is_adult boolean, birthday_month integer,
    first_visit_on date, last_visit_on date, last_hygiene_on date, visits integer, visits_24m smallint, production_24m_cents bigint,
    next_visit_at timestamptz, next_visit_on date,
    recall_kind text, recall_due_on date, recall_interval_days smallint, overdue_days integer, missed_recalls integer,
    missed_visits smallint, last_broken_on date,
    unscheduled_cents bigint, unscheduled_items smallint, oldest_plan_on date, plan_expires_on date,
    benefit_renewal_on date, benefit_left_cents bigint, care integer,
    sms_point_id bigint, email_point_id bigint, call_point_id bigint, letter_ok boolean, sms_ok boolean, email_ok boolean, call_ok boolean,
    preferred_channel text, last_touch_on date, last_reply_on date, touches_since_reply smallint
) LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT f.practice_id, f.patient_id, f.household_id, f.household_size, f.guardian_id, f.status,
    f.contactable AND (f.paused_until IS NULL OR f.paused_until <= today),
    f.birthdate, f.sex, f.language, f.state, f.zip, f.payer_class,
    (extract(year FROM age(today, f.birthdate)))::integer, coalesce(f.adult_on <= today, false), extract(month FROM f.birthdate)::integer,
    f.first_visit_on, f.last_visit_on, f.last_hygiene_on, f.visits, f.visits_24m, f.production_24m_cents,
    n.at, (n.at AT TIME ZONE pr.tz)::date,
    r.kind, r.due, f.recall_interval_days,
    CASE WHEN r.due <= today THEN today - r.due END,
    CASE WHEN r.due < today THEN 1 + (today - r.due) / greatest(coalesce(f.recall_interval_days, 183), 28) ELSE 0 END,
    f.missed_visits, f.last_broken_on,
    f.unscheduled_cents, f.unscheduled_items, f.oldest_plan_on, f.plan_expires_on,
    CASE WHEN f.benefit_ends_on < today THEN NULL ELSE
        make_date(extract(year FROM today)::integer + CASE WHEN f.benefit_renews_month <= extract(month FROM today) THEN 1 ELSE 0 END,
                  f.benefit_renews_month, 1) END,
    CASE WHEN f.benefit_ends_on < today THEN NULL ELSE f.benefit_left_cents END, f.care,
    CASE WHEN o.own THEN f.sms_point_id ELSE g.sms_point_id END,
    CASE WHEN o.own THEN f.email_point_id ELSE g.email_point_id END,
    CASE WHEN o.own THEN f.call_point_id ELSE g.call_point_id END,
    CASE WHEN o.own THEN f.letter_ok ELSE coalesce(g.letter_ok, false) END,
    CASE WHEN o.own THEN f.sms_ok ELSE coalesce(g.sms_ok, false) END,
    CASE WHEN o.own THEN f.email_ok ELSE coalesce(g.email_ok, false) END,
    CASE WHEN o.own THEN f.call_ok ELSE coalesce(g.call_ok, false) END,
    f.preferred_channel, f.last_touch_on, f.last_reply_on, f.touches_since_reply
FROM patient_facts f
JOIN practice pr ON pr.id = f.practice_id
LEFT JOIN patient_facts g ON g.practice_id = f.practice_id AND g.patient_id = f.guardian_id AND g.contactable
    AND g.adult_on <= today AND (f.adult_on > today OR f.adult_on IS NULL)
-- an unknown age with nobody else to write to keeps its own points: the gate then asks a person (AGE_UNKNOWN)
CROSS JOIN LATERAL (SELECT coalesce(f.adult_on <= today, f.guardian_id IS NULL) AS own) o
-- a child's recall is stale once the patient is grown up (support threads: "you are due" to somebody already booked)
CROSS JOIN LATERAL (SELECT CASE WHEN f.recall_kind = 'child' AND f.adult_on <= today THEN NULL ELSE f.recall_due_on END AS due,
                           CASE WHEN f.recall_kind = 'child' AND f.adult_on <= today THEN '' ELSE f.recall_kind END AS kind) r
CROSS JOIN LATERAL (SELECT (SELECT min(t) FROM unnest(f.scheduled_at) AS t WHERE t >= (today::timestamp AT TIME ZONE pr.tz)) AS at) n
$$;

CREATE TABLE segment (
    practice_id bigint NOT NULL REFERENCES practice (id),
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    slug text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    predicate jsonb NOT NULL,
    bands text NOT NULL,                   -- name and version of the band definition it was written against
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    replaced_at timestamptz,
    PRIMARY KEY (practice_id, id),
    UNIQUE (practice_id, slug, version)
);
CREATE UNIQUE INDEX segment_current ON segment (practice_id, slug) WHERE replaced_at IS NULL;
SELECT guard_by_practice('segment');

-- Facts as they read today, one row a patient with the score and the name to search by, kept only for practices too large to compute
-- them at every look (segments/listing.py). A copy for lists; nothing decides by it.
-- What lists ask most stands first: reading a row stops at the last column asked for.
CREATE TABLE patient_today AS
    SELECT f.practice_id, f.patient_id, 0::float8 AS rank_cents, 0::float8 AS priority_cents, date '-infinity' AS seen_on, f.sms_ok, f.email_ok,
           f.call_ok, f.letter_ok, f.contactable, f.is_adult, false AS left_in_peace, f.age, f.overdue_days, f.missed_recalls, f.status, f.last_visit_on, f.next_visit_on,
           f.next_visit_at, f.recall_interval_days, f.recall_due_on, f.unscheduled_cents, f.unscheduled_items, f.household_size, f.care,
           f.birthday_month, f.last_broken_on, f.benefit_renewal_on, f.benefit_left_cents, f.payer_class, ''::text AS find_name,
           ''::text AS standing, ''::text AS hold, date '-infinity' AS paused_until, ''::text COLLATE "C" AS sort_name,
           f.household_id, f.guardian_id, f.birthdate, f.sex, f.language, f.state, f.zip, f.first_visit_on, f.last_hygiene_on, f.visits,
           f.visits_24m, f.production_24m_cents, f.recall_kind, f.missed_visits, f.oldest_plan_on, f.plan_expires_on, f.sms_point_id,
           f.email_point_id, f.call_point_id, f.preferred_channel, f.last_touch_on, f.last_reply_on, f.touches_since_reply
    FROM facts_on(date '2000-01-01') f WITH NO DATA;
ALTER TABLE patient_today ADD PRIMARY KEY (practice_id, patient_id);
CREATE INDEX patient_today_rank ON patient_today (practice_id, rank_cents, patient_id);
CREATE INDEX patient_today_seen ON patient_today (practice_id, seen_on, patient_id);
CREATE INDEX patient_today_name ON patient_today (practice_id, sort_name, patient_id);
SELECT guard_by_practice('patient_today');

-- For which day a practice's rows are right. No row: compute from facts.
CREATE TABLE patient_today_state (
    practice_id bigint PRIMARY KEY REFERENCES practice (id),
    day date NOT NULL,
    bands text NOT NULL,
    priority text NOT NULL,
    version uuid NOT NULL DEFAULT gen_random_uuid()   -- another one after every change of the rows
);
SELECT guard_by_practice('patient_today_state');
