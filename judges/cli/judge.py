"""`harness judge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json
from judges.cli.options import More, words

if TYPE_CHECKING:
    from judges.judging.options import JudgeOptions
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome


@command_of("judges.judging.options:JudgeOptions")
def judge(
    given: Given[JudgeOptions],
    more: More = None,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", help="FastChat's model_judgment/*_pair.jsonl, or votes.", rich_help_panel="Questions"),
    ] = None,
    votes_by: Annotated[
        str | None,
        typer.Option(
            help="Whose imported votes are, people or models; else by the judge's name.", rich_help_panel="Questions"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Have judges compare the answers of models, each pair in both orders; the same command goes on."""
    from harness.errors import UsageError
    from harness.progress import shown
    from judges.choosing.rounds import share_of
    from judges.importing import import_judgments
    from judges.judging.cost import prices
    from judges.judging.jury import Jury, outcome_document
    from judges.judging.pairs import contest
    from judges.judging.session import reliable
    from judges.store import Store

    options = given.options(models=tuple(words(given.texts("models"), more)))
    share_of(options.pairs, options.votes)
    rates = prices(options.price_in, options.price_out, options.max_cost)
    store = Store(options.db)
    imported = [import_judgments(store, path, options.prompts, votes_by) for path in import_ or ()]
    for path, counts in zip(import_ or (), imported, strict=True):
        typer.echo(
            f"{path}: {counts.read} verdicts, {counts.new} new, {counts.unknown} on models without answers here.",
            err=True,
        )
        for kind, judges in (("people", counts.people), ("judge models", counts.models)):
            if judges:
                more_of_them = f" and {len(judges) - 5} more" if len(judges) > 5 else ""
                typer.echo(f"{path}: taken as {kind}: {', '.join(judges[:5])}{more_of_them}.", err=True)
    if not options.judge or not options.models:
        if imported:
            return
        raise UsageError("Name the answer sets with --models and who compares them with --judge.")
    compared = contest(store, options.models, options.against, options.prompts, options.repeats)
    with shown() as progress:
        outcomes = Jury(store, compared, rates, options).run(progress)
    if options.estimate:
        return
    if json:
        print_json({"judges": [outcome_document(outcome) for outcome in outcomes], "not_comparable": compared.missing})
    else:
        _print(compared, outcomes)
    reliable(outcomes)


def _print(contest: Contest, outcomes: list[Outcome]) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    names = ", ".join(answers.name for answers in contest.sets)
    heads = ("judge", "verdicts", "first", "second", "tie", "errors", "tokens", "cost")
    shown = table(f"{len(contest.questions)} questions, {names}", heads, heads[1:])
    for outcome in outcomes:
        counts = [outcome.verdicts.get(verdict, 0) for verdict in ("first", "second", "tie", "error")]
        cost = "" if outcome.cost is None else f"{outcome.cost:.4g}"
        cells = (
            outcome.judge.name,
            f"{outcome.stored} of {outcome.asked}",
            *counts,
            outcome.tokens_in + outcome.tokens_out,
            cost,
        )
        shown.add_row(*map(plain, cells))
    console = Console()
    console.print(shown)
    for outcome in outcomes:
        if outcome.of is not None:
            chosen = f"{outcome.judge.name}: {outcome.asked} verdicts were chosen of the {outcome.of} of all pairs."
            console.print(plain(chosen), style="dim")
        for warning in outcome.warnings:
            console.print(plain(f"! {outcome.judge.name}: {warning}"), style="yellow")
        for reason, count in sorted(outcome.errors.items()):
            console.print(plain(f"! {outcome.judge.name}: {count} times {reason}"), style="yellow")
        if outcome.judge.kind == "reference" and outcome.asked < len(contest.asked):
            left = len(contest.asked) - outcome.asked
            console.print(plain(f"{left} pairs have no reference that can be checked."), style="dim")
        elif outcome.judge.kind == "program" and outcome.asked < len(contest.asked):
            left = len(contest.asked) - outcome.asked
            console.print(plain(f"{left} pairs cannot be judged by {outcome.judge.name}."), style="dim")
    if contest.missing:
        console.print(plain(f"! {contest.missing} pairs were left out: one side has no answer yet."), style="yellow")
    console.print("`harness ranking` shows what this comes to.", style="dim")
