-- Brings the first booking and the first kept visit of every watched enrolment up to date, and returns how many rows that changed. They are
-- read from the chart and from bookings made here; arms are not read.
-- A visit on the day of assignment was arranged before it, so it counts for nobody.
WITH watched AS (
    SELECT e.id AS enrolment_id, e.patient_id, e.assigned_at, (e.assigned_at AT TIME ZONE p.tz)::date AS assigned_on, p.tz
    FROM enrolment e JOIN practice p ON p.id = e.practice_id
    WHERE e.practice_id = %(practice)s AND (e.assigned_at > %(since)s OR e.wave_at > %(since)s  -- whoever has no turn is watched while left alone
          OR (e.wave_at IS NULL AND (e.ended_at IS NULL OR e.ended_at > %(since)s)))
), visit AS MATERIALIZED (
    -- looked up by patient and day (OFFSET keeps it so): most of those watched have nothing new, and a whole history is never read
    SELECT w.enrolment_id, w.assigned_at, w.assigned_on, w.tz, a.*
    FROM watched w CROSS JOIN LATERAL (
        SELECT id, starts_at, first_seen_at, status FROM appointment
        WHERE practice_id = %(practice)s AND patient_id = w.patient_id AND starts_at > w.assigned_at AND deleted_at IS NULL
        OFFSET 0) a
), found AS (
    SELECT w.enrolment_id, 'booked' AS kind, b.booked_at AS at, 'booking:' || b.id AS evidence
    FROM watched w JOIN booking b ON b.practice_id = %(practice)s AND b.patient_id = w.patient_id AND b.booked_at > w.assigned_at
    UNION ALL
    SELECT enrolment_id, 'booked', first_seen_at, 'appointment:' || id FROM visit
    WHERE first_seen_at > assigned_at AND first_seen_at <= %(now)s
      AND status IN ('scheduled', 'completed', 'missed', 'cancelled', 'broken')
    UNION ALL
    SELECT enrolment_id, 'kept', starts_at, 'appointment:' || id FROM visit
    WHERE status = 'completed' AND starts_at <= %(now)s AND (starts_at AT TIME ZONE tz)::date > assigned_on
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
