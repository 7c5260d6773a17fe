"""A study as a report reads it: plain values, whatever they were stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuning.store.rows import TrialState
from tuning.types import Hyperparameters


@dataclass(frozen=True, slots=True)
class TrialView:
    number: int  # from 1, in the order of proposal
    optimizer: str  # who proposed it: an optimizer's name, "fixed", …
    hyperparameters: Hyperparameters
    state: TrialState  # "finished" (on all rows), "stopped" (at a rung), "failed", "running"
    label: str = ""  # a fixed point's name
    values: tuple[float, ...] | None = None  # the objectives where they were measured last, lower is better
    rung: float | None = None  # the part of the train rows that `values` come from; 1 is all
    seconds: float = 0.0
    train_loss: float | None = None  # nats a response token, of the same training as `values`
    validation_loss: float | None = None  # likewise
    curve: tuple[tuple[int, float], ...] = ()  # (optimizer step, loss in nats) of that training
    scores: Mapping[str, float] = field(default_factory=dict)  # by benchmark or preference, higher is better
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # 95%, of those scores that have one
    runs: tuple[str, ...] = ()  # ids of the runs that measured it
    feasible: bool = True  # it breaks no constraint

    @property
    def first(self) -> float:
        """The first objective; ValueError where nothing was measured."""
        if self.values is None:
            raise ValueError(f"trial {self.number} has no values")
        return self.values[0]

    @property
    def whole(self) -> bool:
        """Measured on all rows, so that its values stand beside others'."""
        return self.values is not None and self.rung == 1


@dataclass(frozen=True, slots=True)
class StudyView:
    name: str
    model: str
    optimizer: str
    seed: int
    budget: int
    objectives: tuple[str, ...]  # the first is the one that trials are ranked by
    searched: tuple[str, ...]  # fields of Hyperparameters that the search varies
    trials: tuple[TrialView, ...]
    notes: tuple[str, ...] = ()  # warnings that belong on every page
    base: Mapping[str, float] = field(default_factory=dict)  # the base's own scores, by benchmark or preference
    audits: tuple[Mapping[str, Any], ...] = ()  # a document a task (tuning.report.audits)
    rows: str = ""  # a digest of base and rows: validation losses of two studies compare where it is the same
    id: str = ""  # of the study in the store

    @property
    def ranked(self) -> list[TrialView]:
        """Trials that were measured on all rows, the best first; those that break a constraint come last."""
        whole = (trial for trial in self.trials if trial.whole)
        return sorted(whole, key=lambda trial: (not trial.feasible, trial.first, trial.number))
