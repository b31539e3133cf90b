-- First booking and first kept visit of every watched enrolment, from the chart and from bookings made here; arms are not read.
-- A visit on the day of assignment was arranged before it, so it counts for nobody.
CREATE TEMP TABLE seen_outcome ON COMMIT DROP AS
WITH watched AS (
    SELECT e.id AS enrolment_id, e.patient_id, e.assigned_at, (e.assigned_at AT TIME ZONE p.tz)::date AS assigned_on, p.tz
    FROM enrolment e JOIN practice p ON p.id = e.practice_id
    WHERE e.practice_id = %(practice)s AND e.assigned_at > %(since)s
), found AS (
    SELECT w.enrolment_id, 'booked' AS kind, b.booked_at AS at, 'booking:' || b.id AS evidence
    FROM watched w JOIN booking b ON b.practice_id = %(practice)s AND b.patient_id = w.patient_id AND b.booked_at > w.assigned_at
    UNION ALL
    SELECT w.enrolment_id, 'booked', a.first_seen_at, 'appointment:' || a.id
    FROM watched w JOIN appointment a ON a.practice_id = %(practice)s AND a.patient_id = w.patient_id
    WHERE a.first_seen_at > w.assigned_at AND a.starts_at > w.assigned_at AND a.deleted_at IS NULL
      AND a.status IN ('scheduled', 'completed', 'missed', 'cancelled', 'broken') AND a.first_seen_at <= %(now)s
    UNION ALL
    SELECT w.enrolment_id, 'kept', a.starts_at, 'appointment:' || a.id
    FROM watched w JOIN appointment a ON a.practice_id = %(practice)s AND a.patient_id = w.patient_id
    WHERE a.status = 'completed' AND a.deleted_at IS NULL AND (a.starts_at AT TIME ZONE w.tz)::date > w.assigned_on
      AND a.starts_at <= %(now)s
    UNION ALL
    SELECT w.enrolment_id, 'kept', (pr.done_on + time '12:00') AT TIME ZONE w.tz, 'procedure:' || pr.id
    FROM watched w JOIN procedure pr ON pr.practice_id = %(practice)s AND pr.patient_id = w.patient_id
    WHERE pr.status = 'completed' AND pr.code NOT IN ('D9986', 'D9987') AND pr.done_on > w.assigned_on
      AND pr.done_on <= (%(now)s AT TIME ZONE w.tz)::date
)
SELECT DISTINCT ON (enrolment_id, kind) enrolment_id, kind, at, evidence FROM found ORDER BY enrolment_id, kind, at, evidence
