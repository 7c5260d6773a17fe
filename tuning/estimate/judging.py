"""What a win-rate objective asks of its judge: requests, tokens, and money where prices are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuning.objectives.win_rate_objective import JUDGING, LENGTH, WinRate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.prompts import Prompt
    from judges.judging.cost import Prices
    from tuning.study.definition import Study

BYTES_A_TOKEN = 5  # of an answer, cautiously


def judging(study: Study, trials: int, prompts: str | None, prices: Prices | None) -> dict[str, Any] | None:
    """Of all trials; None where no judge on a server is asked."""
    from judges.judging import cost, installed

    words = [*study.objectives, *(constraint.partition("<=")[0] for constraint in study.constraints)]
    judged = [rate for word in words if word.startswith("win-rate:") for rate in [WinRate.of(word)]]
    judged = [rate for rate in judged if not installed.has(rate.judge)]
    if not judged:
        return None
    sizes = [size for rate in judged for size in _sizes(rate, prompts)] * trials
    total = cost.estimate(sizes, JUDGING, prices)
    return {
        "judges": [rate.judge for rate in judged],
        "requests": total.requests,
        "tokens_in": total.tokens_in,
        "tokens_out": total.tokens_out,
        "cost": total.cost,
        "most": total.most,
    }


def _sizes(rate: WinRate, prompts: str | None) -> Sequence[int]:
    from data.prompts import load

    return request_sizes(load(prompts).prompts[: rate.count], LENGTH)


def request_sizes(asked: Sequence[Prompt], length: int) -> list[int]:
    """Worst tokens of each request about one pair of models: each turn of each prompt, in both orders, with answers of
    `length` tokens."""
    from judges.judging import prompts as judging_prompts
    from judges.judging.cost import worst_tokens

    asking, answer = judging_prompts.ours(), "x" * (length * BYTES_A_TOKEN)
    sizes = []
    for row in asked:
        for turns in range(1, len(row.turns) + 1):
            answers = [answer] * turns
            size = worst_tokens(asking.messages(row.turns[:turns], row.reference[:turns], answers, answers))
            sizes += [size, size]
    return sizes
