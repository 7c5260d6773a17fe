"""`harness tune top` and `report`: what a search found, measured over again and written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from tuning.cli.studies import StudyWord

if TYPE_CHECKING:
    from tuning.study.options import TuneOptions


@command_of("tuning.study.options:TuneOptions", only=("bench_data", "parallel", "ray", "device", "micro_batch", "db"))
def top(
    given: Given[TuneOptions],
    study: StudyWord,
    k: Annotated[int, typer.Option(help="So many of the best by validation loss.")] = 10,
    spread: Annotated[int, typer.Option(help="So many quantiles of validation loss beside them.")] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each.")] = 5,
    against: Annotated[
        list[str] | None, typer.Option(help="Another study on the same base and rows. May be given several times.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write each on its base, as a checkpoint.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Measure each on benchmarks, with harness run.")] = False,
    race: Annotated[
        bool, typer.Option("--race", help="As --run, and stop each on a benchmark when it cannot win there.")
    ] = False,
    tasks: Annotated[
        str | None, typer.Option(help="For --run and --race, as there.", show_default="every benchmark of ours")
    ] = None,
    json: Json = False,
) -> None:
    """Train the best trials and the fixed points over new seeds, and compare them on the test rows."""
    from rich.console import Console

    from harness.progress import shown
    from harness.tasks import declared
    from tuning.store import Store
    from tuning.study import finalist_evaluation, finalist_race, finalists

    tasks = tasks if tasks is not None else ",".join(declared.defaults())
    options = given.options()
    store = Store(options.db)
    row = store.resolve_study(study)
    options = options.replace(model=row.model, add_bos=bool(row.config.get("add_bos")))
    if race:
        finalist_race.check_race(row, tasks, options.bench_data)
    with shown() as progress:
        outcome = finalist_evaluation.top(
            options, row.id, k, spread, seeds, against or (), progress, adapters=merge or run or race
        )
        merged = (
            finalist_evaluation.merge_all(outcome, store.study_folder(row.id) / "merged", progress) if merge else []
        )
        runs, races, audits = (
            finalist_race.measure(outcome, options, tasks, progress, race) if run or race else ([], [], [])
        )
    document = finalists.document(outcome.measured, outcome.compared)
    if json:
        noted = list(outcome.warnings)
        parts = {"warnings": noted, "merged": list(map(str, merged)), "runs": runs, "audits": audits}
        parts["races"] = [one.document for one in races]
        print_json({"study": row.id, **document, **parts})
        return
    console = Console()
    finalist_evaluation.print_top(console, outcome)
    for path in merged:
        console.print(f"merged: {path}", markup=False, soft_wrap=True)
    for measured in runs:
        scores = finalist_evaluation.score_text(measured["scores"])
        console.print(f"{measured['name']}: {scores}", markup=False, soft_wrap=True)
    finalist_race.print_races(console, races)
    finalist_evaluation.print_audits(console, audits)


def report(
    study: StudyWord,
    out: Annotated[
        Path | None, typer.Argument(help="The report's folder (report-STUDY where not given).", show_default=False)
    ] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Write what a study found, as HTML and Markdown with plots."""
    from tuning.report.documents import view_of
    from tuning.report.page import write
    from tuning.store import Store

    store = Store(db)
    row = store.resolve_study(study)
    written = write(view_of(store, row.id), out or Path(f"report-{row.id[:12]}"))
    if json:
        print_json({"study": row.id, "files": list(map(str, written))})
        return
    for path in written:
        typer.echo(str(path))
