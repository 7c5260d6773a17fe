"""A grader on loopback that speaks OpenAI's API. What it says is a function of the request alone, unless a fault is
asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.harness.servers import Fault, Server, serving

_ANSWER = re.compile(r"<answer-([0-9a-f]{8})>\n(.*)\n</answer-\1>", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """What a grader is shown."""

    text: str
    code: str
    answer: str

    def grade(self, grade: str) -> str:
        return f"Some words on it.\nGrade {self.code}: {grade}"


def by_length(shown: Shown) -> str:
    """The worst of 1 to 5 for nothing, a grade more for every four characters."""
    return shown.grade(str(min(5, 1 + len(shown.answer) // 4)))


class GradingServer:
    """`say` makes a reply; `fault(attempt, shown)` may give one that is sent in its place, by the n-th attempt (from 1)
    at a request."""

    def __init__(
        self,
        say: Callable[[Shown], str],
        fault: Callable[[int, Shown], Fault | None] = lambda attempt, shown: None,
        usage: bool = True,
    ) -> None:
        self.say, self.fault, self.usage = say, fault, usage
        self.attempts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        text = body["messages"][-1]["content"]
        matched = _ANSWER.search(text)
        assert matched is not None, text
        shown = Shown(text, matched[1], matched[2])
        self.attempts[text] += 1
        fault = self.fault(self.attempts[text], shown)
        if fault is not None:
            return fault
        self.answered[text] += 1
        reply = self.say(shown)
        message = {"role": "assistant", "content": reply}
        answer: dict[str, Any] = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        if self.usage:
            answer["usage"] = {"prompt_tokens": len(text) // 4, "completion_tokens": 10}
        return answer


@contextmanager
def grading(say: Callable[[Shown], str] = by_length, **options: Any) -> Iterator[tuple[Server, GradingServer]]:
    grader = GradingServer(say, **options)
    with serving(grader) as server:
        yield server, grader
