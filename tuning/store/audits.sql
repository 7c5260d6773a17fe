-- Version 5 of the store: the contamination audit of a study, one row a (study, task).

CREATE TABLE audits (
    study VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    document VARCHAR NOT NULL,    -- JSON: what was compared, the flagged items, the scores with and without them
    created TIMESTAMP NOT NULL
);
