"""Studies in the store: their trials, attempts and loss curves."""

import judges.store
from tuning.store.rows import AttemptRow, StepRow, StudyRow, TrialRow
from tuning.store.studies import Studies
from tuning.store.study_summaries import StudySummaries

__all__ = ["AttemptRow", "StepRow", "Store", "StudyRow", "TrialRow"]


class Store(judges.store.Store, Studies, StudySummaries):
    """`Store(path)`: all that a store may hold. Every method is one short visit to the file; all raise StoreError."""
