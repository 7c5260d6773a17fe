"""A file that describes a whole study: its searches, and what comes after them.

At its top stand the options of `harness tune`, which all searches share; each stage has a table. What the tables of
benchmarks (one for each run), answers and judges hold are options of `harness run`, `harness answer` and
`harness judge`; `[[further]]` tables are searches that are changed in one thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.options.declaration import COUNT, SEED, Declaration, option
from harness.options.toml import of_table, read_table
from judges.choosing.rounds import PAIRS, SHARE, read_share
from tuning import optimizers
from tuning.objectives import objectives
from tuning.study.options import TuneOptions
from tuning.study.row_options import swept

if TYPE_CHECKING:
    from harness.options import RunOptions
    from judges.answers.options import AnswerOptions
    from judges.judging.options import JudgeOptions

TABLES = ("searches", "finalists", "answers", "judges", "people", "audit")
LISTS = {"benchmarks": "run", "further": "search"}  # of tables, and what each of them is
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
    front: int = option(0, "So many of each front of several objectives, beside the choice on it.", ge=0, le=COUNT)
    seeds: int = option(2, "New seeds that each is trained with.", ge=1, le=SEED)
    race: bool = option(False, "Stop each, and the base, on a benchmark when it cannot win there.")


class AnswerSeeds(Declaration):
    """Who answers; stands in the table of the answers."""

    file_word: ClassVar[str] = "table"
    seeds: int = option(1, "So many trainings of each configuration answer; a ranking has them as one.", ge=1, le=SEED)


class FurtherSearch(Declaration):
    """A search beside the others, which asks what another validation part or other objectives would have found."""

    file_word: ClassVar[str] = "table"
    optimizer: str = option("tpe", "Who proposes.", choices=optimizers.names)
    seed: int = option(0, "Of proposals and trainings.", ge=0, le=SEED)
    validation: int | None = option(None, "Rows of its validation part, in place of the file's.", ge=1)
    objective: str | None = option(
        None,
        "What it makes small, in place of the file's.",
        allowed="text as validation,adapter-size",
        reader=objectives.words_of,
    )


class PeopleOptions(Declaration):
    """What people are asked: a rating plan over the answers."""

    file_word: ClassVar[str] = "table"
    models: str = option(
        "all",
        "all, or chosen: what validation loss chooses, the points that every search starts from, and the base.",
        choices=("all", "chosen"),
    )
    ratings: int = option(1, "Votes wanted for each pair of answers.", ge=1, le=COUNT)
    each: int | None = option(None, "Pairs one rater is asked for.", ge=1, le=COUNT)
    sample: int | None = option(None, "So many of the prompts.", ge=1, le=COUNT)
    pairs: str = option("all", "all, or chosen: people are asked where it tells most.", choices=PAIRS)
    votes: str | None = option(
        None,
        f"The share of all votes that is chosen; {SHARE} if left out.",
        allowed="a share, as 60%",
        reader=read_share,
    )


class AuditOptions(Declaration):
    """The contamination audit of the rows that were trained on, which has no options yet."""

    file_word: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class PlannedSearch:
    """One of the searches of a whole study. `change`: what a further search is changed in; "" for the others."""

    optimizer: str
    seed: int
    options: TuneOptions
    change: str = ""

    @property
    def name(self) -> str:
        return f"{self.optimizer} seed {self.seed}{self.change and ', '}{self.change}"


@dataclass(frozen=True, slots=True)
class StudyFile:
    """Without `benchmarks`, `answers`, `judges`, `people` or `audit` that stage is left out."""

    path: Path
    name: str
    tune: TuneOptions  # of all searches; optimizer and seed are each search's own
    searches: SearchOptions
    finalists: FinalistOptions
    benchmarks: tuple[Mapping[str, Any], ...] = ()  # each is a run of every model
    answers: Mapping[str, Any] | None = None
    judges: Mapping[str, Any] | None = None
    people: PeopleOptions | None = None
    audit: AuditOptions | None = None
    further: tuple[FurtherSearch, ...] = ()
    notes: tuple[str, ...] = ()  # what of the file is left out or cut
    changes: Mapping[str, Any] = field(default_factory=dict)  # to the options at its top, by the command line
    scale: float | None = None  # that it was cut by
    answer_seeds: AnswerSeeds = field(default_factory=AnswerSeeds)

    def search(self, optimizer: str, seed: int) -> TuneOptions:
        """The options of one of the searches."""
        return self.tune.replace(optimizer=optimizer, seed=seed, name=f"{self.name}-{optimizer}-{seed}", no_merge=True)

    def every_search(self) -> list[PlannedSearch]:
        """The searches at equal budget, and behind them the further ones."""
        every = [
            PlannedSearch(optimizer, seed, self.search(optimizer, seed))
            for optimizer in self.searches.optimizers
            for seed in self.searches.seeds
        ]
        for place, further in enumerate(self.further, 1):
            options, changes = self.search(further.optimizer, further.seed), []
            if further.validation is not None:
                options = options.replace(sizes=swept(options.sizes, str(further.validation))[0])
                changes.append(f"{further.validation:,} validation rows")
            if further.objective is not None:
                options = options.replace(objective=further.objective)
                changes.append(f"by {further.objective}")
            options = options.replace(name=f"{options.name}-further-{place}")
            every.append(PlannedSearch(further.optimizer, further.seed, options, " and ".join(changes)))
        return every

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
    lists = {name: content.pop(name, []) for name in LISTS}
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise UsageError(f"{path}: {name} must be a table, as [{name}].")
    for name, several in lists.items():
        if not isinstance(several, list) or not all(isinstance(table, Mapping) for table in several):
            raise UsageError(f"{path}: {name} must be tables, one for each {LISTS[name]}, as [[{name}]].")
    _refuse(content, _OF_A_SEARCH, "belongs to each search: see [searches]", str(path))
    written = of_table(TuneOptions, content, str(path))
    options = TuneOptions(**{**written, **changes})
    of_models = ("model", "base", "db", "name", "fresh", "tags")
    of_answers = tables.get("answers", {})
    answer_seeds = {name: of_answers.pop(name) for name in AnswerSeeds.model_fields if name in of_answers}
    for table in lists["benchmarks"]:
        _refuse(
            table, ("until",), "is for single runs: the models of a study are compared whole", f"{path} [[benchmarks]]"
        )
    measured = tuple(_table(RunOptions, table, of_models, f"{path} [[benchmarks]]") for table in lists["benchmarks"])
    for name, declaration, own in (
        ("answers", AnswerOptions, (*of_models, "configuration")),
        ("judges", JudgeOptions, ("models", "db", "estimate")),
    ):
        if name in tables:
            tables[name] = _table(declaration, tables[name], own, f"{path} [{name}]")
    for name in ("judges", "people"):
        if name in tables and "answers" not in tables:
            raise UsageError(f"{path}: [{name}] compare answers, and there is no table [answers].")
    if "audit" in tables and not measured:
        raise UsageError(f"{path}: [audit] looks for benchmarks' items in the rows, and there is no [[benchmarks]].")
    return StudyFile(
        path=path,
        name=options.name or path.stem,
        tune=options,
        searches=_options(SearchOptions, tables, "searches", path),
        finalists=_options(FinalistOptions, tables, "finalists", path),
        benchmarks=measured,
        answers=tables.get("answers"),
        answer_seeds=AnswerSeeds(**of_table(AnswerSeeds, answer_seeds, f"{path} [answers]")),
        judges=tables.get("judges"),
        people=_options(PeopleOptions, tables, "people", path) if "people" in tables else None,
        audit=_options(AuditOptions, tables, "audit", path) if "audit" in tables else None,
        further=tuple(_further(table, options, path) for table in lists["further"]),
        changes=changes,
    )


def _further(table: Mapping[str, Any], options: TuneOptions, path: Path) -> FurtherSearch:
    """UsageError for one that asks nothing, or that its optimizer cannot do."""
    where = f"{path} [[further]]"
    further = FurtherSearch(**of_table(FurtherSearch, table, where))
    if further.validation is None and further.objective is None:
        raise UsageError(f"{where}: a further search has another validation part or another objective: give one.")
    if further.validation is not None:
        try:
            swept(options.sizes, str(further.validation))
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
    return further


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
