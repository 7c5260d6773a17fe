"""Options that change what a model is asked, beside the task: `chat_template`, `date` and `add_bos`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.options import OptionError
from harness.prompting import chat_templates

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint
    from harness.options import BackendSettings

Settings = TypeVar("Settings", bound="BackendSettings")


def check(options: BackendSettings, served: bool) -> None:
    """OptionError where one of them can have no effect."""
    for name in ("chat_template", "date", "add_bos"):
        value = getattr(options, name)
        if value in (None, False):
            continue
        if served and options.tokenizer is None:
            text = (
                " changes prompts that are made here, and a server makes its own where a run is not given its model's "
                "`tokenizer`."
            )
            raise OptionError(name, value, text)
        if name != "add_bos" and not options.chat:
            text = " goes with a chat template, and none is used here (a run uses one with `chat`)."
            raise OptionError(name, value, text)


def pinned(options: Settings, checkpoint: Checkpoint) -> Settings:
    """The options with the date that the chat template is given: a fixed one unless `date` says another, and None where
    no clock is read. OptionError where several templates are there and none is meant."""
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
        text = f": the chat template of {checkpoint.given} asks for no date. Leave it out."
        raise OptionError("date", options.date, text)
    return options


def content(options: BackendSettings) -> dict[str, Any]:
    """What changes prompts, for an identity; {} where nothing does, so that identities from before stay."""
    values = {"chat_template": options.chat_template, "date": options.date, "add_bos": options.add_bos}
    return {name: value for name, value in values.items() if value}
