"""A judge on loopback that speaks OpenAI's API: with known biases, with garbage, and with failures.

Its verdicts and its garbage are a function of the request alone, so they do not depend on the order of arrival.

    with scripted_server(always_first) as (server, judge): ...  # server.url for --base-url
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.harness.servers import Fault, Server, serving

_A = re.compile(r"<(answer|conversation)_a>\n(.*)\n</\1_a>", re.DOTALL)
_B = re.compile(r"<(answer|conversation)_b>\n(.*)\n</\1_b>", re.DOTALL)
GARBAGE = ("I cannot say.", "[[A]] or rather [[B]].", "[A]", "[[D]]", "")


@dataclass(frozen=True)
class Seen:
    """What a judge is shown. `lot(word)` is a number in [0, 1) that this request and the word draw."""

    system: str
    user: str
    a: str
    b: str

    def lot(self, word: str) -> float:
        drawn = hashlib.sha256(f"{word}\0{self.system}\0{self.user}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(drawn[:8], "big") / 2**64


Bias = Callable[[Seen], str]  # "A", "B" or "C"


def always_first(seen: Seen) -> str:
    return "A"


def always_tie(seen: Seen) -> str:
    return "C"


def longer_wins(seen: Seen) -> str:
    return "C" if len(seen.a) == len(seen.b) else "A" if len(seen.a) > len(seen.b) else "B"


def at_random(seen: Seen) -> str:
    return "ABC"[int(3 * seen.lot("random"))]


def by_strength(strength: Callable[[str], float]) -> Bias:
    """A wins with the logistic of the difference (Bradley-Terry); `strength` reads an answer. The draw is that of the
    pair, not of the order, so that both orders agree."""

    def say(seen: Seen) -> str:
        one, other = sorted((seen.a, seen.b))
        drawn = Seen("", "", one, other)
        lot = hashlib.sha256(f"{drawn.a}\0{drawn.b}".encode("utf-8", "surrogatepass")).digest()
        wins = int.from_bytes(lot[:8], "big") / 2**64 < 1 / (1 + math.exp(strength(other) - strength(one)))
        better = one if wins else other
        return "A" if better == seen.a else "B"

    return say


def mostly(bias: Bias, part: float, otherwise: Bias) -> Bias:
    """`bias` on that part of the requests, `otherwise` on the rest."""
    return lambda seen: bias(seen) if seen.lot("mostly") < part else otherwise(seen)


class Judge:
    """Answers chat completions. `garbage` is the part of the requests that get no clear verdict; `fault(attempt, seen)`
    may give a `Fault` for the n-th attempt (from 1) at one request, which is sent in place of an answer."""

    def __init__(
        self,
        bias: Bias,
        garbage: float = 0.0,
        fault: Callable[[int, Seen], Fault | None] = lambda attempt, seen: None,
        usage: bool = True,
        words: int = 20,
    ) -> None:
        self.bias, self.garbage, self.fault, self.usage, self.words = bias, garbage, fault, usage, words
        self.attempts: Counter[str] = Counter()  # by request
        self.answered: Counter[str] = Counter()
        self.charged = [0, 0]  # tokens in and out of every request that was worked on

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        if not path.endswith("/chat/completions"):
            return {"data": [{"id": "scripted", "object": "model"}]}
        system = next((m["content"] for m in body["messages"] if m["role"] == "system"), "")
        user = body["messages"][-1]["content"]
        a, b = (found[2] if (found := side.search(user)) else "" for side in (_A, _B))
        seen = Seen(system, user, a, b)
        key = json.dumps(body, sort_keys=True)
        self.attempts[key] += 1
        fault = self.fault(self.attempts[key], seen)
        if fault is not None and fault.status != 200:
            return fault
        said = f"{'word ' * self.words}[[{self.bias(seen)}]]"
        if seen.lot("garbage") < self.garbage:
            said = GARBAGE[int(len(GARBAGE) * seen.lot("which"))]
        tokens = len(system + user) // 4, min(len(said) // 4 + 1, body.get("max_tokens", 10**9))
        self.charged[0] += tokens[0]
        self.charged[1] += tokens[1]
        if fault is not None:
            return fault  # worked on, and not delivered
        self.answered[key] += 1
        answer: dict[str, Any] = {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
        }
        if self.usage:
            answer["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
        return answer


@contextmanager
def scripted_server(bias: Bias, **options: Any) -> Iterator[tuple[Server, Judge]]:
    judge = Judge(bias, **options)
    with serving(judge) as server:
        yield server, judge
