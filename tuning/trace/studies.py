"""Trials and studies, and what these were made from: rows, base, program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from tuning.store import AttemptRow, Store, StudyRow, TrialRow
from tuning.store.rows import BASE
from tuning.trace.links import Figure, Link, address, command, of_number, of_score

if TYPE_CHECKING:
    from harness.results import RunRow
    from judges.store.rows import AnswerSetRow
    from tuning.report.views import StudyView
    from tuning.study.ledger import Ledger

_NATS = "{:.4f}"
_OBJECTIVE = "{:.5g}"


def study_link(store: Store, row: StudyRow, trials: bool = False) -> Link:
    """With `trials`, what its page shows: every trial, and what correlates."""
    from tuning.report.documents import view_of

    config = row.config
    view = view_of(store, row.id) if trials else None
    return Link(
        "study",
        row.name,
        {
            "id": row.id,
            "identity": row.identity,
            "optimizer": row.optimizer,
            "seed": row.seed,
            "budget": row.budget,
            "status": row.status,
            "objectives": list(config["objectives"]),
            "constraints": list(config["constraints"]),
            "rungs": list(config["fractions"]),
            "split": config["split"],
            "split seed": config["data_seed"],
            "template": config.get("template", "alpaca"),
            **begun(row),
        },
        _of_view(view) if view else (),
        command=command(store, "tune", "show", row.id[:12]),
        page=address("studies", study=row.id[:12]),
        sources=(
            *([_measured(store, row, view)] if view and view.base else []),
            *((trial_link(store, row, trial.number, view) for trial in view.trials) if view else ()),
            rows_link(store, row),
            base_link(config["model"], row.base_digest, config.get("revision")),
            program_link(row.provenance),
        ),
    )


def trial_link(
    store: Store,
    row: StudyRow,
    number: int,
    view: StudyView | None = None,
    deep: bool = False,
    training: AttemptRow | None = None,
) -> Link:
    """`deep`: with the study that proposed it. `view`: with the runs that measured it. `training`: of its trainings
    this one alone, beside what the search saw. UsageError for no trial."""
    from tuning.study.definition import ledger_of

    if number == BASE:
        return _base_trial(store, row)
    ledger = ledger_of(store, row)
    if not 1 <= number <= len(ledger.trials):
        raise UsageError(f"The study {row.name} has no trial {number}: it has {len(ledger.trials)}, from 1.")
    trial = ledger.trials[number - 1]
    own = [a for a in ledger.attempts.values() if a.trial == number and training in (None, a)]
    shown = next((seen for seen in view.trials if seen.number == number), None) if view else None
    scored = shown.scores if shown else {}
    figures = [*_of_search(row, ledger, trial), *(figure for attempt in own for figure in _of_training(attempt))]
    for name, value in scored.items():
        ends = shown.intervals.get(name, (value, value)) if shown else (value, value)
        figures.append(of_score(name, (value, *ends), made_from=_of_runs(shown.runs if shown else (), name)))
    failed = [f"A training failed: {attempt.reason}" for attempt in own if attempt.failed]
    whole = [a for a in own if a.fraction == 1 and not a.failed]
    lost = [f"The adapter of the training with seed {a.seed} is not kept." for a in whole if not a.adapter]
    gone = [f"The adapter's folder is gone: {a.adapter}" for a in own if a.adapter and not Path(a.adapter).is_dir()]
    return Link(
        "trial",
        f"{number}" + (f" ({trial.label})" if trial.label else ""),
        {
            "study": row.id,
            "number": number,
            "proposed by": row.optimizer if trial.source == "optimizer" else trial.source,
            "state": trial.state,
            "part of the rows": max((a.fraction for a in own if not a.failed), default=None),
            "hyperparameters": dict(trial.hyperparameters),
            "trainings": [_training(attempt) for attempt in own],
            "measured by": list(shown.runs) if shown else [],
        },
        figures,
        tuple(dict.fromkeys([*([trial.reason] if trial.state == "failed" else []), *failed, *lost, *gone])),
        command(store, "trace", row.id[:12], number) if not deep else command(store, "tune", "show", row.id[:12]),
        address("studies", study=row.id[:12], view="trials", trial=number),
        (study_link(store, row),) if deep else (),
    )


def _of_runs(runs: Sequence[str], name: str) -> str:
    if name.startswith("preference"):
        return "verdicts on its answers"
    return f"run{'s' * (len(runs) > 1)} {', '.join(run[:12] for run in runs)}"


def _base_trial(store: Store, row: StudyRow) -> Link:
    return Link(
        "trial",
        "0 (base)",
        {"study": row.id, "number": BASE},
        command=command(store, "tune", "show", row.id[:12]),
        page=address("studies", study=row.id[:12]),
        sources=(base_link(row.config["model"], row.base_digest, row.config.get("revision")),),
    )


def _training(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "purpose": attempt.purpose,
        "rows": attempt.fraction,
        "seed": attempt.seed,
        "adapter": attempt.adapter,
        "steps": attempt.steps,
        "finished": attempt.finished.isoformat(),
    }


def _of_search(row: StudyRow, ledger: Ledger, trial: TrialRow) -> list[Figure]:
    """The objectives where they were measured last, as tables show them."""
    figures = []
    own = [a for a in ledger.attempts.values() if (a.trial, a.seed, a.failed) == (trial.number, ledger.seed, False)]
    last = max(own, key=lambda attempt: attempt.fraction, default=None)
    for name, known in zip(row.config["objectives"], last.objectives if last else (), strict=False):
        anew, made_from = known, ""
        if last and name == "validation" and last.validation_loss is not None:
            anew, made_from = last.validation_loss, _validation(last)
        figures.append(of_number(name, _OBJECTIVE, (anew, None, None), made_from, (known, None, None)))
    value = ledger.value(trial.number) if trial.state != "running" else None
    if value and value[1]:
        figures.append(of_number("estimate for all rows", _NATS, (value[0], None, None), "the rungs of all trials"))
    return figures


def _of_training(attempt: AttemptRow) -> list[Figure]:
    """The losses of one training."""
    which = f"seed {attempt.seed}" + ("" if attempt.fraction == 1 else f", {attempt.fraction:.0%} of the rows")
    figures = []
    if attempt.validation_loss is not None:
        loss, trained = (attempt.validation_loss, None, None), (attempt.train_loss, None, None)
        figures.append(of_number(f"validation loss, {which}", _NATS, loss, _validation(attempt)))
        figures.append(of_number(f"train loss, {which}", _NATS, trained, "", trained))
    if attempt.test_nats:
        tokens = sum(attempt.test_tokens)
        made_from = f"{len(attempt.test_nats)} test rows, {tokens:,} tokens"
        loss = (sum(attempt.test_nats) / tokens, None, None)
        figures.append(of_number(f"test loss, {which}", _NATS, loss, made_from))
    return figures


def _validation(attempt: AttemptRow) -> str:
    return f"{attempt.validation_nats:.6g} nats on {attempt.validation_tokens:,} validation tokens"


def _measured(store: Store, row: StudyRow, view: StudyView) -> Link:
    """What was measured of the base."""
    figures = [of_score(name, (value, None, None)) for name, value in view.base.items()]
    return Link("trial", "0 (base)", {"study": row.id, "number": BASE}, figures, command=command(store, "show"))


def _of_view(view: StudyView) -> list[Figure]:
    """The best, what correlates and the gap, as the study's page and report say them."""
    from tuning.report.findings import gap_agreement, predictions

    figures = []
    if view.ranked:
        best = view.ranked[0]
        made_from = f"{len(view.ranked)} trials on all rows: trial {best.number}"
        figures.append(of_number(f"best {view.objectives[0]}", _NATS, (best.first, None, None), made_from))
    said = [(f"falling loss and rising {p.name}", p.agreement) for p in predictions([view])]
    if (gap := gap_agreement(view)) is not None:
        said.append(("rank and the gap from train to validation loss", gap))
    for name, agreement in said:
        for coefficient, value, ends in (
            ("Spearman", agreement.spearman, agreement.spearman_interval),
            ("Kendall", agreement.kendall, agreement.kendall_interval),
        ):
            numbers = (value, *(ends or (None, None)))
            figures.append(of_number(f"{coefficient}, {name}", "{:+.2f}", numbers, f"{agreement.n} trials"))
    return figures


def rows_link(store: Store, row: StudyRow) -> Link:
    """Training rows by their parts."""
    config = row.config
    counts = row.provenance.get("rows")
    missing = [] if counts else ["How many rows of which source was not recorded when this study began."]
    given = config["data"] or "the hub"
    return Link(
        "rows",
        given,
        {
            "digests": dict(config["data_digests"]),
            "counts": counts or {},
            "mix": dict(config["mix"] or {}),
            "sizes": list(config["sizes"]),
        },
        missing=missing,
        command=command(store, "tune", "show", row.id[:12], "--json"),
        page=address("studies", study=row.id[:12]),
    )


def begun(made: StudyRow | RunRow | AnswerSetRow) -> dict[str, str]:
    """When, and by which command."""
    return {"begun": made.created.isoformat(timespec="seconds"), "command": made.command}


def base_link(model: str, digest: str, revision: str | None = None) -> Link:
    from tuning.trace.files import state_of

    facts = {"digest": digest, **({"revision": revision} if revision else {})}
    return Link("base", model, facts, missing=state_of(model, digest))


def program_link(provenance: Mapping[str, Any]) -> Link:
    """Program, packages and machine."""
    packages = dict(provenance.get("packages", {}))
    missing = []
    if not provenance:
        missing.append("It was not recorded which program made this.")
    elif not provenance.get("git_revision"):
        missing.append(
            "There is no commit: the program did not run from a checkout. Its version and packages are known."
        )
    return Link(
        "program",
        f"lora-harness {packages.pop('lora-harness', 'of an unknown version')}",
        {
            "commit": provenance.get("git_revision", ""),
            "python": provenance.get("python", ""),
            "packages": packages,
            "machine": provenance.get("host", ""),
            "platform": provenance.get("platform", ""),
        },
        missing=missing,
    )
