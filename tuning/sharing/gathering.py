"""Cards of what the store has: of a run, of a study's best trial, of what a whole study chose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.exchange.exported import ScoredRun, from_store
from harness.results.rows import RunRow, TaskRow
from tuning.objectives import objectives
from tuning.report.documents import compute
from tuning.report.trial_scores import places
from tuning.sharing.card import Asked, Card, SharedRun, Training
from tuning.sharing.figures import Measured, differences, figures
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.definition import ledger_of

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile
    from tuning.study.ledger import Ledger

Runs = dict[str, ScoredRun]


def card_of_run(store: Store, row: RunRow) -> tuple[Card, Runs]:
    """Beside the base, where the store has a run of it. UsageError where the run has no score."""
    ended = [run for run in store.runs() if not run.goes_on and run.id != row.id]
    base = next((run for run in ended if row.base_digest and run.model_digest == row.base_digest), None)
    sides = {row.name: [row], **({_other("base", row.name): [base]} if base else {})}
    own = places(store).get(row.id, [])
    training = next((_training(store, study, trial) for study, trial in own if trial != BASE), None)
    measured = measured_of(store, sides, every=True)
    if not measured:
        raise UsageError(f"The run {row.name} has no score yet, so there is no card of it.")
    return _card(store, row.name, "run", row, training, (), measured)


def card_of_study(store: Store, row: StudyRow) -> tuple[Card, Runs]:
    """Of the best trial that was trained on all rows, beside the base and the fixed points that were measured.
    UsageError where there is none, or where no run measured it."""
    ledger = ledger_of(store, row)
    best = ledger.best
    if best is None or ledger.whole(best.number) is None:
        raise UsageError(f"No trial of the study {row.name} was trained on all rows, so there is no card of it.")
    titles = {best.number: best.label or f"trial {best.number}", BASE: "base"}
    titles |= {trial.number: trial.label for trial in ledger.trials if trial.label and trial.number not in titles}
    ended = {run.id: run for run in store.runs() if run.status == "finished" and not run.partial}
    sides: dict[str, list[RunRow]] = {title: [] for title in titles.values()}
    for run, own in places(store).items():
        for study, trial in own:
            if study == row.id and trial in titles and run in ended and ended[run] not in sides[titles[trial]]:
                sides[titles[trial]].append(ended[run])
    mine = sides[titles[best.number]]
    if not mine:
        raise UsageError(
            f"No run measured the best trial of {row.name} yet: " + "`harness tune top STUDY --run --tasks …` does."
        )
    seen = {part.task: part for part in objectives.slices(row.config["objectives"], row.config["constraints"])}
    left_out = {task: sorted(objectives.seen(store, task, part)) for task, part in seen.items()}
    measured = measured_of(store, sides, left_out)
    return _card(store, row.name, "study", mine[0], _training(store, row.id, best.number), (), measured)


def card_of_whole_study(file: StudyFile) -> tuple[Card, Runs]:
    """Of the configuration that validation loss chose, beside every other that was measured whole. UsageError before
    finalists are measured, and where the chosen one was out of a race."""
    from tuning.pipeline.measured import board
    from tuning.pipeline.verdict import verdict
    from tuning.pipeline.whole_study import WholeStudy

    study = WholeStudy(file)
    outcome = verdict(board(study))
    chosen = outcome.board.chosen
    if chosen is None or not outcome.board.tasks:
        raise UsageError(f"No configuration of {file.path} was measured yet: harness study run {file.path} does.")
    finished = study.finished_runs()
    sides: dict[str, list[RunRow]] = {chosen.title: []}
    for model in study.models():
        sides.setdefault(model.title, [])
        own = (finished[tag] for tag, _ in study.runs(model) if tag in finished)
        sides[model.title] += [run for run in own if run.status == "finished"]
    if not sides[chosen.title]:
        raise UsageError(
            f"{chosen.title}, which validation loss chose, was out of the race of {file.path}, so there is no card of "
            "it. Without race = true in [finalists] the same study measures it whole."
        )
    row = chosen.finalist.study
    plans = [made.study for made in study.plans]
    seen = {part for plan in plans for part in objectives.slices(plan.objectives, plan.constraints)}
    left_out: dict[str, list[str]] = {}
    for part in seen:
        left_out[part.task] = sorted({*left_out.get(part.task, ()), *objectives.seen(study.store, part.task, part)})
    measured = measured_of(study.store, sides, left_out)
    training = _training(study.store, row.id, chosen.finalist.trial)
    first = sides[chosen.title][0]
    return _card(study.store, file.name, "whole study", first, training, tuple(outcome.sentences), measured)


def measured_of(
    store: Store,
    sides: Mapping[str, Sequence[RunRow]],
    left_out: Mapping[str, Sequence[str]] | None = None,
    every: bool = False,
) -> list[Measured]:
    """What the first of the sides was measured on, by task, protocol and shots, with the others that were too; with
    `every`, its further metrics too, alone. A checkpoint counts once: with its newest run."""
    tasks = {run.id: store.tasks(run.id) for runs in sides.values() for run in runs}
    own, *_ = sides
    ways: dict[tuple[str, str, int], TaskRow] = {}
    for run in sides[own]:
        for asked in tasks[run.id]:
            ways.setdefault((asked.task, asked.protocol, asked.shots), asked)
    several = {task for task, *_ in ways if sum(other == task for other, *_ in ways) > 1}
    measured = []
    for (task, protocol, shots), row in ways.items():
        name = f"{task} ({protocol}, {shots} shots)" if task in several else task
        rivals = [
            (title, found)
            for title, runs in sides.items()
            if (found := _newest(run for run in runs if _asks(tasks[run.id], task, protocol, shots)))
        ]
        rest = tuple((left_out or {}).get(task, ()))
        scores = [s for s in store.scores(rivals[0][1][0]) if s.task == task and s.group == "all"]
        names = {score.metric for score in scores}
        if row.metric in names:
            paired = tuple(rivals) if row.items else tuple(rivals[:1])  # a group of lm-eval's has no samples
            measured.append(Measured(name, task, protocol, row.metric, paired, rest))
        further = sorted(names - {row.metric}) if every else []
        measured += [Measured(name, task, protocol, metric, tuple(rivals[:1])) for metric in further]
    return measured


def _asks(tasks: Iterable[TaskRow], task: str, protocol: str, shots: int) -> bool:
    return any((one.task, one.protocol, one.shots) == (task, protocol, shots) for one in tasks)


def _newest(runs: Iterable[RunRow]) -> tuple[str, ...]:
    """Of each checkpoint the newest run, by the checkpoints' first runs."""
    by_model: dict[str, RunRow] = {}
    for run in sorted(runs, key=lambda run: (run.created, run.id)):
        by_model[run.model_digest or run.id] = run
    return tuple(run.id for run in by_model.values())


def _other(title: str, taken: str) -> str:
    return title if title != taken else f"the {title}"


def _card(
    store: Store,
    name: str,
    kind: str,
    own: RunRow,
    training: Training | None,
    verdict: tuple[str, ...],
    measured: Sequence[Measured],
) -> tuple[Card, Runs]:
    ids = list(dict.fromkeys(run for one in measured for _, runs in one.sides for run in runs))
    rows = {row.id: row for row in store.runs()}
    runs = {run: from_store(store, rows[run]) for run in ids}
    mine = {run for one in measured for run in one.sides[0][1]}
    base = next((row for row in rows.values() if own.base_digest and row.model_digest == own.base_digest), None)
    card = Card(
        name=name,
        kind=kind,
        model=own.model,
        base=(own.config.get("base") or (base.model if base else "")) if own.base_digest else "",
        base_digest=own.base_digest,
        training=training,
        verdict=verdict,
        asked=tuple(_asked(one, runs[one.sides[0][1][0]]) for one in _first_of_each(measured)),
        measured=tuple(measured),
        figures=tuple(figures(measured, runs)),
        differences=tuple(differences(measured, runs)),
        runs=tuple(_shared(rows[run]) for run in ids),
        program={key: value for key, value in own.provenance.items() if key != "host"},
        warnings=tuple(dict.fromkeys(text for run in ids if run in mine for text in _warnings(rows[run]))),
    )
    return card, runs


def _warnings(row: RunRow) -> list[str]:
    unverified = f"It is not known which weights answered: {row.unverified}"
    return [*([unverified] if row.unverified else []), *row.warnings]


def _first_of_each(measured: Iterable[Measured]) -> list[Measured]:
    return list({one.name: one for one in reversed(list(measured))}.values())[::-1]


def _asked(one: Measured, run: ScoredRun) -> Asked:
    row = next(task for task in run.task_rows if (task.task, task.protocol) == (one.task, one.protocol))
    return Asked(
        one.name,
        row.task,
        row.protocol,
        row.version,
        row.shots,
        row.chat,
        row.data_source,
        row.data_digest,
        run.run.partial,
    )


def _shared(row: RunRow) -> SharedRun:
    finished = row.finished.isoformat(timespec="seconds") if row.finished else ""
    return SharedRun(
        row.id, row.name, row.identity, row.model_digest, row.backend, row.device, row.dtype, row.seed, finished
    )


def _training(store: Store, study: str, number: int) -> Training:
    row = next(one for one in store.studies() if one.id == study)
    ledger = ledger_of(store, row)
    trial = ledger.trials[number - 1]
    whole = ledger.whole(number)
    tokens = compute(ledger)
    return Training(
        study=row.name,
        identity=row.identity,
        optimizer=row.optimizer,
        seed=row.seed,
        trials=ledger.started,
        budget=row.budget,
        objectives=tuple(row.config["objectives"]),
        trial=number,
        label=trial.label,
        hyperparameters=dict(trial.hyperparameters),
        template=str(row.config["template"]),
        max_tokens=int(row.config["max_tokens"]),
        dtype=str(row.config["dtype"]),
        rows=str(row.config["data"] or "hub"),
        row_digests=dict(row.config["data_digests"]),
        seeds=_seeds(ledger, number),
        validation_loss=whole.validation_loss if whole else None,
        tokens=tokens["forward"] + tokens["backward"] + tokens["validation"],
    )


def _seeds(ledger: Ledger, number: int) -> tuple[int, ...]:
    """Of the trainings on all rows."""
    own = [a for a in ledger.attempts.values() if a.trial == number and a.fraction == ledger.fractions[-1]]
    return tuple(sorted({attempt.seed for attempt in own if not attempt.failed}))
