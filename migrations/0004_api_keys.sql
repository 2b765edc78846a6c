-- Who may call, and what for. The secret itself is never stored.

CREATE TABLE api_keys (
    id TEXT NOT NULL,                 -- UUIDv7, lower case; part of the key as shown
    name TEXT NOT NULL,               -- for people
    scopes TEXT NOT NULL,             -- JSON: a list of read, predict, train, admin
    secret_sha256 TEXT NOT NULL,      -- of the secret, which has 256 bits; hexadecimal
    created_at BIGINT NOT NULL,       -- microseconds since 1970, UTC
    revoked_at BIGINT,                -- from then on the key opens nothing
    CONSTRAINT api_keys_pk PRIMARY KEY (id),
    CONSTRAINT api_keys_sha256_length CHECK (length(secret_sha256) = 64)
);
