"""The verdict of a whole study: is what the search found better than the defaults, and was it well chosen?

Differences are those of crossed items and seeds (harness/stats/crossed.py), in points of a hundred. Holm's correction
is over all tasks and rivals of one question. Which rule would have chosen best is asked on items that no rule has seen:
each task's items are cut in two, a rule that reads benchmarks reads one half, and every rule is measured on the other;
then the halves change places. Rules that read no item of these (validation loss, the front of several objectives, the
preference of judges or people) have one choice for both halves.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.stats.intervals import Interval
from harness.stats.paired import holm
from tuning.pipeline.measured import Board, Configuration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05
BY_LOSS = "validation loss"


@dataclass(frozen=True, slots=True)
class Against:
    """One task: `b` less `a`, in points."""

    task: str
    a: Configuration
    b: Configuration
    difference: float
    low: float
    high: float
    p: float
    p_holm: float = math.nan

    @property
    def word(self) -> str:
        if self.p_holm >= ALPHA:
            return "cannot be told apart"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to choose a configuration, and what its choice scores on items that no rule has seen, in points."""

    name: str
    choices: tuple[str, str]  # on each half
    score: float  # mean over tasks and halves
    lost: float  # against the best configuration of each task, known afterwards
    over_loss: tuple[float, float, float] = (0.0, 0.0, 0.0)  # against validation loss: difference, its 95% interval


@dataclass(frozen=True, slots=True)
class Verdict:
    board: Board
    against_rivals: tuple[Against, ...]  # the chosen one against defaults and base
    regret: tuple[Against, ...]  # the best measured on each task against the chosen one
    rules: tuple[Rule, ...]
    other_choices: Mapping[str, tuple[Against, ...]] = field(default_factory=dict)  # by rule, against the chosen one

    @property
    def sentences(self) -> list[str]:
        chosen = self.board.chosen
        if chosen is None or not self.board.tasks:
            return ["There is no verdict: no configuration was measured on a benchmark yet."]
        lines = [f"Chosen by validation loss: {chosen.title} ({chosen.loss:.4f} nats a token)."]
        for rival in dict.fromkeys(one.a.title for one in self.against_rivals):
            own = [one for one in self.against_rivals if one.a.title == rival]
            lines.append(f"Against {rival} it is {_words(own)}.")
        lost = [one for one in self.regret if one.word == "better"]
        if lost:
            parts = ", ".join(f"{one.difference:.1f} points on {one.task} (to {one.b.title})" for one in lost)
            lines.append(f"Chosen by validation loss you lose {parts}.")
        elif self.regret:
            lines.append("Chosen by validation loss you lose nothing that can be told on any of these tasks.")
        for rule, other in self.other_choices.items():
            lines.append(f"Chosen by {rule}: {other[0].b.title}, {_words(other)} against {chosen.title}.")
        if self.rules:
            best = max(self.rules, key=lambda rule: rule.score)
            own_rule = next(rule for rule in self.rules if rule.name == BY_LOSS)
            if best.score - own_rule.score < 0.05:
                lines.append(f"On items that no rule has seen no rule chooses better ({own_rule.score:.1f} points).")
            else:
                _, low, high = best.over_loss
                told = "" if low > 0 else "; the two cannot be told apart"
                lines.append(
                    f"On items that no rule has seen, choosing by {best.name} gives {best.score:.1f} points, by "
                    f"validation loss {own_rule.score:.1f} (95% of the difference {low:+.1f} to {high:+.1f}{told})."
                )
        return lines


def verdict(board: Board) -> Verdict:
    chosen = board.chosen
    if chosen is None or not board.tasks:
        return Verdict(board, (), (), ())
    rivals = [c for c in board.configurations if (c.is_default or c.is_base) and c is not chosen]
    against = _corrected([_against(board, task, rival, chosen) for rival in rivals for task in board.tasks])
    others = [c for c in board.configurations if c is not chosen and not c.is_base]
    # the best of several is flattered by having been chosen: every pair counts in the correction
    every = _corrected([_against(board, task, chosen, other) for task in board.tasks for other in others])
    regret = [
        max((one for one in every if one.task == task), key=lambda one: one.difference)
        for task in board.tasks
        if others
    ]
    return Verdict(board, tuple(against), tuple(regret), tuple(rules(board)), _other_choices(board, chosen))


def _other_choices(board: Board, chosen: Configuration) -> dict[str, tuple[Against, ...]]:
    """Of each rule of the study's own that chose another one than validation loss did: that one less `chosen`."""
    by_title = {c.title: c for c in board.configurations}
    others = {rule: by_title[title] for rule, title in board.choices.items() if title != chosen.title}
    corrected = iter(_corrected([_against(board, task, chosen, c) for c in others.values() for task in board.tasks]))
    return {rule: tuple(next(corrected) for _ in board.tasks) for rule in others}


def scores(board: Board, configuration: Configuration, task: str) -> tuple[float, float, float]:
    """Mean and 95% interval over items and seeds, in points; see `Board.score`."""
    interval = board.score(configuration, task)
    return 100 * interval.value, 100 * interval.low, 100 * interval.high


def rules(board: Board) -> list[Rule]:
    """Each rule, the best first. Of the configurations that the searches proposed or that are defaults. A task whose
    items all fall into one half is left out; [] where every task is. Of equals a rule chooses that of the least
    validation loss, so that no order of names wins anything."""
    open_ = sorted((c for c in board.configurations if not c.is_base), key=lambda c: (c.loss is None, c.loss or 0.0))
    halves = {task: _half(board.items[task]) for task in board.tasks}
    tasks = [task for task, half in halves.items() if half.any() and not half.all()]
    if not tasks:
        return []

    def mean(configuration: Configuration, task: str, half: int) -> float:
        return 100 * board.mean(configuration, task, halves[task] == half)

    def best_of(tasks: Sequence[str], half: int) -> Configuration:
        return max(open_, key=lambda c: sum(mean(c, task, half) for task in tasks))

    by_loss = [c for c in open_ if c.loss is not None]
    choosers: dict[str, Callable[[int], Configuration]] = {
        BY_LOSS: lambda half: min(by_loss, key=lambda c: c.loss or 0.0)
    }
    by_title = {c.title: c for c in open_}
    for name, title in board.choices.items():
        choosers[name] = partial(_always, by_title[title])
    for task in tasks:
        choosers[f"a slice of {task}"] = partial(best_of, [task])
    if len(tasks) > 1:
        choosers["slices of all tasks"] = partial(best_of, tasks)
    for default in (c for c in open_ if c.is_default):
        choosers[f"always {default.title}"] = partial(_always, default)
    ceiling = statistics.fmean(max(mean(c, task, 0) + mean(c, task, 1) for c in open_) / 2 for task in tasks)
    by_own_loss = choosers[BY_LOSS](0)
    made = []
    for name, choose in choosers.items():
        of_first, of_second = choose(0), choose(1)
        score = statistics.fmean((mean(of_first, task, 1) + mean(of_second, task, 0)) / 2 for task in tasks)
        over = _over(board, {task: halves[task] for task in tasks}, by_own_loss, of_first, of_second)
        made.append(Rule(name, (of_first.title, of_second.title), score, ceiling - score, over))
    return sorted(made, key=lambda rule: -rule.score)


def _over(
    board: Board,
    halves: Mapping[str, NDArray[np.intp]],
    own: Configuration,
    of_first: Configuration,
    of_second: Configuration,
) -> tuple[float, float, float]:
    """A rule's choices less `own` on items that they have not seen, in points: the mean over halves and tasks. Their
    intervals are joined as those of independent differences (MOVER, Zou and Donner 2008)."""
    differences = []
    for task, half in halves.items():
        for choice, unseen in ((of_first, half == 1), (of_second, half == 0)):
            same = Interval(0.0, 0.0, 0.0)
            differences.append(same if choice is own else board.difference(task, own, choice, unseen).interval)
    value = statistics.fmean(one.value for one in differences)
    below = math.hypot(*(one.value - one.low for one in differences)) / len(differences)
    above = math.hypot(*(one.high - one.value for one in differences)) / len(differences)
    return 100 * value, 100 * (value - below), 100 * (value + above)


def _always(configuration: Configuration, half: int) -> Configuration:
    return configuration


def _half(items: Sequence[str]) -> NDArray[np.intp]:
    """0 or 1 of each item, by its name's digest: no order of the file is in it."""
    import numpy as np

    return np.asarray([hashlib.sha256(item.encode()).digest()[0] & 1 for item in items], dtype=np.intp)


def _against(board: Board, task: str, a: Configuration, b: Configuration) -> Against:
    (value, low, high), p = board.difference(task, a, b)
    return Against(task, a, b, 100 * value, 100 * low, 100 * high, p)


def _corrected(comparisons: list[Against]) -> list[Against]:
    adjusted = holm([one.p for one in comparisons])
    return [replace(one, p_holm=p) for one, p in zip(comparisons, adjusted, strict=True)]


def _words(own: Sequence[Against]) -> str:
    """ "better on mmlu (+3.1 points), cannot be told apart on bbh"."""
    parts = []
    for word in ("better", "worse"):
        named = [f"{one.task} ({one.difference:+.1f} points)" for one in own if one.word == word]
        if named:
            parts.append(f"{word} on {', '.join(named)}")
    alike = [one.task for one in own if one.word == "cannot be told apart"]
    if len(alike) == len(own) > 1:
        parts.append(f"not to be told apart on any of the {len(own)} tasks")
    elif alike:
        parts.append(f"not to be told apart on {', '.join(alike)}")
    return "; ".join(parts)
