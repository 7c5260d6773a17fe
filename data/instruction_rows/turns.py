"""A conversation as it stands in a file, and as it is trained: at most one system text, then a user's and an
assistant's turn in turn.

Whatever is changed for that, or is not read, is counted in `Notes`; a conversation that cannot be trained is
`LeftOut`, with its reason. What chat templates refuse (an assistant's turn first, two turns of one role) and what
nothing can be learnt from (a last question without an answer) is mended; tools, images and weights are left out with
the whole conversation, for the rest of it would be another conversation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from data.folder_rows import parse_json
from data.instructions import Instruction, Message, Role
from data.sources import DataError

_ROLES: dict[Role, tuple[str, ...]] = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "bing", "bard", "bot", "model", "ai"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
ALLOWED = ", ".join(_ROLE_OF)
PROSE = 4  # words from which a value whose name says nothing is taken for text of the task
_TOOL_ROLES = ("tool", "function", "observation", "function_call", "function_response", "tool_call", "tool_response")
_TOOL_KEYS = ("tool_calls", "function_call")
MEDIA = ("image", "images", "audio", "audios", "video", "videos")  # keys of turns, and columns
_KEYS = (("role", "content"), ("from", "value"))
_TEXT_PARTS = ("text", "input_text", "output_text")
_WEIGHTS = ("weight", "train", "loss", "loss_weight")  # of OpenAI, axolotl, ms-swift, LLaMA-Factory
_LEARNT = (None, 1)  # their values in a turn that is learnt; true is 1
_NAME_SHOWN = 20  # characters of the file's own words in a note
_REASONS_SHOWN = 5

# behind "in 12 "
CUT_LAST = "a last user turn without an answer is cut"
CUT_FIRST = "a first assistant turn without a question is cut"
JOINED = "turns of one role in a row are joined"
PARTS = "content in several parts is joined"


class LeftOut(Exception):
    """The conversation cannot be trained; the reason follows "3 left out: "."""


@dataclass(slots=True)
class Notes:
    """Conversations left out, by reason; conversations changed, by how; turns with a key that is not read, by key."""

    left_out: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """What follows the number of conversations in a file's line; "" where nothing was changed."""
        return "".join(f", {part}" for part in self._left_out()) + "".join(f"; {part}" for part in self._rest())

    @property
    def reasons(self) -> str:
        return ", ".join(self._left_out())

    def _left_out(self) -> Iterator[str]:
        reasons = self.left_out.most_common()
        for reason, count in reasons[:_REASONS_SHOWN]:
            yield f"{count:,} left out: {reason}"
        if more := sum(count for _, count in reasons[_REASONS_SHOWN:]):
            yield f"{more:,} left out for other reasons"

    def _rest(self) -> Iterator[str]:
        for change, count in self.changed.most_common():
            yield f"in {count:,} {change}"
        if self.unread:
            yield "not read in turns: " + ", ".join(f"{key} ({count:,})" for key, count in self.unread.most_common())


def is_conversation(value: Any) -> bool:
    """Is it a list of turns, or the columns of such a list (as `datasets` gives some)?"""
    turns = _as_list(value)
    return isinstance(turns, list) and bool(turns) and _keys_of(turns[0]) is not None


def read(value: Any, where: str, notes: Notes) -> list[Message]:
    """The turns as they stand there; none where there is no conversation. `notes` are those of this conversation.
    LeftOut, and DataError where these are no turns."""
    if isinstance(value, str) and value.strip():
        value = parse_json(value, where)  # a cell of a table
    if value is None or value == "":
        return []
    turns = _as_list(value)
    if not isinstance(turns, list):
        raise DataError(f"{where}: should be a list of turns and is {type(value).__name__}.")
    return [_message(turn, f"{where}, turn {number}", notes) for number, turn in enumerate(turns, 1)]


def in_order(messages: Sequence[Message], notes: Notes) -> tuple[Message, ...]:
    """As it is trained. LeftOut where it cannot be."""
    turns = [turn for turn in messages if turn.role != "system" or turn.content.strip()]
    while turns and not turns[-1].content.strip():
        turns.pop()
    roles = {turn.role for turn in turns}
    for role in ("assistant", "user"):
        if role not in roles:
            raise LeftOut(f"no {role} turn")
    if not all(turn.content.strip() for turn in turns):
        raise LeftOut("an empty turn")
    runs = [(role, [turn.content for turn in run]) for role, run in groupby(turns, key=lambda turn: turn.role)]
    if len(runs) < len(turns):
        notes.changed[JOINED] = 1
    turns = [Message(role, "\n\n".join(texts)) for role, texts in runs]
    head = turns[:1] if turns[0].role == "system" else []
    rest = turns[len(head) :]
    if any(turn.role == "system" for turn in rest):
        raise LeftOut("a system text after the first turn")
    if rest[0].role == "assistant":
        notes.changed[CUT_FIRST] = 1
        rest = rest[1:]
    if rest[-1].role == "user":
        notes.changed[CUT_LAST] = 1
        rest = rest[:-1]
    if not rest:
        raise LeftOut("no assistant turn after a user turn")
    return (*head, *rest)


def row_of(source: str, messages: Sequence[Message]) -> Instruction:
    """The row of a conversation in order. One exchange without a system text is an instruction and its response."""
    first, second, *more = messages
    if not more:
        return Instruction(source, first.content, "", second.content)
    asked = f"{first.content.strip()}\n\n{second.content}" if first.role == "system" else first.content
    return Instruction(source, asked, "", messages[-1].content, tuple(messages))


def _as_list(value: Any) -> Any:
    if isinstance(value, Mapping) and any(set(keys) <= set(value) for keys in _KEYS):
        columns = {key: column for key, column in value.items() if isinstance(column, list)}
        if any(set(keys) <= set(columns) for keys in _KEYS) and len({len(column) for column in columns.values()}) == 1:
            return [dict(zip(columns, turn, strict=True)) for turn in zip(*columns.values(), strict=True)]
    if isinstance(value, list):
        return [turn for item in value for turn in _turns_of(item)]
    return value


def _turns_of(item: Any) -> list[Any]:
    """A turn, or the turns of an exchange whose keys are roles: {human: …, assistant: …}."""
    if isinstance(item, Mapping) and item and set(item) <= set(_ROLE_OF):
        return [{"role": role, "content": content} for role, content in item.items()]
    return [item]


def _keys_of(turn: Any) -> tuple[str, str] | None:
    return next((keys for keys in _KEYS if isinstance(turn, Mapping) and set(keys) <= set(turn)), None)


def _message(turn: Any, where: str, notes: Notes) -> Message:
    if isinstance(turn, Mapping) and any(turn.get(key) for key in _TOOL_KEYS):
        raise LeftOut("tool calls")  # some have no content beside them
    keys = _keys_of(turn)
    if keys is None:
        raise DataError(f"{where}: should be an object with role and content, or with from and value.")
    role = _role(turn[keys[0]], f"{where}: the {keys[0]}")
    check_media(turn)
    for key in _WEIGHTS:
        if role == "assistant" and turn.get(key) not in _LEARNT:
            raise LeftOut(f"an assistant turn that is not to be learnt as others (its {key} is not 1)")
    for key, value in turn.items():
        if key not in keys and (_is_content(value) or (key == "name" and value)):
            notes.unread[str(key)] += 1
    content = turn[keys[1]]
    if isinstance(content, list):
        if len(content) > 1:
            notes.changed[PARTS] = 1
        content = "\n".join(_part(part, where) for part in content)
    if content is not None and not isinstance(content, str):
        raise DataError(f"{where}: {keys[1]} should be text and is {type(content).__name__}.")
    return Message(role, content or "")


def _role(name: Any, what: str) -> Role:
    if not isinstance(name, str):
        raise DataError(f"{what} is {name!r}; it must be one of {ALLOWED}.")
    plain = name.strip().lower()
    if plain in _TOOL_ROLES:
        raise LeftOut("tool calls")
    if plain not in _ROLE_OF:
        raise LeftOut(f"a turn of the unknown role {_short(plain)!r}")
    return _ROLE_OF[plain]


def _part(part: Any, where: str) -> str:
    """The text of one part of a content."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise DataError(f"{where}: a part of the content should be an object with type and is {type(part).__name__}.")
    kind, text = part.get("type", "text"), part.get("text", part.get("value"))
    if kind not in _TEXT_PARTS or not isinstance(text, str):
        raise LeftOut(f"content of the type {_short(str(kind))!r}")
    return text


def check_media(values: Mapping[str, Any]) -> None:
    """LeftOut where a turn or a row has more than text."""
    if any(value and str(key).strip().lower() in MEDIA for key, value in values.items()):
        raise LeftOut("images, sound or video")


def _short(text: str) -> str:
    return text if len(text) <= _NAME_SHOWN else f"{text[:_NAME_SHOWN]}…"


def _is_content(value: Any) -> bool:
    return bool(value) and (isinstance(value, list | dict) or (isinstance(value, str) and len(value.split()) >= PROSE))
