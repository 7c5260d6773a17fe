"""Exported runs held against themselves: each byte against the manifest, each score against its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.sources import DataError
from harness import registry
from harness.errors import StoreError, UsageError
from harness.evaluation.rescoring import LM_EVAL, is_same, rescored
from harness.evaluation.sampling.compare_sampled import METHOD as SEQUENCE
from harness.exchange import manifest, store_files
from harness.exchange.exported import ScoredRun, from_layout, from_store, from_tables
from harness.exchange.manifest import Difference

if TYPE_CHECKING:
    from harness.results import ScoreRow, Store
    from harness.types import Score

KINDS = ("parquet", "csv")
FILE_TASK = "file:"
_STORE = f"manifest_{store_files.SEALED}.json"


@dataclass(slots=True)
class Verification:
    """`files` and `numbers` that were looked at, what of them differs, and what could not be looked at."""

    files: int = 0
    numbers: int = 0
    differences: list[Difference] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def differs(self, file: str, what: str) -> None:
        self.differences.append(Difference(file, what))


def verify(path: Path, store: Store | None = None) -> Verification:
    """Of all exports below the folder `path`, or of one results file of lm-eval. With a store, its samples have to
    make the scores too. Numbers in altered Parquet files are not looked at. UsageError where nothing was exported."""
    found = Verification()
    exports = list(_exports(path))
    if not exports:
        raise UsageError(
            f"There is nothing to verify at {path}. Name a folder that `harness export` or `harness card` wrote, or "
            "lm-eval's results with their samples."
        )
    for seal, read, is_ours in exports:
        bytes_of(seal, found, is_ours)
        if any(Path(one.file).suffix == ".parquet" for one in found.differences):
            continue  # nobody reads a binary file that is known to be altered
        try:
            runs = read()
        except (DataError, StoreError) as error:
            found.differs(seal.name, str(error))
            continue
        for run in runs:
            if not is_ours:
                found.unchecked += run.run.warnings  # the figures that no aggregation makes
            check_scores(run, found)
            if store is not None:
                check_store(run, store, found)
    return found


def bytes_of(seal: Path, found: Verification, is_ours: bool = True) -> None:
    """Every file that the manifest names."""
    if seal.exists():
        found.files += 1 + len(manifest.files_of(seal))
        found.differences += manifest.check(seal)
    elif is_ours:
        found.differs(seal.name, "is not there: nothing says what the other files were")
    else:
        found.unchecked.append(f"{seal.parent} has no manifest, as lm-eval writes none: bytes were not compared")


def check_scores(run: ScoredRun, found: Verification) -> None:
    """Every score against what its samples make."""
    for score, made in zip(run.score_rows, rescored(run.task_rows, run.samples_by_task, run.score_rows), strict=True):
        found.numbers += 1
        shown = run.shown.get((score.task, score.group, score.metric), score.value)
        if shown != score.value:
            found.differs(run.file, f"{_name(score)}: {shown!r} in its results, {_shown(score)} in its scores")
        if score.method == SEQUENCE:
            found.unchecked.append(f"{_name(score)}: of a part of the items, drawn at random")
            continue
        if made is not None and is_same(score, made):
            continue
        if not is_known(score.task):
            found.unchecked.append(f"{_name(score)}: {score.task} makes its scores in a way of its own")
        elif made is None:
            found.differs(run.file, f"{_name(score)}: {_shown(score)}, and the samples make no such score")
        else:
            found.differs(run.file, f"{_name(score)}: {_shown(score)}; its samples make {_shown(made)}")
    for task in run.task_rows:
        count = len(run.samples_by_task.get(task.task, ()))
        if task.items and not run.run.goes_on and count != task.items:
            found.differs(run.file, f"{task.task}: {count:,} samples of {task.items:,}")


def check_store(run: ScoredRun, store: Store, found: Verification) -> None:
    """Every score against what the samples of the same run in the store make."""
    known = next((row for row in store.runs() if row.id == run.run.id), None)
    if known is None:
        found.differs(run.file, f"the store {store.path} has no run {run.run.id[:12]}")
        return
    kept = from_store(store, known)
    made = rescored(kept.task_rows, kept.samples_by_task, run.score_rows)
    for score, other in zip(run.score_rows, made, strict=True):
        found.numbers += 1
        if score.method != SEQUENCE and is_known(score.task) and (other is None or not is_same(score, other)):
            there = "no such score" if other is None else _shown(other)
            found.differs(run.file, f"{_name(score)}: {_shown(score)}; the samples in {store.path} make {there}")


def is_known(task: str) -> bool:
    """Whether its scores are made in the ways that are known here: a task of another package may have its own."""
    own = set(registry.names("tasks")) - set(registry.plugins("tasks"))
    return task in own or task.startswith((LM_EVAL, FILE_TASK))


def _exports(path: Path) -> Iterable[tuple[Path, Callable[[], list[ScoredRun]], bool]]:
    """Of each export: where its manifest is, what reads it, and whether we wrote it."""
    if path.is_file():
        yield _layout(path)
        return
    for kind in KINDS:
        names = (f"run.{kind}", f"manifest_{kind}.json")
        for folder in sorted({file.parent for name in names for file in path.rglob(name)}):
            yield folder / f"manifest_{kind}.json", _Tables(folder, kind), True
    names = (store_files.MANIFEST, _STORE)
    for folder in sorted({file.parent for name in names for file in path.rglob(name)}):
        yield folder / _STORE, _Stored(folder), True
    times = {
        file.with_name(file.name.replace("manifest_", "results_", 1))
        for file in path.rglob(manifest.PATTERN)
        if file.name not in {_STORE, *(f"manifest_{kind}.json" for kind in KINDS)}
    }
    for results in sorted(times | set(path.rglob("results_*.json"))):
        yield _layout(results)


def _layout(results: Path) -> tuple[Path, Callable[[], list[ScoredRun]], bool]:
    seal = results.with_name(results.name.replace("results_", "manifest_", 1))
    try:
        is_ours = '"harness"' in results.read_text("utf-8")
    except (OSError, ValueError):
        is_ours = True
    return seal, _Layout(results), is_ours


@dataclass(frozen=True, slots=True)
class _Tables:
    folder: Path
    kind: str

    def __call__(self) -> list[ScoredRun]:
        return [from_tables(self.folder, self.kind)]


@dataclass(frozen=True, slots=True)
class _Layout:
    results: Path

    def __call__(self) -> list[ScoredRun]:
        if not self.results.is_file():
            raise DataError(f"{self.results} is not there.")
        return [from_layout(self.results)]


@dataclass(frozen=True, slots=True)
class _Stored:
    folder: Path

    def __call__(self) -> list[ScoredRun]:
        from harness.results import Store

        with store_files.read(self.folder) as path:
            store = Store(path)
            return [replace(from_store(store, row), file="scores.parquet") for row in store.runs()]


def _name(score: ScoreRow) -> str:
    return f"{score.task} {score.metric} of {score.group}"


def _shown(score: ScoreRow | Score) -> str:
    return f"{score.value:.10g} [{score.low:.10g}, {score.high:.10g}] of {score.n:,}, {score.method}"
