"""What two stores, and two reports, must have in common to be those of one study.

Compared is every column of every table, but for those named here: clocks and what they measured (CLOCKS), memory
(`peak_bytes`), how a session was begun and with which program (`command`, `provenance`), and `totals`, of which the
tokens are compared. Ids that are drawn (of studies, runs, answer sets, rating plans) stand for what they are of, in
texts and paths too, and so does the folder. Numbers that a model computed are equal to 1e-5: what goes through it
together depends on where a session began.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tuning.report.files import as_markdown
from tuning.store import Store

CLOCKS = {"created", "finished", "made", "superseded", "revoked", "closed", "seconds"}
OTHER = {"peak_bytes", "command", "provenance"}
DIGESTS_OF_IDS = {"comparisons": {"id"}}  # the id is a digest of ids; what it is of stands beside it
DRAWN = ("studies", "runs", "answer_sets")

Row = tuple[str, list[float]]  # all but the computed numbers, as JSON; and these


def content(db: Path) -> dict[str, list[Row]]:
    """The rows of each table, in one order."""
    store = Store(db)
    tables: dict[str, list[dict[str, Any]]] = {}
    with store.read() as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
        for (name,) in names:
            found = connection.execute(f"SELECT * FROM {name}")
            columns = [column[0] for column in found.description or ()]
            tables[name] = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    meant = {str(db.parent): "FOLDER"}
    for name in DRAWN:
        meant |= {row["id"]: f"{name}:{row['identity']}" for row in tables[name]}
    meant |= {row["id"]: f"plan:{row['name']}" for row in tables["rating_plans"]}
    meant |= {old[:12]: new for old, new in list(meant.items()) if len(old) == 32}
    meant |= {f"@{row['id'][:6]}": f"@{row['name']}" for row in tables["studies"]}  # a configuration's name
    for row in tables["rating_plans"]:
        row["answer_sets"] = sorted(meant[one] for one in row["answer_sets"])  # in the order of ids that are drawn
    of_task = {row["key"]: [row["run"], row["task"]] for row in tables["tasks"]}
    made: dict[str, list[Row]] = {}
    for name, rows in tables.items():
        for row in rows:
            for column in {"key", "task"} & row.keys():
                row[column] = of_task.get(row[column], row[column])
            for column in (CLOCKS | OTHER | DIGESTS_OF_IDS.get(name, set())) & row.keys():
                del row[column]
            if "totals" in row:
                row["totals"] = json.loads(row["totals"]).get("tokens")
        made[name] = sorted(_row(row, meant) for row in rows)
    return made


def report(folder: Path, db: Path) -> str:
    """All that the report says, as text."""
    text = (folder / "report.md").read_text("utf-8") + (folder / "report.json").read_text("utf-8")
    for study in Store(db).studies():
        text = text.replace(study.id, study.name)
    for place in (str(db.parent), as_markdown(str(db.parent))):
        text = text.replace(place, "FOLDER")
    return text


def assert_same(one: dict[str, list[Row]], other: dict[str, list[Row]]) -> None:
    assert one.keys() == other.keys()
    for name, rows in one.items():
        mine, theirs = [row[0] for row in rows], [row[0] for row in other[name]]
        assert mine == theirs, (name, _first_difference(mine, theirs))
        for (text, numbers), (_, same) in zip(rows, other[name], strict=True):
            assert numbers == pytest.approx(same, rel=1e-5, abs=1e-5, nan_ok=True), (name, text)


def _first_difference(mine: list[str], theirs: list[str]) -> tuple[Any, ...]:
    return len(mine), len(theirs), [*(set(mine) ^ set(theirs))][:2]


def _row(row: dict[str, Any], meant: dict[str, str]) -> Row:
    numbers: list[float] = []
    text = json.dumps(_without_numbers(row, numbers), sort_keys=True, default=str)
    for old, new in meant.items():
        text = text.replace(old, new)
    return text, numbers


def _without_numbers(value: Any, numbers: list[float]) -> Any:
    if isinstance(value, float):
        numbers.append(value)
        return None
    if isinstance(value, dict):
        return {str(key): _without_numbers(part, numbers) for key, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_without_numbers(part, numbers) for part in value]
    return value
