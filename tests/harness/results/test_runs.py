"""Runs, tags, scores, versions of the schema, and files that are no store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from harness.errors import StoreError, UsageError
from harness.results import Store
from harness.store import migrations
from tests.harness.results import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def test_nothing_is_made_before_the_first_write(store: Store) -> None:
    assert not store.exists()
    assert store.find("x") is None
    with pytest.raises(StoreError, match="no store"):
        store.runs()
    assert list(store.path.parent.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no folder"):
        Store(tmp_path / "no" / "s.duckdb").create(make.run(), [])


def test_a_failed_first_write_leaves_no_file(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write():
        _ = 1 / 0
    assert not store.exists()
    assert not store.path.with_name("s.duckdb.wal").exists()


def test_an_error_rolls_all_of_a_write_back(store: Store) -> None:
    made = make.stored(store)
    with pytest.raises(StoreError, match="nowhere"), store.write() as connection:
        connection.execute("DELETE FROM samples; DELETE FROM nowhere")
    assert len(store.samples(made.id, "mmlu")) == 10


def test_find_gives_the_newest_of_an_identity(store: Store) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    for day in (2, 3, 1):
        store.create(make.run(identity="same", name=f"day {day}", created=then + timedelta(days=day)), [])
    found = store.find("same")
    assert found
    assert found.name == "day 3"
    assert store.find("another") is None


def test_a_run_is_there_once(store: Store) -> None:
    made = make.stored(store)
    with pytest.raises(StoreError, match="already"):
        store.create(made, [])
    with pytest.raises(ValueError, match="one task twice"):
        store.create(make.run(id="x"), [make.task("x"), make.task("x")])


def test_resolve(store: Store) -> None:
    first = make.stored(store, 0, id="aaa1", name="llama")
    second = make.stored(store, 0, id="aaa2", name="mistral")
    store.tag(second.id, "best")
    assert store.resolve("aaa1") == first
    assert store.resolve("llama") == first
    assert store.resolve("best") == second
    assert store.resolve("aaa2") == second
    with pytest.raises(UsageError, match="several runs: aaa1, aaa2"):
        store.resolve("aaa")
    with pytest.raises(UsageError, match="Did you mean mistral"):
        store.resolve("mistrl")
    with pytest.raises(UsageError, match="no run"):
        store.resolve("")


def test_resolve_means_the_newest_of_one_identity(store: Store) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    store.create(make.run(identity="i", name="mine", created=then), [])
    newer = make.run(identity="i", name="mine", created=then + timedelta(days=1))
    store.create(newer, [])
    assert store.resolve("mine") == newer


def test_update(store: Store) -> None:
    made = make.stored(store)
    end = datetime(2026, 1, 1, tzinfo=UTC)
    store.update(made.id, status="finished", finished=end, totals={"seconds": 1.5}, warnings=("slow",))
    (after,) = store.runs()
    assert (after.status, after.finished, after.totals, after.warnings) == (
        "finished",
        end,
        {"seconds": 1.5},
        ("slow",),
    )
    assert after.name == made.name
    with pytest.raises(TypeError):
        store.update(made.id, colour="red")
    with pytest.raises(StoreError, match="no run"):
        store.update("x", status="finished")


def test_scores_are_replaced(store: Store) -> None:
    one, two = make.stored(store), make.stored(store)
    store.save_scores(one.id, [make.score(one.id, value=0.1), make.score(one.id, group="anatomy")])
    store.save_scores(two.id, [make.score(two.id)])
    store.save_scores(one.id, [make.score(one.id, value=0.2)])
    assert [score.value for score in store.scores(one.id)] == [0.2]
    assert len(store.scores()) == 2
    with pytest.raises(StoreError, match="no run"):
        store.save_scores("x", [])


def test_tags(store: Store) -> None:
    made = make.stored(store)
    store.tag(made.id, "best\ud800")
    store.tag(made.id, "best\ud800")
    store.tag(made.id, "a second")
    assert store.tags() == {made.id: ["a second", "best\ud800"]}
    store.untag(made.id, "best\ud800")
    assert store.tags() == {made.id: ["a second"]}
    with pytest.raises(UsageError, match="no tag"):
        store.untag(made.id, "best\ud800")
    with pytest.raises(UsageError, match="needs a name"):
        store.tag(made.id, " ")
    with pytest.raises(StoreError, match="no run"):
        store.tag("x", "best")


def newer_program(monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    steps = [*migrations.steps(), *more]
    monkeypatch.setattr(migrations, "steps", lambda: steps)


def test_an_older_file_is_brought_forward(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make.stored(store)
    before = len(migrations.steps())
    newer_program(
        monkeypatch,
        "CREATE TABLE ratings (name VARCHAR); INSERT INTO ratings SELECT name FROM runs;",
        "ALTER TABLE ratings ADD COLUMN value DOUBLE DEFAULT 1.5",
    )
    assert store.runs() == [made]  # a reader brings it forward too
    with store.read() as connection:
        assert connection.execute("SELECT * FROM ratings").fetchall() == [(made.name, 1.5)]
        assert migrations.version(connection) == before + 2


def test_a_step_that_fails_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make.stored(store)
    with monkeypatch.context() as patch:
        newer_program(patch, "CREATE TABLE half (a INTEGER)", "INSERT INTO nowhere VALUES (1)")
        with pytest.raises(StoreError, match="nowhere"):
            store.update(made.id, status="finished")
    assert store.runs() == [made]
    with store.read() as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM half")


def test_a_newer_file_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make.stored(store)
    with monkeypatch.context() as patch:
        newer_program(patch, "CREATE TABLE ratings (name VARCHAR)")
        store.update(made.id, status="finished")
    for action in (store.runs, store.gc, lambda: store.update(made.id, status="running")):
        with pytest.raises(StoreError, match="newer"):
            action()


def test_a_file_that_is_not_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 5000)
    with pytest.raises(StoreError, match="not a DuckDB file"):
        Store(path).runs()
    with pytest.raises(StoreError, match="not a DuckDB file"):
        Store(path).create(make.run(), [])
    assert path.read_text() == "hello " * 5000


def test_another_programs_duckdb_file(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE flowers (name VARCHAR)")
    for action in (Store(path).runs, lambda: Store(path).create(make.run(), [])):
        with pytest.raises(StoreError, match="not a store"):
            action()


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    duckdb.connect(str(path)).close()  # what a kill in the middle of the first write may leave
    assert Store(path).runs() == []
