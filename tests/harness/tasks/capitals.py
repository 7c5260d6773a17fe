"""A fifth benchmark, whole in one file: a country's capital, out of four. The tests register it as a package would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data import benchmarks, jsonl
from data.folder_rows import Files
from data.hub_rows import Repository
from data.row_spec import REPEATED_TEXT, TEXT, HubSet, RowSpec
from data.rows import Content, Row, mapping, text, unique
from harness.evaluation.no_answer import why_no_choice, why_none
from harness.tasks.protocol import check_protocol, check_shots
from harness.types import Choice, Item, Prompt, Request, Response, Sample, Score

KEYS = ("continent", "country", "capital")


def find_files(folder: Path) -> Files | None:
    file = folder / "capitals.jsonl"
    return {"test": (file,)} if file.is_file() else None


def read_files(files: Files) -> Content:
    (path,) = files["test"]
    rows = [make_row(line, where) for line, where in jsonl.objects(path)]
    unique(rows, "country", str(path))
    return Content({"test": rows})


def read_hub(repository: Repository) -> Content:
    return Content({"test": [make_row(row, f"hub:{repository.id}") for row in repository.rows(None, "test")]})


def make_row(raw: object, where: str) -> Row:
    row = mapping(raw, KEYS, where)
    return {key: text(row[key], key, where) for key in KEYS}


class Capitals:
    name, version, metric, slow_scoring = "capitals", "1", "acc", False
    rows = RowSpec(
        name="capitals",
        splits=("test",),
        columns={"continent": REPEATED_TEXT, "country": TEXT, "capital": TEXT},
        find=find_files,
        read=read_files,
        looked_for="capitals.jsonl",
        hub=HubSet("somebody/capitals", "0" * 40, read_hub),
        published=195,
    )

    @classmethod
    def load(cls, data: str | None, protocol: str, shots: int | None, chat: bool) -> Capitals:
        return cls(benchmarks.load(cls.rows, data), protocol, shots)

    def __init__(self, benchmark: benchmarks.Benchmark, protocol: str, shots: int | None) -> None:
        self.protocol = check_protocol(self.name, protocol)
        self.shots = check_shots(self.name, shots, 0, 0, "the benchmark")
        self.data_source, self.data_digest = benchmark.source, benchmark.digest
        self.warnings: Sequence[str] = benchmark.notes
        self.settings: Mapping[str, Any] = {}
        self._items = [Item(row["country"], row["continent"], row) for row in benchmark.splits["test"]]
        self._options = tuple(f" {row['capital']}" for row in benchmark.splits["test"][:4])

    def items(self) -> Sequence[Item]:
        return self._items

    def requests(self, item: Item) -> Sequence[Request]:
        return (Choice(Prompt("", f"The capital of {item.row['country']} is"), self._options),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        expected = item.row["capital"]
        (response,) = responses
        if reason := why_none(responses) or why_no_choice(response.logprobs):
            return Sample(item, {"acc": 0.0}, "", expected, reason)
        answer = self._options[response.logprobs.index(max(response.logprobs))].strip()
        return Sample(item, {"acc": float(answer == expected)}, answer, expected)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        from harness.stats import intervals

        return intervals.scores(samples, "acc")
