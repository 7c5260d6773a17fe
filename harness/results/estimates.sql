-- Version 7 of the store: what `--plan` foretold, by the identity of the run or study that it is about. An estimate is
-- made before there is a run or a study, and stays when it has ended, to be held against it.

CREATE TABLE estimates (
    identity VARCHAR NOT NULL,    -- as in runs and studies
    made TIMESTAMP NOT NULL,      -- UTC
    document VARCHAR NOT NULL     -- JSON: what --plan --json prints
);
