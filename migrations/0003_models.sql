-- Trained models: versions of names.

-- The last version given within a name; outlives the models, so that no version is ever given twice.
CREATE TABLE model_names (
    name TEXT NOT NULL,               -- the user's name for the model
    last_version BIGINT NOT NULL,     -- the highest version given so far
    CONSTRAINT model_names_pk PRIMARY KEY (name),
    CONSTRAINT model_names_version_positive CHECK (last_version >= 1)
);

CREATE TABLE models (
    id TEXT NOT NULL,                 -- UUIDv7, lower case
    name TEXT NOT NULL,               -- the name of which this is a version
    version BIGINT NOT NULL,          -- 1, 2, ... within the name
    created_at BIGINT NOT NULL,       -- microseconds since 1970, UTC
    job_id TEXT NOT NULL,             -- the job that made it
    dataset_id TEXT NOT NULL,         -- what it was trained on; may be deleted
    sha256 TEXT NOT NULL,             -- of the artifact, hexadecimal; the key of the blob
    size_bytes BIGINT NOT NULL,       -- of the artifact
    threshold DOUBLE PRECISION NOT NULL, -- positive iff the probability is at least this
    verdict TEXT NOT NULL,            -- ok, no_skill, degenerate
    details TEXT NOT NULL,            -- JSON: classes, threshold rule, features, training summary
    report TEXT NOT NULL,             -- JSON: the evaluation on test rows
    CONSTRAINT models_pk PRIMARY KEY (id),
    CONSTRAINT models_name_fk FOREIGN KEY (name) REFERENCES model_names (name),
    CONSTRAINT models_version_once UNIQUE (name, version),
    CONSTRAINT models_one_per_job UNIQUE (job_id),
    CONSTRAINT models_version_positive CHECK (version >= 1),
    CONSTRAINT models_size_not_negative CHECK (size_bytes >= 0),
    CONSTRAINT models_sha256_length CHECK (length(sha256) = 64),
    CONSTRAINT models_verdict_known CHECK (verdict IN ('ok', 'no_skill', 'degenerate'))
);

CREATE INDEX models_by_name ON models (name, id);
CREATE INDEX models_by_dataset ON models (dataset_id, id);
CREATE INDEX models_by_sha256 ON models (sha256);
