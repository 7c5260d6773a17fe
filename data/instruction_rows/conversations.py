"""Conversations as rows: `messages` (role, content) and ShareGPT's `conversations` (from, value) in one column, or a
prompt and a completion that are each a list of turns, as TRL has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.counts import counted
from data.instruction_rows import turns
from data.instruction_rows.columns import MEANINGS, check_rest, folded, meaning_of, spaced
from data.instruction_rows.turns import LeftOut, Notes
from data.instructions import Instruction, Message, Role
from data.records import Record
from data.sources import DataError

COLUMNS = ("messages", "conversations", "conversation")
_TOOLS = ("tools", "functions")
_TEMPLATE = "chat_template_kwargs"  # what TRL gives the template beside the turns, among it tools
BESIDE = (*MEANINGS["system"], *_TOOLS, _TEMPLATE, *turns.MEDIA)  # columns that belong to a conversation in another
_NO_TOOLS = ("", "[]", "{}", "null")
_MEND = "Put it into a turn, or take it out; or name the column that is read (--columns messages=COLUMN)."
LEARNT_PROMPT = "assistant turns of the prompt are learnt too"


def column_of(rows: Sequence[Record]) -> str:
    """The column that holds conversations, or "": one of the usual name, else one that holds nothing else."""
    for row in rows:
        for name, value in row.values.items():
            if folded(name) in COLUMNS and (_is_filled_list(value) or turns.is_conversation(value)):
                return name
    for row in rows:
        for name, value in row.values.items():
            if not meaning_of(name) and folded(name) != "rejected" and turns.is_conversation(value):
                return name
    return ""


def pair_of(rows: Sequence[Record]) -> tuple[str, str] | None:
    """The columns of prompt and completion, where either holds turns."""
    columns = {name: meaning_of(name) for row in rows for name in row.values}
    pairs = [
        (prompt, completion)
        for prompt, meaning in columns.items()
        for completion, other in columns.items()
        if (meaning, other) == ("instruction", "output")
    ]
    with_turns = {name for row in rows for name, value in row.values.items() if turns.is_conversation(value)}
    return next((pair for pair in pairs if with_turns & set(pair)), None)


def read(place: str, name: str, rows: Sequence[Record], column: str) -> tuple[list[Instruction], str]:
    """The rows of one column, and one line on them. `place` is the file, for messages."""

    def messages(row: Record, notes: Notes) -> list[Message]:
        return turns.read(row.values.get(column), f"{row.where}, column {column}", notes)

    return _read(place, name, rows, column, {folded(column)}, messages)


def read_pairs(place: str, name: str, rows: Sequence[Record], pair: tuple[str, str]) -> tuple[list[Instruction], str]:
    """The rows of a prompt and a completion; a text is one turn."""

    def messages(row: Record, notes: Notes) -> list[Message]:
        prompt = _side(row, pair[0], "user", notes)
        if any(message.role == "assistant" for message in prompt):
            notes.changed[LEARNT_PROMPT] += 1
        return [*prompt, *_side(row, pair[1], "assistant", notes)]

    return _read(place, name, rows, " + ".join(pair), set(map(folded, pair)), messages)


def _read(
    place: str,
    name: str,
    rows: Sequence[Record],
    words: str,
    columns: set[str],
    messages_of: Callable[[Record, Notes], list[Message]],
) -> tuple[list[Instruction], str]:
    kept: list[Instruction] = []
    notes = Notes()
    for row in rows:
        own = Notes()  # what is changed in a conversation that is left out is no change
        try:
            _check_tools(row.values, own)
            turns.check_media(row.values)
            messages = turns.in_order(_with_system(messages_of(row, own), row), own)
        except LeftOut as reason:
            notes.left_out[str(reason)] += 1
            continue
        _check_rest(row, messages, columns)
        notes.changed += own.changed
        notes.unread += own.unread
        kept.append(turns.row_of(name, messages))
    there = counted(len(rows), "conversation")
    if not kept:
        raise DataError(
            f"{place}: none of {there} can be trained: {notes.reasons}. A conversation is texts of the roles "
            f"{turns.ALLOWED}, with an answer to a user's turn."
        )
    return kept, f"{name}: {words}, {there}{notes}"


def _side(row: Record, column: str, role: Role, notes: Notes) -> list[Message]:
    value = row.values.get(column)
    if isinstance(value, str) and not value.lstrip().startswith("[{"):
        return [Message(role, value)]
    return turns.read(value, f"{row.where}, column {column}", notes)


def _with_system(messages: list[Message], row: Record) -> list[Message]:
    """The system text stands in the first turn, or in a column of its own."""
    own = row.values.get(_system_column(row))
    if not (isinstance(own, str) and own.strip()):
        return messages
    if messages and messages[0].role == "system" and messages[0].content.strip():
        if messages[0].content.strip() != own.strip():
            raise DataError(f"{row.where}: a system text stands in a column and in the first turn. Take one out.")
        return messages
    return [Message("system", own), *messages]


def _system_column(row: Record) -> str:
    return next((name for name in row.values if folded(name) in MEANINGS["system"]), "")


def _check_rest(row: Record, messages: Sequence[Message], columns: set[str]) -> None:
    """DataError for a column that looks like part of the conversation, and does not repeat it or a turn of it."""
    texts = [spaced(message.content) for message in messages]

    def repeats(value: str) -> bool:
        plain = spaced(value)
        if plain in texts:
            return True
        at = 0
        for text in texts:
            place = plain.find(text, at)
            if place < 0:
                return False
            at = place + len(text)
        return True

    check_rest(row.values, repeats, _MEND, row.where, {*columns, folded(_system_column(row)), *_TOOLS})


def _is_filled_list(value: Any) -> bool:
    return (isinstance(value, list) and bool(value)) or (isinstance(value, str) and value.lstrip().startswith("["))


def _check_tools(values: Mapping[str, Any], notes: Notes) -> None:
    """LeftOut where the conversation has tools: their descriptions are part of its prompt."""
    for column, value in values.items():
        if column == _TEMPLATE and isinstance(value, Mapping) and any(value.values()):
            notes.changed[f"{_TEMPLATE} is not read"] += 1
            _check_tools({"tools": [tools for key, tools in value.items() if key.endswith("tools") and tools]}, notes)
        if folded(column) in _TOOLS and _has_tools(value):
            raise LeftOut("tools")


def _has_tools(value: Any) -> bool:
    return value.strip() not in _NO_TOOLS if isinstance(value, str) else bool(value)
