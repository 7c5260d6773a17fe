"""lm-eval's own tasks on the real rows beside the checkout: files in the tasks' columns, and a YAML file each.

A YAML file includes the installed task's and changes where the rows come from, so prompts and metrics are lm-eval's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.common import DATA


@dataclass(frozen=True, slots=True)
class Published:
    """A task whose score on Gemma 3 270M (base) is known from its makers (model card of google/gemma-3-270m)."""

    name: str
    source: str  # lm-eval's YAML file, from its tasks' folder
    split: str
    shots: int
    score: float  # percent; the makers name no metric: accuracy, or where lm-eval has it the normalised one
    metric: str
    rows: Callable[[], Iterator[dict[str, Any]]]
    changes: str = ""  # further lines of the YAML file

    @property
    def task(self) -> str:
        return f"published_{self.name}"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    yield from map(json.loads, (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines())


def _piqa() -> Iterator[dict[str, Any]]:
    labels = (DATA / "piqa" / "dev-labels.lst").read_text(encoding="utf-8").split()
    for row, label in zip(_lines(DATA / "piqa" / "dev.jsonl"), labels, strict=True):
        yield {"goal": row["goal"], "sol1": row["sol1"], "sol2": row["sol2"], "label": int(label)}


def _arc_easy() -> Iterator[dict[str, Any]]:
    for row in _lines(DATA / "arc_easy" / "ARC-Easy-Test.jsonl"):
        choices = row["question"]["choices"]
        yield {
            "question": row["question"]["stem"],
            "choices": {
                "text": [choice["text"] for choice in choices],
                "label": [choice["label"] for choice in choices],
            },
            "answerKey": row["answerKey"],
        }


def _hellaswag() -> Iterator[dict[str, Any]]:
    for row in _lines(DATA / "hellaswag" / "hellaswag_val.jsonl.gz"):
        yield {"query": row["ctx"], "choices": row["endings"], "label": row["label"]}


def _boolq() -> Iterator[dict[str, Any]]:
    for row in _lines(DATA / "boolq" / "val.jsonl"):
        yield {
            "question": row["question"],
            "passage": row["passage"],
            "label": int(str(row["label"]).lower() == "true"),
        }


TASKS = (
    Published("piqa", "piqa/piqa.yaml", "validation", 0, 67.7, "acc_norm", _piqa),
    Published("arc_easy", "arc/arc_easy.yaml", "test", 0, 57.7, "acc", _arc_easy),
    Published("boolq", "super_glue/boolq/default.yaml", "validation", 0, 61.4, "acc", _boolq),
    # The rows are cleaned already, so lm-eval's cleaning (process_docs) is left out; shots come from the same rows,
    # since no training rows are here, and never the item itself.
    Published(
        "hellaswag", "hellaswag/hellaswag.yaml", "validation", 10, 40.9, "acc_norm", _hellaswag, "process_docs: null\n"
    ),
)


def write(folder: Path) -> None:
    """The rows and the YAML file of each task, for --include-path."""
    folder.mkdir(parents=True, exist_ok=True)
    installed = find_spec("lm_eval")
    if installed is None or installed.origin is None:
        raise SystemExit("lm-eval is not installed; `make setup` installs it.")
    for task in TASKS:
        rows = folder / f"{task.name}.jsonl"
        with rows.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in task.rows())
        (folder / f"{task.name}.yaml").write_text(
            f"include: {Path(installed.origin).parent / 'tasks' / task.source}\n"
            f"task: {task.task}\ntag: null\ndataset_path: json\ndataset_name: null\n"
            f"dataset_kwargs:\n  data_files:\n    {task.split}: {rows}\n"
            "training_split: null\nvalidation_split: null\ntest_split: null\n"
            f"{task.split}_split: {task.split}\nnum_fewshot: {task.shots}\n{task.changes}",
            encoding="utf-8",
        )
