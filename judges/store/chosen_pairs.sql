-- Version 9 of the store: pairs of answers that were chosen to be compared, where not all were.

CREATE TABLE chosen_pairs (         -- one row a (choice, round, first, second)
    choice VARCHAR NOT NULL,        -- rating_plans.id, or a digest of a judge and of the pairs that it chooses from
    judge VARCHAR NOT NULL,         -- judges.id; '' for people
    round INTEGER NOT NULL,         -- from 0, which has all pairs evenly
    "first" VARCHAR NOT NULL,       -- answer sets, in the order of their ids
    "second" VARCHAR NOT NULL,
    prompts VARCHAR[] NOT NULL,     -- questions.question; of a plan with several ratings one may come again
    available INTEGER NOT NULL,     -- prompts that both answered: each is chosen with the chance (prompts so far) / available
    created TIMESTAMP NOT NULL
);
