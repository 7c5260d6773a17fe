"""`harness study`: a whole study, from a base to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile

app = typer.Typer(
    help="A whole study by one file: searches, finalists, benchmarks, answers, judges, people, verdict.",
    no_args_is_help=True,
)
File = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="What is searched, measured and compared.")]
Db = Annotated[str | None, typer.Option("--db", help="The store, one file; the file's own where not given.")]
Model = Annotated[str | None, typer.Option("--model", help="Another base than the file's.")]
Data = Annotated[
    str | None,
    typer.Option("--data", help="Other rows than the file's; sample: rows, benchmarks and prompts of the sample."),
]
Scale = Annotated[
    float | None,
    typer.Option(help="A smaller study: trials, rows, items and prompts times this, 0.01 for example.", min=0, max=1),
]


@app.command()
def run(
    file: File,
    until: Annotated[
        str | None, typer.Option(help="The last stage: search, finalists, benchmarks, audit, answers, judges, people.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what it would take, and begin nothing.")] = False,
    scale: Scale = None,
    db: Db = None,
    model: Model = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Do what is not done yet, stage by stage; the same command again goes on."""
    from rich.console import Console

    from harness.progress import shown
    from tuning.cli.study_output import print_notes, print_plan, print_result, result_document
    from tuning.pipeline import session
    from tuning.pipeline.plan import plan_document

    study = _read(file, db, model, data, scale)
    _check_stage(study, until)
    if plan:
        document = plan_document(study, until)
        if json:
            print_json(document)
        else:
            print_plan(Console(), document)
        return
    if not json:
        print_notes(Console(stderr=True), study.notes)
    with shown() as progress:
        result = session.run(study, progress, until)
    if json:
        print_json(result_document(result))
    else:
        print_result(Console(), study, result)


@app.command()
def status(
    file: File, scale: Scale = None, db: Db = None, model: Model = None, data: Data = None, json: Json = False
) -> None:
    """Say how far each stage is, and the verdict where there is one. Nothing is computed."""
    from rich.console import Console

    from tuning.cli.study_output import print_result, result_document
    from tuning.pipeline import session

    study = _read(file, db, model, data, scale)
    result = session.result_of(study)
    if json:
        print_json(result_document(result))
    else:
        print_result(Console(), study, result)


def _read(file: Path, db: str | None, model: str | None, data: str | None, scale: float | None) -> StudyFile:
    from tuning.pipeline.smaller import read_smaller

    changes = {"db": db, "model": model, "data": data}
    return read_smaller(file, {name: value for name, value in changes.items() if value is not None}, scale)


def _check_stage(study: StudyFile, until: str | None) -> None:
    from harness.errors import suggest
    from harness.options import OptionError
    from tuning.pipeline.stages import stages_of

    names = [stage.name for stage in stages_of(study)]
    if until is not None and until not in names:
        raise OptionError("until", until, f" must be a stage of the file: {', '.join(names)}.{suggest(until, names)}")
