-- What an interrupted training goes on from.

ALTER TABLE jobs ADD COLUMN checkpoint_sha256 TEXT -- of the present checkpoint, hexadecimal; the key of the blob
    CONSTRAINT jobs_checkpoint_sha256_length CHECK (length(checkpoint_sha256) = 64)
    CONSTRAINT jobs_checkpoint_unfinished
        CHECK (checkpoint_sha256 IS NULL OR status NOT IN ('succeeded', 'failed', 'cancelled'));
ALTER TABLE jobs ADD COLUMN checkpoint_epochs BIGINT -- epochs of the learning curves that belong to it
    CONSTRAINT jobs_checkpoint_epochs_whole
        CHECK ((checkpoint_sha256 IS NULL) = (checkpoint_epochs IS NULL) AND checkpoint_epochs >= 0);
ALTER TABLE jobs ADD COLUMN checkpoint_at BIGINT -- when it was written; microseconds since 1970, UTC
    CONSTRAINT jobs_checkpoint_at_whole CHECK ((checkpoint_sha256 IS NULL) = (checkpoint_at IS NULL));

CREATE INDEX jobs_by_checkpoint ON jobs (checkpoint_sha256) WHERE checkpoint_sha256 IS NOT NULL;
