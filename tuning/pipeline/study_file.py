"""A file that describes a whole study: its searches, and what comes after them.

At its top stand the options of `harness tune`, which all searches share; each stage has a table. What the tables of
benchmarks (one for each run), answers and judges hold are options of `harness run`, `harness answer` and
`harness judge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.options.declaration import COUNT, SEED, Declaration, option
from harness.options.toml import of_table, read_table
from tuning import optimizers
from tuning.study.options import TuneOptions

if TYPE_CHECKING:
    from harness.options import RunOptions
    from judges.answers.options import AnswerOptions
    from judges.judging.options import JudgeOptions

TABLES = ("searches", "finalists", "benchmarks", "answers", "judges")
_OF_A_SEARCH = ("optimizer", "seed", "db", "no_merge")  # which each search has of its own


class SearchOptions(Declaration):
    """Which searches there are: each optimizer with each seed, all at the budget of the file."""

    file_word: ClassVar[str] = "table"
    optimizers: tuple[str, ...] = option(
        ("nomad", "nni-tpe", "random"),
        "Each searches with the same budget; random is the control.",
        choices=optimizers.names,
        allowed="a list of optimizers",
    )
    seeds: tuple[int, ...] = option((0,), "Each optimizer searches once with each.", allowed="a list of whole numbers")


class FinalistOptions(Declaration):
    """Who goes on from the searches, and how often each is trained again."""

    file_word: ClassVar[str] = "table"
    best: int = option(1, "So many of each search, by validation loss.", ge=1, le=COUNT)
    worst: int = option(1, "So many of all trials that ended well, by validation loss.", ge=0, le=COUNT)
    quantiles: int = option(0, "So many evenly spread over all trials that ended well.", ge=0, le=COUNT)
    seeds: int = option(2, "New seeds that each is trained with.", ge=1, le=SEED)


@dataclass(frozen=True, slots=True)
class StudyFile:
    """Without `benchmarks`, `answers` or `judges` that stage is left out."""

    path: Path
    name: str
    tune: TuneOptions  # of all searches; optimizer and seed are each search's own
    searches: SearchOptions
    finalists: FinalistOptions
    benchmarks: tuple[Mapping[str, Any], ...]  # each is a run of every model
    answers: Mapping[str, Any] | None
    judges: Mapping[str, Any] | None
    changes: Mapping[str, Any]  # to the options at its top, by the command line

    def search(self, optimizer: str, seed: int) -> TuneOptions:
        """The options of one of the searches."""
        return self.tune.replace(optimizer=optimizer, seed=seed, name=f"{self.name}-{optimizer}-{seed}", no_merge=True)

    def runs(self, chat: bool = False, **changes: Any) -> list[RunOptions]:
        """What a model is measured with: a run for each table; `chat` where the table does not say."""
        from harness.options import RunOptions

        shared = {"db": self.tune.db, "device": self.tune.device, "add_bos": self.tune.add_bos, "chat": chat}
        return [RunOptions(**{**shared, **table, **changes}) for table in self.benchmarks]

    def answer(self, **changes: Any) -> AnswerOptions:
        """How a model answers the prompts."""
        from judges.answers.options import AnswerOptions

        shared = {"db": self.tune.db, "device": self.tune.device, "add_bos": self.tune.add_bos}
        return AnswerOptions(**{**shared, **(self.answers or {}), **changes})

    def judge(self, **changes: Any) -> JudgeOptions:
        """Who compares the answers."""
        from judges.judging.options import JudgeOptions

        return JudgeOptions(**{"db": self.tune.db, **(self.judges or {}), **changes})


def read(path: Path, changes: Mapping[str, Any]) -> StudyFile:
    """The file, with `changes` to the options at its top. UsageError for what makes no sense in it, with the file and
    the key."""
    from harness.options import RunOptions
    from judges.answers.options import AnswerOptions
    from judges.judging.options import JudgeOptions

    content = read_table(path, TuneOptions.file_word)
    tables = {name: content.pop(name) for name in TABLES if name in content}
    benchmarks = tables.pop("benchmarks", [])
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise UsageError(f"{path}: {name} must be a table, as [{name}].")
    if not isinstance(benchmarks, list) or not all(isinstance(table, Mapping) for table in benchmarks):
        raise UsageError(f"{path}: benchmarks must be tables, one for each run, as [[benchmarks]].")
    _refuse(content, _OF_A_SEARCH, "belongs to each search: see [searches]", str(path))
    written = of_table(TuneOptions, content, str(path))
    options = TuneOptions(**{**written, **changes})
    of_models = ("model", "base", "db", "name", "fresh", "tags")
    measured = tuple(_table(RunOptions, table, of_models, f"{path} [[benchmarks]]") for table in benchmarks)
    for name, declaration, own in (
        ("answers", AnswerOptions, of_models),
        ("judges", JudgeOptions, ("models", "db", "estimate")),
    ):
        if name in tables:
            tables[name] = _table(declaration, tables[name], own, f"{path} [{name}]")
    if "judges" in tables and "answers" not in tables:
        raise UsageError(f"{path}: [judges] compare answers, and there is no table [answers].")
    return StudyFile(
        path=path,
        name=options.name or path.stem,
        tune=options,
        searches=_options(SearchOptions, tables, "searches", path),
        finalists=_options(FinalistOptions, tables, "finalists", path),
        benchmarks=measured,
        answers=tables.get("answers"),
        judges=tables.get("judges"),
        changes=changes,
    )


def _table(declaration: type[Declaration], table: Mapping[str, Any], own: Sequence[str], where: str) -> dict[str, Any]:
    """The options that a table gives; those of `own` are the study's."""
    _refuse(table, own, "is given by the study itself", where)
    return of_table(declaration, table, where)


def _options(declaration: type[Any], tables: Mapping[str, Any], name: str, path: Path) -> Any:
    return declaration(**of_table(declaration, tables.get(name, {}), f"{path} [{name}]"))


def _refuse(table: Mapping[str, Any], names: Sequence[str], why: str, where: str) -> None:
    for key in table:
        if key.replace("-", "_") in names:
            raise UsageError(f"{where}: {key} {why}.")
