"""Runs in the store: their tasks, responses, samples and scores."""

from harness.results.answers import Answers
from harness.results.estimates import Estimates
from harness.results.queries import Queries
from harness.results.rows import EstimateRow, ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
from harness.results.run_summaries import RunSummaries
from harness.results.runs import Runs
from harness.results.token_counts import TokenCounts
from harness.store.merge import Merge
from harness.store.upkeep import Upkeep

__all__ = ["EstimateRow", "ResponseRow", "RunRow", "SampleRow", "ScoreRow", "Store", "TaskRow"]


class Store(Runs, Answers, Estimates, Queries, RunSummaries, TokenCounts, Upkeep, Merge):
    """`Store(path)`. Every method is one short visit to the file; all raise StoreError."""
