"""What --columns means."""

from __future__ import annotations

from harness.errors import UsageError, suggest


def columns_of(text: str) -> dict[str, str]:
    """ "instruction=frage,output=antwort": the columns of a row's parts. UsageError where these are none."""
    from data.instruction_rows.columns import MEANINGS, WHOLE

    meanings = (*MEANINGS, *WHOLE)
    columns: dict[str, str] = {}
    for part in text.split(",") if text else ():
        meaning, _, column = (side.strip() for side in part.partition("="))
        if meaning not in meanings:
            raise UsageError(f"A row has {', '.join(meanings)}, not {meaning!r}.{suggest(meaning, meanings)}")
        if not column:
            raise UsageError(f"It names no column for {meaning}: write {meaning}=COLUMN.")
        if meaning in columns or column in columns.values():
            raise UsageError(f"It names {meaning if meaning in columns else column} twice.")
        columns[meaning] = column
    return columns
