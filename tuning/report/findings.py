"""What a study found, as plain data: best-so-far, what mattered, and whether validation loss predicts benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tuning.report.correlation import FEWEST, Agreement, agreement
from tuning.report.importance import Importance, importance
from tuning.report.views import StudyView, TrialView
from tuning.search.fronts import first_front

TOP = 10
HIGH_RANK = 32


class Model(NamedTuple):
    """A trial that was measured on a benchmark, or compared by preference."""

    name: str  # "trial 12", or "STUDY trial 12" among several studies
    study: str
    loss: float  # validation, nats a token
    score: float
    interval: tuple[float, float] | None  # of the score
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What falling validation loss says of one score."""

    name: str  # the benchmark, or a preference
    models: tuple[Model, ...]
    agreement: Agreement  # of falling loss with rising score
    base: float | None = None  # the base's own score


@dataclass(frozen=True, slots=True)
class Findings:
    view: StudyView
    ranked: tuple[TrialView, ...]  # measured on all rows, the best first
    front: tuple[TrialView, ...]  # those that none betters in all objectives; of one objective, empty
    importance: Importance | None
    gap: Agreement | None  # of rank with validation loss less train loss
    predictions: tuple[Prediction, ...]  # of those scores that two trials or more have

    @property
    def top(self) -> tuple[TrialView, ...]:
        return self.ranked[:TOP]

    @property
    def predicts(self) -> dict[str, Agreement]:
        """By benchmark or preference: of falling validation loss with rising score."""
        return {prediction.name: prediction.agreement for prediction in self.predictions}

    @property
    def sentences(self) -> list[str]:
        """The findings in words, each with what it rests on."""
        lines = [_best(self.ranked)]
        if self.top:
            above = sum(trial.hyperparameters.rank > HIGH_RANK for trial in self.top)
            lines.append(
                f"Of the best {len(self.top)}, {above} have a rank above {HIGH_RANK} "
                "(arXiv 2312.00949: 2 of the ten best that TPE found)."
            )
        lines.append(mattered_words(self.importance))
        if self.gap is not None:
            lines.append(f"Rank and the gap from train to validation loss: {in_words(self.gap)}.")
        for name, correlation in self.predicts.items():
            lines.append(f"Lower validation loss and higher {name}: {in_words(correlation)}.")
        if not self.predicts:
            lines.append("No trial has a benchmark score yet: `harness tune top STUDY --run` measures some.")
        return lines


def findings(view: StudyView) -> Findings:
    """What the report shows. A study without a measured trial has findings too: that there are none."""
    ranked = tuple(view.ranked)
    return Findings(
        view=view,
        ranked=ranked,
        front=front(view),
        importance=importance(view),
        gap=gap_agreement(view),
        predictions=predictions([view]),
    )


def predictions(views: Sequence[StudyView]) -> tuple[Prediction, ...]:
    """For each score that two or more trials of these studies have. A study on another base or other rows than the
    first has other validation losses, and is left out: see `comparable`."""
    views = comparable(views)
    models: dict[str, list[Model]] = {}
    for view in views:
        for trial in view.ranked:
            for name, score in trial.scores.items() if trial.validation_loss is not None else ():
                called = f"{view.name} trial {trial.number}" if len(views) > 1 else f"trial {trial.number}"
                interval = trial.intervals.get(name)
                one = Model(called, view.name, trial.validation_loss or 0.0, score, interval, trial.runs)
                models.setdefault(name, []).append(one)
    return tuple(
        Prediction(
            name,
            tuple(measured),
            agreement([-m.loss for m in measured], [m.score for m in measured]),
            next((view.base[name] for view in views if name in view.base), None),
        )
        for name, measured in sorted(models.items())
        if len(measured) > 1
    )


def comparable(views: Sequence[StudyView]) -> list[StudyView]:
    """Those on the base and the rows of the first."""
    return [view for view in views if view.rows == views[0].rows]


def gap_agreement(view: StudyView) -> Agreement | None:
    """Of rank with the gap; None from fewer than two trials."""
    gaps = gap_points(view.ranked)
    return agreement([rank for _, rank, _ in gaps], [gap for _, _, gap in gaps]) if len(gaps) > 1 else None


def gap_points(trials: Sequence[TrialView]) -> list[tuple[int, float, float]]:
    """(trial, rank, validation less train loss in nats) where both losses are known."""
    return [
        (trial.number, float(trial.hyperparameters.rank), trial.validation_loss - trial.train_loss)
        for trial in trials
        if trial.validation_loss is not None and trial.train_loss is not None
    ]


def in_words(correlation: Agreement) -> str:
    """ "Spearman 0.61 [0.20, 0.85], Kendall 0.45 [0.12, 0.70], 14 models"."""
    if correlation.spearman is None or correlation.kendall is None:
        return f"nothing to rank, one side is the same for all {correlation.n} models"
    parts = [
        f"{name} {value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
        for name, value, interval in (
            ("Spearman", correlation.spearman, correlation.spearman_interval),
            ("Kendall", correlation.kendall, correlation.kendall_interval),
        )
    ]
    fewer = f"; from fewer than {FEWEST} there is no interval" if correlation.n < FEWEST else ""
    return f"{parts[0]}, {parts[1]}, {correlation.n} models{fewer}"


def _best(ranked: tuple[TrialView, ...]) -> str:
    if not ranked:
        return "No trial was measured on all rows yet."
    best = ranked[0]
    return (
        f"The best of {len(ranked)} trials on all rows is trial {best.number} with {best.first:.5g}. It was "
        "chosen by that number, which therefore flatters it: `harness tune top STUDY` measures on rows that no search "
        "saw."
    )


def mattered_words(forest: Importance | None) -> str:
    """What a forest says, or why it says nothing."""
    if forest is None:
        return "Too few trials, or trials too much alike, to say which hyperparameters matter."
    if forest.explained <= 0:
        return (
            f"Which hyperparameters matter cannot be said: a forest over {forest.trials} trials does not predict the "
            f"order of trials that it has not seen (R² {forest.explained:.2f})."
        )
    order = ", ".join(f"{name} ({lost:.2f})" for name, lost in forest.lost.items())
    return (
        f"A forest over {forest.trials} trials predicts the order of unseen ones with R² {forest.explained:.2f}; "
        f"shuffled, each hyperparameter takes this much from it: {order}."
    )


def front(view: StudyView) -> tuple[TrialView, ...]:
    """The trials on all rows that break no constraint and that none of these betters in all objectives; () where there
    is one objective."""
    kept = [trial for trial in view.ranked if trial.feasible] if len(view.objectives) > 1 else []
    return tuple(kept[place] for place in first_front([trial.values or () for trial in kept]))
