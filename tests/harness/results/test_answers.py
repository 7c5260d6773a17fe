"""Batches: stored once, whole, and for the run that they name."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.results import Store
from tests.harness.results import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def test_a_key_that_is_there_keeps_its_row(store: Store) -> None:
    made = make.stored(store, 3)
    again = [make.response(made.id, f"mmlu/anatomy/{number}", text="another") for number in range(5)]
    store.record(made.id, again, [make.sample(made.id, f"mmlu/anatomy/{number}", acc=0.5) for number in range(5)])
    texts = [row.text for row in store.responses(made.id, "mmlu")]
    assert texts == [*(f"It is mmlu/anatomy/{number}." for number in range(3)), "another", "another"]
    assert [row.metrics["acc"] for row in store.samples(made.id, "mmlu")] == [1, 0, 1, 0.5, 0.5]


def test_repeats_and_parts_are_rows_of_their_own(store: Store) -> None:
    made = make.stored(store, 0)
    rows = [make.response(made.id, "1", repeat, part, text="same") for repeat in range(3) for part in range(2)]
    store.record(made.id, rows, [make.sample(made.id, "1", repeat=repeat) for repeat in range(3)])
    assert store.responses(made.id, "mmlu") == rows
    assert store.answered(made.id, "mmlu") == {("1", repeat, part) for repeat in range(3) for part in range(2)}
    assert store.scored(made.id, "mmlu") == {("1", 0), ("1", 1), ("1", 2)}


def test_equal_keys_of_other_runs_and_tasks(store: Store) -> None:
    one = make.run()
    store.create(one, [make.task(one.id, "a"), make.task(one.id, "b")])
    two = make.stored(store, 0)
    store.record(one.id, [make.response(one.id, "1", task="a"), make.response(one.id, "1", task="b")])
    store.record(two.id, [make.response(two.id, "1")])
    assert len(store.answered(one.id, "a")) == len(store.answered(one.id, "b")) == len(store.answered(two.id, "mmlu"))
    assert store.answered(one.id, "mmlu") == set()


def test_a_bad_batch_is_refused_whole(store: Store) -> None:
    one, two = make.stored(store, 0), make.stored(store, 0)
    good = make.response(one.id, "1")
    with pytest.raises(ValueError, match="one key twice"):
        store.record(one.id, [good, make.response(one.id, "1", text="other")])
    with pytest.raises(ValueError, match="one key twice"):
        store.record(one.id, samples=[make.sample(one.id, "1"), make.sample(one.id, "1")])
    with pytest.raises(ValueError, match="another run"):
        store.record(one.id, [good, make.response(two.id, "1")])
    with pytest.raises(StoreError, match="no task bbh"):
        store.record(one.id, [good], [make.sample(one.id, "1", task="bbh")])
    with pytest.raises(StoreError, match="no task"):
        store.record("x", [make.response("x", "1")])
    assert store.answered(one.id, "mmlu") == set()


def test_a_shared_prompt_is_stored_once(store: Store) -> None:
    one, two = make.stored(store, 5), make.stored(store, 5)
    store.record(two.id, [make.response(two.id, "x", shared="Another.\ud800")])
    assert store.info()["prompts"] == 2
    assert {row.shared for row in store.responses(one.id, "mmlu")} == {"Questions.\n\n"}
    assert store.responses(two.id, "mmlu", ["x"])[0].shared == "Another.\ud800"


def test_some_items(store: Store) -> None:
    made = make.stored(store, 30)
    wanted = ["mmlu/anatomy/12", "mmlu/anatomy/3"]
    assert [row.item for row in store.responses(made.id, "mmlu", wanted)] == ["mmlu/anatomy/3", "mmlu/anatomy/12"]
    assert store.responses(made.id, "mmlu", []) == []


def test_threads_of_one_process(store: Store) -> None:
    """Writers and readers in threads, one store object: DuckDB's instance comes and goes under the lock."""
    runs = [make.stored(store, 0) for _ in range(3)]
    errors: list[BaseException] = []

    def write(run_id: str) -> None:
        for batch in range(8):
            store.record(run_id, [make.response(run_id, f"{batch}-{number}") for number in range(20)])

    def read(run_id: str) -> None:
        seen = 0
        for _ in range(15):
            now = len(store.answered(run_id, "mmlu"))
            assert now % 20 == 0, "half a batch"
            assert now >= seen, "rows went"
            seen = now

    def guarded(work: object, run_id: str) -> None:
        try:
            work(run_id)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work, each.id)) for each in runs for work in (write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [len(store.answered(each.id, "mmlu")) for each in runs] == [160, 160, 160]


@pytest.mark.full
@pytest.mark.parametrize("rows", [50_000])
def test_speed(store: Store, rows: int, tmp_path: Path) -> None:
    """Within five times what DuckDB takes for the bare rows, appended in one go and put on the disk."""
    import time

    import duckdb

    from harness.results import ResponseRow
    from harness.results.fields import FIELDS

    made = make.stored(store, 0)
    responses = [make.response(made.id, str(number), text=f"{number} word " * 40) for number in range(rows)]
    samples = [make.sample(made.id, str(number)) for number in range(rows)]
    bare = FIELDS.batch(ResponseRow, responses)
    begin = time.perf_counter()
    with duckdb.connect(str(tmp_path / "bare.duckdb")) as connection:
        connection.register("bare", bare)
        connection.execute("CREATE TABLE responses AS SELECT * FROM bare")
    raw = time.perf_counter() - begin
    begin = time.perf_counter()
    store.record(made.id, responses, samples)
    ours = time.perf_counter() - begin
    print(f"{rows} responses and samples: {ours:.2f} s; the responses bare: {raw:.2f} s")
    assert ours < 5 * raw
