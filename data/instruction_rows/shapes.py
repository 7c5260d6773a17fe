"""Records of a file or a hub data set as instruction rows: their shape, found by their columns, and one line that says
how they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.counts import counted
from data.instruction_rows import conversations
from data.instruction_rows.columns import HISTORY, MEANINGS, MEND, WHOLE, check_rest, folded, instruction, meaning_of
from data.instructions import Instruction
from data.records import Record
from data.sources import DataError

INSTANCES = "instances"
_TEXT_MEND = (
    f"Take it out; or, where the text is one part of the row, {MEND}; or read the text alone: --columns text=text."
)


def rows_of(
    place: str, name: str, rows: Sequence[Record], declared: Mapping[str, str]
) -> tuple[list[Instruction], str]:
    """The rows, `name` as their source, and the line. `place` is the file or the data set, for messages. `declared`:
    what --columns says, where it is about these rows. DataError for a shape that cannot be trained, and for whatever
    would be lost."""
    there = {folded(column) for row in rows for column in row.values}
    if declared:
        return _declared(place, name, rows, declared)
    if rejected := _rejected(rows):
        chosen = next((name for name in columns_of(rows) if folded(name).startswith("chosen")), "chosen")
        raise DataError(
            f"{place}: preference pairs ({chosen}, {rejected}), and training learns from one response to each prompt. "
            f"Keep the chosen response alone as output: --columns output={chosen}, or --columns messages={chosen} "
            "where it is a whole conversation."
        )
    column = conversations.column_of(rows)
    bad = sum(row.values.get("label") is False for row in rows)
    if bad and (column or any(meaning_of(name) == "output" for name in there)):
        raise DataError(
            f"{place}: the label is false in {bad:,} of {counted(len(rows), 'row')}, and training learns from every "
            "response. Keep the rows whose label is true, without the label."
        )
    if column:
        return conversations.read(place, name, rows, column)
    if pair := conversations.pair_of(rows):
        return conversations.read_pairs(place, name, rows, pair)
    if INSTANCES in there and "instruction" in there:
        return _instances(name, rows)
    if "text" in there and not any(meaning_of(column) == "output" for column in there):
        return _texts(place, name, rows)
    return _columns(name, rows)


def columns_of(rows: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row.values))


def _rejected(rows: Sequence[Record]) -> str:
    """The column of responses that are worse than others, or ""."""
    return next(
        (
            name
            for row in rows
            for name, value in row.values.items()
            if folded(name).startswith("rejected") and isinstance(value, str | list | dict) and value
        ),
        "",
    )


def _columns(name: str, rows: Sequence[Record]) -> tuple[list[Instruction], str]:
    kept = []
    names: dict[str, dict[str, None]] = {meaning: {} for meaning in (*MEANINGS, HISTORY)}  # in order
    for row in rows:
        made, columns = instruction(name, row.values, row.where)
        kept.append(made)
        for meaning, column in columns.items():
            if column:
                names[meaning][column] = None
    words = ", ".join(column for columns in names.values() for column in columns)
    return kept, f"{name}: {words}, {counted(len(kept), 'row')}"


def _declared(
    place: str, name: str, rows: Sequence[Record], declared: Mapping[str, str]
) -> tuple[list[Instruction], str]:
    words = ", ".join(f"{meaning}={column}" for meaning, column in declared.items())
    if whole := [meaning for meaning in declared if meaning in WHOLE]:
        if len(declared) > 1:
            raise DataError(f"{place}: --columns names {words}, and {whole[0]} is a row by itself. Name it alone.")
        column = declared[whole[0]]
        if whole == ["text"]:
            kept, line = _text_rows(place, name, rows, column)
            return kept, line + _unread(rows, {column})
        read = {key for key in columns_of(rows) if key == column or folded(key) in conversations.BESIDE}
        cut = [Record({key: row.values[key] for key in row.values if key in read}, row.where) for row in rows]
        kept, line = conversations.read(place, name, cut, column)
        return kept, line + _unread(rows, read)
    kept = [instruction(name, row.values, row.where, declared)[0] for row in rows]
    usual = set(MEANINGS) - set(declared)
    read = {
        column
        for column in columns_of(rows)
        if column in declared.values() or meaning_of(column) in usual or folded(column) == HISTORY
    }
    return kept, f"{name}: {words}, {counted(len(kept), 'row')}{_unread(rows, read)}"


def _unread(rows: Sequence[Record], read: set[str]) -> str:
    unread = [column for column in columns_of(rows) if column not in read]
    return f"; not read: {', '.join(unread)}" if unread else ""


def _instances(name: str, rows: Sequence[Record]) -> tuple[list[Instruction], str]:
    """Self-instruct's own form: an instruction, and a list of inputs with their outputs."""
    kept = []
    for row in rows:
        column = next((key for key in row.values if folded(key) == INSTANCES), "")
        instances = row.values.get(column)
        if not isinstance(instances, list) or not all(isinstance(instance, Mapping) for instance in instances):
            raise DataError(f"{row.where}: {INSTANCES} should be a list of objects with input and output.")
        rest = {key: value for key, value in row.values.items() if key != column}
        for number, instance in enumerate(instances, 1):
            where = f"{row.where}, instance {number}"
            kept.append(instruction(name, {**rest, **instance}, where)[0])
    return kept, f"{name}: instruction + {INSTANCES}, {counted(len(rows), 'task')}, {counted(len(kept), 'row')}"


def _texts(place: str, name: str, rows: Sequence[Record]) -> tuple[list[Instruction], str]:
    columns = columns_of(rows)
    column = next(column for column in columns if folded(column) == "text")
    if {"role", "parent_id"} & set(map(folded, columns)):
        raise DataError(
            f"{place}: one turn a row (text, with role or parent_id), and a row is a whole conversation. Put the turns "
            "of each conversation into one row, as messages."
        )
    for row in rows:
        check_rest(row.values, lambda value: False, _TEXT_MEND, row.where, {"text"})
    kept, line = _text_rows(place, name, rows, column)
    return kept, line + _unread(rows, {column})


def _text_rows(place: str, name: str, rows: Sequence[Record], column: str) -> tuple[list[Instruction], str]:
    """Plain texts, all of which is learnt."""
    kept = []
    for row in rows:
        text = row.values.get(column) or ""
        if not isinstance(text, str):
            raise DataError(f"{row.where}: {column} should be text and is {type(text).__name__}.")
        if text.strip():
            kept.append(Instruction(name, "", "", text, is_text=True))
    if not kept:
        raise DataError(f"{place}: none of its rows has a text in the column {column}.")
    empty = len(rows) - len(kept)
    left_out = f", {empty:,} left out: empty" if empty else ""
    return kept, f"{name}: {column}, {counted(len(rows), 'plain text')}, all of it learnt{left_out}"
