"""Where checkpoints come from: which run measured an adapter of which study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.store.connection import StoreConnection
from tuning.store.fields import FIELDS

_TRAINED = """
SELECT r.id AS run, a.study, a.trial FROM runs r JOIN attempts a ON a.adapter = r.model WHERE a.adapter <> ''
"""
_TRIALS = """
SELECT s.id AS study, s.name, s.model, s.optimizer, w.trial AS number, t.label, t.source, t.hyperparameters
FROM (SELECT unnest($studies::VARCHAR[]) AS study, unnest($trials::INTEGER[]) AS trial) w
JOIN studies s ON s.id = w.study LEFT JOIN trials t ON t.study = w.study AND t.number = w.trial
"""


class StudySummaries(StoreConnection):
    def trained_in(self) -> dict[str, tuple[str, int]]:
        """(study's id, trial) of the runs whose model is an adapter that a study keeps."""
        with self.read() as connection:
            return {row["run"]: (row["study"], row["trial"]) for row in FIELDS.records(connection.execute(_TRAINED))}

    def studies_of(self, trials: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        """Of each (study's id, trial): study, name, model, optimizer, number, and label, source and hyperparameters
        (None where the study has no such trial, as of 0, the base)."""
        asked = {"studies": [study for study, _ in trials], "trials": [number for _, number in trials]}
        with self.read() as connection:
            return FIELDS.records(connection.execute(_TRIALS, asked))
