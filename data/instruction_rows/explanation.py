"""What a file of instruction rows holds and how it will be trained, for `harness data show`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import records
from data.instruction_rows import sources
from data.instruction_split import distinct
from data.instructions import prompt_of, response_of

SHOWN = 3  # examples


@dataclass(frozen=True, slots=True)
class Explanation:
    """`kept` rows are left of `rows` without what `left_out` says; the other figures are of these. Lengths are those of
    prompt and response, in characters."""

    note: str
    rows: int
    kept: int
    left_out: tuple[str, ...]
    with_input: int
    one_word: int
    median_length: int
    longest: int
    examples: tuple[tuple[str, str], ...]  # prompt, response

    @property
    def document(self) -> dict[str, Any]:
        return {
            "note": self.note,
            "rows": self.rows,
            "kept": self.kept,
            "left_out": list(self.left_out),
            "with_input": self.with_input,
            "one_word_responses": self.one_word,
            "median_characters": self.median_length,
            "longest_characters": self.longest,
            "examples": [{"prompt": prompt, "response": response} for prompt, response in self.examples],
        }


def explain(path: str) -> Explanation:
    """The errors of `records.existing` and `sources.load`."""
    loaded = sources.load(records.existing(Path(path).expanduser()))
    kept, left_out = distinct(loaded.rows)
    lengths = sorted(len(prompt_of(row) + response_of(row)) for row in kept)
    return Explanation(
        note=loaded.notes[0],
        rows=len(loaded.rows),
        kept=len(kept),
        left_out=tuple(left_out),
        with_input=sum(bool(row.input) for row in kept),
        one_word=sum(len(row.output.split()) == 1 for row in kept),
        median_length=lengths[len(lengths) // 2] if lengths else 0,
        longest=lengths[-1] if lengths else 0,
        examples=tuple((prompt_of(row), response_of(row)) for row in kept[:SHOWN]),
    )
