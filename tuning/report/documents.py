"""A study as plain data, for --json, and as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import IncompleteError
from harness.estimate.outcome import outcome
from tuning.report import remarks, trial_scores
from tuning.report.views import StudyView, TrialView
from tuning.store import Store, StudyRow, TrialRow
from tuning.store.rows import BASE, TrialState
from tuning.study.ledger import Ledger, hyper_of
from tuning.types import MIX

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


_FIELDS = {"alpha_over_rank": "alpha", "alpha_over_sqrt_rank": "alpha"}  # of Hyperparameters, by the space's names


class Listed(NamedTuple):
    """A study among others."""

    row: StudyRow
    started: int  # trials
    best: float | None  # the least first objective that was measured on all rows


def listed(store: Store) -> list[Listed]:
    """All studies, the newest first."""
    from tuning.study.definition import ledger_of

    rows = []
    with store.read():
        ledgers = [(row, ledger_of(store, row)) for row in store.studies()]
    for row, ledger in ledgers:
        value = ledger.value(ledger.best.number) if ledger.best else None
        rows.append(Listed(row, ledger.started, value and value[0]))
    return rows


def study_document(row: StudyRow, ledger: Ledger, merged: Path | None = None) -> dict[str, Any]:
    """`study`, `trials` and `best` (the best that was trained on all rows; null where there is none), for several
    objectives also `front`, the numbers of those that none betters in all."""
    trials = [trial_document(row, ledger, trial) for trial in ledger.trials]
    best = ledger.best
    attempt = ledger.whole(best.number) if best else None
    adapter = None if attempt is None else attempt.adapter or None
    document: dict[str, Any] = {
        "study": {
            "id": row.id,
            "name": row.name,
            "identity": row.identity,
            "status": row.status,
            "model": row.model,
            "optimizer": row.optimizer,
            "seed": row.seed,
            "budget": row.budget,
            "started": ledger.started,
            "ended": ended(row, ledger),
            "objectives": row.config["objectives"],
            "constraints": row.config["constraints"],
            "rungs": row.config["fractions"],
            "data_digests": row.config["data_digests"],
            "compute_tokens": compute(ledger),
            "estimate": foretold(row, ledger),
            "warnings": [*row.warnings, *remarks.warnings(ledger)],
        },
        "trials": trials,
        "best": best and {**trials[best.number - 1], "adapter": adapter, "merged": str(merged) if merged else None},
    }
    if len(row.config["objectives"]) > 1:
        document["front"] = ledger.front
    return document


def foretold(row: StudyRow, ledger: Ledger) -> dict[str, Any] | None:
    """What `--plan` said of the study, held against what it took; None where nothing was asked."""
    peak = max((attempt.peak_bytes for attempt in ledger.attempts.values()), default=0)
    found = outcome(ledger.store, row.identity, row.finished, row.totals.get("seconds"), peak)
    if found is not None and found["planned"]["trials"] != row.budget:
        found["sentence"] += f" (planned for {found['planned']['trials']} trials)"
    return found


def require_a_trial(document: dict[str, Any]) -> None:
    """IncompleteError where a study came to its end and no trial did."""
    trials = document["trials"]
    if document["study"]["status"] == "finished" and all(trial["state"] == "failed" for trial in trials):
        reasons = list(dict.fromkeys(trial["reason"] for trial in trials))
        raise IncompleteError(
            f"All {len(trials)} trials of {document['study']['name']} failed, so it has no best: "
            f"{' / '.join(reasons[:3])}{' …' * (len(reasons) > 3)}"
        )


def trial_document(row: StudyRow, ledger: Ledger, trial: TrialRow) -> dict[str, Any]:
    """`values` are those measured at the highest rung; `told` is what the optimizer heard; `value` is the first
    objective on all rows, measured or (`estimated`) as all trials that are there now suggest."""
    attempts = [a for a in ledger.attempts.values() if a.trial == trial.number and a.seed == ledger.seed]
    highest = max((a for a in attempts if not a.failed), key=lambda a: a.fraction, default=None)
    value = ledger.value(trial.number) if trial.state != "running" else None
    return {
        "number": trial.number,
        "optimizer": row.optimizer if trial.source == "optimizer" else trial.source,
        "label": trial.label,
        "hyperparameters": dict(trial.hyperparameters),
        "state": _state(ledger, trial),
        "values": list(highest.objectives) if highest else None,
        "told": list(trial.objectives) or None,
        "value": value and value[0],
        "estimated": bool(value and value[1]),
        "constraints": list(trial.constraints),
        "rung": highest.fraction if highest else None,
        "seconds": round(sum(a.seconds for a in attempts), 3),
        "reason": trial.reason,
        "warnings": list(dict.fromkeys(text for a in attempts for text in a.warnings)),
    }


def _state(ledger: Ledger, trial: TrialRow) -> TrialState:
    """A trial that was stopped, and trained on all rows when the search had ended, is finished."""
    return "finished" if ledger.whole(trial.number) else trial.state


def ended(row: StudyRow, ledger: Ledger) -> str | None:
    """Why a study that is finished began fewer trials than its budget; None for every other."""
    if row.status != "finished" or ledger.started >= row.budget:
        return None
    whole = "list" if row.optimizer == "list" else "space"
    return f"The {whole} has no more points: {ledger.started} trials of a budget of {row.budget} are all that it makes."


def _ended(row: StudyRow, ledger: Ledger) -> list[str]:
    why = ended(row, ledger)
    return [] if why is None else [why]


def compute(ledger: Ledger) -> dict[str, int]:
    """Tokens of the search and of its trainings on all rows, measured over seeds apart."""
    own = [a for a in ledger.attempts.values() if a.seed == ledger.seed and a.trial]
    return {
        "forward": sum(a.forward_tokens for a in own),
        "backward": sum(a.backward_tokens for a in own),
        "validation": sum(a.measured_tokens for a in own),
        "padding": sum(a.padding_tokens for a in own),
    }


def view_of(store: Store, study: str) -> StudyView:
    """A study by its id, with all that was measured of it."""
    from tuning.study.definition import ledger_of

    with store.read():
        row = next(row for row in store.studies() if row.id == study)
        ledger, measured = ledger_of(store, row), trial_scores.scores(store, row)
    return study_view(row, ledger, measured)


def study_view(row: StudyRow, ledger: Ledger, measured: Mapping[int, Mapping[str, trial_scores.Measured]]) -> StudyView:
    """What a report reads. Values of a trial stand for its highest rung, with all that belongs to the same training."""
    from tuning.study.space import Space

    curves = ledger.store.curves(row.id)
    searched = {_FIELDS.get(name, name) for name in Space.from_dict(row.config["space"]).names}
    trials = []
    for trial in ledger.trials:
        own = [
            a for a in ledger.attempts.values() if a.trial == trial.number and a.seed == ledger.seed and not a.failed
        ]
        last = max(own, key=lambda a: a.fraction, default=None)
        measured_on = last.validation_tokens if last else 0
        scored = measured.get(trial.number, {})
        trials.append(
            TrialView(
                number=trial.number,
                optimizer=row.optimizer if trial.source == "optimizer" else "fixed" if trial.label else trial.source,
                hyperparameters=hyper_of(trial.hyperparameters),
                state=_state(ledger, trial),
                label=trial.label,
                values=last.objectives if last else None,
                rung=last.fraction if last else None,
                seconds=sum(a.seconds for a in own),
                train_loss=last.train_loss if last else None,
                validation_loss=last.validation_nats / measured_on if last and measured_on else None,
                curve=curves.get((trial.number, last.purpose, last.fraction, last.seed), ()) if last else (),
                scores={name: score.value for name, score in scored.items()},
                intervals={name: score.interval for name, score in scored.items() if score.interval},
                runs=tuple(dict.fromkeys(run for score in scored.values() for run in score.runs)),
                feasible=ledger.keeps_constraints(trial.number),
            )
        )
    return StudyView(
        name=row.name,
        model=row.model,
        optimizer=row.optimizer,
        seed=row.seed,
        budget=row.budget,
        objectives=tuple(row.config["objectives"]),
        searched=tuple(sorted(searched)),
        trials=tuple(trials),
        notes=(
            *filter(None, [ended(row, ledger)]),
            *row.warnings,
            *remarks.warnings(ledger),
            *remarks.failures(ledger),
        ),
        base={name: score.value for name, score in measured.get(BASE, {}).items()},
        audits=tuple(ledger.store.audits(row.id)),
        rows=f"{row.base_digest} {row.data_digest}",
        id=row.id,
    )


def hyper_text(hyper: Mapping[str, Any]) -> str:
    """ "rank 8, alpha 16, dropout 0.05, lr 0.0002", and "mix:alpaca 0.3" where a share is searched."""
    return ", ".join(f"{name} {hyper[name]:.4g}" for name in ("rank", "alpha", "dropout", "lr", *_shares(hyper)))


def _shares(hyper: Mapping[str, Any]) -> list[str]:
    return [name for name in hyper if name.startswith(MIX)]


def print_study(console: Console, document: Mapping[str, Any], most: int = 10) -> None:
    """The best trials, the fixed points, and what the study is."""
    from harness.cli.tables import plain, table

    study, trials = document["study"], document["trials"]
    known = sorted((t for t in trials if t["value"] is not None), key=lambda t: t["value"])
    shown = known[:most] + [t for t in known[most:] if t["label"]]
    shares = list(dict.fromkeys(name for trial in trials for name in _shares(trial["hyperparameters"])))
    columns = ("trial", "from", "value", "rows", "s", "rank", "alpha", "drop", "lr", *shares)
    made = table(", ".join(study["objectives"]), columns, right=columns)
    best = document["best"] and document["best"]["number"]
    for trial in shown:
        hyper = trial["hyperparameters"]
        cells = [
            trial["number"],
            trial["label"] or trial["optimizer"],
            f"{'≈ ' if trial['estimated'] else ''}{trial['value']:.4f}",
            f"{trial['rung']:.0%}",
            f"{trial['seconds']:.0f}",
            *(f"{hyper[name]:.4g}" for name in ("rank", "alpha", "dropout", "lr", *shares)),
        ]
        made.add_row(*map(plain, cells), style="bold" if trial["number"] == best else "")
    states = [t["state"] for t in trials]
    head = f"{study['name']} · {study['model']} · {study['optimizer']}, seed {study['seed']} · study {study['id'][:12]}"
    console.print(plain(head), style="bold")
    console.print(made)
    if any(t["estimated"] for t in shown):
        console.print("≈ stopped at a rung: an estimate for all rows", style="dim")
    counted = ", ".join(f"{states.count(s)} {s}" for s in ("finished", "stopped", "failed", "running") if s in states)
    tokens = study["compute_tokens"]
    spent = tokens["forward"] + tokens["backward"] + tokens["validation"]
    console.print(
        plain(f"{len(trials)} of {study['budget']} trials: {counted} · {spent:,} tokens computed"), style="dim"
    )
    if study["estimate"]:
        console.print(plain(study["estimate"]["sentence"]), style="dim")
    if study["ended"]:
        console.print(plain(study["ended"]), style="yellow")
    if study["status"] in ("stopped", "running", "stopping"):
        console.print("not finished: the same command goes on", style="yellow")
    for trial in [t for t in trials if t["state"] == "failed"][:5]:
        console.print(plain(f"! trial {trial['number']}: {trial['reason']}"), style="yellow")
    for warning in study["warnings"]:
        console.print(plain(f"! {warning}"), style="yellow")
    if document["best"]:
        best = document["best"]
        console.print(plain(f"best: trial {best['number']} ({hyper_text(best['hyperparameters'])})"))
        console.print(plain(f"LoRA on: {', '.join(best['hyperparameters']['target_modules'])}"))
        for part in ("adapter", "merged"):
            if best[part]:
                console.print(plain(f"{part}: {best[part]}"), soft_wrap=True)


def print_studies(console: Console, studies: Sequence[Listed]) -> None:
    from harness.cli.tables import plain, table

    made = table("", ("study", "name", "model", "optimizer", "trials", "best", "status"), right=("trials", "best"))
    for row, started, best in studies:
        shown = "" if best is None else f"{best:.4f}"
        trials = f"{started} of {row.budget}"
        made.add_row(*map(plain, (row.id[:12], row.name, row.model, row.optimizer, trials, shown, row.status)))
    console.print(made)
