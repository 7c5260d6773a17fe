"""The questions of arXiv 2312.00949 and its open ones, as sections of a whole study's report.

Each has a sentence that says what was seen here, with what it rests on, or that it was not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.pipeline.measured import Configuration
from tuning.pipeline.verdict import Verdict
from tuning.report.correlation import agreement
from tuning.report.findings import front, gap_agreement, in_words
from tuning.study.finalists import compare

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile
    from tuning.report.views import StudyView

NOT_ASKED = "This study does not ask it"


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    sentences: tuple[str, ...]


def sections(outcome: Verdict, views: list[StudyView], file: StudyFile) -> list[Section]:
    """In the order of the paper's discussion."""
    return [
        Section("Does validation loss predict the benchmarks?", tuple(_predicts(outcome))),
        Section("Do high ranks overfit?", tuple(_overfits(views))),
        Section("Several objectives", tuple(_objectives(views))),
        Section("A larger validation part", (f"{NOT_ASKED}: `harness tune --sweep-validation 50,100,200` does.",)),
        Section("Other architectures", (f"{NOT_ASKED}: this is {file.tune.model} alone. A study a base asks it.",)),
        Section("Which optimizer?", tuple(_optimizers(outcome, file))),
    ]


def _predicts(outcome: Verdict) -> list[str]:
    board = outcome.board
    known = [c for c in board.configurations if c.loss is not None]
    lines = []
    for task in board.tasks:
        falling = [-(c.loss or 0.0) for c in known]
        scores = [float(c.values[task].mean()) for c in known]
        lines.append(f"Lower validation loss and higher {task}: {in_words(agreement(falling, scores))}.")
    return lines


def _overfits(views: list[StudyView]) -> list[str]:
    lines = []
    for view in views:
        gap = gap_agreement(view)
        if gap is not None:
            lines.append(f"{view.name}: rank and the gap from train to validation loss: {in_words(gap)}.")
    return lines or ["Too few trials were trained on all rows to say."]


def _objectives(views: list[StudyView]) -> list[str]:
    several = [view for view in views if len(view.objectives) > 1]
    if not several:
        return [f"{NOT_ASKED}: its searches have one objective, {views[0].objectives[0]}."]
    return [
        f"{view.name}: {len(front(view))} trials are on the front of {', '.join(view.objectives)}." for view in several
    ]


def _optimizers(outcome: Verdict, file: StudyFile) -> list[str]:
    """The best of each search by test loss against the first search's, and against the control."""
    best: dict[str, Configuration] = {}
    for configuration in outcome.board.configurations:
        if configuration.is_tuned and configuration.finalist.why.startswith("best 1"):
            best.setdefault(
                f"{configuration.finalist.study.optimizer} seed {configuration.finalist.study.seed}", configuration
            )
    if len(best) < 2:
        return [f"{NOT_ASKED}, or two searches found the same best trial."]
    control = next((name for name in best if name.startswith("random")), next(iter(best)))
    lines = []
    for name, configuration in best.items():
        if name != control:
            comparison = compare(best[control].finalist, configuration.finalist, file.finalists.seeds)
            d = comparison.difference
            lines.append(
                f"The best of {name} against the best of {control} on test rows: {d.value:+.4f} "
                f"[{d.low:+.4f}, {d.high:+.4f}] nats a token: {comparison.verdict}."
            )
    return [*lines, f"Each search had {file.tune.budget or 'the preset’s number of'} trials."]
