-- Version 5 of the store: grades that judges give to single answers by a rubric.

CREATE TABLE grades (               -- one row a (judge, request)
    judge VARCHAR NOT NULL,         -- judges.id
    request VARCHAR NOT NULL,       -- sha256, hex, of what the judge was asked: equal requests are asked once
    grade VARCHAR NOT NULL,         -- a grade of the scale that the request names; '' where there is none
    text VARCHAR NOT NULL,          -- what the judge wrote
    error VARCHAR NOT NULL,         -- why there is no grade
    asked INTEGER NOT NULL,         -- times, while the judge's own text held no grade
    tokens_in BIGINT NOT NULL,      -- of all the times
    tokens_out BIGINT NOT NULL,
    cost DOUBLE,                    -- in the currency of the prices given; NULL without prices
    seconds DOUBLE NOT NULL,
    created TIMESTAMP NOT NULL
);
