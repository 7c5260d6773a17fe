"""The stages of a whole study, in order. Each is the code of the single command, and does only what is not done yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import UsageError
from harness.progress.named import Named
from harness.progress.outline import OutlineEntry
from tuning.pipeline import audit, people
from tuning.pipeline import race as races
from tuning.pipeline.configurations import title
from tuning.pipeline.study_file import StudyFile
from tuning.pipeline.whole_study import Model, WholeStudy
from tuning.search.shared_pool import end_workers
from tuning.store import StudyRow
from tuning.store.rows import BASE
from tuning.study.finalist_evaluation import train_finalists
from tuning.study.finalists import Finalist
from tuning.study.retraining import missing

if TYPE_CHECKING:
    from harness.progress import Progress
    from judges.answers.options import AnswerOptions
    from tuning.study.options import TuneOptions

Name = Literal["search", "finalists", "benchmarks", "audit", "answers", "judges", "people"]


@dataclass(frozen=True, slots=True)
class Stage:
    name: Name
    state: Callable[[WholeStudy], OutlineEntry]  # may ask the store only
    run: Callable[[WholeStudy, Progress], Iterator[None]]  # yields when one of its entries is done
    wanted: Callable[[StudyFile], bool] = lambda file: True


def _searched(study: WholeStudy) -> OutlineEntry:
    rows = study.rows()
    entries = tuple(
        _searching(study, search.name, search.options.budget or made.budget, row)
        for search, made, row in zip(study.searches, study.plans, rows, strict=True)
    )
    return _whole("search", entries, "searches")


def _searching(study: WholeStudy, name: str, budget: int, row: StudyRow | None) -> OutlineEntry:
    if row is None:
        return OutlineEntry(name, 0, budget, "trials")
    settled = sum(trial.state != "running" for trial in study.store.trials(row.id))
    ended = row.status == "finished" and row.budget >= budget  # a space may have fewer points
    return OutlineEntry(name, settled, settled if ended else max(budget, settled + 1), "trials")


def _whole(name: Name, entries: Sequence[OutlineEntry], unit: str) -> OutlineEntry:
    """A stage whose entries are each done or not."""
    return OutlineEntry(name, sum(one.is_done for one in entries), len(entries), unit, tuple(entries))


def _search(study: WholeStudy, progress: Progress) -> Iterator[None]:
    from tuning.report.documents import require_a_trial, study_document
    from tuning.study import session

    for search, made in zip(study.searches, study.plans, strict=True):
        with Named(progress, search.name) as own:
            result = session.run(search.options, own, made=made)
        require_a_trial(study_document(result.row, result.ledger, result.merged))
        if result.row.status != "finished":
            raise KeyboardInterrupt(f"Stopped in the search of {search.name}; the same command goes on.")
        yield


def _trained(study: WholeStudy) -> OutlineEntry:
    searches = study.finished()
    entries = [
        OutlineEntry(title(finalist, searches), _measured(study, finalist), _seeds(study, finalist), "seeds")
        for finalist in study.finalists()
    ]
    return _whole("finalists", entries, "configurations")


def _seeds(study: WholeStudy, finalist: Finalist) -> int:
    return 1 if finalist.trial == BASE else study.file.finalists.seeds


def _measured(study: WholeStudy, finalist: Finalist) -> int:
    """Of its seeds."""
    ledger = finalist.ledger
    keys = (
        (finalist.trial, "final", ledger.fractions[-1], ledger.seed + 1 + n) for n in range(_seeds(study, finalist))
    )
    return sum(key in ledger.attempts for key in keys)


def _train(study: WholeStudy, progress: Progress) -> Iterator[None]:
    for chosen, options in _by_rows(study, study.finalists()):
        train_finalists(options, chosen, study.file.finalists.seeds, progress)
        yield
    end_workers()


def _by_rows(study: WholeStudy, chosen: Sequence[Finalist]) -> list[tuple[list[Finalist], TuneOptions]]:
    """Each on the rows of its own search, which are others where the validation part is."""
    by_rows: dict[str, list[Finalist]] = {}
    for finalist in chosen:
        by_rows.setdefault(finalist.study.data_digest, []).append(finalist)
    options = dict(zip(study.identities, (search.options for search in study.searches), strict=True))
    return [(own, options[own[0].study.identity]) for own in by_rows.values()]


def _provide(study: WholeStudy, models: Sequence[Model], progress: Progress) -> None:
    """Train the adapters again that are needed now and are not on this machine."""
    needed = list({id(model.finalist): model.finalist for model in models}.values())
    if missing(needed):
        for own, options in _by_rows(study, needed):
            train_finalists(options, own, study.file.finalists.seeds, progress, needed=own)


def _benchmarked(study: WholeStudy) -> OutlineEntry:
    finished = study.finished_runs()
    counts: dict[str, list[bool]] = {}
    for model in study.models():
        counts.setdefault(model.title, []).extend(tag in finished for tag, _ in study.runs(model))
    entries = tuple(OutlineEntry(name, sum(known), len(known), "runs") for name, known in counts.items())
    return OutlineEntry(
        "benchmarks", sum(one.done for one in entries), sum(one.total for one in entries), "runs", entries
    )


def _benchmark(study: WholeStudy, progress: Progress) -> Iterator[None]:
    from harness.evaluation.sampling.race import race
    from harness.evaluation.several import run_several

    if study.file.finalists.race:
        if several := races.entrants_of(study):
            _provide(study, study.models(), progress)
        for entrants in several:
            race(entrants, progress, winner_whole=True)
            yield
        return
    finished = study.finished_runs()
    due = [(model, options) for model in study.models() for tag, options in study.runs(model) if tag not in finished]
    _provide(study, [model for model, _ in due], progress)
    for _ in run_several([options for _, options in due], progress):
        yield


def _audited(study: WholeStudy) -> OutlineEntry:
    return OutlineEntry("audit", *audit.tasks_done(study), "tasks")


def _audit(study: WholeStudy, progress: Progress) -> Iterator[None]:
    yield from audit.run(study, progress)


def _answers(study: WholeStudy) -> list[tuple[Model, AnswerOptions]]:
    """Of the base, and of each configuration those of its first trainings."""
    by_title: dict[str, list[Model]] = {}
    for model in study.models():
        by_title.setdefault(model.title, []).append(model)
    return [
        (
            model,
            study.file.answer(
                model=model.path,
                base=None if model.seed is None else study.file.tune.model,
                name=f"{study.file.name} {model.title if place == 0 else model.name}",
                configuration=model.finalist.configuration,
            ),
        )
        for models in by_title.values()
        for place, model in enumerate(models[: study.file.answer_seeds.seeds])
    ]


def answer_names(study: WholeStudy) -> list[str]:
    """What the answer sets of the study are called."""
    return [str(options.name) for _, options in _answers(study)]


def _has_answered(study: WholeStudy, model: Model, options: AnswerOptions) -> bool:
    """Answers of an adapter that is not on this machine are known by their name alone."""
    from data.prompts import load
    from judges.answers.planning import make_plan

    if model.seed is not None and not Path(model.path).exists():
        return any(one.name == options.name and one.status != "running" for one in study.store.answer_sets())
    answers = study.store.find_answers(make_plan(options, load(options.prompts)).identity)
    return answers is not None and answers.status == "finished"


def _answered(study: WholeStudy) -> OutlineEntry:
    parts = [
        OutlineEntry(model.title, int(_has_answered(study, model, options)), 1) for model, options in _answers(study)
    ]
    return _whole("answers", parts, "models")


def _answer(study: WholeStudy, progress: Progress) -> Iterator[None]:
    from judges.answers.answering import answer

    due = [(model, options) for model, options in _answers(study) if not _has_answered(study, model, options)]
    _provide(study, [model for model, _ in due], progress)
    for _, options in due:
        answer(options, progress)
        yield


def _judged(study: WholeStudy) -> OutlineEntry:
    """A judge of a model has one verdict on each pair that it is asked. An installed one passes over what it cannot
    compare, and is done, all at once, when it has one on every two answer sets."""
    from judges.choosing.rounds import share_of
    from judges.judging import installed
    from judges.judging.chosen import judged
    from judges.judging.pairs import contest

    options = study.file.judge(models=tuple(answer_names(study)))
    compared = contest(study.store, options.models, options.against, options.prompts, options.repeats)
    verdicts = study.store.comparisons(answer_sets=[one.id for one in compared.sets])
    share = share_of(options.pairs, options.votes)
    twos = {frozenset((pair.first, pair.second)) for pair in compared.asked}
    entries = []
    for name in dict.fromkeys(options.judge):
        judges = [judge for judge in study.store.judges() if judge.name == name and judge.kind != "person"]
        if installed.has(name):
            ids = {judge.id for judge in judges}
            seen = {frozenset((v.first, v.second)) for v in verdicts if v.judge in ids}
            entries.append(OutlineEntry(name, int(twos <= seen), 1))
        else:
            entries.append(OutlineEntry(name, *judged(compared, judges, share, study.store), "verdicts"))
    return _whole("judges", entries, "judges")


def _judge(study: WholeStudy, progress: Progress) -> Iterator[None]:
    from judges.judging.jury import compare
    from judges.judging.session import reliable

    reliable(compare(study.file.judge(models=tuple(answer_names(study))), progress)[1])
    yield


def _voted(study: WholeStudy) -> OutlineEntry:
    return OutlineEntry("people", *people.votes(study), "votes")


def _ask_people(study: WholeStudy, progress: Progress) -> Iterator[None]:
    people.make(study)
    yield


STAGES: Sequence[Stage] = (
    Stage("search", _searched, _search),
    Stage("finalists", _trained, _train),
    Stage("benchmarks", _benchmarked, _benchmark, lambda file: bool(file.benchmarks)),
    Stage("audit", _audited, _audit, lambda file: file.audit is not None),
    Stage("answers", _answered, _answer, lambda file: file.answers is not None),
    Stage("judges", _judged, _judge, lambda file: file.judges is not None),
    Stage("people", _voted, _ask_people, lambda file: file.people is not None),
)


def stages_of(file: StudyFile) -> list[Stage]:
    """The stages that the file asks for."""
    return [stage for stage in STAGES if stage.wanted(file)]


def check(study: WholeStudy) -> None:
    """Raises what refuses the study at one of its stages, before the first of them begins."""
    from data.prompts import load as load_prompts
    from harness import tasks
    from judges.choosing.rounds import share_of

    for search, made in zip(study.searches, study.plans, strict=True):
        if not made.splits.test:
            sizes = search.options.sizes
            raise UsageError(
                f"{study.file.path}: sizes = {sizes!r} leaves no test rows, and finalists are measured on them. Give "
                "the third part some."
            )
    if study.file.finalists.race:
        races.check(study)
    for options in study.file.runs(model=study.file.tune.model):
        tasks.load(options.tasks, options.data, options.protocol, options.shots, options.chat, options.include_path)
    asked_judge = study.file.judge() if study.file.judges is not None else None
    for comparing in (asked_judge, study.file.people):
        if comparing is not None:
            share_of(comparing.pairs, comparing.votes)
    if study.file.answers is not None:
        asked = load_prompts(study.file.answer(model=study.file.tune.model).prompts)
        _check_references(study.file, any(prompt.reference for prompt in asked.prompts))


def _check_references(file: StudyFile, are_there: bool) -> None:
    """UsageError where answers are compared by references alone, and there are none."""
    from judges.judging.reference_judge import NAME

    options = file.judge() if file.judges is not None else None
    if options is not None and set(options.judge) == {NAME} and options.references is None and not are_there:
        raise UsageError(
            f"{file.path} [judges]: the judge {NAME} compares answers with references, and these prompts have none. "
            "Name a model at a server, or give a file of references."
        )
