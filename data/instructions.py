"""Instruction rows for training: Alpaca and Dolly from the hub, a folder, or the bundled sample, in one shape.

    alpaca   a JSON list of instruction, input, output (tatsu-lab/stanford_alpaca)
    dolly    JSON lines of instruction, context, response (databricks-dolly-15k), or of prompt, answer where the
             Alpaca template stands in the prompt already; the paper's `###eos_token###` is taken off

Either may name its columns as the other does, or in other usual ways (`instruction_columns.py`). A folder holds
`alpaca/` and `dolly/` with such files, or the files themselves (`alpaca*.json`, `dolly*.jsonl`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import hub_rows, instruction_columns, sources
from data.sources import WHAT_TO_DO, DataError, Source

NAMES = ("alpaca", "dolly")
HUB = {  # no commit of these is pinned by a published evaluation: "main" is resolved and nothing else is assumed
    "alpaca": ("tatsu-lab/alpaca", "main"),
    "dolly": ("databricks/databricks-dolly-15k", "main"),
}
# Stanford Alpaca's templates (tatsu-lab/stanford_alpaca, train.py)
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
END_MARK = "###eos_token###"  # ends the answers of the paper's Dolly files
_MARKS = ("### Instruction:", "### Response:")  # a prompt with one of them is in a template
_WRAPPERS = ("data", "rows", "examples", "train")  # keys under which a JSON object holds its list of rows
_PATTERNS = {"alpaca": "*.json", "dolly": "*.jsonl"}


@dataclass(frozen=True, slots=True)
class Instruction:
    source: str  # "alpaca" or "dolly"
    instruction: str
    input: str  # "" where there is none
    output: str


def load(source: str | Path | None = None, names: Sequence[str] = NAMES) -> list[Instruction]:
    """The rows of each named set, one set after the other, in the order of their files.

    `source` as everywhere (`data.sources.resolve`): a folder, "sample", "hub" or None. DataError names the file
    and the line of what is odd, a column of text that would not be read among it. No row is left out or changed, but
    for line ends, the end mark, and an input of nothing but spaces, which is none."""
    for name in names:
        if name not in NAMES:
            raise DataError(f"{name} is not an instruction set: choose {', '.join(NAMES)}.{sources.near(name, NAMES)}")
    where = sources.resolve(source)
    return [row for name in dict.fromkeys(names) for row in _read(name, where)]


def prompt_of(row: Instruction) -> str:
    """The Alpaca template, ending in "### Response:"."""
    template = WITH_INPUT if row.input else WITHOUT_INPUT
    return template.format(instruction=row.instruction, input=row.input)


def response_of(row: Instruction) -> str:
    """What follows `prompt_of`, the end token not included. One space leads it, which Stanford's own code leaves
    out: with it the boundary of prompt and response is one of tokens too, and chat templates write it."""
    return f" {row.output}"


def _read(name: str, where: Source) -> Iterator[Instruction]:
    if where.kind == "hub":
        yield from _from_hub(name, where)
        return
    for path in _files(name, where.folder / "instructions" if where.kind == "sample" else where.folder):
        yield from _READERS[name](path)


def _from_hub(name: str, where: Source) -> Iterator[Instruction]:
    id_, revision = (where.repository, where.revision) if where.repository else HUB[name]
    repository = hub_rows.resolve(id_, revision)
    for index, row in enumerate(repository.rows(None, "train")):
        yield _row(name, row, f"hub:{repository.id}, row {index}")


def _files(name: str, folder: Path) -> list[Path]:
    pattern = _PATTERNS[name]
    for home, wanted in ((folder / name, pattern), (folder, f"{name}{pattern}")):
        if paths := sorted(path for path in home.glob(wanted) if not path.name.startswith(".")):
            return paths
    raise DataError(f"no {name} in {folder}: looked for {name}/{pattern} and {name}{pattern}. {WHAT_TO_DO}")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason}). Save the file as UTF-8.") from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from error


def _alpaca(path: Path) -> Iterator[Instruction]:
    rows = _parsed(_text(path), str(path))
    if isinstance(rows, Mapping):
        lists = [value for key, value in rows.items() if key in _WRAPPERS and isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: should be a list of rows with instruction, input and output.")
    for number, row in enumerate(rows, 1):
        yield _row("alpaca", row, f"{path}, row {number}")


def _dolly(path: Path) -> Iterator[Instruction]:
    # split at "\n" only: JSON text may hold other line ends that str.splitlines would cut at
    lines = [(number, line) for number, line in enumerate(_text(path).split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: no rows in it. Fetch the file again.")
    for number, line in lines:
        where = f"{path}, line {number}"
        yield _row("dolly", _parsed(line, where), where)


_READERS: dict[str, Callable[[Path], Iterator[Instruction]]] = {"alpaca": _alpaca, "dolly": _dolly}


def _row(name: str, raw: Any, where: str) -> Instruction:
    if not isinstance(raw, Mapping):
        raise DataError(f"{where}: a row should be an object and is {type(raw).__name__}.")
    texts, names = instruction_columns.read(raw, where)
    asked, answered = (instruction_columns.folded(names[meaning]) for meaning in ("instruction", "output"))
    if asked == "prompt" and (answered == "answer" or any(mark in texts["instruction"] for mark in _MARKS)):
        instruction, given = from_prompt(texts["instruction"], where)
        if given and texts["input"]:
            raise DataError(f"{where}: the prompt has an input in it, and {names['input']} is another. Take one out.")
        texts = {**texts, "instruction": instruction, "input": given or texts["input"]}
    texts["input"] = texts["input"] if texts["input"].strip() else ""
    texts["output"] = texts["output"].removesuffix(END_MARK)
    row = Instruction(name, texts["instruction"], texts["input"], texts["output"])
    instruction_columns.check_rest(raw, texts, prompt_of(row), where)
    return row


def from_prompt(prompt: str, where: str) -> tuple[str, str]:
    """Instruction and input of a prompt in the Alpaca template. DataError where it is not in it."""
    for template in (WITH_INPUT, WITHOUT_INPUT):
        head, rest = template.split("{instruction}")
        middle, _, tail = rest.rpartition("{input}") if "{input}" in rest else ("", "", rest)
        if not (prompt.startswith(head) and prompt.endswith(tail)):
            continue
        body = prompt[len(head) : len(prompt) - len(tail)]
        if not middle:
            return body, ""
        instruction, separator, given = body.partition(middle)
        if separator:
            return instruction, given
    raise DataError(f"{where}: the prompt is not in the Alpaca template (### Instruction: … ### Response:).")
