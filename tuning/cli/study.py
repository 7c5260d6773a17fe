"""`harness study`: a whole study, from a base to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from tuning.pipeline.session import Result, StageState
    from tuning.pipeline.study_file import StudyFile
    from tuning.pipeline.verdict import Verdict

app = typer.Typer(
    help="A whole study by one file: searches, finalists, benchmarks, answers, judges, verdict.", no_args_is_help=True
)
File = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="What is searched, measured and compared.")]
Db = Annotated[str | None, typer.Option("--db", help="The store, one file; the file's own where not given.")]
Model = Annotated[str | None, typer.Option("--model", help="Another base than the file's.")]
Data = Annotated[str | None, typer.Option("--data", help="Other rows than the file's.")]


@app.command()
def run(
    file: File,
    until: Annotated[str | None, typer.Option(help="The last stage: search, finalists, benchmarks, answers.")] = None,
    db: Db = None,
    model: Model = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Do what is not done yet, stage by stage; the same command again goes on."""
    from harness.progress import shown
    from tuning.pipeline import session

    study = _read(file, db, model, data)
    _check_stage(study, until)
    with shown() as progress:
        result = session.run(study, progress, until, lambda stage: typer.echo(f"stage: {stage.name}", err=True))
    _show(result, json)


@app.command()
def status(file: File, db: Db = None, model: Model = None, data: Data = None, json: Json = False) -> None:
    """Say how far each stage is, and the verdict where there is one. Nothing is computed."""
    from tuning.pipeline import session

    _show(session.result_of(_read(file, db, model, data)), json)


def _read(file: Path, db: str | None, model: str | None, data: str | None) -> StudyFile:
    from tuning.pipeline.study_file import read

    changes = {"db": db, "model": model, "data": data}
    return read(file, {name: value for name, value in changes.items() if value is not None})


def _check_stage(study: StudyFile, until: str | None) -> None:
    from harness.errors import suggest
    from harness.options import OptionError
    from tuning.pipeline.stages import stages_of

    names = [stage.name for stage in stages_of(study)]
    if until is not None and until not in names:
        raise OptionError("until", until, f" must be a stage of the file: {', '.join(names)}.{suggest(until, names)}")


def _show(result: Result, json: bool) -> None:
    from rich.console import Console

    from harness.cli.tables import plain

    if json:
        print_json(_document(result))
        return
    console = Console()
    _print_states(console, result.states)
    if result.verdict is None:
        return
    for sentence in result.verdict.sentences:
        console.print(plain(sentence), style="bold" if sentence.startswith("Against") else "")
    _print_configurations(console, result.verdict)
    for path in result.files[:1]:
        console.print(plain(f"report: {path}"), soft_wrap=True)


def _print_states(console: Console, states: tuple[StageState, ...]) -> None:
    from harness.cli.tables import plain, table

    shown = table("", ("stage", "done"), right=("done",))
    for state in states:
        done = "waits" if not state.total else f"{state.done} of {state.total}"
        shown.add_row(plain(state.name), plain(done))
    console.print(shown)


def _print_configurations(console: Console, verdict: Verdict) -> None:
    from harness.cli.tables import plain, table
    from tuning.pipeline.report import configurations_table

    own = configurations_table(verdict)
    shown = table("", own.columns)
    for row in own.rows:
        shown.add_row(*map(plain, row))
    console.print(shown)


def _document(result: Result) -> dict[str, Any]:
    return {
        "stages": [{"stage": state.name, "done": state.done, "total": state.total} for state in result.states],
        "verdict": None if result.verdict is None else result.verdict.sentences,
        "files": list(map(str, result.files)),
    }
