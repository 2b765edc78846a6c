-- Names that can be moved from one model to another.

-- Grows by one with every change of any alias: whoever has seen a number knows by it whether anything has changed.
-- Held by whoever changes an alias, one at a time.
CREATE TABLE alias_sequence (
    name TEXT NOT NULL,               -- always 'aliases'; there is one row
    last BIGINT NOT NULL,             -- the revision of the latest change
    CONSTRAINT alias_sequence_pk PRIMARY KEY (name),
    CONSTRAINT alias_sequence_one CHECK (name = 'aliases'),
    CONSTRAINT alias_sequence_not_negative CHECK (last >= 0)
);

INSERT INTO alias_sequence (name, last) VALUES ('aliases', 0);

CREATE TABLE aliases (
    id TEXT NOT NULL,                 -- UUIDv7, lower case; another one if the name is taken anew after a deletion
    name TEXT NOT NULL,               -- what callers ask for
    revision BIGINT NOT NULL,         -- of the latest change; out of alias_sequence, so never the same for two changes
    created_at BIGINT NOT NULL,       -- microseconds since 1970, UTC
    updated_at BIGINT NOT NULL,       -- when it was set last
    updated_by TEXT NOT NULL,         -- the id of the key that set it last, or anyone
    shadow_model_id TEXT,             -- also asked, after the answer
    prevalence DOUBLE PRECISION,      -- the share of positives that probabilities hold at; NULL: as the model has it
    CONSTRAINT aliases_pk PRIMARY KEY (id),
    CONSTRAINT aliases_name_once UNIQUE (name),
    CONSTRAINT aliases_revision_once UNIQUE (revision),
    CONSTRAINT aliases_revision_positive CHECK (revision >= 1),
    CONSTRAINT aliases_prevalence_share CHECK (prevalence > 0 AND prevalence < 1),
    -- Without ON DELETE: a model that an alias names cannot be deleted.
    CONSTRAINT aliases_shadow_fk FOREIGN KEY (shadow_model_id) REFERENCES models (id)
);

CREATE INDEX aliases_by_shadow ON aliases (shadow_model_id) WHERE shadow_model_id IS NOT NULL;

-- The models that answer for an alias, each with its share of the requests.
CREATE TABLE alias_targets (
    alias_id TEXT NOT NULL,           -- whose target
    position BIGINT NOT NULL,         -- 0, 1, ... in the order given, which decides who answers for which key
    model_id TEXT NOT NULL,           -- the model
    weight BIGINT NOT NULL,           -- its share is its weight over the sum of all
    CONSTRAINT alias_targets_pk PRIMARY KEY (alias_id, position),
    CONSTRAINT alias_targets_model_once UNIQUE (alias_id, model_id),
    CONSTRAINT alias_targets_alias_fk FOREIGN KEY (alias_id) REFERENCES aliases (id) ON DELETE CASCADE,
    CONSTRAINT alias_targets_model_fk FOREIGN KEY (model_id) REFERENCES models (id),
    CONSTRAINT alias_targets_position_not_negative CHECK (position >= 0),
    CONSTRAINT alias_targets_weight_positive CHECK (weight >= 1)
);

CREATE INDEX alias_targets_by_model ON alias_targets (model_id);

-- How far the shadow of an alias and the models that answered are apart, over all processes.
CREATE TABLE alias_shadow_counts (
    alias_id TEXT NOT NULL,           -- whose requests
    model_id TEXT NOT NULL,           -- the model that answered
    shadow_model_id TEXT NOT NULL,    -- the model that was asked as well
    first_at BIGINT NOT NULL,         -- when the first of these counts was written; microseconds since 1970, UTC
    requests BIGINT NOT NULL,         -- compared
    row_count BIGINT NOT NULL,        -- compared, over those requests
    only_model_positive BIGINT NOT NULL, -- rows that only the answer calls positive
    only_shadow_positive BIGINT NOT NULL, -- rows that only the shadow calls positive
    difference_sum DOUBLE PRECISION NOT NULL, -- of the shadow's probability less the answer's
    absolute_difference_sum DOUBLE PRECISION NOT NULL, -- of its absolute value
    largest_difference DOUBLE PRECISION NOT NULL, -- of its absolute values
    dropped BIGINT NOT NULL,          -- requests that were not compared, for want of room or because they were too large
    failed BIGINT NOT NULL,           -- requests that the shadow could not answer
    CONSTRAINT alias_shadow_counts_pk PRIMARY KEY (alias_id, model_id, shadow_model_id),
    CONSTRAINT alias_shadow_counts_alias_fk FOREIGN KEY (alias_id) REFERENCES aliases (id) ON DELETE CASCADE,
    CONSTRAINT alias_shadow_counts_not_negative
        CHECK (requests >= 0 AND row_count >= 0 AND dropped >= 0 AND failed >= 0
            AND only_model_positive >= 0 AND only_shadow_positive >= 0
            AND only_model_positive + only_shadow_positive <= row_count)
);
