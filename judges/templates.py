"""How a prompt is put to a model that answers it: its chat template, the Alpaca template, or as it stands."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.instructions import WITHOUT_INPUT
from harness.checkpoint import Checkpoint
from harness.errors import UsageError, suggest
from harness.types import Prompt

TEMPLATES = ("auto", "chat", "alpaca", "plain")
_AGAIN = "\n\n### Instruction:\n{instruction}\n\n### Response:"  # the second turn, in the Alpaca template's own words


@dataclass(frozen=True, slots=True)
class Template:
    """`tokenizer` renders the chat template; a server renders its own (None)."""

    name: str
    stop: tuple[str, ...]
    tokenizer: Any = None

    def prompt(self, turns: Sequence[str], answers: Sequence[str]) -> Prompt:
        """The prompt that asks for the answer to the last of `turns`, after the answers to those before it."""
        before = [text for pair in zip(turns[:-1], answers, strict=True) for text in pair]
        if self.name == "chat":
            if self.tokenizer is None:
                return Prompt("", turns[-1], earlier=tuple(before))
            return Prompt("", self._chat([*before, turns[-1]]))
        if self.name == "plain":
            return Prompt("", "\n\n".join(text for text in [*before, turns[-1]] if text) + "\n\n")
        text = WITHOUT_INPUT.format(instruction=turns[0])
        for answer, turn in zip(answers, turns[1:], strict=True):
            text += f" {answer}" + _AGAIN.format(instruction=turn)
        return Prompt("", text)

    def _chat(self, said: Sequence[str]) -> str:
        roles = itertools.cycle(("user", "assistant"))
        messages = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def choose(wanted: str, checkpoint: Checkpoint) -> str:
    """ "auto" is chat where the checkpoint (or a server) has a template, and alpaca elsewhere. Nothing is loaded."""
    if wanted not in TEMPLATES:
        raise UsageError(
            f"There is no template {wanted!r}.{suggest(wanted, TEMPLATES)} There are {', '.join(TEMPLATES)}."
        )
    has = checkpoint.kind == "served" or _has_chat(checkpoint)
    if wanted == "chat" and not has:
        raise UsageError(f"{checkpoint.given} has no chat template: take --template alpaca or plain.")
    return ("chat" if has else "alpaca") if wanted == "auto" else wanted


def make(name: str, checkpoint: Checkpoint) -> Template:
    if name == "alpaca":
        return Template(name, ("\n### Instruction:", "\n### Input:"))
    if name == "plain" or checkpoint.kind == "served":
        return Template(name, ())
    from harness.loading import load_tokenizer

    return Template(name, (), load_tokenizer(checkpoint))


def _has_chat(checkpoint: Checkpoint) -> bool:
    folder = checkpoint.tokenizer
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False
