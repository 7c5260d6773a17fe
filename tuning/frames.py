"""What a store holds on studies, as frames."""

from __future__ import annotations

from typing import Any

from harness.frames import Kind, made
from judges.frames import PreferenceFrames

TRIALS = {
    "study": "string",
    "study_name": "string",
    "number": "int64",
    "optimizer": "string",
    "label": "string",
    "state": "string",
    "value": "float64",
    "estimated": "bool",
    "values": "numbers",
    "told": "numbers",
    "constraints": "numbers",
    "rung": "float64",
    "seconds": "float64",
    "rank": "int64",
    "alpha": "float64",
    "dropout": "float64",
    "lr": "float64",
    "hyperparameters": "string",
    "reason": "string",
    "warnings": "texts",
}


class StudyFrames(PreferenceFrames):
    """All that a store holds: runs, comparisons and studies."""

    def _make_store(self) -> Any:
        from tuning.store import Store

        return Store(self.db)

    def _counts(self) -> dict[str, int]:
        return {**super()._counts(), "studies": len(self._store.studies())}

    def trials(self, study: Any = None, frame: Kind = "arrow") -> Any:
        """A row a trial, of all studies (the newest first) or of one: its id, name, or what `harness.tune` gave.

        `hyperparameters` is JSON with all of them; rank, alpha, dropout and lr have columns of their own."""
        import json

        from tuning.report.documents import trial_document
        from tuning.study.definition import ledger_of

        word = study if study is None or isinstance(study, str) else study.study
        with self._store.read():
            studies = self._store.studies() if word is None else [self._store.resolve_study(word)]
            ledgers = [(row, ledger_of(self._store, row)) for row in studies]
        rows = []
        for row, ledger in ledgers:
            for trial in ledger.trials:
                document = trial_document(row, ledger, trial)
                hyper = document["hyperparameters"]
                rows.append(
                    {
                        **{name: hyper.get(name) for name in ("rank", "alpha", "dropout", "lr")},
                        **document,
                        "study": row.id,
                        "study_name": row.name,
                        "hyperparameters": json.dumps(hyper, sort_keys=True),
                    }
                )
        return made(rows, TRIALS, frame)
