"""`tune top`: choose the finalists of a study, train and compare them, merge them, and run the benchmarks on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evaluation.configurations import member_tags
from harness.evaluation.report import items_words
from harness.models.loading import require_device
from harness.options import OptionError
from harness.progress import Progress
from tuning.objectives import objectives
from tuning.report.trial_scores import headlines, tag_of
from tuning.search.workers import Setup
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study import finalists
from tuning.study.definition import Plan, Study, again, ledger_of, surroundings
from tuning.study.finalists import Comparison, Finalist, Measurement
from tuning.study.options import Options
from tuning.study.retraining import train_missing
from tuning.study.session import make_pool, setup_of

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from data.instructions import Instruction
    from harness.options import RunOptions
    from harness.results import RunRow


@dataclass(frozen=True, slots=True)
class Top:
    row: StudyRow
    measured: list[Measurement]
    compared: list[Comparison]  # the best by validation loss against the base, the fixed points and other studies' best
    warnings: Sequence[str] = ()  # of the trainings over new seeds
    rows: Sequence[Instruction] = ()  # of train and validation: what a model learnt from, or was chosen by

    @property
    def best(self) -> Finalist:
        return next(m.finalist for m in self.measured if m.finalist.why.startswith("best 1"))


def top(
    options: Options,
    word: str,
    best: int,
    spread: int,
    seeds: int,
    against: Sequence[str],
    progress: Progress,
    setup: Callable[[Plan, Options], Setup] = setup_of,
    adapters: bool = False,
) -> Top:
    """Measure a study's finalists on its test rows. `against` names other studies on the same base and rows, whose best
    is measured beside them. With `adapters`, those that are not on the disk any more are trained again."""
    for option, number, least in (("k", best, 1), ("spread", spread, 0), ("seeds", seeds, 1)):
        if number < least:
            raise OptionError(option, number, f" must be a whole number from {least} up.")
    store = Store(options.db)
    row = store.resolve_study(word)
    chosen = finalists.choose(row, ledger_of(store, row), best, spread)
    chosen += [_other(store, row, name) for name in against]
    seen = train_finalists(options, chosen, seeds, progress, setup, chosen if adapters else ())
    measured = finalists.measurements(chosen, seeds)
    known = [m.finalist for m in measured]
    first = next((f for f in known if f.why.startswith("best 1")), None)
    if first is None:
        raise UsageError(f"The best trial of {row.name} could not be trained with another seed; `harness tune show`.")
    rivals = [f for f in known if f is not first and (f.study is not row or f.trial == BASE or f.label)]
    compared = [finalists.compare(rival, first, seeds) for rival in rivals]
    return Top(row, measured, compared, finalists.remarks(chosen, seeds), seen)


def train_finalists(
    options: Options,
    chosen: Sequence[Finalist],
    seeds: int,
    progress: Progress,
    setup: Callable[[Plan, Options], Setup] = setup_of,
    needed: Sequence[Finalist] = (),
) -> tuple[Instruction, ...]:
    """Train finalists, all on one base and the same rows, over new seeds, and measure them on the test rows. Adapters
    of those `needed` that are not on the disk any more are trained again. Gives the rows that trainings may have
    seen."""
    store = Store(options.db)
    row = chosen[0].study
    study = Study.from_dict(row.config)
    with progress.step("reading the rows"):
        checkpoint, splits = again(study)
    if not splits.test:
        raise UsageError(f"The study {row.name} has no test rows: there is nothing to measure on.")
    made = Plan(study, checkpoint, splits, row.budget)
    where, device = surroundings(options, study.template), study.settings(options).device
    if options.ray is None:
        require_device(device)
    with store.lease(row.id, f"The study {row.name}"):
        pool = make_pool(setup(made, options), options, device)
        try:
            finalists.train(
                chosen,
                seeds,
                pool,
                lambda study: store.study_folder(study.id),
                [objectives.measure_of(name, where) for name in ("validation",)],
                progress,
            )
            train_missing(needed, pool, lambda study: store.study_folder(study.id), progress)
        finally:
            pool.close()
    return rows_seen(study, splits)


def rows_seen(study: Study, splits: Splits) -> tuple[Instruction, ...]:
    """What a model of the study may have learnt from, or was chosen by."""
    # a share that is searched draws from all that no other part holds
    train = splits.train if study.space.source is None else [one for rows in splits.pool.values() for one in rows]
    return (*train, *splits.validation)


def merge_all(outcome: Top, folder: Path, progress: Progress) -> list[Path]:
    """Each finalist's first adapter on its base, as a checkpoint; those that are there stay."""
    from harness.models.adapter import merge

    made = []
    for finalist, _, adapter in _adapters(outcome, first_only=True):
        out = folder / f"{finalist.study.id[:12]}-trial-{finalist.trial:04d}"
        if not out.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with progress.step(f"merging {finalist.name}"):
                merge(adapter, out, base=finalist.study.model)
        made.append(out)
    return made


def run_all(outcome: Top, options: Options, tasks: str, progress: Progress) -> list[dict[str, Any]]:
    """`harness run` on the base and on every adapter of the finalists, in one go. Gives `study`, `trial`, `name`, `run`
    and `scores`; items that the search's objective saw are left out of the scores."""
    from harness.evaluation.several import run_several

    store = Store(options.db)
    every = runs_of(outcome, options, tasks)
    runs: dict[int, dict[str, Any]] = {}
    for place, result in run_several([of_run for _, of_run in every], progress):
        runs[place] = run_document(store, outcome, *every[place], result.run)
        progress.end(str(every[place][1].name), score_text(runs[place]["scores"]))
    return [runs[place] for place in sorted(runs)]


def runs_of(outcome: Top, options: Options, tasks: str) -> list[tuple[Finalist, RunOptions]]:
    """What measures the base and every adapter of the finalists."""
    from harness.models.checkpoint import resolve
    from harness.options import RunOptions
    from harness.prompting import chat_templates

    searched = Study.from_dict(outcome.row.config)
    base = resolve(searched.model, None, searched.revision)
    base_chats = searched.template == "chat" and bool(chat_templates.read(base.tokenizer))
    of_base = Finalist(outcome.row, outcome.best.ledger, BASE, "base")
    runs = []
    for finalist, seed, model in [(of_base, None, outcome.row.model), *_adapters(outcome, first_only=False)]:
        is_base = finalist.trial == BASE
        name = f"{outcome.row.name} {finalist.name}{'' if is_base else f' {Path(model).name}'}"
        of_run = RunOptions(
            model=model,
            base=None if is_base else outcome.row.model,
            tasks=tasks,
            db=options.db,
            data=options.bench_data,
            device=options.device,
            add_bos=options.add_bos,
            chat=base_chats if is_base else finalist.study.config.get("template") == "chat",
            name=name,
            tags=(tag_of(outcome.row, finalist.trial), *member_tags(finalist.configuration, seed)),
        )
        runs.append((finalist, of_run))
    return runs


def run_document(store: Store, outcome: Top, finalist: Finalist, options: RunOptions, run: RunRow) -> dict[str, Any]:
    of_run = {"study": finalist.study.id, "trial": finalist.trial, "name": options.name, "run": run.id}
    return {**of_run, "scores": headlines(store, outcome.row, run.id)}


def audit_all(
    outcome: Top, options: Options, tasks: str, runs: Sequence[Mapping[str, Any]], progress: Progress
) -> list[dict[str, Any]]:
    """The contamination audit of the items that `run_all` measured on, a document a task; it is stored."""
    from tuning.study.row_audit import audit_finalists

    with progress.step("comparing the training rows with the items"):
        return audit_finalists(Store(options.db), outcome.row, outcome.rows, tasks, options.bench_data, runs)


def _adapters(outcome: Top, first_only: bool) -> list[tuple[Finalist, int, str]]:
    """(finalist, seed, adapter) over all seeds, or of the first of each."""
    adapters: list[tuple[Finalist, int, str]] = []
    for m in outcome.measured:
        own = finalists.adapters(m.finalist)
        adapters += [(m.finalist, seed, adapter) for seed, adapter in (own[:1] if first_only else own)]
    return adapters


def _other(store: Store, row: StudyRow, word: str) -> Finalist:
    other = store.resolve_study(word)
    if (other.base_digest, other.data_digest) != (row.base_digest, row.data_digest):
        raise UsageError(
            f"{other.name} is a study on another base or other rows than {row.name}: no comparison is fair."
        )
    ledger = ledger_of(store, other)
    if ledger.best is None:
        raise UsageError(f"No trial of the study {other.name} ended well.")
    return Finalist(other, ledger, ledger.best.number, f"best of {other.name}")


def score_text(scores: Sequence[Mapping[str, Any]]) -> str:
    """ "mmlu 45.1, drop 30.2", and of what was read in part "mmlu 45.1 (sampled: 400 of 14,042 items)"."""
    return ", ".join(
        f"{score['task']} {100 * score['value']:.1f}" + (f" ({items_words(score)})" if score["sampled_of"] else "")
        for score in scores
    )


def print_top(console: Any, outcome: Top) -> None:
    """The finalists by test loss, then what the best is against the others, in sentences."""
    from harness.cli.tables import plain, table

    columns = ("trial", "chosen as", "seeds", "test loss", "spread over seeds")
    made = table("nats a response token on the test rows", columns, right=("trial", "seeds", "test loss"))
    for m in outcome.measured:
        spread = f"{min(m.losses):.4f} to {max(m.losses):.4f}" if len(m.losses) > 1 else ""
        style = "bold" if m.finalist is outcome.best else ""
        seeds = f"{len(m.losses)}" + (f" of {len(m.losses) + m.failed}" if m.failed else "")
        made.add_row(*map(plain, (m.finalist.trial or "", m.finalist.why, seeds, f"{m.mean:.4f}", spread)), style=style)
    console.print(made)
    for comparison in outcome.compared:
        console.print(plain(comparison.sentence), soft_wrap=True)
    for warning in outcome.warnings:
        console.print(plain(f"! {warning}"), style="yellow", soft_wrap=True)


def print_audits(console: Any, audits: Sequence[Mapping[str, Any]]) -> None:
    """What of the benchmarks stands in the study's rows, and the scores without it."""
    from harness.cli.tables import plain, table
    from tuning.report.audits import SCORES, score_rows, sentences

    if audits:
        console.print("contamination audit of the rows that were trained on", style="italic")
    for sentence in sentences(audits):
        console.print(plain(sentence), soft_wrap=True)
    if rows := score_rows(audits):
        made = table("", SCORES)
        for row in rows:
            made.add_row(*map(plain, row))
        console.print(made)
        console.print("The flagged items are in the study's report and on its page.", style="dim")
