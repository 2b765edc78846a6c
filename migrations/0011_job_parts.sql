-- The parts of comparisons that are not finished, shared out among all workers.
CREATE TABLE job_parts (
    job_id TEXT NOT NULL,             -- whose part
    part BIGINT NOT NULL,             -- 0, 1, ... in the order in which they are taken
    program TEXT NOT NULL,            -- version and instruction set of the programs whose results go together
    lapses BIGINT NOT NULL,           -- how often whoever had it was lost
    lease_token TEXT,                 -- of whoever has it; every write of theirs carries it
    lease_expires_at BIGINT,          -- from then on somebody else may take it; microseconds since 1970, UTC
    finished_at BIGINT,               -- when its result was kept
    result TEXT,                      -- JSON: what came of it
    CONSTRAINT job_parts_pk PRIMARY KEY (job_id, part),
    CONSTRAINT job_parts_job_fk FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE,
    CONSTRAINT job_parts_part_not_negative CHECK (part >= 0),
    CONSTRAINT job_parts_lapses_not_negative CHECK (lapses >= 0),
    CONSTRAINT job_parts_lease_whole CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT job_parts_result_whole CHECK ((finished_at IS NULL) = (result IS NULL)),
    CONSTRAINT job_parts_finished_free CHECK (finished_at IS NULL OR lease_token IS NULL)
);

CREATE INDEX job_parts_open ON job_parts (job_id, part) WHERE finished_at IS NULL;
