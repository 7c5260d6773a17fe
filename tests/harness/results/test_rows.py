"""Every row comes back as it was, whatever a model wrote into it."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.results import ResponseRow, RunRow, SampleRow, ScoreRow, Store, TaskRow
from harness.store import codec
from tests.harness.results import make

# any character, lone surrogates, NUL and our own escape among them
texts = st.text(st.one_of(st.characters(), st.sampled_from("\0\ud800\udfff\udc80\ufdd0d8")), max_size=20)
whole = st.integers(0, 2**31 - 1)
reals = st.floats()  # NaN, the infinities and minus zero too
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))
plain = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts)), max_size=3)
# one file for all examples of a test, and a run of its own for each
slow = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def same(one: Any, two: Any) -> bool:
    """Equal, where NaN is NaN and -0.0 is not 0.0."""
    return repr(one) == repr(two)


@given(texts)
def test_text_comes_back(text: str) -> None:
    encoded = codec.encode(text)
    encoded.encode()  # UTF-8 can hold it
    assert codec.decode(encoded) == text


def test_harmless_text_is_stored_as_it_is() -> None:
    assert codec.encode("Grüße, 漢字 🙂 \0") == "Grüße, 漢字 🙂 \0"


@slow
@given(
    st.lists(
        st.builds(
            ResponseRow,
            run=st.just("r"),
            task=st.just("tâsk\ud800"),
            item=texts,
            repeat=whole,
            part=whole,
            kind=st.sampled_from(["choice", "loglikelihood", "rolling", "generate"]),
            shared=texts,
            own=texts,
            text=texts,
            logprobs=st.lists(reals, max_size=4).map(tuple),
            greedy=st.lists(st.booleans(), max_size=4).map(tuple),
            tokens=st.lists(whole, max_size=4).map(tuple),
            finish=st.sampled_from(["", "stop", "length"]),
            asked=whole,
            reused=whole,
            generated=whole,
            warnings=st.lists(texts, max_size=2).map(tuple),
            options=st.lists(texts, max_size=2).map(tuple),
        ),
        max_size=5,
        unique_by=lambda row: (row.item, row.repeat, row.part),
    )
)
def test_responses(store: Store, rows: list[ResponseRow]) -> None:
    made, name = make.run(), "tâsk\ud800"
    rows = [replace(row, run=made.id) for row in rows]
    store.create(made, [make.task(made.id, name)])
    store.record(made.id, rows)
    assert same(sorted(store.responses(made.id, name), key=repr), sorted(rows, key=repr))
    assert store.answered(made.id, name) == {(row.item, row.repeat, row.part) for row in rows}
    if rows:
        some = store.responses(made.id, name, [rows[0].item])
        assert same(sorted(some, key=repr), sorted([row for row in rows if row.item == rows[0].item], key=repr))


@slow
@given(
    st.lists(
        st.builds(
            SampleRow,
            run=st.just("r"),
            task=st.just("t"),
            item=texts,
            repeat=whole,
            group=texts,
            cluster=texts,
            metrics=st.dictionaries(texts, reals, max_size=3),
            answer=texts,
            expected=texts,
            note=texts,
        ),
        max_size=5,
        unique_by=lambda row: (row.item, row.repeat),
    )
)
def test_samples(store: Store, rows: list[SampleRow]) -> None:
    made = make.run()
    rows = [replace(row, run=made.id) for row in rows]
    store.create(made, [make.task(made.id, "t")])
    store.record(made.id, samples=rows)
    assert same(sorted(store.samples(made.id, "t"), key=repr), sorted(rows, key=repr))
    assert store.scored(made.id, "t") == {(row.item, row.repeat) for row in rows}


@slow
@given(
    st.builds(
        RunRow,
        id=st.just(""),
        identity=texts,
        name=texts,
        status=st.sampled_from(["running", "finished", "imported"]),
        partial=st.booleans(),
        model=texts,
        model_digest=texts,
        base_digest=texts,
        backend=texts,
        device=texts,
        dtype=texts,
        seed=st.integers(-(2**63), 2**63 - 1),
        created=moments,
        finished=st.none() | moments,
        command=texts,
        config=plain,
        provenance=plain,
        totals=st.dictionaries(texts, st.floats(allow_nan=False)),
        warnings=st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(
        TaskRow,
        run=st.just(""),
        task=texts,
        protocol=texts,
        version=texts,
        metric=texts,
        data_source=texts,
        data_digest=texts,
        shots=whole,
        chat=st.booleans(),
        settings=plain,
        items=whole,
    ),
    st.builds(
        ScoreRow,
        run=st.just(""),
        task=texts,
        group=texts,
        protocol=texts,
        metric=texts,
        value=reals,
        low=reals,
        high=reals,
        n=whole,
        method=texts,
    ),
)
def test_runs_tasks_scores(store: Store, run: RunRow, task: TaskRow, score: ScoreRow) -> None:
    run = replace(run, id=uuid.uuid4().hex)
    task, score = replace(task, run=run.id), replace(score, run=run.id)
    store.create(run, [task])
    store.save_scores(run.id, [score])
    assert store.resolve(run.id) == run
    assert store.tasks(run.id) == [task]
    assert same(store.scores(run.id), [score])


def test_times_come_back_in_utc(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    there = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    store.create(make.run(created=there), [])
    assert store.runs()[0].created == there
    assert store.runs()[0].created.hour == 7
    with pytest.raises(ValueError, match="time zone"):
        store.create(make.run(created=datetime(2026, 7, 1)), [])


def test_numbers_of_other_kinds(tmp_path: Path) -> None:
    """Scorers hand over bools, ints and numpy's numbers."""
    import numpy as np

    store = Store(tmp_path / "s.duckdb")
    made = make.stored(store, 0)
    metrics = {"a": True, "b": 1, "c": np.float32(0.5), "d": np.bool_(False), "e": math.nan}
    store.record(made.id, samples=[make.sample(made.id, "1", metrics=metrics)])
    back = store.samples(made.id, "mmlu")[0].metrics
    assert same(dict(back), {"a": 1.0, "b": 1.0, "c": 0.5, "d": 0.0, "e": math.nan})
