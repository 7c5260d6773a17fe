"""Benchmarks' files in their own forms, read as they are: prompts, choices and scores are lm-eval's, item by item."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.tasks.file_tasks.tasks import FileTask
from harness.types import Choice, Loglikelihood, Response
from tests.harness.tasks.lm_eval_bridge import lm_eval_local as reference

Row = dict[str, Any]
ITEMS = 40


def _lines(path: Path) -> list[Row]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(ITEMS), strict=False)]


def _arc(folder: Path) -> list[Row]:
    rows = _lines(folder / "arc_easy/ARC-Easy-Test.jsonl")
    return [
        {
            "question": row["question"]["stem"],
            "choices": {key: [choice[key] for choice in row["question"]["choices"]] for key in ("text", "label")},
            "answerKey": row["answerKey"],
        }
        for row in rows
    ]


def _piqa(folder: Path) -> list[Row]:
    labels = (folder / "piqa/dev-labels.lst").read_text().split()
    rows = _lines(folder / "piqa/dev.jsonl")
    return [{**row, "label": int(label)} for row, label in zip(rows, labels, strict=False)]


def _boolq(folder: Path) -> list[Row]:
    return [{**row, "label": int(row["label"] == "true")} for row in _lines(folder / "boolq/val.jsonl")]


def _hellaswag(folder: Path) -> list[Row]:
    rows = _lines(folder / "hellaswag/hellaswag_val.jsonl.gz")
    return [{"query": row["ctx"], "choices": row["endings"], "label": row["label"]} for row in rows]


def _winogrande(folder: Path) -> list[Row]:
    return _lines(folder / "winogrande/dev.jsonl")


def _lambada(folder: Path) -> list[Row]:
    return [
        {"text": f"{row['context']} {row['continuation']}"}
        for row in _lines(folder / "lambada/lambada_openai_test.jsonl")
    ]


Case = tuple[str, str, Callable[[Path], list[Row]], dict[str, Any]]
CASES: dict[str, Case] = {
    "arc": ("arc_easy/ARC-Easy-Test.jsonl", "arc/arc_easy.yaml", _arc, {"validation_split": None}),
    "piqa": ("piqa/dev.jsonl", "piqa/piqa.yaml", _piqa, {"test_split": "test", "validation_split": None}),
    "boolq": (
        "boolq/val.jsonl",
        "super_glue/boolq/default.yaml",
        _boolq,
        {"test_split": "test", "validation_split": None},
    ),
    "hellaswag": (
        "hellaswag/hellaswag_val.jsonl.gz",
        "hellaswag/hellaswag.yaml",
        _hellaswag,
        {"test_split": "test", "validation_split": None, "process_docs": None},
    ),
    "winogrande": (
        "winogrande/dev.jsonl",
        "winogrande/default.yaml",
        _winogrande,
        {"test_split": "test", "validation_split": None},
    ),
    "lambada": ("lambada/lambada_openai_test.jsonl", "lambada/lambada_openai.yaml", _lambada, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_prompts_and_scores_are_lm_evals(name: str, shared_data: Path) -> None:
    file, yaml, rows, changes = CASES[name]
    theirs = reference.lm_eval_task(yaml, {"test": rows(shared_data)}, training_split=None, **changes)
    ours = FileTask.load(str(shared_data / file))
    draw = random.Random(0)
    for item, doc, instances in zip(ours.items(), theirs.eval_docs, reference.instances(theirs), strict=False):
        requests = ours.requests(item)
        asked = []
        for request in requests:
            assert isinstance(request, Choice | Loglikelihood)
            asked += [(request.prompt.shared + request.prompt.own, option) for option in request.options]
        assert asked == [instance.args for instance in instances]

        # near to each other by length, so that the least difference in how it is counted shows
        values = [(-len(option) * draw.uniform(0.95, 1.05), draw.random() < 0.5) for _, option in asked]
        expected = theirs.process_results(doc, values if len(values) > 1 else values[0:1])
        pairs = iter(values)
        responses = []
        for request in requests:
            assert isinstance(request, Choice | Loglikelihood)
            logprobs, greedy = zip(*(next(pairs) for _ in request.options), strict=True)
            responses.append(Response(logprobs=logprobs, greedy=greedy))
        metrics = ours.score(item, responses).metrics
        for metric in {"acc", "acc_norm"} & metrics.keys() & expected.keys():
            assert metrics[metric] == float(expected[metric]), (item.id, metric)
        if "perplexity" in expected:
            assert metrics["logprob"] == expected["perplexity"]
    assert len(reference.instances(theirs)) == ITEMS


@pytest.mark.parametrize(
    ("file", "shape", "items", "metric"),
    [
        ("arc_challenge/ARC-Challenge-Test.jsonl", "question.stem + question.choices", 1172, "acc"),
        ("openbookqa/Main_test.jsonl", "question.stem + question.choices", 500, "acc"),
        ("sciq/test.csv", "question + a column a choice", 1000, "acc"),
        ("truthfulqa/mc_task.json", "question + mc1_targets", 817, "acc"),
        ("mmlu/test/anatomy_test.csv", "question + a column a choice", 135, "acc"),
        ("gsm8k/test.jsonl", "question + answer behind ####", 1319, "numeric"),
        ("drop/drop_v0_dev.jsonl.gz", "context + ref_text", 9536, "f1"),
        ("dolly/dolly151.jsonl", "prompt + answer", 151, "exact_match"),
        ("bbh/snarks.json", "prompt + answer", 178, "exact_match"),
    ],
)
def test_files_are_read_as_they_are(shared_data: Path, file: str, shape: str, items: int, metric: str) -> None:
    task = FileTask.load(str(shared_data / file))
    assert (task.contents.shape, len(task.items()), task.metric) == (shape, items, metric)
    assert f"{shape}, {items:,} items" in task.warnings[0]


def test_right_choices_are_those_of_the_files(shared_data: Path) -> None:
    task = FileTask.load(str(shared_data / "sciq/test.csv"))
    with open(shared_data / "sciq/test.csv", newline="", encoding="utf-8") as file:
        for item, row in zip(task.items(), csv.DictReader(file), strict=True):
            assert task.question(item).choices[task.question(item).right] == row[row["answer"]]
    drop = FileTask.load(str(shared_data / "drop/drop_v0_dev.jsonl.gz"))
    assert len({item.cluster for item in drop.items()} - {""}) > 500, "questions on one passage are a cluster"
    worked = FileTask.load(str(shared_data / "gsm8k/test.jsonl"))
    assert worked.question(worked.items()[2]).answers == ("70000",)
