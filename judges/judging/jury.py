"""Several judges on one set of pairs, one after the other."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.progress import Progress
    from judges.judging.cost import Estimate, Prices
    from judges.judging.model_judge import Plan
    from judges.judging.options import JudgeOptions
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome
    from judges.store import Store


class Jury:
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
        from judges.choosing.rounds import share_of
        from judges.judging import model_judge, session
        from judges.judging.chosen import Choice, ask_chosen

        options = self.options
        share = share_of(options.pairs, options.votes)
        with self.store.lease(spec.id()[:16], f"Judging by {spec.model}"):
            choice = None if share is None else Choice(self.store, self.contest, spec.row(options.base_url), share)
            planned = partial(model_judge.plan, self.store, spec=spec, rates=self.rates)
            plan = planned(self.contest if choice is None else choice.expected())
            again = sum(job.error is not None for job in plan.jobs)
            _say_estimate(spec.model, plan.estimate, len(plan.there), again)
            if options.estimate:
                return []
            remote = Remote(
                options.base_url,
                concurrency=options.concurrency,
                timeout=options.timeout,
                attempts=options.attempts,
            )

            def judged(plan: Plan) -> Outcome:
                return session.judge(self.store, plan, remote, self.rates, options.max_cost, progress)

            return [judged(plan) if choice is None else ask_chosen(choice, planned, judged)]


def compare(options: JudgeOptions, progress: Progress) -> tuple[Contest, list[Outcome]]:
    """Have the judges of the options compare what they have not compared yet. UsageError where options name no models
    or no judge."""
    from judges.choosing.rounds import share_of
    from judges.judging.cost import prices
    from judges.judging.pairs import contest
    from judges.store import Store

    share_of(options.pairs, options.votes)
    if not options.judge or not options.models:
        raise UsageError("Name the answer sets in models and who compares them in judge.")
    rates = prices(options.price_in, options.price_out, options.max_cost)
    store = Store(options.db)
    compared = contest(store, options.models, options.against, options.prompts, options.repeats)
    return compared, Jury(store, compared, rates, options).run(progress)


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """As `harness judge --json` prints it."""
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
        "chosen_of": outcome.of,
        "taken_over": outcome.taken_over,
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "cost": outcome.cost,
        "warnings": list(outcome.warnings),
    }


def _say_estimate(judge: str, estimate: Estimate, there: int, again: int) -> None:
    if not estimate.requests:
        return
    cost = "" if estimate.cost is None else f", cost about {estimate.cost:.4g} and at most {estimate.most:.4g}"
    known = [f"{there:,} verdicts are there already"] if there else []
    known += [f"{again:,} are errors of before, asked again"] if again else []
    before = f" ({'; '.join(known)})" if known else ""
    sys.stderr.write(
        f"{judge}: {estimate.requests:,} requests{before}, about {estimate.tokens_in:,} tokens in and "
        f"{estimate.tokens_out:,} out{cost}\n"
    )
