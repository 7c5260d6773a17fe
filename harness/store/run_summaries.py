"""Looking over many runs at once: headline scores, what is going on, items by runs, and where checkpoints come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.store import codec
from harness.store.connection import StoreConnection
from harness.store.rows import ScoreRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADLINES = """
SELECT s.* FROM scores s JOIN tasks t ON t.run = s.run AND t.task = s.task AND t.metric = s.metric
WHERE s.grp = 'all' ORDER BY s.run, s.task, s.protocol
"""
_GOING_ON = """
SELECT t.run, t.task, t.items, count(s.task) AS done
FROM tasks t JOIN runs r ON r.id = t.run LEFT JOIN samples s ON s.task = t.key
WHERE r.status = 'running' AND t.items > 0 GROUP BY t.run, t.task, t.items, t.key ORDER BY t.key
"""
_OF_COLUMN = """
WITH v AS (
    SELECT t.run, s.item, avg(s.metrics[$metric]) AS value, any_value(s.grp) AS grp, any_value(s.cluster) AS cluster
    FROM samples s JOIN tasks t ON t.key = s.task
    WHERE list_contains($runs::VARCHAR[], t.run) AND t.task = $task GROUP BY t.run, s.item)
"""
_SAME_ITEMS = (
    _OF_COLUMN
    + """
SELECT run, count(*) AS n, md5(string_agg(item, chr(31) ORDER BY item)) AS items FROM v
GROUP BY run HAVING count(value) = count(*) ORDER BY run
"""
)
_MATRIX = _OF_COLUMN + "SELECT value FROM v ORDER BY run, item"  # noqa: S608
_ITEMS = (
    _OF_COLUMN  # noqa: S608
    + "SELECT grp, if(cluster = '', 'i' || item, 'c' || cluster) AS cluster FROM v ORDER BY run, item"
)
_GROUPS = """
SELECT DISTINCT grp FROM samples WHERE task = (SELECT key FROM tasks WHERE run = ? AND task = ?) ORDER BY grp
"""
_TRAINED = """
SELECT r.id AS run, a.study, a.trial FROM runs r JOIN attempts a ON a.adapter = r.model WHERE a.adapter <> ''
"""
_TRIALS = """
SELECT s.id AS study, s.name, s.model, s.optimizer, w.trial AS number, t.label, t.source, t.hyperparameters
FROM (SELECT unnest($studies::VARCHAR[]) AS study, unnest($trials::INTEGER[]) AS trial) w
JOIN studies s ON s.id = w.study LEFT JOIN trials t ON t.study = w.study AND t.number = w.trial
"""
_VERDICTS = """
SELECT count(*) AS n, count(superseded) AS undone, coalesce(max(created)::VARCHAR, '') AS newest,
       (SELECT count(*) FROM answer_sets) AS sets
FROM comparisons
"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One metric of one task over several runs that answered the same items."""

    runs: tuple[str, ...]
    values: NDArray[np.float64]  # [runs, items]: means over repeats
    groups: tuple[str, ...]  # of each item
    clusters: tuple[str, ...]  # of each item; an item that stands alone has one of its own


class RunSummaries(StoreConnection):
    def headlines(self) -> list[ScoreRow]:
        """The overall score of each task of each run, under the metric that leaderboards show."""
        with self.read() as connection:
            return codec.rows(ScoreRow, connection.execute(_HEADLINES))

    def going_on(self) -> list[dict[str, Any]]:
        """Of runs that are not finished: run, task, items (samples expected), done (samples stored)."""
        with self.read() as connection:
            return codec.records(connection.execute(_GOING_ON))

    def matrix(self, runs: Sequence[str], task: str, metric: str) -> Matrix | None:
        """Of these runs those that have this metric for every item, on one set of items: the one that most of them
        share (of two as frequent, the larger). None where no run has it."""
        import numpy as np

        asked = {"runs": list(runs), "task": codec.encode(task), "metric": codec.encode(metric)}
        with self.read() as connection:
            found = connection.execute(_SAME_ITEMS, asked).fetchall()
            if not found:
                return None
            often = Counter((n, items) for _, n, items in found)
            n, items = max(often, key=lambda each: (often[each], each))
            kept = [run for run, *own in found if own == [n, items]]
            values = connection.execute(_MATRIX, {**asked, "runs": kept}).fetchnumpy()["value"]
            places = connection.execute(_ITEMS, {**asked, "runs": kept[:1]}).fetchall()
        groups, clusters = zip(*places, strict=True)
        return Matrix(tuple(kept), np.asarray(values, dtype=float).reshape(len(kept), n), groups, clusters)

    def groups(self, run_id: str, task: str) -> list[str]:
        """The groups (subjects) that a task's stored samples are of, in the order of their names."""
        with self.read() as connection:
            found = connection.execute(_GROUPS, [run_id, codec.encode(task)]).fetchall()
        return [codec.decode(group) for (group,) in found]

    def trained_in(self) -> dict[str, tuple[str, int]]:
        """(study's id, trial) of the runs whose model is an adapter that a study keeps."""
        with self.read() as connection:
            return {row["run"]: (row["study"], row["trial"]) for row in codec.records(connection.execute(_TRAINED))}

    def studies_of(self, trials: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        """Of each (study's id, trial): study, name, model, optimizer, number, and label, source and hyperparameters
        (None where the study has no such trial, as of 0, the base)."""
        asked = {"studies": [study for study, _ in trials], "trials": [number for _, number in trials]}
        with self.read() as connection:
            return codec.records(connection.execute(_TRIALS, asked))

    def verdicts(self) -> tuple[Any, ...]:
        """A value that changes when comparisons or answers do: what a ranking rests on."""
        with self.read() as connection:
            return connection.execute(_VERDICTS).fetchone() or ()
