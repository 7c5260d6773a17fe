"""Guesses at next tokens, and which of them the model's choice keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from harness.backends.transformers.guessing import HELD, MOST, TRIED, Guesser, Kept, chosen

if TYPE_CHECKING:
    import torch


def test_a_guess_is_what_came_after_the_same_tokens() -> None:
    guesser = Guesser([1, 2, 3, 4, 5, 6, 9])
    assert guesser.guess(MOST) == []  # nothing stands there twice
    guesser.add([2, 3, 4])
    assert guesser.guess(MOST) == [5, 6, 9]  # as many as are alike before
    assert guesser.guess(2) == [5, 6]
    guesser.add([5])
    assert guesser.guess(MOST) == [6, 9, 2, 3]  # four tokens are alike now
    guesser.add([7])
    assert guesser.guess(MOST) == []


def test_the_last_place_counts() -> None:
    assert Guesser([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3]).guess(1) == [5]


def test_a_loop_is_guessed_as_far_as_the_text_goes() -> None:
    guess = Guesser([7, 8] * 20).guess(MOST)
    assert 0 < len(guess) <= MOST
    assert guess == [7, 8] * (len(guess) // 2) + [7] * (len(guess) % 2)


def test_a_text_of_few_tokens_has_no_guess() -> None:
    for count in range(4):
        assert Guesser([1] * count).guess(MOST) == []


@pytest.mark.parametrize(("held", "guesses"), [(math.ceil(HELD * TRIED), True), (math.ceil(HELD * TRIED) - 1, False)])
def test_guesses_that_seldom_hold_end(held: int, guesses: bool) -> None:
    guesser = Guesser([1, 2, 3, 4, 1, 2, 3])
    guesser.record(TRIED, held)
    assert bool(guesser.guess(MOST)) == guesses


def logits_of(*choices: int, margins: dict[int, float] | None = None) -> torch.Tensor:
    """Of places where these tokens are the likeliest of six, by 1.0 or by the margin of the place."""
    import torch

    logits = torch.zeros(len(choices), 6)
    for place, token in enumerate(choices):
        logits[place, token] = (margins or {}).get(place, 1.0)
    return logits


CASES: list[tuple[list[list[int]], Any, list[Kept]]] = [
    ([[1, 2]], lambda: logits_of(1, 2, 3), [Kept([1, 2, 3], False)]),
    ([[1, 2]], lambda: logits_of(1, 4, 3), [Kept([1, 4], False)]),
    ([[1, 2], [5]], lambda: logits_of(4, 2, 3, 5, 0), [Kept([4], False), Kept([5, 0], False)]),
    # where rounding might decide, nothing is taken, and what is behind counts nothing
    ([[1, 2]], lambda: logits_of(1, 2, 3, margins={0: 1e-5}), [Kept([], True)]),
    ([[1, 2]], lambda: logits_of(1, 2, 3, margins={1: 1e-5}), [Kept([1], True)]),
    ([[1, 2]], lambda: logits_of(1, 2, 3, margins={2: 1e-5}), [Kept([1, 2], True)]),
    ([[1, 2]], lambda: logits_of(1, 4, 3, margins={2: 1e-5}), [Kept([1, 4], False)]),
]


@pytest.mark.parametrize(("guesses", "logits", "kept"), CASES)
def test_what_is_kept_is_what_the_model_chooses(guesses: Any, logits: Any, kept: list[Kept]) -> None:
    assert chosen(logits(), guesses, 1e-4) == kept


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_in_doubt(wrong: float) -> None:
    logits = logits_of(1, 2, 3)
    logits[1, 0] = wrong
    assert chosen(logits, [[1, 2]], 1e-4) == [Kept([1], True)]
