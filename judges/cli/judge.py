"""`harness judge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json
from judges.cli.options import More, words

if TYPE_CHECKING:
    from judges.judging.cost import Estimate, Prices
    from judges.judging.options import JudgeOptions
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome, Progress
    from judges.store import Store


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
    from judges.importing import import_judgments
    from judges.judging.cost import prices
    from judges.judging.pairs import contest
    from judges.judging.session import reliable
    from judges.store import Store

    options = given.options(models=tuple(words(given.texts("models"), more)))
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
    found = contest(store, options.models, options.against, options.prompts, options.repeats)
    with shown() as progress:
        outcomes = _Judging(store, found, rates, options).run(progress)
    if options.estimate:
        return
    if json:
        print_json({"judges": [_outcome_document(each) for each in outcomes], "not_comparable": found.missing})
    else:
        _print(found, outcomes)
    reliable(outcomes)


class _Judging:
    """A jury at work, one judge after the other."""

    def __init__(self, store: Store, contest: Contest, rates: Prices | None, options: JudgeOptions) -> None:
        self.store, self.contest, self.rates, self.options = store, contest, rates, options

    def run(self, progress: Progress) -> list[Outcome]:
        from data.prompts import references as read_references
        from judges.judging import installed
        from judges.judging import prompts as judging_prompts
        from judges.judging.model_judge import Spec

        options = self.options
        given = None if options.references is None else read_references(options.references)
        path = options.judge_prompts
        texts = judging_prompts.ours() if path is None else judging_prompts.from_file(path)
        temperature = None if options.temperature < 0 else options.temperature
        outcomes = []
        for name in dict.fromkeys(options.judge):
            if installed.has(name):
                if not options.estimate:
                    outcomes.append(installed.judge(self.store, self.contest, name, given, progress))
                continue
            outcomes += self._ask(Spec(name, texts, given, temperature, options.max_tokens), progress)
        return outcomes

    def _ask(self, spec: Any, progress: Progress) -> list[Outcome]:
        from harness.backends.endpoint.client import Remote
        from judges.judging import model_judge, session

        options = self.options
        with self.store.lease(spec.id()[:16]):
            plan = model_judge.plan(self.store, self.contest, spec, self.rates)
            _say_estimate(spec.model, plan.estimate, len(plan.there), sum(job.error is not None for job in plan.jobs))
            if options.estimate:
                return []
            remote = Remote(
                options.base_url,
                concurrency=options.concurrency,
                timeout=options.timeout,
                attempts=options.attempts,
            )
            return [session.judge(self.store, plan, remote, self.rates, options.max_cost, progress)]


def _say_estimate(judge: str, found: Estimate, there: int, again: int) -> None:
    if not found.requests:
        return
    cost = "" if found.cost is None else f", cost about {found.cost:.4g} and at most {found.most:.4g}"
    known = [f"{there:,} verdicts are there already"] if there else []
    known += [f"{again:,} are errors of before, asked again"] if again else []
    before = f" ({'; '.join(known)})" if known else ""
    typer.echo(
        f"{judge}: {found.requests:,} requests{before}, about {found.tokens_in:,} tokens in and {found.tokens_out:,} "
        f"out{cost}",
        err=True,
    )


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "judge": outcome.judge.id,
        "name": outcome.judge.name,
        "kind": outcome.judge.kind,
        "asked": outcome.asked,
        "before": outcome.before,
        "verdicts": outcome.verdicts,
        "errors": outcome.errors,
        "unanswered": outcome.unanswered,
        "error_rate": outcome.error_rate,
        "taken_over": outcome.taken_over,
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "cost": outcome.cost,
        "warnings": list(outcome.warnings),
    }


def _print(contest: Contest, outcomes: list[Outcome]) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    names = ", ".join(each.name for each in contest.sets)
    heads = ("judge", "verdicts", "first", "second", "tie", "errors", "tokens", "cost")
    shown = table(f"{len(contest.questions)} questions, {names}", heads, heads[1:])
    for each in outcomes:
        counts = [each.verdicts.get(verdict, 0) for verdict in ("first", "second", "tie", "error")]
        cost = "" if each.cost is None else f"{each.cost:.4g}"
        cells = (each.judge.name, f"{each.stored} of {each.asked}", *counts, each.tokens_in + each.tokens_out, cost)
        shown.add_row(*map(plain, cells))
    console = Console()
    console.print(shown)
    for each in outcomes:
        for warning in each.warnings:
            console.print(plain(f"! {each.judge.name}: {warning}"), style="yellow")
        for reason, count in sorted(each.errors.items()):
            console.print(plain(f"! {each.judge.name}: {count} times {reason}"), style="yellow")
        if each.judge.kind == "reference" and each.asked < len(contest.asked):
            left = len(contest.asked) - each.asked
            console.print(plain(f"{left} pairs have no reference that can be checked."), style="dim")
        elif each.judge.kind == "program" and each.asked < len(contest.asked):
            left = len(contest.asked) - each.asked
            console.print(plain(f"{left} pairs cannot be judged by {each.judge.name}."), style="dim")
    if contest.missing:
        console.print(plain(f"! {contest.missing} pairs were left out: one side has no answer yet."), style="yellow")
    console.print("`harness ranking` shows what this comes to.", style="dim")
