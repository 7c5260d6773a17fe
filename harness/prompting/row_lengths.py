"""Rows as one model's tokens: how long they are, what is cut, and examples in which what is learnt can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from data.instructions import Instruction
from harness.prompting.row_templates import Choice, prepare
from harness.prompting.row_tokens import Tokens, encode

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

SHOWN = 3  # examples
_WHOLE = 1 << 40  # no row has so many tokens

Part = tuple[str, bool]  # a text, and whether it is learnt


@dataclass(frozen=True, slots=True)
class Example:
    ids: tuple[int, ...]
    learnt: tuple[int, ...]  # places in `ids`
    parts: tuple[Part, ...]  # the same as text


@dataclass(frozen=True, slots=True)
class RowLengths:
    """Lengths are of whole rows; `cut` of them are longer than `most` tokens, and `lost` lose their whole response."""

    model: str
    template: str
    rows: int
    median: int
    percentile_95: int
    longest: int
    learnt: float  # share of all tokens
    most: int
    cut: int
    lost: int
    warnings: tuple[str, ...]
    examples: tuple[Example, ...]

    @property
    def document(self) -> dict[str, Any]:
        figures = {
            name: getattr(self, name)
            for name in (
                "model",
                "template",
                "rows",
                "median",
                "percentile_95",
                "longest",
                "learnt",
                "most",
                "cut",
                "lost",
            )
        }
        examples = [
            {
                "ids": list(e.ids),
                "learnt": list(e.learnt),
                "parts": [{"text": t, "learnt": is_l} for t, is_l in e.parts],
            }
            for e in self.examples
        ]
        return {**figures, "warnings": list(self.warnings), "examples": examples}


def measure(
    rows: Sequence[Instruction], checkpoint: Checkpoint, choice: Choice, max_tokens: int, add_bos: bool
) -> RowLengths:
    """The errors of `row_templates.prepare`. No weights are loaded."""
    from harness.backends.limits import positions_of
    from harness.models.loading import load_config

    tokenizer, template = prepare(checkpoint, choice, add_bos)
    positions, is_hard = positions_of(load_config(checkpoint))
    most = min(max_tokens, positions) if positions and is_hard else max_tokens
    encoded, warnings = encode(tokenizer, rows, _WHOLE, template)
    if most < max_tokens:
        warnings.append(f"The base has {most} positions, fewer than max_tokens = {max_tokens}.")
    lengths = sorted(len(row.ids) for row in encoded if row.ids)
    return RowLengths(
        model=checkpoint.given,
        template=choice.name,
        rows=len(encoded),
        median=_quantile(lengths, 0.5),
        percentile_95=_quantile(lengths, 0.95),
        longest=lengths[-1] if lengths else 0,
        learnt=sum(row.responses for row in encoded) / max(1, sum(lengths)),
        most=most,
        cut=sum(length > most for length in lengths),
        lost=sum(row.responses > 0 and not row.within(most).responses for row in encoded),
        warnings=(*template.notes, *warnings),
        examples=tuple(_example(tokenizer, row.within(most)) for row in encoded[:SHOWN]),
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _example(tokenizer: Any, row: Tokens) -> Example:
    """The text of a part is what its tokens add to the text of those before it."""
    cuts = sorted({0, len(row.ids), *(place for span in row.spans for place in span)})
    texts = [tokenizer.decode(list(row.ids[:cut]), skip_special_tokens=False) for cut in cuts]
    begins = {begin for begin, _ in row.spans}
    parts = tuple(
        (after[len(before) :], begin in begins)
        for (begin, _), (before, after) in zip(pairwise(cuts), pairwise(texts), strict=True)
    )
    return Example(row.ids, tuple(row.learnt), parts)
