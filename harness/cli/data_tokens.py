"""The part of `harness data show` that needs a model: rows as its tokens, and what of them is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from data.instructions import Instruction
    from harness.prompting.row_lengths import RowLengths

BEGIN, END = "{+", "+}"  # around what is learnt, as git's word-diff has it: readable without colour

Model = Annotated[str | None, typer.Option(help="Show rows as this base's tokens: a folder, a hub id, or tiny.")]
Template = Annotated[
    str | None, typer.Option(help="With --model, as for tune: auto, chat, alpaca, plain, or a Jinja file.")
]
MaxTokens = Annotated[int | None, typer.Option(help="With --model: where rows are cut (512 where not given).", min=1)]
AddBos = Annotated[bool, typer.Option("--add-bos", help="With --model: put BOS before each, as for tune.")]


def asked(
    model: str | None, template: str | None, max_tokens: int | None, add_bos: bool
) -> Callable[[Sequence[Instruction]], RowLengths] | None:
    """How rows are measured; None without a model. UsageError for options that go with one."""
    from harness.errors import UsageError

    if model is not None:
        return lambda rows: _measured(rows, model, template, max_tokens, add_bos)
    given = {"--template": template, "--max-tokens": max_tokens, "--add-bos": add_bos}
    for flag, value in given.items():
        if value not in (None, False):
            raise UsageError(f"{flag} goes with --model, whose tokens it is about. Name the base.")
    return None


def _measured(
    rows: Sequence[Instruction], model: str, template: str | None, max_tokens: int | None, add_bos: bool
) -> RowLengths:
    """The errors of checkpoints, tokenizers and templates."""
    from harness.models.checkpoint import resolve
    from harness.options import OptionError
    from harness.prompting.row_lengths import measure
    from harness.prompting.row_templates import choose
    from harness.prompting.row_tokens import MAX_TOKENS

    checkpoint = resolve(model)
    if checkpoint.base is not None:
        raise OptionError("model", model, " is a LoRA adapter: give its base, whose tokenizer rows are trained with.")
    return measure(rows, checkpoint, choose(template or "auto", checkpoint), max_tokens or MAX_TOKENS, add_bos)


def print_tokens(lengths: RowLengths) -> None:
    from rich.console import Console
    from rich.rule import Rule
    from rich.text import Text

    from harness.cli.tables import plain

    console = Console()
    console.print(
        plain(
            f"tokens of {lengths.model}, template {lengths.template}: median {lengths.median:,}, 95th percentile "
            f"{lengths.percentile_95:,}, longest {lengths.longest:,}; {lengths.learnt:.0%} are learnt"
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
        counts = f"{len(example.ids):,} tokens, {len(example.learnt):,} learnt"
        title = f"training example {number}: {counts} {BEGIN}like this{END}"
        console.print(Rule(plain(title), align="left"))
        shown = Text()
        for text, is_learnt in example.parts:
            part = plain(f"{BEGIN}{text}{END}" if is_learnt else text)
            if is_learnt:
                part.stylize("bold")
            shown.append(part)
        console.print(shown)
