"""`harness export` and `harness import`: runs leave for other programs, and lm-eval's results come in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json


class Format(StrEnum):
    parquet = "parquet"
    csv = "csv"
    json = "json"


def export(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN OUT",
            help="A run or a study, or a study's file, and a folder. With --mlflow or --trackio: runs and studies, or "
            "all.",
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="Of a run; json is lm-eval's results layout.")] = Format.parquet,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Of a study: the prompts and texts of its runs too.")
    ] = True,
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Write runs and studies, or all, to an MLflow server.", show_default=False),
    ] = None,
    trackio: Annotated[
        str | None,
        typer.Option(metavar="PROJECT", help="Write them to a project of trackio on this machine.", show_default=False),
    ] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Write a run to files: Parquet or CSV tables, or lm-eval's results with samples.

    A study leaves with its trials, runs, answers and verdicts, and without weights; `harness import` on another machine
    takes it in, and the command that began it goes on there.

    With --mlflow or --trackio, write runs and studies to a tracker; what is there already is not written twice."""
    if mlflow is not None or trackio is not None:
        _track(words or [], mlflow, trackio, db, json)
        return
    from harness.errors import UsageError
    from harness.exchange import export as write
    from harness.results import Store

    if len(words or []) != 2:
        raise UsageError("harness export takes a run or a study, and a folder: harness export RUN OUT.")
    run, out = words or []
    store = Store(db)
    try:
        run_row = store.resolve(run)
    except UsageError:
        if _exported_by_another(run, Path(out), db, texts, json):
            return
        raise
    files = write(store, run_row.id, Path(out), format.value)
    if json:
        print_json({"run": run_row.id, "format": format.value, "files": [str(file) for file in files]})
        return
    for file in files:
        typer.echo(file)


def _exported_by_another(word: str, out: Path, db: str, texts: bool, json: bool) -> bool:
    """Whether one of the exporters that are registered knows the word (a study's name, say), and has written it."""
    from harness import registry

    for name in registry.names("export"):
        files = registry.load("export", name)(word, out, db, texts)
        if files is not None:
            if json:
                print_json({name: word, "files": [str(file) for file in files]})
            else:
                for file in files:
                    typer.echo(file)
            return True
    return False


def _track(words: list[str], mlflow: str | None, trackio: str | None, db: str, json: bool) -> None:
    from dataclasses import asdict

    from harness.exchange.mlflow_tracker import MlflowTracker
    from harness.exchange.tracked import Tracker, tracked
    from harness.exchange.trackio_tracker import TrackioTracker

    trackers: dict[str, Tracker] = {}
    if mlflow is not None:
        trackers[f"MLflow at {mlflow}"] = MlflowTracker(mlflow)
    if trackio is not None:
        trackers[f"trackio's project {trackio}"] = TrackioTracker(trackio)
    found = tracked(db, words)
    logged = {name: tracker.log(found) for name, tracker in trackers.items()}
    if json:
        print_json({name: asdict(one) for name, one in logged.items()})
        return
    for name, one in logged.items():
        typer.echo(f"{name}: {len(one.new)} new, {len(one.changed)} gone on with, {len(one.same)} there already")


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            help="A study's folder, as `export` wrote it; lm-eval's --output_path; or one results_*.json, with samples "
            "beside it."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="The run's name. [default: the model's]", show_default=False)] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Take in what `export` wrote of a run or study, or results of lm-eval that have samples (--log_samples)."""
    from harness.exchange import import_results, store_files
    from harness.results import Store

    if store_files.is_store(path):
        _import_store(path, db, json)
        return
    done = import_results(Store(db), path, name)
    if json:
        runs = [
            {
                "run": one.run.id,
                "name": one.run.name,
                "model": one.run.model,
                "new": one.new,
                "tasks": [{"task": t.task, "protocol": t.protocol, "version": t.version} for t in one.tasks],
                "warnings": list(one.run.warnings),
            }
            for one in done
        ]
        print_json({"runs": runs})
        return
    for one in done:
        tasks = ", ".join(f"{task.task} ({task.protocol}, {task.version})" for task in one.tasks)
        before = "" if one.new else " was imported before"
        typer.echo(f"{one.run.id[:12]} {one.run.name}{before}: {tasks}")
        for warning in one.run.warnings:
            typer.echo(f"warning: {warning}", err=True)


def _import_store(folder: Path, db: str, json: bool) -> None:
    from harness.exchange import store_files
    from harness.results import Store

    counts = store_files.take_in(Store(db), folder)
    if json:
        print_json(counts)
        return
    new = {
        name: counts.get(name, 0) for name in ("studies", "trials", "attempts", "runs", "answer_sets", "comparisons")
    }
    words = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in new.items() if count)
    typer.echo(f"{folder}: {words} came in." if words else f"{folder}: all of it was here already.")
