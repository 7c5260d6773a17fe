-- Version 3 of the store: prompt sets, answers to them, who compares answers, comparisons, and plans for people who
-- rate. As in harness/results/schema.sql there are no primary keys: the one writer looks for a key in the same
-- transaction.

CREATE TABLE prompt_sets (
    digest VARCHAR NOT NULL,        -- sha256, hex, over the questions
    name VARCHAR NOT NULL,          -- vicuna, sample, a file's name
    source VARCHAR NOT NULL,        -- folder:PATH, hub:ID@REVISION, sample
    notes VARCHAR[] NOT NULL
);

CREATE TABLE questions (            -- one row a (prompt_set, question)
    prompt_set VARCHAR NOT NULL,    -- prompt_sets.digest
    question VARCHAR NOT NULL,      -- its id, unique in the set
    place INTEGER NOT NULL,         -- its place in the set, from 0
    category VARCHAR NOT NULL,
    turns VARCHAR[] NOT NULL,       -- one or two questions
    reference VARCHAR[] NOT NULL    -- reference answers by turn; empty where there are none
);

CREATE TABLE answer_sets (          -- one checkpoint's answers to one prompt set, made in one way
    id VARCHAR NOT NULL,            -- uuid4, hex
    identity VARCHAR NOT NULL,      -- sha256, hex: equal for two sets that are made alike
    name VARCHAR NOT NULL,          -- what rankings call it
    status VARCHAR NOT NULL,        -- running, finished, imported
    prompt_set VARCHAR NOT NULL,
    model VARCHAR NOT NULL,         -- as given
    model_digest VARCHAR NOT NULL,  -- '' for imported answers, as are the next four
    base_digest VARCHAR NOT NULL,
    backend VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    dtype VARCHAR NOT NULL,
    template VARCHAR NOT NULL,      -- chat, alpaca, plain
    seed BIGINT NOT NULL,
    created TIMESTAMP NOT NULL,     -- UTC
    finished TIMESTAMP,             -- UTC
    command VARCHAR NOT NULL,
    config VARCHAR NOT NULL,        -- JSON: sampling by category, tokens, the questions asked where not all
    provenance VARCHAR NOT NULL,    -- JSON
    warnings VARCHAR[] NOT NULL
);

CREATE TABLE answers (              -- one row an (answer_set, question, turn)
    answer_set VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    turn INTEGER NOT NULL,          -- from 1
    prompt VARCHAR NOT NULL,        -- as the backend got it, before a chat template; '' for imported ones
    text VARCHAR NOT NULL,
    temperature DOUBLE NOT NULL,
    top_p DOUBLE NOT NULL,
    answer_seed BIGINT NOT NULL,
    finish VARCHAR NOT NULL,        -- stop, length, ''
    asked INTEGER NOT NULL,         -- prompt tokens
    generated INTEGER NOT NULL,     -- answer tokens
    warnings VARCHAR[] NOT NULL
);

CREATE TABLE judges (               -- whoever compares: models, the reference judge, people
    id VARCHAR NOT NULL,            -- a digest of what makes a model's verdicts; uuid4, hex, for a person
    kind VARCHAR NOT NULL,          -- model, reference, program, person
    name VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    config VARCHAR NOT NULL,        -- JSON: server, judging prompts with their digest, sampling
    token VARCHAR NOT NULL,         -- sha256, hex, of a person's invitation token; '' where there is none
    created TIMESTAMP NOT NULL,
    revoked TIMESTAMP
);

CREATE TABLE comparisons (          -- one row a verdict; a person's vote is one too
    id VARCHAR NOT NULL,            -- a digest of the key below for models; the page's key for a vote
    judge VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    turn INTEGER NOT NULL,          -- the turn that was judged, from 1; 0 is the whole conversation
    "first" VARCHAR NOT NULL,       -- the answer set shown as A, or on the left
    "second" VARCHAR NOT NULL,      -- shown as B, or on the right
    repeat INTEGER NOT NULL,        -- 0, or more where a judge was asked again to see whether it agrees with itself
    verdict VARCHAR NOT NULL,       -- first, second, tie, bad (both bad), skip, error
    text VARCHAR NOT NULL,          -- what the judge wrote
    note VARCHAR NOT NULL,          -- a person's note, or how a verdict came about ("asked 2 times")
    error VARCHAR NOT NULL,         -- why there is no verdict
    request VARCHAR NOT NULL,       -- sha256, hex, of what was asked: equal requests are asked once
    tokens_in BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL,
    cost DOUBLE,                    -- in the currency of the prices given; NULL without prices
    seconds DOUBLE NOT NULL,
    created TIMESTAMP NOT NULL,
    superseded TIMESTAMP,           -- when it was undone: it stays and counts no more
    assignment VARCHAR NOT NULL     -- '' but for votes on a plan
);

CREATE TABLE judge_sessions (       -- what a session of a judge has spent that stands in no comparison
    id VARCHAR NOT NULL,
    judge VARCHAR NOT NULL,
    created TIMESTAMP NOT NULL,
    lost DOUBLE NOT NULL,           -- on requests that brought no verdict, at their worst
    reserved DOUBLE NOT NULL        -- on requests under way, at their worst; what a killed session leaves counts
);

CREATE TABLE rating_plans (         -- what people are asked to rate
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    prompt_set VARCHAR NOT NULL,
    answer_sets VARCHAR[] NOT NULL,
    ratings INTEGER NOT NULL,       -- wanted for each pair
    seed BIGINT NOT NULL,
    config VARCHAR NOT NULL,        -- JSON: the questions asked, how pairs are chosen
    created TIMESTAMP NOT NULL,
    closed TIMESTAMP
);

CREATE TABLE rating_assignments (   -- a pair handed to a person, with its sides
    id VARCHAR NOT NULL,            -- uuid4, hex: all that a page needs to know
    plan VARCHAR NOT NULL,
    judge VARCHAR NOT NULL,
    question VARCHAR NOT NULL,
    "first" VARCHAR NOT NULL,       -- on the left
    "second" VARCHAR NOT NULL,
    place INTEGER NOT NULL,         -- the person's n-th pair of the plan, from 0
    created TIMESTAMP NOT NULL
);
