"""What a store knows of a whole study, as plain data: how far it is, its searches, its finalists and its report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile
    from tuning.pipeline.verdict import Against, Verdict
    from tuning.pipeline.whole_study import WholeStudy
    from tuning.store import Store, StudyRow
    from tuning.study.finalists import Finalist


def figures(file: StudyFile) -> dict[str, Any]:
    """`stages` with what each has done, `searches` with their trials, hours of training and measuring; `finalists` by
    their losses on test rows (None until all are trained), `report` and `benchmarks` (None until all are measured)."""
    from tuning.pipeline import session
    from tuning.pipeline.measured import board
    from tuning.pipeline.report import document, report_of
    from tuning.pipeline.verdict import verdict
    from tuning.pipeline.whole_study import WholeStudy

    study = WholeStudy(file)
    states = session.states_of(study)
    finished = {state.name for state in states if state.is_done}
    outcome = verdict(board(study)) if "benchmarks" in finished else None
    rows = [row for row in study.rows() if row is not None]
    trainings = sum(a.seconds for row in rows for a in study.store.attempts(row.id))
    measured = sum(float(run.totals.get("seconds", {}).get("total", 0.0)) for run in study.store.runs())
    return {
        "study": file.name,
        "seeds": file.finalists.seeds,
        "stages": [{"name": state.name, "done": state.done, "total": state.total} for state in states],
        "searches": [_search(study.store, row) for row in rows],
        "hours": {"training": trainings / 3600, "measuring": measured / 3600},
        "sessions": sum(row.totals.get("sessions", 0) for row in rows),
        "finalists": _finalists(study) if "finalists" in finished else None,
        "report": document(report_of(study, outcome)) if outcome else None,
        "benchmarks": _benchmarks(outcome) if outcome else None,
    }


def _finalists(study: WholeStudy) -> dict[str, Any]:
    """Losses in nats a token on the test rows, the lowest first; the one chosen by validation loss against others, and
    the bests of the searches against each other: differences below zero speak for the first. `seeds`: see `Seeds`;
    where each was trained once, intervals are widened by it."""
    from tuning.pipeline.configurations import chosen_by_loss, is_default, loss_of, title
    from tuning.study.finalists import compare, measurements

    searches, seeds = study.finished(), study.file.finalists.seeds
    measured = measurements(study.finalists(), seeds)
    by_title = {title(one.finalist, searches): one.finalist for one in measured}
    chosen = chosen_by_loss(list(by_title.values()), searches[0].row.data_digest)
    trained = [one.finalist for one in measured if one.finalist.trial]
    spread = Seeds.of([(loss_of(one.ledger, one.trial), new_validation_loss(one)) for one in trained])

    def against(own: Finalist, rival: Finalist) -> dict[str, Any]:
        one = compare(rival, own, seeds)
        value, low, high = one.difference
        if one.seeds == 1:
            low, high = spread.widened(value, low, high)
        names = {"one": title(own, searches), "rival": title(rival, searches)}
        return {**names, "difference": value, "low": low, "high": high, "rows": one.rows}

    best = {
        searched.search.optimizer: finalist
        for searched in searches
        for finalist in by_title.values()
        if finalist.study.id == searched.row.id and not is_default(finalist) and finalist.why.startswith("best")
    }
    return {
        "measured": [
            {
                "title": title(one.finalist, searches),
                "validation_loss": loss_of(one.finalist.ledger, one.finalist.trial) if one.finalist.trial else None,
                "new_validation_loss": new_validation_loss(one.finalist) if one.finalist.trial else None,
                "test_losses": list(one.losses),
                "failed": one.failed,
            }
            for one in measured
        ],
        "seeds": spread._asdict(),
        "chosen": chosen and title(chosen, searches),
        "against": [against(chosen, rival) for rival in by_title.values() if rival is not chosen] if chosen else [],
        "optimizers": [
            against(own, rival) for name, own in best.items() for other, rival in best.items() if name < other
        ],
    }


class Seeds(NamedTuple):
    """How far apart two trainings of one configuration over two seeds are, in nats a token of validation: the root
    mean square over `configurations` that were trained on all rows in the search and anew."""

    configurations: int
    apart: float

    @classmethod
    def of(cls, losses: Sequence[tuple[float | None, float | None]]) -> Seeds:
        """By (loss in the search, loss of the new seeds) of each configuration; None where it was not measured."""
        differences = [one - other for one, other in losses if one is not None and other is not None]
        squares = sum(one**2 for one in differences)
        return cls(len(differences), math.sqrt(squares / len(differences)) if differences else 0.0)

    def widened(self, value: float, low: float, high: float) -> tuple[float, float]:
        """The ends of a 95% interval of the difference of two configurations with one training each, which is of rows
        alone, with the part of seeds: Student's t on as many degrees of freedom as configurations, and the halves
        added as variances are. Without any configuration it has no ends."""
        from scipy.special import stdtrit

        if not self.configurations:
            return -math.inf, math.inf
        seeds = float(stdtrit(self.configurations, 0.975)) * self.apart
        return value - math.hypot(value - low, seeds), value + math.hypot(high - value, seeds)


def new_validation_loss(finalist: Finalist) -> float | None:
    """The mean of its trainings over new seeds, nats a token."""
    from tuning.study.finalists import trainings

    losses = [attempt.validation_loss for attempt in trainings(finalist)]
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if known else None


def _benchmarks(outcome: Verdict) -> dict[str, Any]:
    """In points: scores with their intervals by configuration and task, and the best of each task against the one that
    validation loss chose."""
    from tuning.pipeline.verdict import scores

    board = outcome.board

    def plain(one: Against) -> dict[str, Any]:
        ends = {"difference": one.difference, "low": one.low, "high": one.high, "p": one.p_holm}
        return {"task": one.task, "one": one.b.title, "rival": one.a.title, **ends, "word": one.word}

    return {
        "scores": [
            {
                "title": c.title,
                "validation_loss": c.loss,
                "is_base": c.is_base,
                "tasks": {task: list(scores(board, c, task)) for task in board.tasks},
            }
            for c in board.configurations
        ],
        "best_of_each_task": [plain(one) for one in outcome.regret],
        "against": [plain(one) for one in outcome.against_rivals],
    }


def _search(store: Store, row: StudyRow) -> dict[str, Any]:
    from tuning.report.documents import study_document
    from tuning.study.definition import ledger_of

    with store.read():
        whole = study_document(row, ledger_of(store, row))
    kept = ("number", "label", "optimizer", "hyperparameters", "state", "value", "estimated", "rung", "seconds")
    about = ("name", "optimizer", "seed", "budget", "started", "status", "compute_tokens", "warnings")
    return {
        **{name: whole["study"][name] for name in about},
        "best": whole["best"] and whole["best"]["number"],
        "trials": [
            {**{name: trial[name] for name in kept}, "loss": trial["values"] and trial["values"][0]}
            for trial in whole["trials"]
        ],
    }
