"""What a store knows of a whole study, as plain data: how far it is, its searches, and its report if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile
    from tuning.store import Store, StudyRow


def figures(file: StudyFile) -> dict[str, Any]:
    """`stages` with what each has done, `searches` with their trials, `report` (None until finalists are measured) and
    hours of training and measuring."""
    from tuning.pipeline import session
    from tuning.pipeline.measured import board
    from tuning.pipeline.report import document, report_of
    from tuning.pipeline.verdict import verdict
    from tuning.pipeline.whole_study import WholeStudy

    study = WholeStudy(file)
    states = session.states_of(study)
    finished = {state.name for state in states if state.is_done}
    report = document(report_of(study, verdict(board(study)))) if "benchmarks" in finished else None
    rows = [row for row in study.rows() if row is not None]
    trainings = sum(a.seconds for row in rows for a in study.store.attempts(row.id))
    measured = sum(float(run.totals.get("seconds", {}).get("total", 0.0)) for run in study.store.runs())
    return {
        "study": file.name,
        "stages": [{"name": state.name, "done": state.done, "total": state.total} for state in states],
        "searches": [_search(study.store, row) for row in rows],
        "hours": {"training": trainings / 3600, "measuring": measured / 3600},
        "sessions": sum(row.totals.get("sessions", 0) for row in rows),
        "report": report,
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
