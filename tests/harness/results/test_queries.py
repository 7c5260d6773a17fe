"""Pages of samples, and flips."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.results import RunRow, Store
from tests.harness.results import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def items(store: Store, run: RunRow, **filters: object) -> list[str]:
    found = store.page(run.id, **filters)  # type: ignore[arg-type]
    filters.pop("offset", None)
    if "limit" not in filters:
        assert store.count(run.id, **filters) == len(found)  # type: ignore[arg-type]
    return [sample["item"].rpartition("/")[2] for sample in found]


def test_a_sample_comes_with_all_that_is_its(store: Store) -> None:
    made = make.stored(store, 0)
    parts = [make.response(made.id, "1", part=part, own=f"option {part}", logprobs=(-1.5,)) for part in (1, 0)]
    store.record(made.id, [*parts, make.response(made.id, "2")], [make.sample(made.id, "1"), make.sample(made.id, "2")])
    first, _second = store.page(made.id)
    assert (first["run"], first["task"], first["protocol"], first["metric"]) == (made.id, "mmlu", "standard", "acc")
    assert first["metrics"] == {"acc": 1.0}
    assert [(each["part"], each["shared"], each["own"], each["logprobs"]) for each in first["responses"]] == [
        (0, "Questions.\n\n", "option 0", (-1.5,)),
        (1, "Questions.\n\n", "option 1", (-1.5,)),
    ]


def test_order_and_pages(store: Store) -> None:
    made = make.stored(store, 30)
    assert items(store, made, limit=100) == [str(number) for number in range(30)]
    assert items(store, made, offset=25, limit=20) == ["25", "26", "27", "28", "29"]
    assert store.count(made.id) == 30


def test_filters(store: Store) -> None:
    made = make.run()
    store.create(made, [make.task(made.id), make.task(made.id, "bbh", metric="exact_match")])
    store.record(
        made.id,
        [make.response(made.id, "a", own="The HEART?"), make.response(made.id, "b", text="a 100% 'heart'")],
        [
            make.sample(made.id, "a"),
            make.sample(made.id, "b", acc=0.0, group="virology"),
            make.sample(made.id, "c", task="bbh", metrics={"exact_match": 0.0, "acc": 1.0}, note="a heart; DROP TABLE"),
            make.sample(made.id, "d", task="bbh", metrics={"exact_match": 1.0}, expected="Grüße\ud800"),
            make.sample(made.id, "e", task="bbh", metrics={"exact_match": math.nan}),
            make.sample(made.id, "f", task="bbh", metrics={}),
        ],
    )
    assert items(store, made, task="mmlu") == ["a", "b"]
    assert items(store, made, group="virology") == ["b"]
    assert items(store, made, wrong=True) == ["b", "c", "e", "f"]
    assert items(store, made, item="c") == ["c"]
    assert items(store, made, item=["a", "f", "z"]) == ["a", "f"]
    assert items(store, made, search="heart") == ["a", "b", "c"]
    assert items(store, made, search="heart", wrong=True, task="mmlu") == ["b"]
    assert items(store, made, search="100%") == ["b"]
    assert items(store, made, search="gRÜSSE") == []
    assert items(store, made, search="grüße\ud800") == ["d"]
    assert items(store, made, search="'; DROP TABLE samples; --") == []
    assert items(store, made, task="nothing") == []
    assert store.page("x") == []


def test_repeats(store: Store) -> None:
    made = make.stored(store, 0)
    store.record(
        made.id,
        [make.response(made.id, "1", repeat, text=f"try {repeat}") for repeat in range(3)],
        [make.sample(made.id, "1", repeat=repeat) for repeat in range(3)],
    )
    assert [(each["repeat"], each["responses"][0]["text"]) for each in store.page(made.id)] == [
        (0, "try 0"),
        (1, "try 1"),
        (2, "try 2"),
    ]


def test_flips(store: Store) -> None:
    one, two = make.stored(store, 0), make.stored(store, 0)
    for made, values in ((one, (1, 1, 0, 0, 0.5, math.nan)), (two, (1, 0, 1, 0, 0.9, 1))):
        store.record(made.id, samples=[make.sample(made.id, str(n), acc=value) for n, value in enumerate(values)])
    store.record(two.id, samples=[make.sample(two.id, "only here")])
    found = store.flips(one.id, two.id, "mmlu", "acc")
    assert [(flip["item"], flip["repeat"], flip["group"]) for flip in found] == [
        ("1", 0, "anatomy"),
        ("2", 0, "anatomy"),
        ("5", 0, "anatomy"),
    ]
    assert [(flip["a"], flip["b"]) for flip in found[:2]] == [(1, 0), (0, 1)]
    assert store.flips(one.id, two.id, "mmlu", "no such metric") == []
