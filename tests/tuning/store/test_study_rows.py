"""Every row of a study comes back as it was, and the store that knows only runs looks after it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import results
from tests.harness.results import make
from tuning.store import AttemptRow, StepRow, Store, StudyRow, TrialRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
texts = st.text(st.one_of(st.characters(), st.sampled_from("\0\ud800\udfff\udc80\ufdd0d8")), max_size=20)
whole = st.integers(0, 2**31 - 1)
long = st.integers(0, 2**63 - 1)
reals = st.floats()
several = st.lists(reals, max_size=3).map(tuple)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))
moments = moments.map(lambda moment: moment.replace(fold=0))
plain = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts)), max_size=3)
plain = plain.map(lambda document: dict(sorted(document.items())))  # as they come back
warnings = st.lists(texts, max_size=3).map(tuple)
slow = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(one: object, two: object) -> bool:
    """Equal, where NaN is NaN and -0.0 is not 0.0."""
    return repr(one) == repr(two)


def study(name: str = "a study", **columns) -> StudyRow:
    row = StudyRow("5" * 32, "i" * 64, name, "finished", "tiny", "b", "d", "random", 0, 4, NOW)
    return replace(row, **columns)


def trial(study_id: str, number: int = 1, **columns) -> TrialRow:
    row = TrialRow(study_id, number, f"digest {number}", "optimizer", "", {"r": 8}, {"r": 8}, "finished", NOW, (1.0,))
    return replace(row, **columns)


def attempt(study_id: str, number: int = 1, **columns) -> AttemptRow:
    return replace(AttemptRow(study_id, number, "search", 1.0, 0, NOW, objectives=(1.0,)), **columns)


def filled(path: Path, **columns) -> Store:
    """A store with a study of one trial, trained once in two steps."""
    store = Store(path)
    row = study(**columns)
    store.create_study(row)
    store.save_trials(row.id, new=[trial(row.id)])
    store.save_attempt(attempt(row.id), [StepRow(row.id, 1, "search", 1.0, 0, step, 2.0, 1e-3) for step in (1, 2)])
    store.enqueue(row.id, {"r": 16})
    store.note(row.id, "a worker died\ud800")
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


@slow
@given(
    st.builds(
        StudyRow,
        id=st.just(""),
        identity=texts,
        name=texts,
        status=st.sampled_from(["running", "stopping", "stopped", "finished"]),
        model=texts,
        base_digest=texts,
        data_digest=texts,
        optimizer=texts,
        seed=long,
        budget=long,
        created=moments,
        finished=st.none() | moments,
        command=texts,
        config=plain,
        provenance=plain,
        warnings=warnings,
    ),
    st.builds(
        TrialRow,
        study=st.just(""),
        number=whole,
        digest=texts,
        source=st.sampled_from(["start", "optimizer", "enqueued"]),
        label=texts,
        hyperparameters=plain,
        point=plain,
        state=st.sampled_from(["running", "finished", "stopped", "failed"]),
        created=moments,
        objectives=several,
        constraints=several,
        estimated=st.booleans(),
        reason=texts,
        finished=st.none() | moments,
    ),
    st.builds(
        AttemptRow,
        study=st.just(""),
        trial=whole,
        purpose=st.sampled_from(["search", "final"]),
        fraction=st.floats(0.01, 1),
        seed=long,
        finished=moments,
        failed=st.booleans(),
        reason=texts,
        objectives=several,
        constraints=several,
        validation_nats=reals,
        validation_tokens=long,
        test_nats=several,
        test_tokens=st.lists(long, max_size=3).map(tuple),
        train_loss=reals,
        forward_tokens=long,
        backward_tokens=long,
        measured_tokens=long,
        padding_tokens=long,
        seconds=reals,
        peak_bytes=long,
        adapter_bytes=long,
        steps=long,
        micro_batch=long,
        adapter=texts,
        warnings=warnings,
    ),
    st.builds(
        StepRow,
        study=st.just(""),
        trial=whole,
        purpose=st.sampled_from(["search", "final"]),
        fraction=st.floats(0.01, 1),
        seed=long,
        step=long,
        loss=reals,
        lr=reals,
    ),
)
def test_rows_come_back(store: Store, row: StudyRow, of: TrialRow, trained: AttemptRow, step: StepRow) -> None:
    row = replace(row, id=uuid.uuid4().hex)
    of, trained, step = replace(of, study=row.id), replace(trained, study=row.id), replace(step, study=row.id)
    store.create_study(row)
    store.save_trials(row.id, new=[of])
    store.save_attempt(trained, [step])
    assert store.resolve_study(row.id) == row
    assert same(store.trials(row.id), [of])
    assert same(store.attempts(row.id), [trained])
    assert same(store.steps(row.id, step.trial), [step])


def test_a_training_that_begins_anew_has_one_curve(store: Store) -> None:
    """What a killed training had written of its curve goes when its first step comes again; no other's does."""
    row = study()
    store.create_study(row)

    def steps(seed: int, *numbers: int) -> list[StepRow]:
        return [StepRow(row.id, 1, "final", 1.0, seed, number, 2.0, 1e-3) for number in numbers]

    store.add_steps([*steps(1, 1, 2, 3), *steps(2, 1)])
    store.add_steps(steps(1, 1, 2))
    store.save_attempt(attempt(row.id, purpose="final", seed=1), steps(1, 3, 4))
    assert store.steps(row.id, 1) == [*steps(1, 1, 2, 3, 4), *steps(2, 1)]


def test_a_store_of_runs_merges_studies(tmp_path: Path) -> None:
    """`harness db merge` is floor 1 and knows no study: the studies' own schema brings them in."""
    theirs = filled(tmp_path / "theirs.duckdb")
    (row,) = theirs.studies()
    ours = results.Store(tmp_path / "ours.duckdb")
    make.stored(ours, 2)
    counts = ours.merge(theirs.path)
    wanted = {"studies": 1, "trials": 1, "attempts": 1, "steps": 2, "enqueued": 1, "study_notes": 1}
    assert {table: count for table, count in counts.items() if count} == wanted
    whole = Store(ours.path)
    assert (whole.trials(row.id), whole.attempts(row.id)) == (theirs.trials(row.id), theirs.attempts(row.id))
    assert whole.study_notes(row.id) == theirs.study_notes(row.id)
    assert not any(count for table, count in ours.merge(theirs.path).items())
    assert (ours.info()["runs"], ours.info()["studies"], ours.info()["trials"]) == (1, 1, 1)


def test_a_study_that_was_finished_elsewhere_comes_anew(tmp_path: Path) -> None:
    ours = filled(tmp_path / "ours.duckdb", status="running")
    theirs = filled(tmp_path / "theirs.duckdb")
    (row,) = theirs.studies()
    theirs.save_trials(row.id, new=[trial(row.id, 2)])
    assert ours.merge(theirs.path)["trials"] == 2
    assert ours.studies() == [row]
    assert ours.trials(row.id) == theirs.trials(row.id)


def test_gc_of_a_store_of_runs_removes_what_belongs_to_no_study(tmp_path: Path) -> None:
    store = filled(tmp_path / "s.duckdb")
    with store.write() as connection:
        connection.execute("DELETE FROM studies")
    done = results.Store(store.path).gc()
    assert (done["trials"], done["attempts"], done["steps"], done["enqueued"], done["study_notes"]) == (1, 1, 2, 1, 1)


def test_what_a_run_measured_is_known_by_its_adapter(tmp_path: Path) -> None:
    store = filled(tmp_path / "s.duckdb")
    (row,) = store.studies()
    store.save_attempt(attempt(row.id, seed=1, adapter="s.duckdb.studies/5/1"))
    run = make.stored(store, 1, model="s.duckdb.studies/5/1")
    make.stored(store, 1, model="tiny")
    assert store.trained_in() == {run.id: (row.id, 1)}
    first, base = store.studies_of([(row.id, 1), (row.id, 0)])
    assert (first["number"], first["hyperparameters"], base["number"], base["hyperparameters"]) == (
        1,
        {"r": 8},
        0,
        None,
    )
