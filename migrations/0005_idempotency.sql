-- Answers to requests that carried an Idempotency-Key.

CREATE TABLE idempotency_keys (
    principal TEXT NOT NULL,          -- whose key it is
    idempotency_key TEXT NOT NULL,    -- as the client sent it
    created_at BIGINT NOT NULL,       -- when the key was first seen; microseconds since 1970, UTC
    held_until BIGINT NOT NULL,       -- an unanswered request owns the key until then
    request_sha256 TEXT,              -- of the answered request, to tell another body apart
    status BIGINT,                    -- the HTTP status answered
    location TEXT,                    -- the Location header answered
    body TEXT,                        -- the body answered
    CONSTRAINT idempotency_keys_pk PRIMARY KEY (principal, idempotency_key),
    CONSTRAINT idempotency_keys_answer_whole
        CHECK ((status IS NULL) = (body IS NULL) AND (status IS NULL) = (request_sha256 IS NULL)),
    CONSTRAINT idempotency_keys_location_answered CHECK (location IS NULL OR status IS NOT NULL)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
