"""The questions and the training rows of the contract, the same for every architecture."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = ("house", "river", "stone", "light", "garden", "letter", "winter", "bridge", "market", "silver", "paper")
LONG = 140  # words of one row, which is longer than a small model's table of positions
_rng = random.Random(0)


def _text(least: int, most: int) -> str:
    return " ".join(_rng.choice(WORDS) for _ in range(_rng.randint(least, most)))


PASSAGE = _text(30, 30)
CONTINUED = [
    {"prompt": f"{PASSAGE * (n % 2)} What is number {n}? It is", "continuation": f" {_text(1, 4)}"} for n in range(4)
]
WRITTEN = [{"prompt": f"{PASSAGE * (n % 2)} Say something of number {n}:", "answer": "nothing"} for n in range(3)]
ROWS = [
    {"instruction": f"{number} {_text(3, 9)}", "input": _text(2, 9) if number % 3 else "", "output": _text(1, 12)}
    for number in range(20)
]
ROWS.append({"instruction": "Say it all.", "input": "", "output": _text(LONG, LONG)})


for _rows in (CONTINUED, WRITTEN):
    _rows[0]["split"] = "fewshot"  # an example, which all questions begin with


def write_tests(folder: Path) -> list[Path]:
    """Two test files: continuations of several tokens, and answers that the model writes."""
    continued, written = folder / "continued.jsonl", folder / "written.jsonl"
    _write(continued, CONTINUED)
    _write(written, WRITTEN)
    written.with_name("written.jsonl.toml").write_text("max_tokens = 6\n")
    return [continued, written]


def write_rows(file: Path) -> Path:
    _write(file, ROWS)
    return file


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
