"""How a prompt is put to a model that answers it: its chat template, the Alpaca template, or as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError, suggest
from harness.models.checkpoint import Checkpoint
from harness.models.training_record import template_of
from harness.options import BackendSettings, OptionError
from harness.prompting import chat_templates, turn_words
from harness.prompting.chat_templates import ChatTemplate
from harness.types import Prompt
from judges.answers.options import TEMPLATES


@dataclass(frozen=True, slots=True)
class Template:
    """`chat` shows what is asked; the backend, or a server, writes it."""

    name: str
    stop: tuple[str, ...]
    chat: ChatTemplate | None = None

    def prompt(self, turns: Sequence[str], answers: Sequence[str]) -> Prompt:
        """The prompt that asks for the answer to the last of `turns`, after the answers to those before it."""
        before = [text for pair in zip(turns[:-1], answers, strict=True) for text in pair]
        if self.name == "chat":
            return Prompt("", turns[-1], earlier=tuple(before))
        return Prompt("", "".join(text for text, _ in turn_words.written(self.name, [*before, turns[-1]])))

    def shown(self, prompt: Prompt) -> str:
        """The prompt as the model is asked it, for the record."""
        if self.chat is None:
            return prompt.own
        return self.chat.render(chat_templates.conversation((*prompt.earlier, prompt.own)))


def choose(wanted: str, checkpoint: Checkpoint) -> str:
    """ "auto" is what the checkpoint was trained in, where that is recorded; else chat where it (or a server) has a
    template, and alpaca elsewhere. Nothing is loaded."""
    if wanted not in TEMPLATES:
        raise UsageError(
            f"There is no template {wanted!r}.{suggest(wanted, TEMPLATES)} There are {', '.join(TEMPLATES)}."
        )
    has = checkpoint.kind == "served" or bool(chat_templates.read(checkpoint.tokenizer))
    if wanted == "chat" and not has:
        raise OptionError("template", wanted, f": {checkpoint.given} has no chat template; alpaca and plain need none.")
    if wanted != "auto":
        return wanted
    return template_of(checkpoint) or ("chat" if has else "alpaca")


def warnings(name: str, checkpoint: Checkpoint) -> list[str]:
    """That a checkpoint answers in another template than it was trained in."""
    trained = template_of(checkpoint)
    if trained in (None, name):
        return []
    return [
        f"{checkpoint.given} was trained in the template {trained} and answers in {name}; the template {trained} is "
        "its own"
    ]


def make(name: str, checkpoint: Checkpoint, settings: BackendSettings | None = None, turns: int = 1) -> Template:
    """UsageError or ModelError where a chat template does not take conversations of so many turns of the user's."""
    if name != "chat" or checkpoint.kind == "served":
        return Template(name, ("\n### Instruction:", "\n### Input:") if name == "alpaca" else ())
    from harness.models.loading import load_tokenizer

    wanted, date = (settings.chat_template, settings.date) if settings else (None, None)
    chat = ChatTemplate(load_tokenizer(checkpoint), wanted, date, checkpoint.given)
    chat.check(None, turns)
    return Template(name, (), chat)
