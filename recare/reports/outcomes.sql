-- Brings the first booking and the first kept visit of every watched enrolment up to date, and returns how many rows that changed. They are
-- read from the chart and from bookings made here; arms are not read.
-- A visit on the day of assignment was arranged before it, so it counts for nobody.
WITH watched AS (
    SELECT e.id AS enrolment_id, e.patient_id, e.assigned_at, (e.assigned_at AT TIME ZONE p.tz)::date AS assigned_on, p.tz
    FROM enrolment e JOIN practice p ON p.id = e.practice_id
    WHERE e.practice_id = %(practice)s AND e.assigned_at > %(since)s
), found AS (
    -- the first of each kind is looked up by patient and day: a practice's whole history is never read
    SELECT w.enrolment_id, 'booked' AS kind, b.booked_at AS at, 'booking:' || b.id AS evidence
    FROM watched w CROSS JOIN LATERAL (
        SELECT id, booked_at FROM booking
        WHERE practice_id = %(practice)s AND patient_id = w.patient_id AND booked_at > w.assigned_at
        ORDER BY booked_at, id LIMIT 1) b
    UNION ALL
    SELECT w.enrolment_id, 'booked', a.first_seen_at, 'appointment:' || a.id
    FROM watched w CROSS JOIN LATERAL (
        SELECT id, first_seen_at FROM appointment
        WHERE practice_id = %(practice)s AND patient_id = w.patient_id AND starts_at > w.assigned_at
          AND first_seen_at > w.assigned_at AND first_seen_at <= %(now)s AND deleted_at IS NULL
          AND status IN ('scheduled', 'completed', 'missed', 'cancelled', 'broken')
        ORDER BY first_seen_at, id LIMIT 1) a
    UNION ALL
    SELECT w.enrolment_id, 'kept', a.starts_at, 'appointment:' || a.id
    FROM watched w CROSS JOIN LATERAL (
        SELECT id, starts_at FROM appointment
        WHERE practice_id = %(practice)s AND patient_id = w.patient_id AND starts_at > w.assigned_at AND starts_at <= %(now)s
          AND (starts_at AT TIME ZONE w.tz)::date > w.assigned_on AND status = 'completed' AND deleted_at IS NULL
        ORDER BY starts_at, id LIMIT 1) a
    UNION ALL
    SELECT w.enrolment_id, 'kept', (pr.done_on + time '12:00') AT TIME ZONE w.tz, 'procedure:' || pr.id
    FROM watched w CROSS JOIN LATERAL (
        SELECT id, done_on FROM procedure
        WHERE practice_id = %(practice)s AND patient_id = w.patient_id AND done_on > w.assigned_on
          AND done_on <= (%(now)s AT TIME ZONE w.tz)::date AND status = 'completed' AND code NOT IN ('D9986', 'D9987')
        ORDER BY done_on, id LIMIT 1) pr
), seen AS MATERIALIZED (
    SELECT DISTINCT ON (enrolment_id, kind) enrolment_id, kind, at, evidence FROM found ORDER BY enrolment_id, kind, at, evidence
), gone AS (
    -- a visit that the chart has taken back
    DELETE FROM outcome o USING watched w
    WHERE o.practice_id = %(practice)s AND o.enrolment_id = w.enrolment_id
      AND NOT EXISTS (SELECT FROM seen s WHERE s.enrolment_id = o.enrolment_id AND s.kind = o.kind)
    RETURNING 1
), written AS (
    INSERT INTO outcome (practice_id, enrolment_id, kind, at, evidence, recorded_at)
    SELECT %(practice)s, enrolment_id, kind, at, evidence, %(now)s FROM seen
    ON CONFLICT (practice_id, enrolment_id, kind) DO UPDATE
       SET at = EXCLUDED.at, evidence = EXCLUDED.evidence, recorded_at = EXCLUDED.recorded_at
     WHERE (outcome.at, outcome.evidence) IS DISTINCT FROM (EXCLUDED.at, EXCLUDED.evidence)
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written)
