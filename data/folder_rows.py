"""Reads a benchmark from a folder in its upstream raw format.

The folder is the one that holds `mmlu/ bbh/ drop/ humaneval/`, or a benchmark's own upstream folder.
`find` says which files those are, `read` reads and checks them. Anything odd is a `DataError` that
names the file and the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from data import rows
from data.rows import Content, Row
from data.sources import WHAT_TO_DO, DataError

Files = dict[str, tuple[Path, ...]]  # by split, and "prompts"

HEADER = ["question", "choice0", "choice1", "choice2", "choice3", "answer"]
LOOKED_FOR = {
    "mmlu": "dev/*.csv and test/*.csv",
    "bbh": "*.json and cot-prompts/*.txt",
    "drop": "drop_dataset_dev.json",
    "humaneval": "HumanEval.jsonl.gz or HumanEval.jsonl",
}


def find(name: str, root: Path) -> Files:
    """The benchmark's files by split, sorted. Their own folder, `data/` in it (MMLU's archive, HumanEval's
    repository), `drop_dataset/` (DROP's archive) and `bbh/` (BIG-Bench Hard's repository) are looked into."""
    folders = [root / name, root / name / "data", root, root / "data", root / "drop_dataset"]
    if name == "drop":
        folders.insert(1, root / name / "drop_dataset")
    try:
        folders = [folder for folder in folders if folder.is_dir()]
        for folder in folders:
            if files := _FINDERS[name](folder):
                return files
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error
    tried = ", ".join(map(str, folders))
    raise DataError(f"no {name} in {root}: looked for {LOOKED_FOR[name]} in {tried}. {WHAT_TO_DO}")


def read(name: str, files: Files) -> Content:
    """Rows in a stable order: MMLU by subject and line, BBH by task, the others as in the file."""
    return _READERS[name](files)


def _glob(folder: Path, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.glob(pattern) if not path.name.startswith(".")))


def load_text(path: Path) -> str:
    """A file as UTF-8 text, unpacked where it ends with .gz. DataError where that cannot be had."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text ({error.reason}). Save the file as UTF-8.") from error


def parse_json(source: str, where: str) -> Any:
    """DataError, saying `where`, for what is not JSON or names one key twice in an object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise DataError(f"{where}: {twice!r} stands twice in one object. Remove one of the two.")
        return found

    try:
        return json.loads(source, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from error
    except RecursionError:
        raise DataError(f"{where}: nested too deeply to be a benchmark's file.") from None


# MMLU


def _find_mmlu(folder: Path) -> Files | None:
    test = _glob(folder / "test", "*.csv")
    return {"dev": _glob(folder / "dev", "*.csv"), "test": test} if test else None


def _read_mmlu(files: Files) -> Content:
    splits: dict[str, list[Row]] = {}
    subjects: dict[str, list[str]] = {}
    for split, paths in files.items():
        # Sorted by subject and not by path: "a_b_test.csv" would stand before "a_test.csv".
        pairs = sorted((path.stem.removesuffix(f"_{split}"), path) for path in paths)
        subjects[split] = [subject for subject, _ in pairs]
        for (first, path), (second, other) in pairwise(pairs):
            if first == second:
                raise DataError(f"{path} and {other} are both subject {first}. Keep one of the two.")
        splits[split] = [row for subject, path in pairs for row in mmlu_csv(load_text(path), subject, str(path))]
    folder = files["test"][0].parent.parent
    without = sorted(set(subjects["test"]) - set(subjects["dev"]))
    if without:
        raise DataError(
            f"no dev rows for {', '.join(without[:3])}{' …' if without[3:] else ''} in {folder / 'dev'}; "
            "a subject's dev rows are its shots. Put the dev files beside the test files."
        )
    extra = sorted(set(subjects["dev"]) - set(subjects["test"]))
    notes = (f"mmlu: dev rows without a test file in {folder}: {', '.join(extra)}",) if extra else ()
    return Content(splits, notes=notes)


def mmlu_csv(source: str, subject: str, where: str) -> Iterator[Row]:
    """Rows of one CSV: with the header question, choice0..choice3, answer, or without one. Cells are text and
    never a missing value: "None", "N/A" and "" are answers that test rows have."""
    reader = csv.reader(io.StringIO(source, newline=""), strict=True)
    found, heading, begins = False, True, 1
    try:
        for cells in reader:
            at, begins = f"{where}, line {begins}", reader.line_num + 1
            heading, may_be_header = False, heading
            if not cells or (may_be_header and cells == HEADER):
                continue
            if len(cells) != len(HEADER):
                raise DataError(f"{at}: {len(cells)} cells; a row has {len(HEADER)} (question, four choices, answer).")
            found = True
            yield rows.mmlu_row(subject, cells[0], cells[1:5], cells[5], at)
    except csv.Error as error:
        raise DataError(f"{where}, line {begins}: not a valid CSV row ({error}).") from error
    if not found:
        raise DataError(f"{where}: no rows in it. Fetch the file again.")


# BIG-Bench Hard


def _find_bbh(folder: Path) -> Files | None:
    for home in (folder, folder / "bbh"):
        tasks = _glob(home, "*.json")
        prompts = _glob(home / "cot-prompts", "*.txt") or _glob(home.parent / "cot-prompts", "*.txt")
        if tasks and (prompts or home.name == "bbh"):
            return {"test": tasks, "prompts": prompts}
    return None


def _read_bbh(files: Files) -> Content:
    test: list[Row] = []
    for path in sorted(files["test"], key=lambda path: path.stem):
        found = parse_json(load_text(path), str(path))
        examples = found.get("examples") if isinstance(found, dict) else None
        if not isinstance(examples, list) or not examples:
            raise DataError(f'{path}: no rows in it; a BBH file is {{"examples": [{{"input", "target"}}, …]}}.')
        test += [
            rows.bbh_row(path.stem, example, f"{path}, example {number}") for number, example in enumerate(examples, 1)
        ]
    prompts = {path.stem: cot_prompt(load_text(path), str(path)) for path in files["prompts"]}
    tasks = sorted({row["task"] for row in test})
    without = [task for task in tasks if task not in prompts]
    if without:
        raise DataError(
            f"no chain-of-thought prompt for {', '.join(without[:3])}{' …' if without[3:] else ''}: looked for "
            f"cot-prompts/TASK.txt in and beside {files['test'][0].parent}. They come with BIG-Bench Hard."
        )
    extra = sorted(set(prompts) - set(tasks))
    notes = (f"bbh: prompts without a task's file are left out: {', '.join(extra)}",) if extra else ()
    return Content({"test": test}, {task: prompts[task] for task in tasks}, notes)


def cot_prompt(source: str, where: str) -> str:
    """The text after the canary and its `-----` line, otherwise unmodified (no line end is added or taken)."""
    _, line, prompt = source.replace("\r\n", "\n").partition("\n-----\n")
    if not line or not prompt.strip():
        raise DataError(f"{where}: no prompt in it; the prompt is what follows a line of five hyphens.")
    return prompt


# DROP


def _find_drop(folder: Path) -> Files | None:
    test, train = folder / "drop_dataset_dev.json", folder / "drop_dataset_train.json"
    if not test.is_file():
        return None
    return {"test": (test,), "train": (train,)} if train.is_file() else {"test": (test,)}


def _read_drop(files: Files) -> Content:
    splits: dict[str, list[Row]] = {}
    for split, (path,) in files.items():
        found = parse_json(load_text(path), str(path))
        if not isinstance(found, dict):
            raise DataError(f"{path}: should be an object of passages by id and is {type(found).__name__}.")
        splits[split] = [row for key, passage in found.items() for row in _drop_passage(key, passage, path)]
        if not splits[split]:
            raise DataError(f"{path}: no questions in it. Fetch the file again.")
        rows.unique(splits[split], "query_id", str(path))
    return Content(splits, notes=rows.unanswered_note(splits))


def _drop_passage(key: str, passage: Any, path: Path) -> Iterator[Row]:
    where = f"{path}, passage {key}"
    if not isinstance(passage, dict) or not isinstance(passage.get("qa_pairs"), list):
        raise DataError(f"{where}: should be an object with passage and qa_pairs (a list).")
    for number, pair in enumerate(passage["qa_pairs"], 1):
        yield rows.drop_row(key, passage.get("passage"), pair, f"{where}, question {number}")


# HumanEval


def _find_humaneval(folder: Path) -> Files | None:
    for file in (folder / "HumanEval.jsonl.gz", folder / "HumanEval.jsonl"):
        if file.is_file():
            return {"test": (file,)}
    return None


def _read_humaneval(files: Files) -> Content:
    (path,) = files["test"]
    test = [
        rows.humaneval_row(parse_json(line, where), where)
        # Split at "\n" only: JSON text may hold other line ends that str.splitlines would cut at.
        for number, line in enumerate(load_text(path).split("\n"), 1)
        if line.strip() and (where := f"{path}, line {number}")
    ]
    if not test:
        raise DataError(f"{path}: no problems in it. Fetch the file again.")
    rows.unique(test, "task_id", str(path))
    return Content({"test": test})


_FINDERS = {"mmlu": _find_mmlu, "bbh": _find_bbh, "drop": _find_drop, "humaneval": _find_humaneval}
_READERS = {"mmlu": _read_mmlu, "bbh": _read_bbh, "drop": _read_drop, "humaneval": _read_humaneval}
