-- When each kind of rare work was last done for a practice, so that a step every few seconds does not repeat it.
CREATE TABLE stage_run (
    practice_id bigint NOT NULL REFERENCES practice (id),
    stage text NOT NULL,
    ran_at timestamptz NOT NULL,
    PRIMARY KEY (practice_id, stage)
);
SELECT guard_by_practice('stage_run');
