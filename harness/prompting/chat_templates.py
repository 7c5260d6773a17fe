"""A checkpoint's chat templates: which one is meant, what it says of itself, and conversations as it writes them.

A template is a program that came with the model. What it raises becomes one sentence with its own words. What it
asks of the clock (`strftime_now`, as transformers offers it) is answered with a fixed date, so that a run's prompts
are the same on every day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import ModelError, UsageError, suggest
from harness.options import OptionError, about, not_given

DATE = "2024-07-26"  # Llama 3's templates write this day where they have no clock
DEFAULT = "default"
_CLOCK = re.compile(r"\bstrftime_now\b")
_GENERATION = re.compile(r"{%-?\s*generation\s*-?%}")  # transformers' mark around what the model says


def read(folder: Path) -> dict[str, str]:
    """The templates in a tokenizer's folder by name, found where transformers finds them; {} where there is none.

    A template without a name is "default". Nothing is loaded."""
    named = {
        path.stem: path.read_text("utf-8", "replace")
        for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))
    }
    single = folder / "chat_template.jinja"
    if single.is_file():
        named[DEFAULT] = single.read_text("utf-8", "replace")
    return named or by_name(_entry(folder / "tokenizer_config.json") or _entry(folder / "chat_template.json"))


def by_name(templates: Any) -> dict[str, str]:
    """A tokenizer's `chat_template` (none, one text, a list of names and texts, or a mapping) by name."""
    if isinstance(templates, list | tuple):
        templates = {entry.get("name"): entry.get("template") for entry in templates if isinstance(entry, dict)}
    if isinstance(templates, dict):
        return {str(name): text for name, text in templates.items() if isinstance(text, str)}
    return {DEFAULT: templates} if isinstance(templates, str) and templates else {}


def pick(templates: dict[str, str], name: str | None, of: str) -> str:
    """The template called `name`, or the one that is meant without a name. OptionError names those there are."""
    if not templates:
        raise OptionError("chat", True, f": {of} has no chat template.")
    known = ", ".join(sorted(templates))
    if name is None and DEFAULT in templates:
        return templates[DEFAULT]
    if name is None and len(templates) > 1:
        raise not_given("chat_template", f"{of} has several chat templates and none is its default: {known}")
    if name is None:
        (only,) = templates
        raise not_given("chat_template", f"the only one of {of} is {only!r}, not a default")
    if name not in templates:
        text = f": {of} has no chat template of this name.{suggest(name, templates)} There are {known}."
        raise OptionError("chat_template", name, text)
    return templates[name]


def reads_clock(template: str) -> bool:
    return bool(_CLOCK.search(template))


def marks_answers(template: str) -> bool:
    """Whether it says itself which of its text is the model's."""
    return bool(_GENERATION.search(template))


def checked_date(text: str) -> str:
    """A day as 2024-07-26. OptionError for anything else."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        datetime.fromisoformat(text)
    except ValueError:
        raise OptionError("date", text, f" must be a day such as {DATE}.") from None
    return text


class ChatTemplate:
    """Writes conversations for one model. `given` is what messages call the model.

    UsageError where it has no template of the name; where it refuses every conversation, or every one with a system
    text, `check` says so before anything is asked."""

    def __init__(self, tokenizer: Any, name: str | None = None, date: str | None = None, given: str = "") -> None:
        self.tokenizer = tokenizer
        self.given = given or "The model"
        self.source = pick(by_name(tokenizer.chat_template), name, self.given)
        self.date = checked_date(date or DATE)
        self._day = datetime.fromisoformat(self.date)

    def render(self, messages: Sequence[dict[str, str]], ask: bool = True) -> str:
        """The conversation, up to where the model's answer begins (`ask`), or as it stands."""
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    list(messages),
                    chat_template=self.source,
                    tokenize=False,
                    add_generation_prompt=ask,
                    strftime_now=self._day.strftime,  # in place of the clock that transformers offers
                )
            )
        except Exception as error:  # whatever a template, which is a program, may raise
            raise self._refusal(messages, error) from error

    def render_marked(self, messages: Sequence[dict[str, str]]) -> tuple[str, list[tuple[int, int]]]:
        """The conversation as it stands, and where in it (characters) the template marks what the model says."""
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            texts, spans = render_jinja_template(
                [list(messages)],
                chat_template=self.source,
                return_assistant_tokens_mask=True,
                strftime_now=self._day.strftime,
                **self.tokenizer.special_tokens_map,
            )
        except Exception as error:
            raise self._refusal(messages, error) from error
        return texts[0], [(begin, end) for begin, end in spans[0]]

    def check(self, system: str | None = None, turns: int = 1) -> list[str]:
        """Render a conversation of so many turns of the user's, with a system text or without. Returns warnings."""
        messages = conversation(["x"] * (2 * turns - 1), "x" if system else None)
        with about("system", system):  # of `_refusal`, only that of a system text is a UsageError
            text = self.render(messages)
        warnings = []
        if reads_clock(self.source):
            warnings.append(f"the chat template writes the date: it is given {self.date} (--date sets another)")
        if text != self.render(messages):
            warnings.append("the chat template does not write the same text twice: another run has other prompts")
        if not all(f"§{n}§" in self.render(_numbered(messages)) for n, _ in enumerate(messages)):
            warnings.append("the chat template leaves out some of what it is given (a system text or a turn)")
        return warnings

    def _refusal(self, messages: Sequence[dict[str, str]], error: Exception) -> ModelError | UsageError:
        reason = " ".join((str(error) or type(error).__name__).split())[:300].rstrip(".")
        refusal = f"The chat template of {self.given} does not take this conversation: {reason}."
        if messages[0]["role"] == "system" and self._takes(messages[1:]):
            return UsageError(f"{refusal} It takes it without the system text.")
        if len(messages) > 1 and self._takes(messages[-1:]):
            return ModelError(f"{refusal} It takes a single turn only.")
        return ModelError(f"{refusal} Mend the template, or ask without it.")

    def _takes(self, messages: Sequence[dict[str, str]]) -> bool:
        try:
            self.tokenizer.apply_chat_template(
                list(messages), chat_template=self.source, tokenize=False, add_generation_prompt=True
            )
        except Exception:
            return False
        return True


def conversation(turns: Sequence[str], system: str | None = None) -> list[dict[str, str]]:
    """The user's turns and the model's, one after the other, behind a system text (if there is one)."""
    messages = [{"role": "system", "content": system}] if system else []
    return messages + [
        {"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(turns)
    ]


def _numbered(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [{**message, "content": f"§{n}§"} for n, message in enumerate(messages)]


def _entry(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
