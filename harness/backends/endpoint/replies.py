"""What a reply of an OpenAI-compatible server says: the one reader of replies, for every use.

Servers differ in where they put a text. `content` is text, a list of parts (Mistral, Anthropic behind a proxy) or null;
a reasoning model's thought stands in `reasoning_content` (vLLM, DeepSeek, SGLang) or `reasoning` (OpenRouter, newer
vLLM), or in parts of its own. A thought is no answer. A reply without an answer says why in `ReplyText.missing`; one of
a shape that is not known here is an UnreadableError: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ModelError

THOUGHTS = ("reasoning_content", "reasoning")
_TEXTS = ("text", "output_text")  # types of parts, here and below
_THINKING = ("thinking", "reasoning", "redacted_thinking")
_WORDLESS = ("reference", "redacted_thinking")  # they hold numbers or ciphers


class UnreadableError(ModelError):
    """The server answered, with something in which no text can be found. The message says what came."""


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A reply's first choice."""

    text: str  # the answer; "" where there is none
    missing: str  # why there is no answer, with the name of the field; "" where there is one
    thought: str  # what the server kept apart from the answer
    finish: str  # the server's word: stop, length, content_filter, …; "" where it gives none
    asked: int | None  # tokens of the prompt; None where the server does not count
    generated: int | None  # tokens of the answer, those of the thought included
    reused: int  # tokens of the prompt that the server had cached

    @property
    def stopped(self) -> bool:
        """Whether the text ended by itself or at a stop."""
        return self.finish == "stop"

    @property
    def filtered(self) -> bool:
        return self.finish == "content_filter"


def chat(reply: Mapping[str, Any]) -> ReplyText:
    """Of /chat/completions. UnreadableError for a message that is none, or content of an unknown shape."""
    choice = _first(reply)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UnreadableError(f"choices[0].message is {_kind(message)}, not an object with the answer's content")
    content = message.get("content")
    parts = _parts(content)
    texts = [text for kind, text in parts if kind == "text"]
    thoughts = [text for kind, text in parts if kind == "thought"]
    field = "parts of type thinking" if any(thoughts) else ""
    for name in THOUGHTS:
        own = message.get(name)
        if own and not any(thoughts):
            thoughts, field = [own if isinstance(own, str) else str(own)], name
    refusal = " ".join(text for kind, text in parts if kind == "refusal") or str(message.get("refusal") or "")
    text = "".join(texts)
    missing = "" if text.strip() else _why(content, message, choice, field, refusal, reply)
    return _reply_text(reply, choice, text, missing, "".join(thoughts))


def completion(reply: Mapping[str, Any]) -> ReplyText:
    """Of /completions. UnreadableError where `text` is neither text nor null."""
    choice = _first(reply)
    text = choice.get("text")
    if text is not None and not isinstance(text, str):
        raise UnreadableError(f"choices[0].text is {_kind(text)}, not text")
    missing = "" if isinstance(text, str) else _why(text, choice, choice, _thought_field(choice), "", reply)
    return _reply_text(reply, choice, text or "", missing, str(choice.get(_thought_field(choice)) or ""))


def _first(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UnreadableError(f"choices is {_kind(choices)}, not a list with an answer in it")
    return choices[0]


def _reply_text(
    reply: Mapping[str, Any], choice: Mapping[str, Any], text: str, missing: str, thought: str
) -> ReplyText:
    usage = _object(reply.get("usage"))
    finish = choice.get("finish_reason")
    return ReplyText(
        text=text,
        missing=missing,
        thought=thought,
        finish=finish if isinstance(finish, str) else "",
        asked=_count(usage.get("prompt_tokens")),
        generated=_count(usage.get("completion_tokens")),
        reused=_count(_object(usage.get("prompt_tokens_details")).get("cached_tokens")) or 0,
    )


def _parts(content: object) -> list[tuple[str, str]]:
    """Content as (text, thought or refusal; its words)."""
    if content is None:
        return []
    if isinstance(content, str):
        return [("text", content)]
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise UnreadableError(f"the message's content is {_kind(content)}, not text or a list of parts")
    return [_part(part) for part in content]


def _part(part: object) -> tuple[str, str]:
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, dict):
        raise UnreadableError(f"a part of the message's content is {_kind(part)}, not an object with its type and text")
    kind = part.get("type", "text")
    if kind in _WORDLESS:
        return "thought", ""
    if kind in _TEXTS and isinstance(part.get("text"), str):
        return "text", part["text"]
    if kind in _THINKING:
        return "thought", "".join(text for _, text in _parts(part.get(kind, part.get("text"))))
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return "refusal", part["refusal"]
    raise UnreadableError(f"the message's content has a part of type {kind!r} with {', '.join(map(str, sorted(part)))}")


def _why(
    content: object,
    message: Mapping[str, Any],
    choice: Mapping[str, Any],
    thought_field: str,
    refusal: str,
    reply: Mapping[str, Any],
) -> str:
    """Why a message has no text; "" where an empty answer is what the model said."""
    finish = choice.get("finish_reason")
    usage = _object(reply.get("usage"))
    reasoned = _count(_object(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    limit = ", which ended at the limit of tokens" if finish == "length" else ""
    if finish == "content_filter":
        return "the server's filter kept the answer back (finish_reason content_filter)"
    if refusal:
        return f"the model refused (field refusal): {' '.join(refusal.split())[:200]}"
    if thought_field:
        return f"the reply holds only a thought ({thought_field}){limit}"
    if reasoned:
        return f"the reply holds only a thought of {reasoned} tokens that the server does not show{limit}"
    if message.get("tool_calls") or message.get("function_call"):
        return "the reply calls a tool (tool_calls) and holds no text"
    if finish == "length":
        return "the reply holds no text, and ended at the limit of tokens"
    if content is None:
        return "the reply holds no text (content is null)" if message is not choice else "the reply's text is null"
    return ""


def _thought_field(message: Mapping[str, Any]) -> str:
    return next((name for name in THOUGHTS if message.get(name)), "")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _kind(value: object) -> str:
    """A value in few words."""
    names = {type(None): "null", dict: "an object", list: "a list", str: "text", bool: "true or false"}
    if isinstance(value, list) and not value:
        return "an empty list"
    return names.get(type(value), "a number")
