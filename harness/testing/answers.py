"""Requests of every kind for a backend, and what it means that two backends answer them alike."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness.types import Backend, Choice, Generate, Loglikelihood, Prompt, Request, Response, Rolling, Sampling

APART = 5e-4  # of a log-probability, float32


@cache
def _words() -> list[str]:
    from pydoc_data.topics import topics  # English that every Python carries

    return " ".join(topics.values()).split()


def text(rng: random.Random, count: int) -> str:
    """So many English words."""
    return " ".join(rng.choice(_words()) for _ in range(count))


@dataclass(frozen=True)
class Asked:
    scored: list[Request]
    texts: list[Generate]


def asked(groups: int = 2) -> Asked:
    """Choices, log-probabilities of a continuation and of a whole text, and texts: with a shared part and without,
    with an empty prompt, with spaces at its end, in other scripts. All fit a window of 512 tokens."""
    rng = random.Random(1)
    scored: list[Request] = []
    texts: list[Generate] = []
    for _ in range(groups):
        shared = text(rng, 90) + "\n\n"
        for n in range(5):
            own = text(rng, rng.randint(2, 20)) + "\nAnswer:"
            scored.append(Choice(Prompt(shared, own), (" A", " B", " C", " D")))
            texts.append(Generate(Prompt(shared, own), ("the", "\n\n") if n % 2 else (), 16))
        scored.append(Choice(Prompt(shared, "Say\nAnswer:"), (" yes", " " + text(rng, 4), " no no")))
        scored.append(Loglikelihood(Prompt(shared, "trailing space "), "and more"))
    scored.append(Loglikelihood(Prompt("", ""), "without context"))
    scored.append(Loglikelihood(Prompt("", "Καλημέρα, "), "κόσμε 🌍"))
    scored.append(Rolling(text(rng, 30)))
    texts.append(Generate(Prompt("", "Zażółć gęślą jaźń — 你好，世界 🙂\nAnswer:"), (), 24))
    return Asked(scored, texts)


def too_long(window: int) -> Generate:
    """A prompt with more words than the window has tokens, and no shots to leave out."""
    return Generate(Prompt("", text(random.Random(2), window + 64)), (), 8)


def batches(backend: Backend, requests: Sequence[Request], done: Collection[int] = ()) -> list[dict[int, Response]]:
    """As they come. Each request is answered once, and none that was not asked."""
    seen: set[int] = set()
    collected = []
    for batch in backend.answer(requests, done):
        indices = [n for n, _ in batch]
        assert len(set(indices)) == len(indices), "answered twice in one batch"
        assert not seen & set(indices), "answered twice"
        assert set(indices) <= set(range(len(requests))), "answered what was not asked"
        seen |= set(indices)
        collected.append(dict(batch))
    return collected


def answers(backend: Backend, requests: Sequence[Request], done: Collection[int] = ()) -> dict[int, Response]:
    """By the request's index."""
    return {n: response for batch in batches(backend, requests, done) for n, response in batch.items()}


def with_stops(texts: Sequence[Generate], answered: dict[int, Response]) -> list[Generate]:
    """Each text again, to be stopped by a string out of its own middle, and by its first character."""
    again = []
    for n, request in enumerate(texts):
        whole = answered[n].text
        if len(whole) > 12 and "�" not in whole:
            middle = len(whole) // 2
            again.append(replace(request, stop=(whole[middle : middle + 5], whole[middle - 2 : middle + 2], "\0")))
            again.append(replace(request, stop=(whole[0],)))
    return again


def sampled(request: Generate) -> list[Generate]:
    """Repeats of one prompt with seeds of their own."""
    seeds = (1, 2, 3, 4, 5, 2**62 + 1)
    return [replace(request, stop=(), sampling=Sampling(1.0, 0.95, seed)) for seed in seeds]


def check_response(request: Request, response: Response) -> None:
    """Is it an answer to such a request?"""
    assert response.asked >= 0
    assert 0 <= response.reused <= response.asked, "more tokens were reused than asked"
    assert all(isinstance(warning, str) for warning in response.warnings)
    if isinstance(request, Generate):
        assert isinstance(response.text, str)
        assert response.finish in ("stop", "length"), f"a text ends by 'stop' or 'length', not {response.finish!r}"
        assert not any(stop in response.text for stop in request.stop), "a text ends before its stop"
        assert len(response.tokens) <= request.max_tokens
        assert 0 <= response.generated <= request.max_tokens
        assert not response.tokens or response.generated == len(response.tokens)
        return
    count = 1 if isinstance(request, Rolling) else len(request.options)
    assert len(response.logprobs) == count, f"{count} options have {len(response.logprobs)} log-probabilities"
    assert len(response.greedy) == count, "`greedy` stands beside each log-probability"
    assert all(isinstance(value, float) and not math.isnan(value) for value in response.logprobs)
    assert all(value <= 1e-4 for value in response.logprobs), "a log-probability is above 0: natural logs, not odds"


def check_scored(mine: dict[int, Response], right: dict[int, Response]) -> float:
    """Log-probabilities, likeliest options, greedy ones and warnings are alike. Returns the largest difference."""
    assert set(mine) == set(right)
    largest = 0.0
    for n, wanted in right.items():
        given = mine[n]
        assert len(given.logprobs) == len(wanted.logprobs)
        largest = max(largest, *(abs(a - b) for a, b in zip(given.logprobs, wanted.logprobs, strict=True)))
        if len(wanted.logprobs) > 1:
            likeliest = [max(range(len(r.logprobs)), key=r.logprobs.__getitem__) for r in (given, wanted)]
            assert likeliest[0] == likeliest[1], n
        assert given.greedy == wanted.greedy, n
        assert given.warnings == wanted.warnings
    assert largest <= APART
    return largest
