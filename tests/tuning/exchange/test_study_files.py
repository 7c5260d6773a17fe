"""Studies as files: what leaves, what comes back, and a search that goes on on another machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.sources import DataError
from harness.errors import StoreError, UsageError
from harness.exchange import store_files
from harness.progress import SILENT
from tests.harness.runs import cli
from tests.tuning import fakes
from tuning.exchange import study_files
from tuning.pipeline.study_file import StudyFile
from tuning.store import Store
from tuning.study import finalist_evaluation, session
from tuning.study.definition import ledger_of
from tuning.study.retraining import missing


def study(folder: Path, **changes: object) -> session.Result:
    folder.mkdir(exist_ok=True)
    return session.run(fakes.options(folder, **changes), setup=fakes.setup())


def told(store: Store, *purposes: str) -> list[object]:
    """Of the only study, what its trials and trainings came to; clocks and places left out."""
    (row,) = store.studies()
    wanted = purposes or ("search", "final")
    trials = [(t.number, t.digest, t.state, t.objectives, t.reason) for t in store.trials(row.id)]
    attempts = [
        (a.trial, a.purpose, a.fraction, a.seed, a.objectives, a.test_nats)
        for a in store.attempts(row.id)
        if a.purpose in wanted
    ]
    steps = [
        (s.trial, s.step, s.loss)
        for trial in store.trials(row.id)
        for s in store.steps(row.id, trial.number)
        if s.purpose in wanted
    ]
    return [row.identity, row.status, trials, attempts, steps]


def carry(there: Store, here: Store, folder: Path) -> dict[str, int]:
    study_files.export(there, there.studies(), folder)
    return store_files.take_in(here, folder)


def test_a_search_goes_on_on_another_machine(tmp_path: Path) -> None:
    """Begun with a smaller budget here, carried, and gone on with there: as one that was never carried."""
    unbroken = study(tmp_path / "unbroken", budget=12)
    begun = study(tmp_path / "here", budget=7)
    there = Store(tmp_path / "there" / "s.duckdb")
    (tmp_path / "there").mkdir()
    counts = carry(begun.ledger.store, there, tmp_path / "files")
    assert (counts["studies"], counts["trials"]) == (1, 7)
    whole = study(tmp_path / "there", budget=12)
    # the smaller budget had the best of its estimates trained on all rows when it ended: they are not the search's
    assert told(whole.ledger.store, "search") == told(unbroken.ledger.store, "search")


def test_what_went_on_there_comes_back_and_keeps_the_adapters_here(tmp_path: Path) -> None:
    here = study(tmp_path / "here", budget=7).ledger.store
    (row,) = here.studies()
    kept = {a.trial: a.adapter for a in here.attempts(row.id) if a.adapter}
    assert kept
    (tmp_path / "there").mkdir()
    there = Store(tmp_path / "there" / "s.duckdb")
    carry(here, there, tmp_path / "first")
    assert not any(a.adapter for a in there.attempts(row.id))
    study(tmp_path / "there", budget=12)
    assert carry(there, here, tmp_path / "second")["trials"] == 12
    assert told(here) == told(there)
    assert {a.trial: a.adapter for a in here.attempts(row.id) if a.trial in kept and a.adapter} == kept
    assert carry(there, here, tmp_path / "third")["trials"] == 0


def test_where_both_went_on_ours_stays(tmp_path: Path) -> None:
    here = study(tmp_path / "here", budget=7).ledger.store
    (tmp_path / "there").mkdir()
    there = Store(tmp_path / "there" / "s.duckdb")
    carry(here, there, tmp_path / "first")
    study(tmp_path / "there", budget=12)
    finalist_evaluation.top(fakes.options(tmp_path / "here"), here.studies()[0].id, 1, 0, 1, (), SILENT, fakes.setup())
    before = told(here)
    assert carry(there, here, tmp_path / "second")["trials"] == 0
    assert told(here) == before


def test_finalists_without_adapters_are_trained_again_where_they_are_needed(tmp_path: Path) -> None:
    found = study(tmp_path / "here", budget=5)
    log = tmp_path / "log"

    def top(adapters: bool) -> finalist_evaluation.Top:
        options = fakes.options(tmp_path / "here")
        return finalist_evaluation.top(
            options, found.row.id, 1, 0, 2, (), SILENT, fakes.setup(str(log)), adapters=adapters
        )

    first = top(adapters=True)
    begun = fakes.begun(log)
    shutil.rmtree(found.ledger.store.study_folder(found.row.id) / "trial-0001")
    assert [m.losses for m in top(adapters=False).measured] == [m.losses for m in first.measured]
    assert fakes.begun(log) == begun  # nothing needs them
    top(adapters=True)
    again = fakes.begun(log)[len(begun) :]
    assert len(again) == 2
    assert len(fakes.begun(log)) == len(begun) + 2
    ledger = ledger_of(found.ledger.store, found.row)
    assert missing([m.finalist for m in first.measured if m.finalist.trial]) == []
    assert all(Path(a.adapter).is_dir() for a in ledger.attempts.values() if a.test_nats and a.trial)


def test_an_adapter_that_came_out_otherwise_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = study(tmp_path / "here", budget=5)
    store = found.ledger.store

    def top() -> None:
        options = fakes.options(tmp_path / "here")
        finalist_evaluation.top(options, found.row.id, 1, 0, 1, (), SILENT, fakes.setup(), adapters=True)

    top()
    shutil.rmtree(store.study_folder(found.row.id) / "trial-0001")
    monkeypatch.setattr(fakes.FakeTrainer, "evaluate", lambda *words: fakes._likelihood(1.6))
    top()
    assert any("was trained again, and its test loss is" in note for _, note in store.study_notes(found.row.id))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two studies, `mine` and `other`."""
    folder = tmp_path_factory.mktemp("stored")
    study(folder, budget=4, no_rungs=True, optimizer="random", name="mine")
    return study(folder, budget=4, no_rungs=True, optimizer="random", seed=3, name="other").ledger.store


def test_files_are_the_same_for_the_same_rows_and_hold_only_the_study(stored: Store, tmp_path: Path) -> None:
    mine = stored.resolve_study("mine")
    first = study_files.export(stored, [mine], tmp_path / "a")
    second = study_files.export(stored, [mine], tmp_path / "b")
    assert [p.name for p in first] == [p.name for p in second]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    with pytest.raises(UsageError, match="exists already"):
        study_files.export(stored, [mine], tmp_path / "a")
    fresh = Store(tmp_path / "fresh.duckdb")
    store_files.take_in(fresh, tmp_path / "a")
    assert [row.name for row in fresh.studies()] == ["mine"]


@pytest.mark.parametrize(
    "program", ["/home/me/env/bin/harness", "/home/me/lora-harness/harness/__main__.py", "harness"]
)
def test_a_command_leaves_without_the_place_of_the_program(stored: Store, tmp_path: Path, program: str) -> None:
    copy = Store(tmp_path / "copy.duckdb")
    copy.merge(stored.path)
    with copy.write() as connection:
        connection.execute("UPDATE studies SET command = ?", [f"{program} tune --data /rows/a.json"])
    study_files.export(copy, copy.studies(), tmp_path / "files")
    fresh = Store(tmp_path / "fresh.duckdb")
    store_files.take_in(fresh, tmp_path / "files")
    with fresh.read() as connection:
        commands = connection.execute("SELECT DISTINCT command FROM studies").fetchall()
    assert commands == [("harness tune --data /rows/a.json",)]


def test_places_of_this_machine_stay(whole_study: StudyFile, tmp_path: Path) -> None:
    """Of adapters in the folder of the store, and of benchmark rows in a folder."""
    copy = Store(tmp_path / "here" / "copy.duckdb")
    copy.path.parent.mkdir()
    copy.merge(whole_study.tune.db)
    adapter = str(copy.study_folder(copy.studies()[0].id) / "trial-0001" / "final-1-seed1")
    with copy.write() as connection:
        connection.execute("UPDATE runs SET model = $a, config = json_object('model', $a)", {"a": adapter})
        connection.execute("UPDATE tasks SET data_source = 'folder:/home/me/benchmarks'")
    study_files.export(copy, copy.studies(), tmp_path / "files")
    fresh = Store(tmp_path / "fresh.duckdb")
    store_files.take_in(fresh, tmp_path / "files")
    shown = adapter.removeprefix(f"{copy.path.resolve().parent}/")
    with fresh.read() as connection:
        models = connection.execute("SELECT DISTINCT model, config->>'model' FROM runs").fetchall()
        sources = connection.execute("SELECT DISTINCT data_source FROM tasks").fetchall()
    assert models == [(shown, shown)]
    assert sources == [("folder:benchmarks",)]


def test_an_altered_or_missing_file_is_refused(stored: Store, tmp_path: Path) -> None:
    files = study_files.export(stored, stored.studies(), tmp_path / "files")
    for path in (file for file in files if file.name != "manifest_store.json"):  # which `harness verify` reads
        whole = path.read_bytes()
        if path.suffix == ".parquet":
            content = bytearray(whole)
            content[len(content) // 2] ^= 1
            path.write_bytes(bytes(content))
            with pytest.raises(DataError, match=f"{path.name} was altered"):
                store_files.take_in(Store(tmp_path / "new.duckdb"), tmp_path / "files")
        path.unlink()
        with pytest.raises(DataError, match=f"{path.name}"):
            store_files.take_in(Store(tmp_path / "new.duckdb"), tmp_path / "files")
        path.write_bytes(whole)
    assert not (tmp_path / "new.duckdb").exists()


def test_files_of_a_newer_program_are_refused(stored: Store, tmp_path: Path) -> None:
    study_files.export(stored, stored.studies(), tmp_path / "files")
    manifest = tmp_path / "files" / "store.json"
    written = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**written, "version": written["version"] + 1}), "utf-8")
    with pytest.raises(StoreError, match="newer lora-harness"):
        store_files.take_in(Store(tmp_path / "new.duckdb"), tmp_path / "files")


def test_from_the_command_line(stored: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.duckdb"
    code, out, errors = cli("export", "mine", tmp_path / "files", "--db", stored.path)
    assert (code, errors) == (0, "")
    assert {Path(line).name for line in out.split()} >= {"store.json", "studies.parquet", "trials.parquet"}
    code, out, errors = cli("import", tmp_path / "files", "--db", there)
    assert (code, errors) == (0, "")
    assert " ".join(out.split()).endswith("1 studies, 4 trials, 4 attempts came in.")
    code, out, _ = cli("import", tmp_path / "files", "--db", there)
    assert code == 0
    assert " ".join(out.split()).endswith("all of it was here already.")
    code, _, errors = cli("export", "nothing", tmp_path / "none", "--db", stored.path)
    assert code == 2
    assert "nothing" in errors
    code, _, errors = cli("export", "mine", tmp_path / "files", "--db", stored.path)
    assert code == 2
    assert "exists already" in errors


def test_a_whole_studys_file_names_its_searches(stored: Store, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('name = "whole"\nmodel = "tiny"\ndata = "sample"\n', "utf-8")
    code, _, errors = cli("export", path, tmp_path / "files", "--db", stored.path)
    assert code == 2
    assert "has no search of" in errors
    renamed = Store(shutil.copy(stored.path, tmp_path / "copy.duckdb"))
    renamed.update_study(renamed.resolve_study("mine").id, name="whole-nomad-0")
    code, _, errors = cli("export", path, tmp_path / "files", "--db", renamed.path)
    assert (code, errors) == (0, "")
    assert json.loads((tmp_path / "files" / "store.json").read_text("utf-8"))["studies"] == ["whole-nomad-0"]
