"""Perplexity of a mean log-probability."""

from __future__ import annotations

import math
from dataclasses import replace

from harness.types import Score


def perplexity(score: Score) -> Score:
    """Of the score of a mean log-probability (natural logs), with its interval."""
    value, low, high = (_exp(-bound) for bound in (score.value, score.high, score.low))
    return replace(score, metric="perplexity", value=value, low=low, high=high)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
