-- Jobs of more than one type, and what each leaves.
--
-- A constraint of a table cannot be changed everywhere, so the tables are made anew. Dropping `jobs` while its children
-- are there would empty them, or fail: they go first and come back after it, with all their rows.

CREATE TABLE jobs_kept AS SELECT * FROM jobs;
CREATE TABLE job_epochs_kept AS SELECT * FROM job_epochs;
CREATE TABLE job_events_kept AS SELECT * FROM job_events;
DROP TABLE job_epochs;
DROP TABLE job_events;
DROP TABLE jobs;

CREATE TABLE jobs (
    id TEXT NOT NULL,                 -- UUIDv7, lower case
    job_type TEXT NOT NULL,           -- train, resample, evaluate, predict, compare
    status TEXT NOT NULL,             -- queued, running, cancelling, succeeded, failed, cancelled
    phase TEXT,                       -- the present phase, the last one of a finished job
    progress DOUBLE PRECISION NOT NULL, -- 0 to 1; never falls, over all attempts
    attempt BIGINT NOT NULL,          -- claims so far; those given back at a shutdown are not counted
    max_attempts BIGINT NOT NULL,     -- a lost worker or failing I/O ends the job after this many claims
    priority BIGINT NOT NULL,         -- higher is claimed first
    created_at BIGINT NOT NULL,       -- microseconds since 1970, UTC, as all times here
    available_at BIGINT NOT NULL,     -- a queued job is not claimed earlier; later than now while I/O recovers
    started_at BIGINT,                -- when the present or last attempt was claimed
    finished_at BIGINT,               -- when the status became terminal
    cancel_requested_at BIGINT,       -- when somebody first asked to cancel it
    dataset_id TEXT NOT NULL,         -- exists as long as the job is not terminal; may be deleted later
    retry_of TEXT,                    -- the job that this one tries again, configured otherwise; may be gone
    model_id TEXT,                    -- the model that the job made; may be deleted later
    result_dataset_id TEXT,           -- the dataset that the job made; may be deleted later
    result_sha256 TEXT,               -- of the bytes that the job left, hexadecimal; the key of the blob
    result_details TEXT,              -- JSON: media type, size and rows of those bytes
    config TEXT NOT NULL,             -- JSON: the job's configuration, every default filled in
    failure TEXT,                     -- JSON: code, title, detail, retryable
    timings TEXT NOT NULL,            -- JSON: [{phase, seconds}] of the last attempt
    transitions TEXT NOT NULL,        -- JSON: [{status, at}], oldest first; outlives the events
    last_event BIGINT NOT NULL,       -- the highest sequence given to an event of this job
    lease_token TEXT,                 -- every write of the worker carries it
    lease_expires_at BIGINT,          -- from then on another worker may have the job
    checkpoint_sha256 TEXT,           -- of the present checkpoint, hexadecimal; the key of the blob
    checkpoint_epochs BIGINT,         -- epochs of the learning curves that belong to it
    checkpoint_at BIGINT,             -- when it was written
    CONSTRAINT jobs_pk PRIMARY KEY (id),
    CONSTRAINT jobs_type_known CHECK (job_type IN ('train', 'resample', 'evaluate', 'predict', 'compare')),
    CONSTRAINT jobs_status_known
        CHECK (status IN ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT jobs_progress_range CHECK (progress >= 0 AND progress <= 1),
    CONSTRAINT jobs_attempt_range CHECK (attempt >= 0 AND attempt <= max_attempts AND max_attempts >= 1),
    CONSTRAINT jobs_terminal_finished
        CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT jobs_failed_failure CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT jobs_succeeded_results
        CHECK ((status = 'succeeded')
            = (model_id IS NOT NULL OR result_dataset_id IS NOT NULL OR result_sha256 IS NOT NULL)),
    CONSTRAINT jobs_succeeded_model
        CHECK (status <> 'succeeded' OR (job_type IN ('train', 'compare')) = (model_id IS NOT NULL)),
    CONSTRAINT jobs_succeeded_dataset
        CHECK (status <> 'succeeded' OR (job_type = 'resample') = (result_dataset_id IS NOT NULL)),
    CONSTRAINT jobs_succeeded_result
        CHECK (status <> 'succeeded' OR (job_type IN ('evaluate', 'predict', 'compare')) = (result_sha256 IS NOT NULL)),
    CONSTRAINT jobs_result_sha256_length CHECK (length(result_sha256) = 64),
    CONSTRAINT jobs_result_whole CHECK ((result_sha256 IS NULL) = (result_details IS NULL)),
    CONSTRAINT jobs_held_lease CHECK ((status IN ('running', 'cancelling')) = (lease_token IS NOT NULL)),
    CONSTRAINT jobs_lease_whole CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT jobs_cancelling_requested CHECK (status <> 'cancelling' OR cancel_requested_at IS NOT NULL),
    CONSTRAINT jobs_checkpoint_sha256_length CHECK (length(checkpoint_sha256) = 64),
    CONSTRAINT jobs_checkpoint_unfinished
        CHECK (checkpoint_sha256 IS NULL OR status NOT IN ('succeeded', 'failed', 'cancelled')),
    CONSTRAINT jobs_checkpoint_epochs_whole
        CHECK ((checkpoint_sha256 IS NULL) = (checkpoint_epochs IS NULL) AND checkpoint_epochs >= 0),
    CONSTRAINT jobs_checkpoint_at_whole CHECK ((checkpoint_sha256 IS NULL) = (checkpoint_at IS NULL))
);

INSERT INTO jobs
    (id, job_type, status, phase, progress, attempt, max_attempts, priority, created_at, available_at,
    started_at, finished_at, cancel_requested_at, dataset_id, model_id, config, failure, timings, transitions, last_event,
    lease_token, lease_expires_at, checkpoint_sha256, checkpoint_epochs, checkpoint_at)
SELECT
    id, job_type, status, phase, progress, attempt, max_attempts, priority, created_at, available_at,
    started_at, finished_at, cancel_requested_at, dataset_id, model_id, config, failure, timings, transitions, last_event,
    lease_token, lease_expires_at, checkpoint_sha256, checkpoint_epochs, checkpoint_at
FROM jobs_kept;

CREATE INDEX jobs_queue ON jobs (priority DESC, created_at, id) WHERE status = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_expires_at) WHERE status IN ('running', 'cancelling');
CREATE INDEX jobs_by_status ON jobs (status, id);
CREATE INDEX jobs_by_dataset ON jobs (dataset_id, id);
CREATE INDEX jobs_by_finish ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_checkpoint ON jobs (checkpoint_sha256) WHERE checkpoint_sha256 IS NOT NULL;
CREATE INDEX jobs_by_result ON jobs (result_sha256) WHERE result_sha256 IS NOT NULL;
CREATE INDEX jobs_by_retry ON jobs (retry_of) WHERE retry_of IS NOT NULL;

-- The learning curves of the present or last attempt.
CREATE TABLE job_epochs (
    job_id TEXT NOT NULL,             -- whose epoch
    epoch BIGINT NOT NULL,            -- counts from 1
    log TEXT NOT NULL,                -- JSON: losses, metrics, learning rate
    CONSTRAINT job_epochs_pk PRIMARY KEY (job_id, epoch),
    CONSTRAINT job_epochs_job_fk FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE,
    CONSTRAINT job_epochs_epoch_positive CHECK (epoch >= 1)
);

-- What happened to a job, in order, for live followers; written in the transaction of the change.
CREATE TABLE job_events (
    job_id TEXT NOT NULL,             -- whose event
    sequence BIGINT NOT NULL,         -- 1, 2, ... within the job, without gaps
    kind TEXT NOT NULL,               -- status, phase, epoch, progress
    at BIGINT NOT NULL,               -- microseconds since 1970, UTC
    data TEXT NOT NULL,               -- JSON
    CONSTRAINT job_events_pk PRIMARY KEY (job_id, sequence),
    CONSTRAINT job_events_job_fk FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE,
    CONSTRAINT job_events_sequence_positive CHECK (sequence >= 1),
    CONSTRAINT job_events_kind_known CHECK (kind IN ('status', 'phase', 'epoch', 'progress'))
);

INSERT INTO job_epochs (job_id, epoch, log) SELECT job_id, epoch, log FROM job_epochs_kept;
INSERT INTO job_events (job_id, sequence, kind, at, data) SELECT job_id, sequence, kind, at, data FROM job_events_kept;

DROP TABLE jobs_kept;
DROP TABLE job_epochs_kept;
DROP TABLE job_events_kept;
