"""What packages bring to the store: registered schemas, their versions and their columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from harness import registry
from harness.errors import MissingError
from harness.results import Store
from harness.store import migrations, schema
from harness.store.connection import StoreConnection
from harness.store.schema import schemas

COLUMNS = """SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()
             WHERE schema_name = 'main' AND database_name = current_database() ORDER BY table_name, column_index"""
# what these columns hold in the two large tables: the key of a task, where `task` is a name elsewhere
OTHER_KIND = {("responses", "task"), ("samples", "task")}
SQL_TYPES = {
    "TIMESTAMP": ("moments",),
    "VARCHAR[]": ("texts",),
    "MAP(VARCHAR, DOUBLE)": ("maps",),
    "BOOLEAN": ("bools",),
    "INTEGER": ("int32",),
    "BIGINT": ("int64",),
    "DOUBLE": ("float64",),
    "BOOLEAN[]": ("bool_lists",),
    "INTEGER[]": ("int32_lists",),
    "BIGINT[]": ("int64_lists",),
    "DOUBLE[]": ("float64_lists",),
    "VARCHAR": ("json", "text"),
}
KINDS = sorted({kind for kinds in SQL_TYPES.values() for kind in kinds} - {"text"})


@pytest.fixture
def anew() -> Iterator[None]:
    """The schemas are looked for again, before and after."""
    schemas.cache_clear()
    yield
    schemas.cache_clear()


def test_a_store_has_the_tables_of_all_packages(tmp_path: Path) -> None:
    """Whoever makes it: a run's store takes in studies and comparisons later."""
    store = Store(tmp_path / "s.duckdb")
    with store.write() as connection:
        tables = {row[0] for row in connection.execute(COLUMNS).fetchall()}
    assert {"store_version", "runs", "studies", "answer_sets", "comparisons"} <= tables
    assert {table for each in schemas() for table in (*each.counted, *each.orphans)} <= tables
    assert store.info()["version"] == len(migrations.steps()) == max(max(each.steps) for each in schemas())


def test_version_3_is_what_was_released() -> None:
    """Stores of version 3 are about: what its three steps make may not change."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
        for step in migrations.steps()[:3]:
            connection.execute(step)
        found = connection.execute(COLUMNS).fetchall()
    digest = hashlib.sha256(repr(found).encode()).hexdigest()
    assert (len(found), digest[:16]) == (232, "88c87f8fe19f61fa")


def test_a_store_of_version_3_keeps_its_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their column had another name."""
    store, released = Store(tmp_path / "s.duckdb"), migrations.steps()[:3]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "steps", lambda: released)
        with store.write() as connection:
            connection.execute("INSERT INTO tasks SELECT 1, 'r', 'mmlu', '', '', 'acc', '', '', 0, false, '{}', 1")
            connection.execute("INSERT INTO samples SELECT 1, 'i', 0, 'anatomy', '', MAP {'acc': 1.0}, '', '', ''")
            connection.execute("INSERT INTO scores SELECT 'r', 'mmlu', 'anatomy', '', 'acc', 1, 0, 1, 1, 'wilson'")
    assert [sample.group for sample in store.samples("r", "mmlu")] == ["anatomy"]
    assert [score.group for score in store.scores("r")] == ["anatomy"]
    assert store.info()["version"] == len(migrations.steps())


def test_columns_are_declared_as_what_they_are() -> None:
    before: set[tuple[str, str]] = {("store_version", "version")}
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
        for step, owner in zip(migrations.steps(), _owners(), strict=True):
            connection.execute(step)
            rows = connection.execute(COLUMNS).fetchall()
            for table, column, sql_type, _ in rows:
                if (table, column) in before or (table, column) in OTHER_KIND:
                    continue
                kinds = [kind for kind in KINDS if column in getattr(owner.fields, kind)] or ["text"]
                assert len(kinds) == 1, (table, column, kinds)
                assert kinds[0] in SQL_TYPES[sql_type], (table, column, sql_type, kinds)
            before |= {(table, column) for table, column, _, _ in rows}


def _owners() -> list[schema.Schema]:
    """The schema of each step."""
    owners = {version: each for each in schemas() for version in each.steps}
    return [owners[version] for version in sorted(owners)]


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(("registered", "versions"), [([], "none"), (["results", "preference"], "1, 3, 4, 5, 7, 9")])
def test_a_schema_that_is_not_registered(registered, versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an update of the files without installing anew. No store is made."""
    path = tmp_path / "s.duckdb"
    monkeypatch.setattr(registry, "names", lambda kind: registered)
    with pytest.raises(MissingError, match=rf"versions {versions}\. Install it anew"), StoreConnection(path).write():
        pass
    assert not path.exists()


@pytest.mark.usefixtures("anew")
def test_a_schema_of_another_package_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's version is one number: two packages could mean different things by the next."""
    ours = registry.names("schemas")
    monkeypatch.setattr(registry, "names", lambda kind: [*ours, "flowers"])
    monkeypatch.setattr(registry, "plugins", lambda kind: {"flowers": "flower-shop"})
    assert len(schemas()) == len(ours)
