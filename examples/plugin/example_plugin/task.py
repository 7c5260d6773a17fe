"""The task `capitals`: which of the continent's capitals is a country's? `--tasks capitals` or `capitals:Asia`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

from data.sources import DataError, resolve
from harness.errors import UsageError
from harness.evaluation.no_answer import why_no_choice, why_none
from harness.stats import intervals
from harness.types import Choice, Item, Prompt, Request, Response, Sample, Score

HERE = Path(__file__).parent
HEADER = "Capitals of the world.\n\n"


class Capitals:
    """Rows are a folder's capitals.csv (continent, country, capital), or those that come with this package."""

    name, version, metric = "capitals", "1", "acc"
    slow_scoring, shots, warnings = False, 0, ()

    def __init__(self, data: str | None, protocol: str, shots: int | None, chat: bool) -> None:
        if protocol != "standard":
            raise UsageError(f"capitals has the protocol standard, and not {protocol!r}.")
        if shots:
            raise UsageError(f"capitals has no shots, and {shots} were asked for: leave --shots out.")
        source = resolve(data or "sample")
        path = (HERE if source.kind == "sample" else source.folder) / "capitals.csv"
        if source.kind == "hub" or not path.is_file():
            raise DataError(f"capitals has no rows in {data}: --data takes sample, or a folder with a capitals.csv.")
        text = path.read_text(encoding="utf-8")
        self.protocol, self.settings = protocol, {"options": "the continent's capitals"}
        self.data_source = "sample" if source.kind == "sample" else f"folder:{source.folder}"
        self.data_digest = hashlib.sha256(text.encode()).hexdigest()
        rows = list(csv.DictReader(text.splitlines()))
        self._items = [Item(row["country"], row["continent"], row) for row in rows]

    def items(self) -> Sequence[Item]:
        return self._items

    def _capitals(self, item: Item) -> list[str]:
        return [other.row["capital"] for other in self._items if other.group == item.group]

    def requests(self, item: Item) -> Sequence[Request]:
        prompt = Prompt(HEADER, f"The capital of {item.row['country']} is")
        return [Choice(prompt, tuple(f" {capital}" for capital in self._capitals(item)))]

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        values, expected = responses[0].logprobs, item.row["capital"]
        reason = why_none(responses) or why_no_choice(values)
        answer = "" if reason else self._capitals(item)[values.index(max(values))]
        return Sample(item, {"acc": float(answer == expected)}, answer, expected, reason)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        return intervals.scores(samples, "acc")
