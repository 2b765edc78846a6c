-- Thresholds that are changed after training, and what a model needs for that.

ALTER TABLE models ADD COLUMN dossier_sha256 TEXT -- of the file with its scores, hexadecimal; the key of the blob
    CONSTRAINT models_dossier_sha256_length CHECK (length(dossier_sha256) = 64);

CREATE INDEX models_by_dossier ON models (dossier_sha256) WHERE dossier_sha256 IS NOT NULL;

-- What the threshold of a model has been, from its first change on.
CREATE TABLE model_thresholds (
    model_id TEXT NOT NULL,           -- whose threshold
    sequence BIGINT NOT NULL,         -- 1, 2, ... within the model; 1 is what training chose
    set_at BIGINT NOT NULL,           -- microseconds since 1970, UTC
    set_by TEXT,                      -- the id of the key or anyone; NULL: the job that trained the model
    threshold DOUBLE PRECISION NOT NULL, -- positive iff the probability is at least this
    details TEXT NOT NULL,            -- JSON: the rule and how sure the choice was
    CONSTRAINT model_thresholds_pk PRIMARY KEY (model_id, sequence),
    CONSTRAINT model_thresholds_model_fk FOREIGN KEY (model_id) REFERENCES models (id) ON DELETE CASCADE,
    CONSTRAINT model_thresholds_sequence_positive CHECK (sequence >= 1)
);
