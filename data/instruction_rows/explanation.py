"""What instruction rows hold, for `harness data show`: of each source, of all that are left, and three examples.

What depends on a tokenizer and a template (lengths in tokens, masks, what is cut) is no part of it: `kept` are the rows
that it can be computed of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data import scripts
from data.instruction_rows import sources
from data.instruction_split import distinct
from data.instructions import Instruction, messages_of, prompt_of, response_of

SHOWN = 3  # examples


@dataclass(frozen=True, slots=True)
class Explanation:
    """`kept` are left of `rows` rows without what `left_out` says; the other figures are of these. Lengths are in
    characters. `by_source`: of each source its rows, and how many are left."""

    notes: tuple[str, ...]
    rows: int
    kept: tuple[Instruction, ...]
    left_out: tuple[str, ...]
    by_source: dict[str, tuple[int, int]]
    one_word: int
    median_length: int
    longest: int
    scripts: dict[str, float]  # share of all letters

    @property
    def conversations(self) -> int:
        return sum(bool(row.messages) for row in self.kept)

    @property
    def several_turns(self) -> int:
        """Conversations with more than one exchange."""
        return sum(sum(message.role == "assistant" for message in row.messages) > 1 for row in self.kept)

    @property
    def with_system(self) -> int:
        return sum(bool(row.messages) and row.messages[0].role == "system" for row in self.kept)

    @property
    def plain_texts(self) -> int:
        return sum(row.is_text for row in self.kept)

    @property
    def with_input(self) -> int:
        return sum(bool(row.input) for row in self.kept)

    @property
    def examples(self) -> tuple[Instruction, ...]:
        return self.kept[:SHOWN]

    @property
    def document(self) -> dict[str, Any]:
        return {
            "notes": list(self.notes),
            "rows": self.rows,
            "kept": len(self.kept),
            "left_out": list(self.left_out),
            "by_source": {name: {"rows": rows, "kept": kept} for name, (rows, kept) in self.by_source.items()},
            "conversations": self.conversations,
            "several_turns": self.several_turns,
            "with_system": self.with_system,
            "plain_texts": self.plain_texts,
            "with_input": self.with_input,
            "one_word_responses": self.one_word,
            "median_characters": self.median_length,
            "longest_characters": self.longest,
            "scripts": self.scripts,
            "examples": list(map(_shown, self.examples)),
        }


def explain(source: str, declared: Mapping[str, str] | None = None) -> Explanation:
    """Whatever --data and --columns take. The errors of `sources.load`."""
    loaded = sources.load(source, None, declared)
    kept, left_out = distinct(loaded.rows)
    before, after = (Counter(row.source for row in rows) for rows in (loaded.rows, kept))
    texts = ["\n".join(message.content for message in messages_of(row)) or row.output for row in kept]
    lengths = sorted(map(_length, kept))
    return Explanation(
        notes=loaded.notes,
        rows=len(loaded.rows),
        kept=tuple(kept),
        left_out=tuple(left_out),
        by_source={name: (before[name], after[name]) for name in loaded.sources},
        one_word=sum(len(row.output.split()) == 1 for row in kept),
        median_length=lengths[len(lengths) // 2] if lengths else 0,
        longest=lengths[-1] if lengths else 0,
        scripts=scripts.shares(texts),
    )


def _length(row: Instruction) -> int:
    if row.is_text or row.messages:
        return len(row.output) if row.is_text else sum(len(message.content) for message in row.messages)
    return len(prompt_of(row) + response_of(row))


def _shown(row: Instruction) -> dict[str, Any]:
    if row.is_text:
        return {"text": row.output}
    if row.messages:
        return {"messages": [{"role": message.role, "content": message.content} for message in row.messages]}
    return {"prompt": prompt_of(row), "response": response_of(row)}
