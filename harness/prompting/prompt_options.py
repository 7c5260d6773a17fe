"""Options that change what a model is asked, beside the task: --chat-template, --date and --add-bos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import UsageError
from harness.prompting import chat_templates

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint
    from harness.options import BackendSettings

Settings = TypeVar("Settings", bound="BackendSettings")


def check(options: BackendSettings, served: bool) -> None:
    """UsageError where one of them can have no effect."""
    for name in ("chat_template", "date", "add_bos"):
        if getattr(options, name) in (None, False):
            continue
        option = f"--{name.replace('_', '-')}"
        if served and options.tokenizer is None:
            raise UsageError(
                f"{option} changes prompts that are made here, and a server makes its own where its model's "
                "tokenizer is not given (harness run --tokenizer)."
            )
        if name != "add_bos" and not options.chat:
            raise UsageError(
                f"{option} goes with a chat template, and none is used here (harness run uses one with --chat)."
            )


def pinned(options: Settings, checkpoint: Checkpoint) -> Settings:
    """The options with the date that the chat template is given: a fixed one unless --date says another, and None where
    no clock is read. UsageError where several templates are there and none is meant."""
    if options.date is not None:
        chat_templates.checked_date(options.date)
    if not options.chat or checkpoint.tokenizer == Path():
        return options
    templates = chat_templates.read(checkpoint.tokenizer)
    if not templates and options.chat_template is None:
        return options  # code of its own may bring one: seen when the tokenizer is loaded
    template = chat_templates.pick(templates, options.chat_template, checkpoint.given)
    if chat_templates.reads_clock(template):
        return options.replace(date=options.date or chat_templates.DATE)
    if options.date is not None:
        raise UsageError(f"The chat template of {checkpoint.given} asks for no date: leave --date out.")
    return options


def content(options: BackendSettings) -> dict[str, Any]:
    """What changes prompts, for an identity; {} where nothing does, so that identities from before stay."""
    values = {"chat_template": options.chat_template, "date": options.date, "add_bos": options.add_bos}
    return {name: value for name, value in values.items() if value}
