"""Removing, giving space back, and taking another machine's runs in."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from harness.errors import StoreError, UsageError
from harness.results import RunRow, Store
from harness.store import migrations
from tests.harness.results import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "here's a store.duckdb")


def large(store: Store) -> RunRow:
    made, chance = make.run(), random.Random(0)
    store.create(made, [make.task(made.id)])
    rows = [make.response(made.id, str(n), shared=f"{n % 50}", text=chance.randbytes(1000).hex()) for n in range(3000)]
    store.record(made.id, rows, [make.sample(made.id, str(n)) for n in range(3000)])
    store.save_scores(made.id, [make.score(made.id)])
    store.tag(made.id, "large")
    return made


def everything(store: Store) -> dict[str, object]:
    found: dict[str, object] = {"tags": store.tags()}
    for run in store.runs():
        found[run.id] = (
            run,
            store.scores(run.id),
            [
                (task, store.samples(run.id, task.task), store.responses(run.id, task.task))
                for task in store.tasks(run.id)
            ],
        )
    return found


def test_remove_and_gc_shrink_the_file(store: Store) -> None:
    kept = make.stored(store, 20)
    before = everything(store)
    gone = large(store)
    size = store.path.stat().st_size
    assert size > 4_000_000
    assert store.remove([gone.id]) == {
        "runs": 1,
        "tasks": 1,
        "tags": 1,
        "scores": 1,
        "responses": 3000,
        "samples": 3000,
        "prompts": 50,
    }
    assert everything(store) == before
    store.path.chmod(0o640)
    done = store.gc()
    assert done["bytes_before"] >= done["bytes_after"] == store.path.stat().st_size < 3_000_000 < size
    assert everything(store) == before
    assert store.path.stat().st_mode & 0o777 == 0o640
    store.record(kept.id, [make.response(kept.id, "new")])
    assert len(store.answered(kept.id, "mmlu")) == 21


def test_removed_space_is_used_again(store: Store) -> None:
    made = large(store)
    size = store.path.stat().st_size
    store.remove([made.id])
    large(store)
    assert store.path.stat().st_size < 1.5 * size


def test_gc_sweeps_what_the_dead_left(store: Store) -> None:
    made = make.stored(store)
    with store.write() as connection:
        connection.execute("INSERT INTO prompts VALUES ('x', 'of nobody')")
    dead = store.path.with_name(f"{store.path.name}.run-{'d' * 32}.lock")
    dead.write_text("process 1 on nowhere")
    half = store.path.with_name(f"{store.path.name}.fresh")
    half.write_text("of a gc that was killed")
    with store.lease(made.id):
        alive = store.path.with_name(f"{store.path.name}.run-{made.id}.lock")
        done = store.gc()
        assert alive.exists()
    assert (done["prompts"], done["leases"], done["responses"]) == (1, 1, 0)
    assert not dead.exists()
    assert not half.exists()


def test_remove_is_all_or_nothing(store: Store) -> None:
    one, two = make.stored(store), make.stored(store)
    with pytest.raises(StoreError, match="no run"):
        store.remove([one.id, "f" * 32])
    with store.lease(two.id), pytest.raises(StoreError, match="is held by"):
        store.remove([one.id, two.id])
    assert len(store.runs()) == 2
    assert len(store.samples(one.id, "mmlu")) == 10
    store.remove([one.id, one.id, two.id])
    assert store.runs() == []


def test_keys_of_removed_tasks_are_not_mixed_up(store: Store) -> None:
    first = make.stored(store, 5)
    store.remove([make.stored(store, 7).id])
    third = make.stored(store, 3)
    assert [len(store.answered(made.id, "mmlu")) for made in (first, third)] == [5, 3]


def test_merge(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "o'ther.duckdb")
    ours, theirs = make.stored(store, 4), make.stored(other, 6)
    both = make.stored(other, 3)
    other.save_scores(theirs.id, [make.score(theirs.id)])
    other.tag(theirs.id, "best")
    other.record(theirs.id, [make.response(theirs.id, "x", shared="only there")])
    expected = {**everything(store), **everything(other)}
    assert {name: count for name, count in store.merge(other.path).items() if count} == {
        "runs": 2,
        "tasks": 2,
        "prompts": 1,
        "responses": 10,
        "samples": 9,
        "scores": 1,
        "tags": 1,
    }
    assert everything(store) == expected
    again = store.merge(other.path)
    assert again["skipped"] == 2
    assert sum(again.values()) == 2
    assert everything(store) == expected
    assert {run.id for run in other.runs()} == {theirs.id, both.id}
    assert len(store.answered(ours.id, "mmlu")) == 4
    store.record(both.id, [make.response(both.id, "more")])
    assert len(store.answered(both.id, "mmlu")) == 4


def test_merge_into_a_store_that_is_not_there_yet(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.duckdb")
    make.stored(other, 6)
    store.merge(other.path)
    assert everything(store) == everything(other)


def test_merge_renews_what_was_finished_elsewhere(store: Store, tmp_path: Path) -> None:
    made = make.stored(store, 4)
    other = Store(tmp_path / "other.duckdb")
    shutil.copy(store.path, other.path)
    store.tag(made.id, "mine")
    other.record(made.id, [make.response(made.id, "the rest")])
    assert store.merge(other.path)["skipped"] == 1  # it is unfinished there too
    other.update(made.id, status="finished")
    with store.lease(made.id), pytest.raises(StoreError, match="is held by"):
        store.merge(other.path)
    done = store.merge(other.path)
    assert (done["renewed"], done["skipped"], done["runs"]) == (1, 0, 1)
    assert store.runs() == other.runs()
    assert len(store.answered(made.id, "mmlu")) == 5
    assert store.tags() == {made.id: ["mine"]}


NAMES = ["other", "OTHER", "main", "temp", "system", "memory", "fresh_copy", "runs", "select", "information_schema"]
NAMES += ["pg_catalog", "it's", 'a"b', "a.b", "a;b", "ü 日本", " ", "%s", "{x}", "$1", "*", "attached"]


@pytest.mark.parametrize("name", NAMES)
def test_a_store_may_have_any_name(name: str, tmp_path: Path) -> None:
    """DuckDB calls a database by its file's name: none is in the way of what is attached beside it."""
    (tmp_path / name).mkdir()
    one, twin = Store(tmp_path / f"{name}.duckdb"), Store(tmp_path / name / f"{name}.duckdb")
    plain = Store(tmp_path / "plain.duckdb")
    for store, answers in ((one, 3), (twin, 4), (plain, 2)):
        make.stored(store, answers)
    assert one.merge(twin.path)["samples"] == 4
    assert one.merge(plain.path)["samples"] == 2
    assert plain.merge(one.path)["samples"] == 7
    one.gc()
    assert len(one.runs()) == one.info()["runs"] == 3
    with pytest.raises(UsageError, match="this store itself"):
        one.merge(one.path)


def test_a_path_that_duckdb_misreads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no question mark"):
        make.stored(Store(tmp_path / "why?.duckdb"), 1)
    assert not list(tmp_path.iterdir())


def test_merge_refuses(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make.stored(store)
    with pytest.raises(StoreError, match="no store"):
        store.merge(tmp_path / "nothing.duckdb")
    os.link(store.path, tmp_path / "same.duckdb")
    for same in (store.path, tmp_path / "same.duckdb"):
        with pytest.raises(UsageError, match="itself"):
            store.merge(same)
    (tmp_path / "text.duckdb").write_text("hello " * 5000)
    with pytest.raises(StoreError, match=r"text\.duckdb is not a DuckDB file"):
        store.merge(tmp_path / "text.duckdb")


def test_merge_brings_an_older_file_forward(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Store(tmp_path / "other.duckdb")
    make.stored(other)
    make.stored(store)
    steps = [*migrations.steps(), "ALTER TABLE tags ADD COLUMN colour VARCHAR DEFAULT 'red'"]
    monkeypatch.setattr(migrations, "steps", lambda: steps)
    store.merge(other.path)
    assert len(store.runs()) == 2


def test_info(store: Store) -> None:
    make.stored(store, 3)
    found = store.info()
    assert (found["runs"], found["samples"], found["responses"], found["prompts"]) == (1, 3, 3, 1)
    assert found["version"] == len(migrations.steps())
    assert found["bytes"] == store.path.stat().st_size
