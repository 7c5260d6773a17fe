"""The part of `harness data show` that needs a model: rows as its tokens, and what of them is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.instructions import Instruction
    from harness.prompting.row_lengths import RowLengths

BEGIN, END = "{+", "+}"  # around what is learnt, as git's word-diff has it: readable without colour


def measured(rows: Sequence[Instruction], model: str, template: str, max_tokens: int, add_bos: bool) -> RowLengths:
    """The errors of checkpoints, tokenizers and templates."""
    from harness.models.checkpoint import resolve
    from harness.options import OptionError
    from harness.prompting.row_lengths import measure
    from harness.prompting.row_templates import choose

    if max_tokens < 1:
        raise OptionError("max_tokens", max_tokens, " must be a whole number from 1 up.")
    checkpoint = resolve(model)
    if checkpoint.base is not None:
        raise OptionError("model", model, " is a LoRA adapter: give its base, whose tokenizer rows are trained with.")
    return measure(rows, checkpoint, choose(template, checkpoint), max_tokens, add_bos)


def print_tokens(lengths: RowLengths) -> None:
    from rich.console import Console
    from rich.rule import Rule
    from rich.text import Text

    from harness.cli.tables import plain

    console = Console()
    console.print(
        plain(
            f"as tokens of {lengths.model}, in the template {lengths.template}: {lengths.median:,} in the median, "
            f"{lengths.percentile_95:,} in 95% or fewer, {lengths.longest:,} at most; {lengths.learnt:.0%} of them are "
            "learnt"
        )
    )
    console.print(
        plain(
            f"at {lengths.most:,} tokens {lengths.cut:,} of {lengths.rows:,} rows are cut, and {lengths.lost:,} of "
            "them lose their whole response"
        )
    )
    for warning in lengths.warnings:
        console.print(plain(f"! {warning}"), style="yellow", soft_wrap=True)
    for number, example in enumerate(lengths.examples, 1):
        title = f"training example {number}: {len(example.ids):,} tokens, {len(example.learnt):,} learnt {BEGIN}so{END}"
        console.print(Rule(plain(title), align="left"))
        shown = Text()
        for text, is_learnt in example.parts:
            part = plain(f"{BEGIN}{text}{END}" if is_learnt else text)
            if is_learnt:
                part.stylize("bold")
            shown.append(part)
        console.print(shown)
