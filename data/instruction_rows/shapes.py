"""A file of one's own as instruction rows: its shape, found by its columns, and one line that says how it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from data.instruction_rows import conversations
from data.instruction_rows.columns import MEANINGS, MEND, folded, instruction, meaning_of
from data.instructions import Instruction
from data.records import Record
from data.sources import DataError

PAIRS = {"chosen", "rejected"}
INSTANCES = "instances"


def rows_of(
    path: Path, name: str, rows: Sequence[Record], declared: Mapping[str, str]
) -> tuple[list[Instruction], str]:
    """The file's rows, `name` as their source, and the line. `declared`: what --columns says, where it is about this
    file. DataError for a shape that cannot be trained, and for whatever would be lost."""
    there = {folded(column) for row in rows for column in row.values}
    if declared:
        return _declared(name, rows, declared)
    if there >= PAIRS:
        raise DataError(
            f"{path}: preference pairs (chosen, rejected), and training learns from one response to each prompt. Keep "
            "the chosen response alone as output."
        )
    if column := conversations.column_of(rows):
        return conversations.read(path, name, rows, column)
    if INSTANCES in there and "instruction" in there:
        return _instances(name, rows)
    if "text" in there and not any(meaning_of(column) == "output" for column in there):
        raise DataError(
            f"{path}: plain text (column text), and a row is trained as an instruction and its response. Put the two "
            f"into columns of their own, or {MEND}."
        )
    return _columns(name, rows)


def columns_of(rows: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row.values))


def _columns(name: str, rows: Sequence[Record]) -> tuple[list[Instruction], str]:
    kept = []
    names: dict[str, dict[str, None]] = {meaning: {} for meaning in MEANINGS}  # in order
    for row in rows:
        one, columns = instruction(name, row.values, row.where)
        kept.append(one)
        for meaning, column in columns.items():
            if column:
                names[meaning][column] = None
    words = ", ".join(column for columns in names.values() for column in columns)
    return kept, f"{name}: {words}, {len(kept):,} rows"


def _declared(name: str, rows: Sequence[Record], declared: Mapping[str, str]) -> tuple[list[Instruction], str]:
    kept = [instruction(name, row.values, row.where, declared)[0] for row in rows]
    usual = set(MEANINGS) - set(declared)
    unread = [
        column for column in columns_of(rows) if column not in declared.values() and meaning_of(column) not in usual
    ]
    words = ", ".join(f"{meaning}={column}" for meaning, column in declared.items())
    rest = f"; not read: {', '.join(unread)}" if unread else ""
    return kept, f"{name}: {words}, {len(kept):,} rows{rest}"


def _instances(name: str, rows: Sequence[Record]) -> tuple[list[Instruction], str]:
    """Self-instruct's own form: an instruction, and a list of inputs with their outputs."""
    kept = []
    for row in rows:
        column = next((key for key in row.values if folded(key) == INSTANCES), "")
        instances = row.values.get(column)
        if not isinstance(instances, list) or not all(isinstance(one, Mapping) for one in instances):
            raise DataError(f"{row.where}: {INSTANCES} should be a list of objects with input and output.")
        rest = {key: value for key, value in row.values.items() if key != column}
        for number, instance in enumerate(instances, 1):
            where = f"{row.where}, instance {number}"
            one, _ = instruction(name, {**rest, **instance}, where)
            kept.append(one)
    return kept, f"{name}: instruction + {INSTANCES}, {len(rows):,} tasks, {len(kept):,} rows"
