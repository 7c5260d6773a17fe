-- Version 1 of the store. A later change of these tables is a step in a file of its own: see schema.py.
--
-- No primary keys: an index on a million long text keys costs more than the rows. One process at a time
-- writes, under the store's lock, and looks for the keys it is about to write in the same transaction.
-- Text is encoded by harness/store/codec.py where UTF-8 cannot hold it. `tasks.key` stands for (run, task) in the two
-- large tables: whole numbers that grow with time let DuckDB skip the row groups of other runs.

CREATE TABLE runs (
    id VARCHAR NOT NULL,          -- uuid4, hex
    identity VARCHAR NOT NULL,    -- sha256, hex: equal for two runs that measure the same thing
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,      -- running, finished, imported
    partial BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,       -- as given on the command line
    model_digest VARCHAR NOT NULL,
    base_digest VARCHAR NOT NULL,
    backend VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    dtype VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,   -- UTC
    finished TIMESTAMP,           -- UTC
    command VARCHAR NOT NULL,
    config VARCHAR NOT NULL,      -- JSON, as are the next two
    provenance VARCHAR NOT NULL,
    totals VARCHAR NOT NULL,
    warnings VARCHAR[] NOT NULL
);

CREATE TABLE tags (name VARCHAR NOT NULL, run VARCHAR NOT NULL);

CREATE TABLE tasks (
    key INTEGER NOT NULL,
    run VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,      -- the one a leaderboard shows first
    data_source VARCHAR NOT NULL,
    data_digest VARCHAR NOT NULL,
    shots INTEGER NOT NULL,
    chat BOOLEAN NOT NULL,
    settings VARCHAR NOT NULL,    -- JSON
    items BIGINT NOT NULL         -- samples expected
);

CREATE TABLE prompts (digest VARCHAR NOT NULL, text VARCHAR NOT NULL);  -- sha256, hex, of the encoded text

CREATE TABLE responses (          -- one row a (task, item, repeat, part)
    task INTEGER NOT NULL,
    item VARCHAR NOT NULL,
    repeat INTEGER NOT NULL,
    part INTEGER NOT NULL,
    kind VARCHAR NOT NULL,        -- choice, loglikelihood, rolling, generate
    prompt VARCHAR NOT NULL,      -- prompts.digest
    own VARCHAR NOT NULL,
    options VARCHAR[] NOT NULL,   -- what the log-probabilities are of; empty for generated text
    text VARCHAR NOT NULL,
    logprobs DOUBLE[] NOT NULL,
    greedy BOOLEAN[] NOT NULL,
    tokens INTEGER[] NOT NULL,
    finish VARCHAR NOT NULL,
    asked INTEGER NOT NULL,
    reused INTEGER NOT NULL,
    generated INTEGER NOT NULL,
    warnings VARCHAR[] NOT NULL
);

CREATE TABLE samples (            -- one row a (task, item, repeat)
    task INTEGER NOT NULL,
    item VARCHAR NOT NULL,
    repeat INTEGER NOT NULL,
    grp VARCHAR NOT NULL,
    cluster VARCHAR NOT NULL,
    metrics MAP(VARCHAR, DOUBLE) NOT NULL,
    answer VARCHAR NOT NULL,
    expected VARCHAR NOT NULL,
    note VARCHAR NOT NULL
);

CREATE TABLE scores (
    run VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    grp VARCHAR NOT NULL,         -- 'all' is the whole task
    protocol VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    n BIGINT NOT NULL,
    method VARCHAR NOT NULL
);
