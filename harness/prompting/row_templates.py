"""Which template rows are trained in (`--template`), and a base's tokenizer made ready for it.

`auto` is chat where the tokenizer has a chat template, and alpaca elsewhere. A file is a chat template in place of the
tokenizer's own; its text then goes with the study and with every adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import suggest
from harness.models import bos
from harness.options import OptionError
from harness.prompting import chat_templates
from harness.prompting.chat_rows import ChatRows
from harness.prompting.row_tokens import RowTemplate

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

NAMES = ("auto", "chat", "alpaca", "plain")


@dataclass(frozen=True, slots=True)
class Choice:
    name: str = "alpaca"  # chat, alpaca or plain
    chat_template: str = ""  # a file's text; "": the tokenizer's own


def choose(wanted: str, checkpoint: Checkpoint) -> Choice:
    """OptionError where there is no such template. No tokenizer is loaded."""
    if wanted not in NAMES:
        return Choice("chat", _read(wanted))
    templates = chat_templates.read(checkpoint.tokenizer)
    if wanted == "auto":
        return Choice("chat" if templates else "alpaca")
    if wanted == "chat" and not templates:
        text = f": {checkpoint.given} has no chat template; give a file with one, or alpaca or plain."
        raise OptionError("template", wanted, text)
    return Choice(wanted)


def _read(file: str) -> str:
    path = Path(file).expanduser()
    if not path.is_file():
        near = suggest(file, NAMES)
        raise OptionError(
            "template", file, f": there is no such file, nor such a template.{near} There are {', '.join(NAMES)}."
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise OptionError("template", file, f" cannot be read as text: {error}.") from None
    if not text.strip():
        raise OptionError("template", file, " is empty, and must be a chat template in Jinja.")
    return text


def prepare(checkpoint: Checkpoint, choice: Choice, add_bos: bool) -> tuple[Any, RowTemplate]:
    """The tokenizer of a base, and its template with notes on both. No weights are loaded.

    OptionError, UsageError or ModelError where they cannot be used."""
    from harness.backends.limits import end_ids_of
    from harness.models.loading import load_config, load_tokenizer
    from harness.models.vocabulary import fit_tokenizer, rows_of

    tokenizer, config = load_tokenizer(checkpoint), load_config(checkpoint)
    notes = list(fit_tokenizer(tokenizer, rows_of(config), checkpoint))
    if add_bos:
        bos.add_bos(tokenizer, checkpoint.given)
    chat, first = None, None
    if choice.name == "chat":
        if choice.chat_template:
            tokenizer.chat_template = choice.chat_template
        elif len(chat_templates.by_name(tokenizer.chat_template)) > 1:
            tokenizer.chat_template = _default(chat_templates.by_name(tokenizer.chat_template), checkpoint)
        chat = ChatRows(tokenizer, checkpoint.given)
        notes += chat.notes
        text = chat.template.render(chat_templates.conversation(["x"]))
        first = next(iter(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids), None)
    notes += bos.warnings(tokenizer, checkpoint.path, first)
    return tokenizer, RowTemplate(
        choice.name, chat, end_ids_of(checkpoint.path, tokenizer, config), tuple(dict.fromkeys(notes))
    )


def _default(templates: dict[str, str], checkpoint: Checkpoint) -> str:
    if chat_templates.DEFAULT not in templates:
        text = (
            f": {checkpoint.given} has several chat templates and none is its default: {', '.join(sorted(templates))}. "
            "Give the one that is meant as a file."
        )
        raise OptionError("template", "chat", text)
    return templates[chat_templates.DEFAULT]
