"""`harness tune`: a search, and what comes after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.options import DEFAULT_DB, Db, Json, print_json
from harness.errors import UsageError

if TYPE_CHECKING:
    from tuning.options import Options
    from tuning.session import Result

app = typer.Typer(
    help="Search for LoRA hyperparameters; the same command again goes on.",
    invoke_without_command=True,
    add_completion=False,
    subcommand_metavar="[COMMAND]",
)

MODEL, ROWS, SEARCH, COMPUTE, KEEP = "Model", "Rows", "Search", "Computing", "Store"
StudyWord = Annotated[str, typer.Argument(help="A study by id, name or the beginning of an id.")]


@app.callback()
def tune(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option(help="The base: a folder, a hub id, or tiny.", rich_help_panel=MODEL)
    ] = None,
    revision: Annotated[str | None, typer.Option(help="A hub model's revision.", rich_help_panel=MODEL)] = None,
    file: Annotated[
        Path | None,
        typer.Option("--study", help="A study file (TOML); options given here come first.", rich_help_panel=SEARCH),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Instruction rows: a folder, sample, or hub (the default).", rich_help_panel=ROWS)
    ] = None,
    mix: Annotated[
        str | None, typer.Option(help="Shares: alpaca=0.7,dolly=0.3, or paper.", rich_help_panel=ROWS)
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Train, validation, test: 0.7,0.15,0.15 (the default), 500,100,100 or paper.", rich_help_panel=ROWS
        ),
    ] = None,
    sweep_validation: Annotated[
        str | None,
        typer.Option(help="Several sizes of the validation part: 50,100,200. A study each.", rich_help_panel=ROWS),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="disjoint, or paper (leaks, on purpose).", rich_help_panel=ROWS)
    ] = None,
    data_seed: Annotated[int | None, typer.Option(help="Of the split.", rich_help_panel=ROWS)] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="modern (the default), paper-round1, paper-round2, paper-low-rank.", rich_help_panel=SEARCH),
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="The paper's dropout 1 too.", rich_help_panel=SEARCH)
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Hold a hyperparameter: --set batch=16 --set epochs=2.", rich_help_panel=SEARCH),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            help="nomad (the default), nni-tpe, tpe, gp, nsga2, cma-es, random, list.", rich_help_panel=SEARCH
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            help="Distinct trials, fixed points included (the preset's where not given).", rich_help_panel=SEARCH
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of proposals and trainings (0 where not given).", rich_help_panel=SEARCH)
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="Points asked together (--parallel where not given).", rich_help_panel=SEARCH)
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="validation (the default), seconds, memory, adapter-size, benchmark:TASK@N, win-rate:JUDGE@N; "
            "several by comma.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(help="For example seconds<=600. May be given several times.", rich_help_panel=SEARCH),
    ] = None,
    no_rungs: Annotated[
        bool, typer.Option("--no-rungs", help="Every trial on all rows, as the paper did.", rich_help_panel=SEARCH)
    ] = False,
    warm_start: Annotated[
        str | None, typer.Option(help="Begin with another study's best points.", rich_help_panel=SEARCH)
    ] = None,
    bench_data: Annotated[
        str | None, typer.Option(help="Benchmark rows of benchmark objectives.", rich_help_panel=SEARCH)
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="Open prompts of win-rate objectives.", rich_help_panel=SEARCH)
    ] = None,
    judge_url: Annotated[
        str | None, typer.Option(help="A server with the judge of win-rate objectives.", rich_help_panel=SEARCH)
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(help="Trials at a time (1 where not given).", rich_help_panel=COMPUTE)
    ] = None,
    packed: Annotated[
        int | None, typer.Option(help="Trials of a block trained in one pass, on a GPU.", rich_help_panel=COMPUTE)
    ] = None,
    ray: Annotated[str | None, typer.Option(help="A Ray cluster's address, or auto.", rich_help_panel=COMPUTE)] = None,
    timeout: Annotated[
        str | None, typer.Option(help="No trial begins after so long: 3600, 1h30m.", rich_help_panel=COMPUTE)
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps.", rich_help_panel=COMPUTE)] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the base: float32, bfloat16.", rich_help_panel=COMPUTE)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Of prompt and response together (512 where not given).", rich_help_panel=COMPUTE)
    ] = None,
    micro_batch: Annotated[
        int | None, typer.Option(help="Rows in one pass (16 where not given).", rich_help_panel=COMPUTE)
    ] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory, more time.", rich_help_panel=COMPUTE)
    ] = False,
    load_in_4bit: Annotated[
        bool, typer.Option("--load-in-4bit", help="Quantise the base (bitsandbytes, GPU).", rich_help_panel=COMPUTE)
    ] = False,
    processes: Annotated[
        int | None, typer.Option(help="Of one data-parallel training.", rich_help_panel=COMPUTE)
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(help="Adapters kept: those of the best N trials (5 where not given).", rich_help_panel=KEEP),
    ] = None,
    no_merge: Annotated[
        bool, typer.Option("--no-merge", help="Leave the best adapter unmerged.", rich_help_panel=KEEP)
    ] = False,
    name: Annotated[str | None, typer.Option(help="What to call the study.", rich_help_panel=KEEP)] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Search for LoRA hyperparameters; the same command again goes on.

    harness tune --model tiny --data sample --optimizer nomad --budget 20"""
    if context.invoked_subcommand is not None:
        return
    given = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in locals().items()
        if key not in ("context", "file", "set_", "json", "sweep_validation") and value not in (None, False)
    }
    options = _options(file, given, set_ or [])
    if sweep_validation is None:
        _search(options, json)
        return
    documents = [_search(each, json, quiet=json) for each in _swept(options, sweep_validation)]
    if json:
        print_json({"studies": documents})


def _options(file: Path | None, given: dict[str, Any], held: list[str]) -> Options:
    from tuning.options import Options, read_file

    written = read_file(file) if file else {}
    options = Options(**{**written, **given})
    return replace(options, set={**options.set, **dict(map(_held, held))})


def _held(text: str) -> tuple[str, Any]:
    from json import loads

    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set is written NAME=VALUE, not {text!r}.")
    try:
        return name.strip(), loads(value)
    except ValueError:
        return name.strip(), value


def _swept(options: Options, sizes: str) -> list[Options]:
    train, _, test = (options.sizes or "0.7,0.15,0.15").split(",")
    return [replace(options, sizes=f"{train},{size.strip()},{test}") for size in sizes.split(",")]


def _search(options: Options, json: bool, quiet: bool = False) -> dict[str, Any]:
    from harness.progress import shown
    from tuning import session
    from tuning.documents import study_document

    with shown() as progress:
        result = session.run(options, progress)
    document = study_document(result.row, result.ledger, result.merged)
    if json and not quiet:
        print_json(document)
    elif not json:
        _print(result, document)
    return document


def _print(result: Result, document: dict[str, Any]) -> None:
    from rich.console import Console

    from tuning.documents import print_study

    console = Console()
    if not result.computed:
        console.print("This study was finished before; a larger --budget goes on.")
    print_study(console, document)


@app.command("list")
def list_(db: Db = DEFAULT_DB, json: Json = False) -> None:
    """The studies of the store."""
    from rich.console import Console

    from harness.store import Store
    from tuning.documents import listed, print_studies, study_document
    from tuning.study import ledger_of

    store = Store(db)
    if json:
        print_json({"studies": [study_document(row, ledger_of(store, row))["study"] for row in store.studies()]})
    elif found := listed(store):
        print_studies(Console(), found)
    else:
        Console().print(f"There is no study in {db}; harness tune --model … makes one.")


@app.command()
def show(study: StudyWord, db: Db = DEFAULT_DB, json: Json = False) -> None:
    """One study with its trials."""
    from rich.console import Console

    from harness.store import Store
    from tuning.documents import print_study, study_document
    from tuning.study import ledger_of

    store = Store(db)
    row = store.resolve_study(study)
    document = study_document(row, ledger_of(store, row))
    document["notes"] = [f"{when:%Y-%m-%d %H:%M:%S}: {note}" for when, note in store.study_notes(row.id)]
    document["enqueued"] = store.enqueued(row.id)
    if json:
        print_json(document)
        return
    print_study(Console(), document, most=len(document["trials"]))
    for note in document["notes"]:
        Console().print(note, markup=False, style="dim")


@app.command()
def stop(study: StudyWord, db: Db = DEFAULT_DB) -> None:
    """Ask a running study to end after the trainings under way."""
    from harness.store import Store

    store = Store(db)
    row = store.resolve_study(study)
    if row.status != "running":
        raise UsageError(f"The study {row.name} is not running: it is {row.status}.")
    store.update_study(row.id, status="stopping")
    store.note(row.id, "asked to stop")
    typer.echo(f"{row.name} ends after the trainings under way; the command that began it goes on from there.")


@app.command()
def enqueue(
    study: StudyWord,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE for each parameter of the space.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Ask for a point; a running study takes it before its next block, a finished one when its budget grows."""
    from harness.store import Store
    from tuning.search import check_point
    from tuning.space import Space

    store = Store(db)
    row = store.resolve_study(study)
    space = Space.from_dict(row.config["space"])
    point = dict(map(_held, values))
    check_point(space, point)
    store.enqueue(row.id, space.canonical(point))
    room = "" if row.status != "finished" else f" The study has spent its budget: give it --budget {row.budget + 1}."
    typer.echo(f"{row.name} will train {', '.join(values)}.{room}")


@app.command()
def top(
    study: StudyWord,
    k: Annotated[int, typer.Option(help="So many of the best by validation loss.")] = 10,
    spread: Annotated[int, typer.Option(help="So many quantiles of validation loss beside them.")] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each.")] = 5,
    against: Annotated[
        list[str] | None, typer.Option(help="Another study on the same base and rows. May be given several times.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write each on its base, as a checkpoint.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Measure each on benchmarks, with harness run.")] = False,
    tasks: Annotated[str, typer.Option(help="For --run.")] = "mmlu,bbh,drop,humaneval",
    bench_data: Annotated[str | None, typer.Option(help="For --run: a folder, sample, or hub.")] = None,
    parallel: Annotated[int, typer.Option(help="Trainings at a time.")] = 1,
    ray: Annotated[str | None, typer.Option(help="A Ray cluster's address, or auto.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    micro_batch: Annotated[int, typer.Option(help="Rows in one pass.")] = 16,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Train the best trials and the fixed points over new seeds, and compare them on the test rows."""
    from rich.console import Console

    from harness.progress import shown
    from harness.store import Store
    from tuning import after, finalists
    from tuning.options import Options

    for option, number in (("k", k), ("seeds", seeds), ("parallel", parallel)):
        if number < 1:
            raise UsageError(f"--{option} is a number from 1 up, not {number}.")
    store = Store(db)
    row = store.resolve_study(study)
    options = Options(
        model=row.model,
        db=db,
        bench_data=bench_data,
        parallel=parallel,
        ray=ray,
        device=device,
        micro_batch=micro_batch,
    )
    with shown() as progress:
        found = after.top(options, row.id, k, spread, seeds, against or (), progress)
        merged = after.merge_all(found, store.study_folder(row.id) / "merged") if merge else []
        runs = after.run_all(found, options, tasks, progress) if run else []
    document = finalists.document(found.measured, found.compared)
    if json:
        print_json({"study": row.id, **document, "merged": list(map(str, merged)), "runs": runs})
        return
    console = Console()
    after.print_top(console, found)
    for path in merged:
        console.print(f"merged: {path}", markup=False, soft_wrap=True)
    for each in runs:
        scores = ", ".join(f"{s['task']} {100 * s['value']:.1f}" for s in each["scores"])
        console.print(f"{each['name']}: {scores}", markup=False, soft_wrap=True)


@app.command()
def report(
    study: StudyWord,
    out: Annotated[
        Path | None, typer.Argument(help="The report's folder (report-STUDY where not given).", show_default=False)
    ] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Write what a study found, as HTML and Markdown with plots."""
    from harness.store import Store
    from tuning.measured import view_of
    from tuning.report_page import write

    store = Store(db)
    row = store.resolve_study(study)
    written = write(view_of(store, row.id), out or Path(f"report-{row.id[:12]}"))
    if json:
        print_json({"study": row.id, "files": list(map(str, written))})
        return
    for path in written:
        typer.echo(str(path))
