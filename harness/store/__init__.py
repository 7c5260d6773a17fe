"""The store: one DuckDB file that remembers runs, responses, samples and scores. `Store` is the one door."""

from harness.store.answers import Answers
from harness.store.merge import Merge
from harness.store.preference import Preference
from harness.store.queries import Queries
from harness.store.rows import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
from harness.store.run_summaries import RunSummaries
from harness.store.runs import Runs
from harness.store.studies import Studies
from harness.store.study_rows import AttemptRow, StepRow, StudyRow, TrialRow
from harness.store.token_counts import TokenCounts
from harness.store.upkeep import Upkeep

__all__ = [
    "AttemptRow",
    "ResponseRow",
    "RunRow",
    "SampleRow",
    "ScoreRow",
    "StepRow",
    "Store",
    "StudyRow",
    "TaskRow",
    "TrialRow",
]


class Store(Runs, Answers, Queries, RunSummaries, Studies, TokenCounts, Upkeep, Merge, Preference):
    """`Store(path)`. Every method is one short visit to the file; all raise StoreError."""
