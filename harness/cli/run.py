"""`harness run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.run import Result
    from harness.options import RunOptions

MODEL = "{model}"  # in --name, stands for what each of several models is called


@command_of("harness.options:RunOptions", several="model")
def run(
    given: Given[RunOptions],
    adapters: Annotated[
        Path | None,
        typer.Option(
            help="Each folder in this one that is a LoRA adapter.", show_default=False, rich_help_panel="Model"
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what it would take, and begin nothing.", rich_help_panel="Computing")
    ] = False,
    json: Json = False,
) -> None:
    """Measure checkpoints on benchmarks, adapters of one base in one go; the same command again goes on."""
    from harness.evaluation.run import run as measure
    from harness.evaluation.several import run_several
    from harness.progress import shown

    every = _options(given, adapters)
    is_one = len(every) == 1 and adapters is None
    if plan:
        _plan(every, is_one, json)
        return
    with shown() as progress:
        by_place = {0: measure(every[0], progress)} if is_one else dict(run_several(every, progress))
    results = [by_place[place] for place in range(len(every))]
    if json:
        _print_json(results, every[0].db, is_one)
        return
    if len(results) == 1:
        _print(results[0], every[0])
    else:
        _print_several(results, every[0].db)


def _options(given: Given[RunOptions], adapters: Path | None) -> list[RunOptions]:
    """Those of each model. --base is of the adapters, where there are whole models beside them."""
    from harness.models.checkpoint import adapters_in, is_adapter

    models = list(dict.fromkeys([*given.texts("model"), *(adapters_in(adapters) if adapters else ())]))
    if not models:
        return [given.options()]  # which says that it must be given
    every = [given.options(model=model) for model in models]
    if len(every) > 1 and every[0].name:
        every = _named(every, every[0].name)
    has_adapters = any(is_adapter(Path(model)) for model in models)
    return [
        options.replace(base=None) if has_adapters and not is_adapter(Path(options.model)) else options
        for options in every
    ]


def _named(every: Sequence[RunOptions], name: str) -> list[RunOptions]:
    """Each with the name in which MODEL stands for its model's. UsageError where two would be called alike."""
    from harness.errors import UsageError
    from harness.evaluation.run import shown_name

    names = [name.replace(MODEL, shown_name(options.replace(name=None))) for options in every]
    if MODEL not in name:
        raise UsageError(
            f"--name is for one model, and these are {len(every)}. Put {MODEL} into it, which stands for each model's "
            "name, or leave --name out."
        )
    if twice := next((own for own in names if names.count(own) > 1), None):
        raise UsageError(f"--name would call two runs {twice}: their folders have one name. Leave --name out.")
    return [options.replace(name=own) for options, own in zip(every, names, strict=True)]


def _print_json(results: Sequence[Result], db: str, is_one: bool) -> None:
    from harness.evaluation.report import run_document
    from harness.results import Store

    documents = [run_document(Store(db), result.run) for result in results]
    print_json(documents[0] if is_one else {"runs": documents})


def _plan(every: Sequence[RunOptions], is_one: bool, json: bool) -> None:
    from harness.estimate.estimating import estimate, estimate_several
    from harness.estimate.report import print_estimate, print_several

    document = estimate(every[0]) if is_one else estimate_several(every)
    if json:
        print_json(document)
        return
    from rich.console import Console

    (print_estimate if is_one else print_several)(Console(), document)


def _print(result: Result, options: RunOptions) -> None:
    from rich.console import Console

    from harness.backends import begun_with
    from harness.cli.tables import plain, print_run
    from harness.options.run_options import AUTO
    from harness.results import Store

    console = Console()
    if not result.computed and result.run.sampled:
        console.print("Nothing to do: this run has read as many items as --until asks for.")
    elif not result.computed:
        begun = begun_with(result.run)
        by = "" if options.backend in (AUTO, begun) else f", with --backend {begun}"
        console.print(plain(f"This run was finished before{by}; --fresh measures again."))
    elif result.resumed:
        console.print(f"{result.resumed} samples were there from before.")
    print_run(console, Store(options.db), result.run)


def _print_several(results: Sequence[Result], db: str) -> None:
    """A row for each run and task, and each warning once."""
    from rich.console import Console

    from harness.cli.tables import interval, plain, table
    from harness.evaluation.report import items_count, run_document
    from harness.results import Store

    console, store = Console(), Store(db)
    made = table("", ("model", "run", "task", "metric", "score [95%]", "items"), right=("run", "score [95%]", "items"))
    warned: dict[str, list[str]] = {}
    for result in results:
        document = run_document(store, result.run)
        first = {task["task"]: task["metric"] for task in document["tasks"]}
        name = document["name"]
        for score in document["scores"]:
            if score["group"] == "all" and score["metric"] == first[score["task"]]:
                cells = (name, document["run"][:8], score["task"], score["metric"], interval(score), items_count(score))
                made.add_row(*map(plain, cells))
        for warning in document["warnings"]:
            warned.setdefault(warning, []).append(name)
    console.print(made)
    if before := sum(not result.computed for result in results):
        console.print(f"{before} of {len(results)} runs were finished before; --fresh measures again.")
    for warning, names in warned.items():
        whose = "" if len(names) == len(results) else f"{', '.join(names)}: "
        console.print(plain(f"! {whose}{warning}"), style="yellow")
