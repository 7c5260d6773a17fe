"""How long a training row may be: at most `max_tokens`, and at most what the base has positions for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.options import OptionError
from harness.prompting.row_tokens import RowTemplate, Tokens, encode

if TYPE_CHECKING:
    from data.instructions import Instruction


def encode_within(
    tokenizer: Any,
    rows: Sequence[Instruction],
    template: RowTemplate,
    max_tokens: int,
    positions: int | None,
    hard: bool,
) -> tuple[list[Tokens], list[str]]:
    """`encode`, cut at the base's positions too where they are `hard` (see `positions_of`), with warnings of both."""
    most = min(max_tokens, positions) if positions and hard else max_tokens
    encoded, warnings = encode(tokenizer, rows, most, template)
    if most < max_tokens and warnings and any(len(row.ids) == most for row in encoded):
        warnings.append(f"The base has {most} positions, fewer than max_tokens = {max_tokens}.")
    if positions and not hard and (longer := sum(len(row.ids) > positions for row in encoded)):
        warnings.append(
            f"{longer} of {len(rows)} rows are longer than the {positions} positions that the base was made for."
        )
    return encoded, warnings


def require_responses(part: str, rows: Sequence[Tokens], max_tokens: int, positions: int | None, hard: bool) -> None:
    """UsageError where no row of a part has a response to learn from, or to be measured on."""
    if any(row.responses for row in rows):
        return
    if not rows:
        raise UsageError(f"There are no {part} rows, and every trial needs some.")
    reason = f"{none_left(part, rows, max_tokens, positions, hard)}."
    if not any(row.ids for row in rows):
        raise OptionError("template", "chat", f": {reason}")
    if _is_cut_by_the_base(max_tokens, positions, hard):
        raise UsageError(reason)
    raise OptionError("max_tokens", max_tokens, f": {reason}")


def none_left(part: str, rows: Sequence[Tokens], max_tokens: int, positions: int | None, hard: bool) -> str:
    """Why no row has a response, and what to do."""
    if not any(row.ids for row in rows):
        return f"The chat template takes none of the {len(rows)} {part} rows. Train them with alpaca or plain"
    if _is_cut_by_the_base(max_tokens, positions, hard):
        where, way = f"the {positions} positions of the base", "a base with more positions"
    else:
        where, way = f"{max_tokens} tokens", "more max_tokens"
    return (
        f"None of {len(rows)} {part} rows has any of its response within {where}: their prompts alone fill that. "
        f"Give shorter rows, or {way}"
    )


def _is_cut_by_the_base(max_tokens: int, positions: int | None, hard: bool) -> bool:
    return positions is not None and hard and positions < max_tokens
