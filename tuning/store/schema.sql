-- Version 2 of the store: studies of hyperparameters. A study has trials (distinct hyperparameters, in the order of
-- proposal), a trial has attempts (one training each: a rung of the search, or a seed of the final comparison), an
-- attempt has steps.

CREATE TABLE studies (
    id VARCHAR NOT NULL,          -- uuid4, hex
    identity VARCHAR NOT NULL,    -- sha256, hex: equal for two studies that search for the same thing in the same way
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,      -- running, stopping, stopped, finished
    model VARCHAR NOT NULL,       -- as given
    base_digest VARCHAR NOT NULL,
    data_digest VARCHAR NOT NULL, -- of the three parts of the rows
    optimizer VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    budget BIGINT NOT NULL,       -- distinct trials
    created TIMESTAMP NOT NULL,   -- UTC
    finished TIMESTAMP,           -- UTC
    command VARCHAR NOT NULL,
    config VARCHAR NOT NULL,      -- JSON, as is the next
    provenance VARCHAR NOT NULL,
    warnings VARCHAR[] NOT NULL
);

CREATE TABLE trials (             -- one row a (study, number)
    study VARCHAR NOT NULL,
    number INTEGER NOT NULL,      -- from 1, in the order of proposal
    digest VARCHAR NOT NULL,      -- of the hyperparameters; distinct in a study
    source VARCHAR NOT NULL,      -- start, optimizer, enqueued
    label VARCHAR NOT NULL,       -- the name of a fixed point; '' for others
    hyperparameters VARCHAR NOT NULL,  -- JSON, as is the next
    point VARCHAR NOT NULL,       -- as proposed
    state VARCHAR NOT NULL,       -- running, finished, stopped, failed
    objectives DOUBLE[] NOT NULL, -- as told to the optimizer; empty while it runs and where it failed
    constraints DOUBLE[] NOT NULL,
    estimated BOOLEAN NOT NULL,   -- the first objective is an estimate, with its penalty
    reason VARCHAR NOT NULL,      -- why it failed, or how the estimate was made
    created TIMESTAMP NOT NULL,
    finished TIMESTAMP
);

CREATE TABLE attempts (           -- one row a (study, trial, purpose, fraction, seed)
    study VARCHAR NOT NULL,
    trial INTEGER NOT NULL,       -- 0 is the base itself
    purpose VARCHAR NOT NULL,     -- search, final
    fraction DOUBLE NOT NULL,     -- of the training rows
    seed BIGINT NOT NULL,
    failed BOOLEAN NOT NULL,
    reason VARCHAR NOT NULL,
    objectives DOUBLE[] NOT NULL, -- one an objective; empty where it failed
    constraints DOUBLE[] NOT NULL,
    validation_nats DOUBLE NOT NULL,  -- total over the response tokens
    validation_tokens BIGINT NOT NULL,
    test_nats DOUBLE[] NOT NULL,  -- of each test row; final only
    test_tokens BIGINT[] NOT NULL,
    train_loss DOUBLE NOT NULL,
    forward_tokens BIGINT NOT NULL,
    backward_tokens BIGINT NOT NULL,
    measured_tokens BIGINT NOT NULL,   -- that went through the model for validation
    padding_tokens BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,
    peak_bytes BIGINT NOT NULL,
    adapter_bytes BIGINT NOT NULL,
    steps BIGINT NOT NULL,
    micro_batch BIGINT NOT NULL,
    adapter VARCHAR NOT NULL,     -- its folder; '' once it is dropped
    warnings VARCHAR[] NOT NULL,
    finished TIMESTAMP NOT NULL
);

CREATE TABLE steps (
    study VARCHAR NOT NULL,
    trial INTEGER NOT NULL,
    purpose VARCHAR NOT NULL,
    fraction DOUBLE NOT NULL,
    seed BIGINT NOT NULL,
    step BIGINT NOT NULL,         -- from 1
    loss DOUBLE NOT NULL,
    lr DOUBLE NOT NULL
);

CREATE TABLE enqueued (           -- points that a person asked for, until they become trials
    study VARCHAR NOT NULL,
    point VARCHAR NOT NULL,       -- JSON
    created TIMESTAMP NOT NULL
);

CREATE TABLE study_notes (        -- what happened beside the plan: a worker that died, a request to stop
    study VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL
);
