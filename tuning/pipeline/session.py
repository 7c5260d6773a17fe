"""One session of a whole study: every stage in order, from where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.progress.outline import OutlineEntry
from tuning.pipeline import people, report
from tuning.pipeline.measured import board
from tuning.pipeline.stages import check, stages_of
from tuning.pipeline.study_file import StudyFile
from tuning.pipeline.verdict import Verdict, verdict
from tuning.pipeline.whole_study import WholeStudy
from tuning.search.shared_pool import sharing

if TYPE_CHECKING:
    from harness.progress import Progress


@dataclass(frozen=True, slots=True)
class Result:
    states: tuple[OutlineEntry, ...]  # of the stages
    verdict: Verdict | None  # None until finalists are measured
    files: tuple[Path, ...] = ()  # of the report
    people: str = ""  # what people are asked, and how many votes are in


def status(file: StudyFile) -> list[OutlineEntry]:
    """Of each stage. Nothing is computed."""
    return states_of(WholeStudy(file))


def states_of(study: WholeStudy, known: Sequence[OutlineEntry] = ()) -> list[OutlineEntry]:
    """Of each stage. `known` are those of the first stages, which are not looked at again."""
    states = list(known)
    for stage in stages_of(study.file)[len(known) :]:
        waits = bool(states) and not states[-1].is_done
        states.append(OutlineEntry(stage.name) if waits else stage.state(study))
    return states


def run(file: StudyFile, progress: Progress, until: str | None = None) -> Result:
    """Go on to the end, or to the end of the stage `until`, and write the report. People are waited for by nobody.
    Raises what the single commands raise; whatever was done is stored."""
    study = WholeStudy(file)
    with progress.step("reading the rows and the benchmarks"):
        check(study)
    states = states_of(study)
    progress.outline(states)
    with sharing():  # most is trained on one base and the same rows
        for place, stage in enumerate(stages_of(file)):
            if not states[place].is_done:
                for _ in stage.run(study, progress):
                    states = states_of(study, states[:place])
                    progress.outline(states)
            if stage.name == until:
                break
    progress.outline(())
    return _result(study, states)


def result_of(file: StudyFile) -> Result:
    """What is known now; the report is written where there is a verdict."""
    study = WholeStudy(file)
    return _result(study, states_of(study))


def _result(study: WholeStudy, states: Sequence[OutlineEntry]) -> Result:
    finished = {state.name for state in states if state.is_done}
    asked = people.sentence(study) if any(state.name == "people" and state.total for state in states) else ""
    if "benchmarks" not in finished:
        return Result(tuple(states), None, people=asked)
    outcome = verdict(board(study))
    files = report.write(study, outcome, Path(f"report-{study.file.name}"))
    return Result(tuple(states), outcome, tuple(files), asked)
