"""The grader `brief`: an answer is worth the more, the fewer words it has. To see how much a rubric rewards length."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.types import Grade, GradeRequest


class Brief:
    name = "brief"
    digests: Collection[str] = ()
    notes: Sequence[str] = ()

    def __init__(self, settings: Mapping[str, Any], where: str) -> None:
        self.words = settings.get("words", 10)
        if set(settings) - {"words"} or type(self.words) is not int or self.words < 1:
            raise UsageError(f"{where} takes words = N, the words that cost one grade.")
        self.identity: Mapping[str, Any] = {"grader": "brief", "version": "1", "words": self.words}

    def grade(self, requests: Sequence[GradeRequest], db: str) -> Iterator[list[tuple[int, Grade]]]:
        """It costs nothing, so nothing is kept in the store."""
        for place, request in enumerate(requests):
            words = len(request.answer.split())
            lost = min(words // self.words, len(request.scale) - 1)
            yield [(place, Grade(request.scale[len(request.scale) - 1 - lost], f"{words} words"))]
