"""`harness judge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from judges.cli.options import More, words

if TYPE_CHECKING:
    from harness.store import Store
    from judges.judging.cost import Estimate, Prices
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome, Progress

MODEL, ASK, COMPUTE, COST = "Models", "Questions", "Computing", "Cost"
OPENAI = "https://api.openai.com/v1"


def judge(
    more: More = None,
    models: Annotated[
        list[str] | None, typer.Option(help="Answer sets by name or id: --models A B C.", rich_help_panel=MODEL)
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Each of the models against this one only.", rich_help_panel=MODEL)
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="A model's name at the server, or reference, or a plug-in's. Several make a jury.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    base_url: Annotated[str, typer.Option(help="A server that speaks OpenAI's API.", rich_help_panel=MODEL)] = OPENAI,
    prompts: Annotated[
        str | None,
        typer.Option(help="The prompt set, where the models answered several.", rich_help_panel=ASK),
    ] = None,
    references: Annotated[
        str | None, typer.Option(help="Reference answers, in place of the prompts' own.", rich_help_panel=ASK)
    ] = None,
    judge_prompts: Annotated[
        str | None, typer.Option(help="A file like FastChat's judge_prompts.jsonl.", rich_help_panel=ASK)
    ] = None,
    repeats: Annotated[
        int, typer.Option(help="Ask each pair so often, to see if a judge agrees with itself.", rich_help_panel=ASK)
    ] = 1,
    temperature: Annotated[
        float, typer.Option(help="The judge's; below 0 sends none, for models that take none.", rich_help_panel=ASK)
    ] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Of a judge's text.", rich_help_panel=ASK)] = 2048,
    import_: Annotated[
        list[str] | None,
        typer.Option("--import", help="FastChat's model_judgment/*_pair.jsonl, or votes.", rich_help_panel=ASK),
    ] = None,
    votes_by: Annotated[
        str | None,
        typer.Option(help="Whose imported votes are, people or models; else by the judge's name.", rich_help_panel=ASK),
    ] = None,
    price_in: Annotated[float | None, typer.Option(help="Per million tokens asked.", rich_help_panel=COST)] = None,
    price_out: Annotated[float | None, typer.Option(help="Per million tokens said.", rich_help_panel=COST)] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(help="Never passed; what these pairs cost before counts.", rich_help_panel=COST),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost, and ask nothing.", rich_help_panel=COST)
    ] = False,
    concurrency: Annotated[int, typer.Option(help="Requests at once.", rich_help_panel=COMPUTE)] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt.", rich_help_panel=COMPUTE)] = 300.0,
    attempts: Annotated[int, typer.Option(help="Of each request.", rich_help_panel=COMPUTE)] = 8,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Have judges compare the answers of models, each pair in both orders; the same command goes on."""
    from harness.errors import UsageError
    from harness.progress import shown
    from harness.store import Store
    from judges.importing import import_judgments
    from judges.judging.cost import prices
    from judges.judging.pairs import contest
    from judges.judging.session import reliable

    for option, value in (("repeats", repeats), ("concurrency", concurrency), ("attempts", attempts)):
        if value < 1:
            raise UsageError(f"--{option} is a number from 1 up, not {value}.")
    if max_tokens < 1 or timeout <= 0:
        raise UsageError("--max-tokens and --timeout are above 0.")
    rates = prices(price_in, price_out, max_cost)
    store = Store(db)
    imported = [import_judgments(store, path, prompts, votes_by) for path in import_ or ()]
    for path, counts in zip(import_ or (), imported, strict=True):
        typer.echo(
            f"{path}: {counts.read} verdicts, {counts.new} new, {counts.unknown} on models without answers here.",
            err=True,
        )
        for kind, judges in (("people", counts.people), ("judge models", counts.models)):
            if judges:
                more_of_them = f" and {len(judges) - 5} more" if len(judges) > 5 else ""
                typer.echo(f"{path}: taken as {kind}: {', '.join(judges[:5])}{more_of_them}.", err=True)
    named = words(models, more)
    if not judge or not named:
        if imported:
            return
        raise UsageError("Name the answer sets with --models and who compares them with --judge.")
    found = contest(store, named, against, prompts, repeats)
    task = _Judging(store, found, rates, max_cost, base_url, concurrency, timeout, attempts)
    with shown() as progress:
        outcomes = task.run(judge, references, judge_prompts, temperature, max_tokens, estimate, progress)
    if estimate:
        return
    if json:
        print_json({"judges": [_outcome_document(each) for each in outcomes], "not_comparable": found.missing})
    else:
        _print(found, outcomes)
    reliable(outcomes)


class _Judging:
    """A jury at work, one judge after the other."""

    def __init__(
        self,
        store: Store,
        contest: Contest,
        rates: Prices | None,
        max_cost: float | None,
        base_url: str,
        concurrency: int,
        timeout: float,
        attempts: int,
    ) -> None:
        self.store, self.contest, self.rates, self.max_cost = store, contest, rates, max_cost
        self.server: dict[str, Any] = {
            "base_url": base_url,
            "concurrency": concurrency,
            "timeout": timeout,
            "attempts": attempts,
        }

    def run(
        self,
        judges: list[str],
        references: str | None,
        judge_prompts: str | None,
        temperature: float,
        max_tokens: int,
        only_estimate: bool,
        progress: Progress,
    ) -> list[Outcome]:
        from data.prompts import references as read_references
        from judges.judging import installed
        from judges.judging import prompts as judging_prompts
        from judges.judging.model_judge import Spec

        given = None if references is None else read_references(references)
        texts = judging_prompts.ours() if judge_prompts is None else judging_prompts.from_file(judge_prompts)
        outcomes = []
        for name in dict.fromkeys(judges):
            if installed.has(name):
                if not only_estimate:
                    outcomes.append(installed.judge(self.store, self.contest, name, given, progress))
                continue
            spec = Spec(name, texts, given, None if temperature < 0 else temperature, max_tokens)
            outcomes += self._ask(spec, only_estimate, progress)
        return outcomes

    def _ask(self, spec: Any, only_estimate: bool, progress: Progress) -> list[Outcome]:
        from harness.backends.endpoint.client import Remote
        from judges.judging import model_judge, session

        with self.store.lease(spec.id()[:16]):
            plan = model_judge.plan(self.store, self.contest, spec, self.rates)
            _say_estimate(spec.model, plan.estimate, len(plan.there), sum(job.error is not None for job in plan.jobs))
            if only_estimate:
                return []
            remote = Remote(**self.server)
            return [session.judge(self.store, plan, remote, self.rates, self.max_cost, progress)]


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
