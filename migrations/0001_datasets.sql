-- Uploaded datasets, and the lock between writers of rows that name a blob and the sweeper of blobs.

CREATE TABLE datasets (
    id TEXT NOT NULL,               -- UUIDv7, lower case: sorts by time of creation
    name TEXT NOT NULL,             -- the user's name for it; need not be unique
    created_at BIGINT NOT NULL,     -- microseconds since 1970, UTC
    last_used_at BIGINT NOT NULL,   -- when a job was last posted on it, or it was created; microseconds
    format TEXT NOT NULL,           -- JSON: how the stored bytes are read
    size_bytes BIGINT NOT NULL,     -- of the stored (decompressed) bytes
    sha256 TEXT NOT NULL,           -- of the stored bytes, hexadecimal; the key of the blob
    row_count BIGINT NOT NULL,      -- data rows, the header not counted
    contents TEXT NOT NULL,         -- JSON: target, labels, counts per class, columns, missing markers
    CONSTRAINT datasets_pk PRIMARY KEY (id),
    CONSTRAINT datasets_size_not_negative CHECK (size_bytes >= 0 AND row_count >= 0),
    CONSTRAINT datasets_sha256_length CHECK (length(sha256) = 64)
);

CREATE INDEX datasets_by_name ON datasets (name, id);
CREATE INDEX datasets_by_sha256 ON datasets (sha256);

CREATE TABLE locks (
    name TEXT NOT NULL,             -- what is locked; a row is locked FOR SHARE or FOR UPDATE, never written
    CONSTRAINT locks_pk PRIMARY KEY (name)
);

INSERT INTO locks (name) VALUES ('blobs');
