"""Answers that no score can be made of: log-probabilities that are not numbers, options without tokens.

Such an answer counts as not right, its sample's note says why, and the run says how many there are. `-inf` is a value
of its own kind: a model may hold an option to be impossible, and another one is then likelier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.types import Response, Sample, Score

NOT_A_NUMBER = "the model gave a log-probability that is not a number"
NO_TOKENS = "an option adds no token to its prompt, so it has no log-probability"
ALL_IMPOSSIBLE = "the model gives every option the probability 0"
REASONS = (NOT_A_NUMBER, NO_TOKENS, ALL_IMPOSSIBLE)


def why_none(responses: Iterable[Response]) -> str:
    """Why no score can be made of an item's responses; "" where one can."""
    for response in responses:
        for reason in (NO_TOKENS, NOT_A_NUMBER):
            if reason in response.warnings:
                return reason
        if not all(map(is_logprob, response.logprobs)):
            return NOT_A_NUMBER
    return ""


def why_no_choice(logprobs: Sequence[float]) -> str:
    """Why none of the options with these log-probabilities is the likeliest; "" where one is."""
    if not all(map(is_logprob, logprobs)):
        return NOT_A_NUMBER
    return ALL_IMPOSSIBLE if logprobs and max(logprobs) == -math.inf else ""


def overlooked(sample: Sample, responses: Iterable[Response], more_is_better: Mapping[str, bool]) -> Sample:
    """The sample; where its task has scored what is no answer, as a plug-in's may, one that counts as not right. Of
    metrics of which less is better, no value is left."""
    if any(reason in sample.note for reason in REASONS) or not (reason := why_none(responses)):
        return sample
    metrics = dict.fromkeys((name for name in sample.metrics if more_is_better[name]), 0.0)
    return replace(sample, metrics=metrics, note="; ".join(filter(None, (reason, sample.note))))


def numbers_only(scores: Sequence[Score]) -> tuple[list[Score], list[str]]:
    """The scores that are numbers, and a sentence for each that is none."""
    lost = [
        f"no figure for {score.metric} of {score.group}: it is not a number"
        for score in scores
        if not math.isfinite(score.value)
    ]
    return [score for score in scores if math.isfinite(score.value)], lost


def is_logprob(value: float) -> bool:
    """Is it a number, or -inf? A sum of rounded values may be a little above 0."""
    return value < math.inf


def summary(task: str, notes: Iterable[str], dtype: str) -> list[str]:
    """What a run says of a task whose samples have these notes: one sentence for each reason that occurs."""
    held = list(notes)
    hint = (
        "; float16 overflows above 65,504: try --dtype bfloat16 or float32"
        if dtype == "float16"
        else "; such numbers come of an overflow or of damaged weights"
    )
    return [
        f"{task}: {count} of {len(held)} answers count as not right: {reason}{hint if reason == NOT_A_NUMBER else ''}"
        for reason in REASONS
        if (count := sum(reason in note for note in held))
    ]
