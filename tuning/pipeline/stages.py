"""The stages of a whole study, in order. Each is the code of the single command, and does only what is not done yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UsageError
from harness.evaluation.identity import digest
from harness.progress.named import Named
from tuning.pipeline import configurations
from tuning.pipeline.configurations import Searched, title
from tuning.pipeline.study_file import StudyFile
from tuning.report.trial_scores import tag_of
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.finalists import Finalist, adapters

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.progress import Progress
    from harness.results import RunRow

Name = Literal["search", "finalists", "benchmarks", "answers", "judges"]


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint of a configuration: the base, or one of its adapters."""

    finalist: Finalist
    title: str  # of the configuration
    seed: int | None  # of the training; None for the base
    path: str

    @property
    def name(self) -> str:
        return self.title if self.seed is None else f"{self.title} seed {self.seed}"


@dataclass
class WholeStudy:
    """What the stages work on: the file, and what the store has of it."""

    file: StudyFile

    @cached_property
    def store(self) -> Store:
        return Store(self.file.tune.db)

    @property
    def searches(self) -> list[tuple[str, int]]:
        return [(name, seed) for name in self.file.searches.optimizers for seed in self.file.searches.seeds]

    @cached_property
    def identities(self) -> list[str]:
        """Of the searches, which share all but optimizer and seed. Raises what refuses them."""
        from tuning.study.definition import check_optimizer, plan

        first, *others = (self.file.search(*search) for search in self.searches)
        for options in others:
            check_optimizer(options)
        study = plan(first).study
        return [replace(study, optimizer=name, seed=seed).identity for name, seed in self.searches]

    def rows(self) -> list[StudyRow | None]:
        """Of each search, what the store has."""
        return [self.store.find_study(identity) for identity in self.identities]

    def finished(self) -> list[Searched]:
        """UsageError where a search has not ended."""
        rows = [row for row in self.rows() if row is not None and row.status == "finished"]
        if len(rows) < len(self.searches):
            raise UsageError(f"{len(rows)} of {len(self.searches)} searches of {self.file.path} have ended.")
        return configurations.searched(self.store, rows)

    def finalists(self) -> list[Finalist]:
        return configurations.finalists(self.finished(), self.file.finalists)

    def models(self) -> list[Model]:
        """Every checkpoint that is measured: the base first, then each configuration's adapters by seed."""
        several = len(self.searches) > 1
        chosen = sorted(self.finalists(), key=lambda finalist: finalist.trial != BASE)
        made = []
        for finalist in chosen:
            name = title(finalist, several)
            if finalist.trial == BASE:
                made.append(Model(finalist, name, None, self.file.tune.model or ""))
            made += [Model(finalist, name, seed, path) for seed, path in adapters(finalist)]
        return made

    def runs(self, model: Model) -> list[tuple[str, RunOptions]]:
        """Of each table of benchmarks: the tag that the run is found by, and its options."""
        base = None if model.seed is None else self.file.tune.model
        name = f"{self.file.name} {model.name}"
        several = []
        for options in self.file.runs(self._chats(model), model=model.path, base=base, name=name):
            asked = {name: value for name, value in dict(options).items() if name not in ("db", "device", "tags")}
            own = f"{self.file.name}-{digest(asked)[:12]}"
            of_trial = tag_of(model.finalist.study, model.finalist.trial)
            several.append((own, options.replace(tags=(of_trial, own))))
        return several

    def _chats(self, model: Model) -> bool:
        """Whether a model is asked through its chat template: as it was trained, and the base if it has one."""
        from harness.models.checkpoint import resolve
        from harness.prompting import chat_templates

        config = model.finalist.study.config
        if config.get("template") != "chat" or model.seed is not None:
            return bool(config.get("template") == "chat")
        return bool(chat_templates.read(resolve(config["model"], None, config["revision"]).tokenizer))

    def finished_runs(self) -> dict[str, RunRow]:
        """By tag."""
        rows = {row.id: row for row in self.store.runs() if row.status == "finished"}
        return {tag: rows[run] for run, tags in self.store.tags().items() if run in rows for tag in tags}


@dataclass(frozen=True, slots=True)
class Stage:
    name: Name
    done: Callable[[WholeStudy], tuple[int, int]]  # of how many parts; may ask the store only
    run: Callable[[WholeStudy, Progress], None]
    wanted: Callable[[StudyFile], bool] = lambda file: True


def _searched(study: WholeStudy) -> tuple[int, int]:
    return sum(row is not None and row.status == "finished" for row in study.rows()), len(study.searches)


def _search(study: WholeStudy, progress: Progress) -> None:
    from tuning.report.documents import require_a_trial, study_document
    from tuning.study import session

    for optimizer, seed in study.searches:
        with Named(progress, f"{optimizer} seed {seed}") as own:
            result = session.run(study.file.search(optimizer, seed), own)
        require_a_trial(study_document(result.row, result.ledger, result.merged))
        if result.row.status != "finished":
            raise KeyboardInterrupt(f"Stopped in the search of {optimizer}, seed {seed}; the same command goes on.")


def _trained(study: WholeStudy) -> tuple[int, int]:
    chosen = study.finalists()
    return sum(_measured(study, finalist) for finalist in chosen), len(chosen)


def _measured(study: WholeStudy, finalist: Finalist) -> bool:
    seeds = 1 if finalist.trial == BASE else study.file.finalists.seeds
    ledger = finalist.ledger
    keys = ((finalist.trial, "final", ledger.fractions[-1], ledger.seed + 1 + n) for n in range(seeds))
    return all(key in ledger.attempts for key in keys)


def _train(study: WholeStudy, progress: Progress) -> None:
    from tuning.study.finalist_evaluation import train_finalists

    options = study.file.search(*study.searches[0])
    train_finalists(options, study.finalists(), study.file.finalists.seeds, progress)


def _benchmarked(study: WholeStudy) -> tuple[int, int]:
    wanted = [tag for model in study.models() for tag, _ in study.runs(model)]
    finished = study.finished_runs()
    return sum(tag in finished for tag in wanted), len(wanted)


def _benchmark(study: WholeStudy, progress: Progress) -> None:
    from harness.evaluation.run import run

    finished = study.finished_runs()
    for model in study.models():
        for tag, options in study.runs(model):
            if tag not in finished:
                with Named(progress, model.name) as own:
                    run(options, own)


def _answers(study: WholeStudy) -> list[Any]:
    """Options of the answer sets: the base's, and of each configuration those of its first training."""
    first: dict[str, Model] = {}
    for model in study.models():
        first.setdefault(model.title, model)
    return [
        study.file.answer(
            model=model.path,
            base=None if model.seed is None else study.file.tune.model,
            name=f"{study.file.name} {model.title}",
        )
        for model in first.values()
    ]


def answer_names(study: WholeStudy) -> list[str]:
    """What the answer sets of the study are called."""
    return [str(options.name) for options in _answers(study)]


def _answered(study: WholeStudy) -> tuple[int, int]:
    from data.prompts import load
    from judges.answers.planning import make_plan

    wanted = _answers(study)
    known = [study.store.find_answers(make_plan(options, load(options.prompts)).identity) for options in wanted]
    return sum(answers is not None and answers.status == "finished" for answers in known), len(wanted)


def _answer(study: WholeStudy, progress: Progress) -> None:
    from judges.answers.answering import answer

    for options in _answers(study):
        answer(options, progress)


def _judged(study: WholeStudy) -> tuple[int, int]:
    from judges.judging.pairs import contest

    options = _judging(study)
    asked = contest(study.store, options.models, options.against, options.prompts).asked
    verdicts = study.store.comparisons()
    names = {judge.id: judge.name for judge in study.store.judges()}
    sides = {side for pair in asked for side in (pair.first, pair.second)}
    done = {names[v.judge] for v in verdicts if v.first in sides and v.second in sides}
    return sum(name in done for name in options.judge), len(options.judge)


def _judging(study: WholeStudy) -> Any:
    return study.file.judge(models=tuple(answer_names(study)))


def _judge(study: WholeStudy, progress: Progress) -> None:
    from judges.judging.jury import compare
    from judges.judging.session import reliable

    reliable(compare(_judging(study), progress)[1])


STAGES: Sequence[Stage] = (
    Stage("search", _searched, _search),
    Stage("finalists", _trained, _train),
    Stage("benchmarks", _benchmarked, _benchmark, lambda file: bool(file.benchmarks)),
    Stage("answers", _answered, _answer, lambda file: file.answers is not None),
    Stage("judges", _judged, _judge, lambda file: file.judges is not None),
)


def stages_of(file: StudyFile) -> list[Stage]:
    """The stages that the file asks for."""
    return [stage for stage in STAGES if stage.wanted(file)]
