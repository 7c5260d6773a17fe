"""lm-eval's own tasks over the raw files of a folder: what our tasks are compared with.

The task files are those of the installed lm-eval; only where their rows come from is replaced. The rows
are read here by small code of its own, so that a mistake in `data/` cannot hide."""

from __future__ import annotations

import csv
import functools
import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def mmlu_subjects(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix("_test.csv") for path in (folder / "mmlu/test").glob("*.csv"))


def mmlu_rows(folder: Path, subject: str, split: str) -> list[Row]:
    with open(folder / f"mmlu/{split}/{subject}_{split}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [{"question": row[0], "subject": subject, "choices": row[1:5], "answer": int(row[5])} for row in rows]


def bbh_tasks(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "bbh").glob("*.json"))


def bbh_rows(folder: Path, task: str) -> list[Row]:
    return json.loads((folder / f"bbh/{task}.json").read_text(encoding="utf-8"))["examples"]


def drop_rows(folder: Path) -> list[Row]:
    """Rows in the columns of the hub's copy: validated answers as an object of lists."""
    passages = json.loads((folder / "drop/drop_dataset_dev.json").read_text(encoding="utf-8"))
    rows = []
    for section, passage in passages.items():
        for pair in passage["qa_pairs"]:
            validated = {key: [answer[key] for answer in pair["validated_answers"]] for key in pair["answer"]}
            row = {"section_id": section, "passage": passage["passage"], **pair, "validated_answers": validated}
            rows.append(row)
    return rows


def humaneval_rows(folder: Path) -> list[Row]:
    with gzip.open(folder / "humaneval/HumanEval.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def lm_eval_task(yaml: str, splits: dict[str, list[Row]], functions: bool = True, **changes: Any) -> Any:
    """The `ConfigurableTask` of a file below `lm_eval/tasks`, over `splits`, with some of its settings changed.
    Without `functions` those that it names are not imported, and must be among the changes."""
    import datasets
    import lm_eval.tasks
    from lm_eval.api.task import ConfigurableTask

    from harness.compat import load_lm_eval_yaml

    data = datasets.DatasetDict({split: datasets.Dataset.from_list(rows) for split, rows in splits.items()})
    config = dict(load_lm_eval_yaml(Path(lm_eval.tasks.__file__).parent / yaml, functions))
    config.pop("include", None)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # it warns about every custom_dataset
    return ConfigurableTask(config={**config, "custom_dataset": lambda **_: data, **changes})


def lm_eval_mmlu_task(folder: Path, subject: str) -> Any:
    splits = {split: mmlu_rows(folder, subject, split) for split in ("dev", "test")}
    return lm_eval_task(f"mmlu/default/mmlu_{subject}.yaml", splits, num_fewshot=5)


def lm_eval_bbh_task(folder: Path, task: str) -> Any:
    return lm_eval_task(f"bbh/cot_fewshot/{task}.yaml", {"test": bbh_rows(folder, task)})


def lm_eval_drop_task(folder: Path, **changes: Any) -> Any:
    """lm-eval's DROP has no shots of its own."""
    return lm_eval_task("drop/default.yaml", {"validation": drop_rows(folder)}, training_split=None, **changes)


def lm_eval_humaneval_task(folder: Path) -> Any:
    """Its texts alone: lm-eval fetches what runs programs when it is imported, and runs them unguarded."""
    rows = {"test": humaneval_rows(folder)}
    texts: dict[str, Any] = {"unsafe_code": False, "filter_list": None, "metric_list": [{"metric": "bypass"}]}
    return lm_eval_task("humaneval/humaneval.yaml", rows, functions=False, **texts)


@contextmanager
def _compiled_once() -> Iterator[None]:
    """lm-eval compiles a template for every row anew; the same text from a cache takes a tenth of the time."""
    from lm_eval import utils

    own = utils.env.from_string
    utils.env.from_string = functools.lru_cache(maxsize=None)(own)
    try:
        yield
    finally:
        utils.env.from_string = own


def contexts(task: Any, most: int | None = None) -> list[str]:
    """The whole prompt of every row, in the order of the rows, or of so many."""
    with _compiled_once():
        return [task.fewshot_context(doc, task.config.num_fewshot or 0) for doc in islice(task.eval_docs, most)]


def instances(task: Any) -> list[list[Any]]:
    """The requests of every row as lm-eval sends them to a model: four log-likelihoods for MMLU, else one."""
    with _compiled_once():
        built = [
            task.construct_requests(
                doc, task.fewshot_context(doc, task.config.num_fewshot or 0), metadata=(task.task_name, number, 1)
            )
            for number, doc in enumerate(task.eval_docs)
        ]
    return [requests if isinstance(requests, list) else [requests] for requests in built]
