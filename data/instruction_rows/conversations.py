"""Conversations as rows: `messages` (role, content) and ShareGPT's `conversations` (from, value), of one exchange each.

A row is trained as one prompt and one response, so a conversation of several turns is refused: a part of it would be
another conversation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.folder_rows import parse_json
from data.instruction_rows.columns import PROSE, check_rest, folded
from data.instructions import Instruction, prompt_of
from data.records import Record
from data.sources import DataError

COLUMNS = ("messages", "conversations", "conversation")
_ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "model"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_KEYS = (("role", "content"), ("from", "value"))


def column_of(rows: Sequence[Record]) -> str:
    """The column that holds conversations, or ""."""
    return next((name for row in rows for name, value in row.values.items() if _is_conversation(name, value)), "")


def read(path: Path, name: str, rows: Sequence[Record], column: str) -> tuple[list[Instruction], str]:
    """The rows, and one line on them. A conversation without an exchange is left out, and counted."""
    kept: list[Instruction] = []
    left_out: Counter[str] = Counter()
    several: list[str] = []
    for row in rows:
        system, turns = _split(_turns(row, column), row)
        roles = [role for role, _ in turns]
        if "assistant" not in roles or "user" not in roles:
            left_out["no assistant turn" if "assistant" not in roles else "no user turn"] += 1
        elif roles != ["user", "assistant"]:
            several.append(row.where)
        else:
            kept.append(_instruction(name, row, column, system, turns[0][1], turns[1][1]))
    if several:
        raise DataError(
            f"{path}: {len(several):,} of {len(rows):,} conversations have several turns (the first: {several[0]}), "
            "and a row is trained as one prompt and one response. Write each as one user turn and one assistant turn, "
            "or take them out."
        )
    if not kept:
        raise DataError(f"{path}: none of {len(rows):,} conversations has a user turn and an assistant turn.")
    reasons = "".join(f", {count:,} left out: {reason}" for reason, count in left_out.items())
    return kept, f"{name}: {column}, {len(rows):,} conversations{reasons}"


def _is_conversation(name: str, value: Any) -> bool:
    if folded(name) not in COLUMNS:
        return False
    return (isinstance(value, list) and bool(value)) or (isinstance(value, str) and value.lstrip().startswith("["))


def _turns(row: Record, column: str) -> list[tuple[str, str]]:
    """(role, text) of each turn; none where the row has no conversation."""
    value, where = row.values.get(column), f"{row.where}, column {column}"
    if isinstance(value, str) and value.strip():
        value = parse_json(value, where)  # a cell of a table
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise DataError(f"{where}: should be a list of turns and is {type(value).__name__}.")
    return [_turn(turn, f"{where}, turn {number}") for number, turn in enumerate(value, 1)]


def _turn(turn: Any, where: str) -> tuple[str, str]:
    keys = next((keys for keys in _KEYS if isinstance(turn, Mapping) and set(keys) <= set(turn)), None)
    if keys is None:
        raise DataError(f"{where}: should be an object with role and content, or with from and value.")
    name, text = (turn[key] for key in keys)
    if not isinstance(name, str) or name.strip().lower() not in _ROLE_OF:
        raise DataError(f"{where}: the {keys[0]} is {name!r}; it must be one of {', '.join(_ROLE_OF)}.")
    if not isinstance(text, str):
        raise DataError(f"{where}: {keys[1]} should be text and is {type(text).__name__}.")
    for key, value in turn.items():
        if key not in keys and _is_content(value):
            raise DataError(f"{where}: {key} is not read, and looks like part of the turn. Take it out.")
    return _ROLE_OF[name.strip().lower()], text


def _is_content(value: Any) -> bool:
    return bool(value) and (isinstance(value, list | dict) or (isinstance(value, str) and len(value.split()) >= PROSE))


def _split(turns: Sequence[tuple[str, str]], row: Record) -> tuple[str, list[tuple[str, str]]]:
    """(system text, the other turns). The system text stands in the first turn, or in a column of its own."""
    own = row.values.get(_system_column(row))
    system = own if isinstance(own, str) and own.strip() else ""
    if turns and turns[0][0] == "system":
        if system and system.strip() != turns[0][1].strip():
            raise DataError(f"{row.where}: a system text stands in a column and in the first turn. Take one out.")
        return turns[0][1], list(turns[1:])
    return system, list(turns)


def _system_column(row: Record) -> str:
    return next((name for name in row.values if folded(name) in ("system", "system_prompt")), "")


def _instruction(name: str, row: Record, column: str, system: str, asked: str, answered: str) -> Instruction:
    joined = f"{system.strip()}\n\n{asked}" if system.strip() else asked
    instruction = Instruction(name, joined, "", answered)
    texts = {"instruction": asked, "input": system, "output": answered}
    known = {folded(column), folded(_system_column(row))}
    check_rest(row.values, texts, prompt_of(instruction), row.where, known)
    return instruction
