"""Logits that are not numbers, at random places: no log-probability and no text is made of them, and no other row's
changes."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends.transformers.decoding import Output, choose
from harness.backends.transformers.jobs import Job, read
from harness.backends.transformers.prefix_tree import Row
from harness.evaluation.no_answer import ALL_IMPOSSIBLE, NOT_A_NUMBER, why_no_choice, why_none
from harness.types import Generate, Prompt, Sampling
from tests.models import make_tokenizer

if TYPE_CHECKING:
    import torch

VOCABULARY = 12
PLACES = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, VOCABULARY - 1)),
    st.sampled_from([math.nan, math.inf, -math.inf]),
    max_size=6,
)


@cache
def tokenizer() -> Any:
    return make_tokenizer("bytes")


def logits_with(places: dict[tuple[int, int], float], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Four positions of random logits, and the same with other values at these places."""
    import torch

    sound = torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3
    changed = sound.clone()
    for place, value in places.items():
        changed[place] = value
    return sound, changed


def spoils(row: int, places: dict[tuple[int, int], float]) -> bool:
    """-inf is the logit of what cannot be said; the others leave no number in their row."""
    return any(at == row and value != -math.inf for (at, _), value in places.items())


def logprob(logits: torch.Tensor, target: int) -> float:
    return float(logits.double().log_softmax(-1)[target])


@settings(deadline=None, max_examples=150)
@given(
    places=PLACES,
    seed=st.integers(0, 99),
    options=st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_log_probabilities(places: dict[Any, float], seed: int, options: list[list[int]]) -> None:
    """Each option is read at its first positions of four; options of one token each are read at one."""
    import torch

    _, logits = logits_with(places, seed)
    one_position = all(len(option) == 1 for option in options)
    if one_position:
        job = Job([([1], 1)], [[option[0] for option in options]], True, ())
        rows, read_from = [Row([1], 1, 0, 0)], logits[:1]
    else:
        job = Job([([1], len(option)) for option in options], options, False, ())
        rows = [Row([1], len(option), 0, part) for part, option in enumerate(options)]
        read_from = torch.cat([logits[: len(option)] for option in options])
    for row, logprobs, greedy in read({0: job}, rows, read_from):
        job.take(row.part, logprobs, greedy, row.reused)
    response = job.response()
    broken = [any(spoils(at, places) for at in range(len(option))) for option in options]
    for option, value, is_broken in zip(options, response.logprobs, broken, strict=True):
        if is_broken:
            assert math.isnan(value)
        else:
            exact = sum(logprob(logits[at], token) for at, token in enumerate(option))
            assert value == exact or math.isclose(value, exact, abs_tol=1e-4)
    assert why_none([response]) == (NOT_A_NUMBER if any(broken) else "")
    assert (NOT_A_NUMBER in response.warnings) == any(broken)
    if not any(broken):
        impossible = all(value == -math.inf for value in response.logprobs)
        assert why_no_choice(response.logprobs) == (ALL_IMPOSSIBLE if impossible else "")


@settings(deadline=None, max_examples=80)
@given(places=PLACES, seed=st.integers(0, 99), temperature=st.sampled_from([0.0, 0.7, 1.5]))
def test_a_row_that_is_generated(places: dict[Any, float], seed: int, temperature: float) -> None:
    sound, logits = logits_with({at: value for at, value in places.items() if value != -math.inf}, seed)
    request = Generate(Prompt("", "?"), (), 9, Sampling(temperature, 0.9, seed))
    outputs, untouched = ([Output(tokenizer(), [1], request) for _ in range(4)] for _ in range(2))
    tokens, usual = choose(logits, outputs), choose(sound, untouched)
    for row, output in enumerate(outputs):
        assert output.broken == spoils(row, places)
        if output.broken:
            assert output.push(tokens[row], frozenset())  # it ends there
            assert output.tokens == []
        else:
            assert tokens[row] == usual[row]
