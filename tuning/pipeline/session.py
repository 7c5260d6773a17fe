"""One session of a whole study: every stage in order, from where it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.pipeline import report
from tuning.pipeline.measured import board
from tuning.pipeline.stages import Stage, WholeStudy, stages_of
from tuning.pipeline.study_file import StudyFile
from tuning.pipeline.verdict import Verdict, verdict

if TYPE_CHECKING:
    from harness.progress import Progress


@dataclass(frozen=True, slots=True)
class StageState:
    """`done` of `total` parts; total is 0 where the stages before have to tell."""

    name: str
    done: int
    total: int

    @property
    def is_done(self) -> bool:
        return 0 < self.total == self.done


@dataclass(frozen=True, slots=True)
class Result:
    states: tuple[StageState, ...]
    verdict: Verdict | None  # None until finalists are measured
    files: tuple[Path, ...] = ()  # of the report


def status(file: StudyFile) -> list[StageState]:
    """Of each stage. Nothing is computed."""
    return _states(WholeStudy(file))


def _states(study: WholeStudy) -> list[StageState]:
    states: list[StageState] = []
    for stage in stages_of(study.file):
        if states and not states[-1].is_done:
            states.append(StageState(stage.name, 0, 0))
        else:
            states.append(StageState(stage.name, *stage.done(study)))
    return states


def run(
    file: StudyFile, progress: Progress, until: str | None = None, begin: Callable[[Stage], None] = lambda stage: None
) -> Result:
    """Go on to the end, or to the end of the stage `until`, and write the report. `begin` hears of each stage that has
    something to do. Raises what the single commands raise; whatever was done is stored."""
    study = WholeStudy(file)
    _ = study.identities  # what cannot work is refused before the first search
    for stage in stages_of(file):
        done, total = stage.done(study)
        if not 0 < total == done:
            begin(stage)
            stage.run(study, progress)
        if stage.name == until:
            break
    return _result(study)


def result_of(file: StudyFile) -> Result:
    """What is known now; the report is written where there is a verdict."""
    return _result(WholeStudy(file))


def _result(study: WholeStudy) -> Result:
    states = tuple(_states(study))
    finished = {state.name for state in states if state.is_done}
    if "benchmarks" not in finished:
        return Result(states, None)
    outcome = verdict(board(study))
    files = report.write(study, outcome, Path(f"report-{study.file.name}"))
    return Result(states, outcome, tuple(files))
