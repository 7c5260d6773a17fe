"""Lines of lm-eval's samples files as rows of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from data.sources import DataError
from harness.results.rows import ResponseRow, SampleRow
from harness.tasks.lm_eval_bridge.metrics import key, pack


@dataclass(frozen=True, slots=True)
class Document:
    """A document's lines, one a filter, and the values of its metrics under our names."""

    lines: Sequence[Mapping[str, Any]]
    values: Mapping[str, Any]


def documents(task: str, lines: Sequence[Mapping[str, Any]], reported: Mapping[str, Any]) -> list[Document]:
    """The lines by document, in the order of the file. `reported`: the results' figures, "metric,filter" each."""
    by_doc: dict[int, list[Mapping[str, Any]]] = {}
    for line in lines:
        if not {"doc_id", "doc", "arguments", "resps"} <= line.keys():
            raise DataError(
                f"A line of the samples of {task} lacks doc_id, doc, arguments or resps, which lm-eval 0.4 writes."
            )
        by_doc.setdefault(line["doc_id"], []).append(line)
    docs = []
    for some in by_doc.values():
        values: dict[str, Any] = {}
        for line in some:
            filter_name = line.get("filter", "none")
            names = line.get("metrics") or [name for name in line if f"{name},{filter_name}" in reported]
            values |= {key(name, filter_name): line[name] for name in names if name != "bypass"}
        docs.append(Document(some, values))
    return docs


def sample_row(
    run: str, task: str, document: Document, config: Mapping[str, Any], aggregations: Mapping[str, Any]
) -> tuple[SampleRow, list[ResponseRow]]:
    """A document as our own tasks would store it. `aggregations`: by metric, the function that makes its figure."""
    first = document.lines[0]
    item, asked = str(first["doc_id"]), _asked(first)
    answer, metrics = pack(_answer(first, asked), document.values, aggregations)
    group, expected = task.removeprefix("lm_eval:"), _expected(first, asked, config)
    sample = SampleRow(run, task, item, 0, group, "", metrics, answer, expected)
    return sample, _responses(run, task, item, asked, first["resps"])


def _asked(line: Mapping[str, Any]) -> list[list[Any]]:
    """Each instance's arguments. lm-eval writes objects of objects; before 0.4.3 it wrote lists."""
    arguments = line["arguments"]
    return [list(one.values()) for one in arguments.values()] if isinstance(arguments, dict) else arguments


def _responses(
    run: str, task: str, item: str, asked: Sequence[Sequence[Any]], resps: Sequence[Any]
) -> list[ResponseRow]:
    """As our own tasks ask: neighbouring log-likelihoods of one context are one choice."""
    rows: list[ResponseRow] = []

    def add(kind: Any, context: str, **answer: Any) -> None:
        rows.append(ResponseRow(run, task, item, 0, len(rows), kind, "", context, **answer))

    for (kind, context), some in groupby(range(len(asked)), lambda i: (_kind(asked[i]), asked[i][0])):
        indices = list(some)
        if kind == "generate":
            for i in indices:
                for text in resps[i]:
                    add(kind, context, text=text)
        elif kind == "rolling":
            for i in indices:
                add(kind, context, logprobs=(float(_alone(resps[i][0])),))
        else:
            pairs = [resps[i][0] for i in indices]
            logprobs, greedy = tuple(float(p[0]) for p in pairs), tuple(str(p[1]) == "True" for p in pairs)
            kind_of_ours = "choice" if len(indices) > 1 else "loglikelihood"
            options = tuple(str(asked[i][1]) for i in indices)
            add(kind_of_ours, context, options=options, logprobs=logprobs, greedy=greedy)
    return rows


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _kind(arguments: Sequence[Any]) -> str:
    if len(arguments) == 1:
        return "rolling"
    return "generate" if isinstance(arguments[1], dict) else "loglikelihood"


def _answer(line: Mapping[str, Any], asked: Sequence[Sequence[Any]]) -> str:
    """What the first filter left of a generation; the likeliest option."""
    kind, responses = _kind(asked[0]), line.get("filtered_resps") or []
    if kind == "generate":
        return (
            responses[0] if responses and isinstance(responses[0], str) else json.dumps(responses, ensure_ascii=False)
        )
    if kind == "rolling":
        return ""
    best = max(range(len(asked)), key=lambda i: float(line["resps"][i][0][0]))
    return str(asked[best][1]).strip()


def _expected(line: Mapping[str, Any], asked: Sequence[Sequence[Any]], config: Mapping[str, Any]) -> str:
    """The target; for multiple choice the option that its index names."""
    target = str(line.get("target", ""))
    if _kind(asked[0]) == "rolling":
        return ""
    if config.get("output_type") == "multiple_choice" and target.isdigit() and int(target) < len(asked):
        return str(asked[int(target)][1]).strip()
    return target
