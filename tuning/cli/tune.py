"""`harness tune`: a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from tuning.cli.studies import assigned, enqueue, list_, show, stop
from tuning.cli.top import report, top

if TYPE_CHECKING:
    from tuning.study.options import Options
    from tuning.study.session import Result

app = typer.Typer(
    help="Search for LoRA hyperparameters; the same command again goes on.",
    invoke_without_command=True,
    add_completion=False,
    subcommand_metavar="[COMMAND]",
)

for _name, _command in (
    ("list", list_),
    ("show", show),
    ("stop", stop),
    ("enqueue", enqueue),
    ("top", top),
    ("report", report),
):
    app.command(_name)(_command)


def whole_number(text: str) -> int:
    """Its own reader, whose sentence names the value; what the number may be, the study's options know."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number.") from None


MODEL, ROWS, SEARCH, COMPUTE, KEEP = "Model", "Rows", "Search", "Computing", "Store"


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
    data_seed: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="INTEGER", help="Of the split.", rich_help_panel=ROWS)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="modern (the default), paper-round1, paper-round2, paper-low-rank.", rich_help_panel=SEARCH),
    ] = None,
    as_published: Annotated[
        bool | None,
        typer.Option("--as-published/--no-as-published", help="The paper's dropout 1 too.", rich_help_panel=SEARCH),
    ] = None,
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
            parser=whole_number,
            metavar="INTEGER",
            help="Distinct trials, fixed points included (the preset's where not given).",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Of proposals and trainings (0 where not given).",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Points asked together (--parallel where not given).",
            rich_help_panel=SEARCH,
        ),
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
        bool | None,
        typer.Option("--no-rungs/--rungs", help="Every trial on all rows, as the paper did.", rich_help_panel=SEARCH),
    ] = None,
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
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Trials at a time (1 where not given).",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    packed: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Trials of a block trained in one pass, on a GPU.",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    ray: Annotated[str | None, typer.Option(help="A Ray cluster's address, or auto.", rich_help_panel=COMPUTE)] = None,
    timeout: Annotated[
        str | None, typer.Option(help="No trial begins after so long: 3600, 1h30m.", rich_help_panel=COMPUTE)
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps.", rich_help_panel=COMPUTE)] = None,
    dtype: Annotated[str | None, typer.Option(help="Of the base: float32, bfloat16.", rich_help_panel=COMPUTE)] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Of prompt and response together (512 where not given).",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    add_bos: Annotated[
        bool | None,
        typer.Option(
            "--add-bos/--no-add-bos",
            help="Put BOS before each text, if the tokenizer does not.",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    micro_batch: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Rows in one pass (16 where not given).",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Less memory, more time.",
            rich_help_panel=COMPUTE,
        ),
    ] = None,
    load_in_4bit: Annotated[
        bool | None,
        typer.Option(
            "--load-in-4bit/--no-load-in-4bit", help="Quantise the base (bitsandbytes, GPU).", rich_help_panel=COMPUTE
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="INTEGER", help="Of one data-parallel training.", rich_help_panel=COMPUTE
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="INTEGER",
            help="Adapters kept: those of the best N trials (5 where not given).",
            rich_help_panel=KEEP,
        ),
    ] = None,
    no_merge: Annotated[
        bool | None, typer.Option("--no-merge/--merge", help="Leave the best adapter unmerged.", rich_help_panel=KEEP)
    ] = None,
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
        if key not in ("context", "file", "set_", "json", "sweep_validation") and value is not None
    }
    options = _options(file, given, set_ or [], str(context.get_parameter_source("db")).endswith("COMMANDLINE"))
    from tuning.report.documents import require_a_trial

    if sweep_validation is None:
        require_a_trial(_search(options, json))
        return
    documents = [_search(each, json, quiet=json) for each in _swept(options, sweep_validation)]
    if json:
        print_json({"studies": documents})
    for document in documents:
        require_a_trial(document)


def _options(file: Path | None, given: dict[str, Any], held: list[str], db_is_given: bool) -> Options:
    """A flag comes before the file, and for the store the file before HARNESS_DB."""
    from tuning.study.options import Options, read_file

    written = read_file(file) if file else {}
    if "db" in written and not db_is_given:
        del given["db"]
    options = Options(**{**written, **given})
    return replace(options, set={**options.set, **dict(map(assigned, held))})


def _swept(options: Options, validation: str) -> list[Options]:
    from tuning.study.row_options import swept

    return [replace(options, sizes=sizes) for sizes in swept(options.sizes, validation)]


def _search(options: Options, json: bool, quiet: bool = False) -> dict[str, Any]:
    from harness.progress import shown
    from tuning.report.documents import study_document
    from tuning.study import session

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

    from tuning.report.documents import print_study

    console = Console()
    if not result.computed:
        more = "" if document["study"]["ended"] else " A larger --budget goes on."
        console.print(f"This study was finished before.{more}")
    print_study(console, document)
