"""A task of many short questions, and a backend that answers as many of them right as it is told to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from harness.stats import intervals
from harness.types import Choice, Generate, Item, Prompt, Request, Response, Sample, Score
from tests.harness.runs import Scripted

LETTERS = ("A", "B", "C", "D")


class Questions:
    """`groups`: so many items each. `per_cluster`: so many items of a group belong together; 0 is none."""

    name, protocol, version, metric = "questions", "standard", "1", "acc"
    data_source, data_digest, shots, slow_scoring = "test", "", 0, False
    warnings: Sequence[str] = ()

    def __init__(self, groups: Mapping[str, int], per_cluster: int = 0, metric: str = "acc") -> None:
        self.metric = metric
        self.settings: Mapping[str, Any] = {}
        self._items = [
            Item(f"{group}/{n}", group, {}, f"{group}-{n // per_cluster}" if per_cluster else "")
            for group, count in groups.items()
            for n in range(count)
        ]

    def items(self) -> Sequence[Item]:
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        return (Choice(Prompt("", f"{item.id}?"), LETTERS),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        (response,) = responses
        return Sample(item, {self.metric.removesuffix("_macro"): self.value(response)}, "", "A")

    def value(self, response: Response) -> float:
        """Right is A."""
        return float(response.logprobs.index(max(response.logprobs)) == 0)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        return intervals.scores(samples, self.metric.removesuffix("_macro"), macro=True)


class Losses(Questions):
    """Its metric is no share."""

    def value(self, response: Response) -> float:
        return 3.0 + max(response.logprobs)


class Texts(Questions):
    """Answers that are generated, so that there may be repeats, and scored beside the model. Right begins with r."""

    slow_scoring = True

    def requests(self, item: Item) -> Sequence[Request]:
        return (Generate(Prompt("", f"{item.id}?"), (), 4),)

    def value(self, response: Response) -> float:
        return float(response.text.startswith("r"))


class Skilled(Scripted):
    """Right with this chance, by the question alone: of two of them the more skilled one has all that the other has."""

    def __init__(self, skill: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.skill = skill
        self.asked: list[str] = []

    def _one(self, request: Request) -> Response:
        assert isinstance(request, Choice | Generate)
        self.asked.append(request.prompt.own.removesuffix("?"))
        chance = int.from_bytes(hashlib.sha256(request.prompt.own.encode()).digest()[:4], "big") / 2**32
        right = chance < self.skill
        if isinstance(request, Generate):
            return Response(text="right" if right else "wrong", tokens=(1,), finish="stop", asked=2, generated=1)
        return Response(logprobs=(-1.0, -2.0, -3.0, -4.0) if right else (-4.0, -2.0, -3.0, -1.0), asked=2)
