"""Runs and studies in trackers: what they are given, and what MLflow's own server and trackio give back."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.errors import MissingError, UsageError
from harness.exchange.mlflow_tracker import EXPERIMENT, MlflowTracker
from harness.exchange.tracked import CONTENT, KEY, Tracked, tracked
from harness.exchange.tracked_runs import runs
from harness.exchange.trackio_tracker import TrackioTracker
from harness.testing import TrackedContract
from tests.harness.runs import cli, json_of
from tests.tuning.sharing import shared
from tuning.sharing.tracked_studies import studies
from tuning.store import Store

HOW = "`make test-tracking` has it"
needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason=f"MLflow is not here: {HOW}")
needs_trackio = pytest.mark.skipif(importlib.util.find_spec("trackio") is None, reason=f"trackio is not here: {HOW}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracking")
    shared.study(folder, "mine")
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return Store(home / "s.duckdb")


class TestRuns(TrackedContract):
    registered = "runs"
    source = staticmethod(runs)

    @pytest.fixture
    def db(self, store: Store) -> str:
        return str(store.path)

    @pytest.fixture
    def word(self, store: Store) -> str:
        return store.runs()[0].id


class TestStudies(TrackedContract):
    registered = "studies"
    source = staticmethod(studies)

    @pytest.fixture
    def db(self, store: Store) -> str:
        return str(store.path)

    @pytest.fixture
    def word(self) -> str:
        return "mine"


def test_a_trial_has_its_rungs_and_a_run_its_interval(store: Store) -> None:
    (study,) = tracked(store.path, ["mine"])
    (row,) = store.studies()
    trials = store.trials(row.id)
    assert [one.name for one in study.children] == [f"mine trial {trial.number}" for trial in trials]
    for trial, one in zip(trials, study.children, strict=True):
        assert one.params == {name: str(value) for name, value in trial.hyperparameters.items()}
        (loss,) = [metric for metric in one.metrics if metric.name == "validation_loss"]
        attempt = next(a for a in store.attempts(row.id) if a.trial == trial.number)
        assert (loss.value, loss.step) == (attempt.validation_loss, 100)
        assert [m.step for m in one.metrics if m.name.startswith("loss/")] == [1, 2, 3]
    best = [metric.value for metric in study.metrics]
    assert best == sorted(best, reverse=True)
    run = next(one for one in tracked(store.path, []) if one.key == f"run:{store.runs()[0].id}")
    (score,) = [s for s in store.scores(store.runs()[0].id) if s.metric == "acc"]
    values = {metric.name: metric.value for metric in run.metrics}
    assert (values["mmlu/acc"], values["mmlu/acc/low"], values["mmlu/acc/high"]) == (score.value, score.low, score.high)
    with pytest.raises(UsageError, match=r"no run and no study 'mime'.* Did you mean mine"):
        tracked(store.path, ["mime"])


def test_without_a_tracker_it_says_what_lacks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, tracker in (("mlflow", MlflowTracker("http://127.0.0.1:1")), ("trackio", TrackioTracker("p"))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingError, match=r"lora-harness\[tracking\]"):
            tracker.log([])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's own server, on a port of this machine."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        until_it_answers(f"{address}/health", process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            pause.wait(0.2)
    raise AssertionError(log.read_text())


def every(things: Sequence[Tracked]) -> list[tuple[Tracked, Tracked | None]]:
    return [pair for one in things for pair in [(one, None), *((child, one) for child in one.children)]]


@needs_mlflow
def test_mlflows_own_server_gives_back_every_number(store: Store, server: str) -> None:
    from mlflow import MlflowClient

    things = tracked(store.path, [])
    first = json_of("export", "--mlflow", server, "--db", store.path)
    (logged,) = first.values()
    assert len(logged["new"]) == len(every(things)) == 4 + 1 + 4
    assert logged["changed"] == logged["same"] == []
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    kept = {run.data.tags[KEY]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(kept) == {one.key for one, _ in every(things)}
    for one, parent in every(things):
        run = kept[one.key]
        assert run.info.run_name == one.name
        assert run.data.params == dict(one.params)
        assert {**one.tags, CONTENT: one.content}.items() <= run.data.tags.items()
        assert run.data.tags.get("mlflow.parentRunId") == (kept[parent.key].info.run_id if parent else None)
        found = {
            (name, point.step): point.value
            for name in run.data.metrics
            for point in client.get_metric_history(run.info.run_id, name)
        }
        assert found == {(m.name.replace("@", "_at_"), m.step): m.value for m in one.metrics}
        assert run.info.status == "FINISHED"
    (again,) = json_of("export", "--mlflow", server, "--db", store.path).values()
    assert (again["new"], again["changed"], len(again["same"])) == ([], [], len(kept))
    assert len(client.search_runs([experiment.experiment_id])) == len(kept)


@needs_mlflow
def test_what_was_broken_off_is_gone_on_with(store: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without its content's digest has a part of its metrics; the rest comes, and nothing twice."""
    from mlflow import MlflowClient

    (one,) = tracked(store.path, [store.runs()[0].id])
    other = Tracked(**{**{name: getattr(one, name) for name in one.__slots__}, "key": "run:0ff", "name": "broken off"})
    log_batch = MlflowClient.log_batch

    def stop_at_tags(self: object, run_id: str, metrics: Sequence[object] = (), **parts: object) -> None:
        log_batch(self, run_id, metrics=metrics[:2], **{name: part for name, part in parts.items() if name != "tags"})
        if metrics:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", stop_at_tags)
        with pytest.raises(KeyboardInterrupt):
            MlflowTracker(server).log([other])
    assert MlflowTracker(server).log([other]).changed == ["broken off"]
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id], filter_string=f"tags.`{KEY}` = 'run:0ff'")
    for name in run.data.metrics:
        assert len(client.get_metric_history(run.info.run_id, name)) == 1
    assert run.data.metrics == {metric.name: metric.value for metric in other.metrics}


@needs_mlflow
def test_a_server_that_is_not_there_is_a_sentence(store: Store) -> None:
    code, _, errors = cli("export", "--mlflow", "http://127.0.0.1:1", "--db", store.path)
    assert code == UsageError.exit_code
    assert "MLflow at http://127.0.0.1:1 does not take this" in errors
    assert "Traceback" not in errors


READ = """
import json, sys, trackio
from trackio.sqlite_storage import SQLiteStorage
runs = [dict(name=run.name, config=run.config, logs=SQLiteStorage.get_logs("lora", run.name, run_id=run.id))
        for run in trackio.Api().runs("lora")]
json.dump(runs, sys.stdout, default=str)
"""


@needs_trackio
def test_trackio_gives_back_every_number(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of their own: trackio reads where its files are when it is imported."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    command = [sys.executable, "-P", "-m", "harness", "export", "--trackio", "lora", "--db", str(store.path), "--json"]
    things = {one.key: one for one, _ in every(tracked(store.path, []))}
    for there in (0, len(things)):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        (logged,) = json.loads(done.stdout).values()
        assert (len(logged["new"]), len(logged["same"])) == (len(things) - there, there)
        read = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, timeout=300, check=True)
        kept = {run["config"][KEY]: run for run in json.loads(read.stdout.splitlines()[-1])}
        assert set(kept) == set(things)
        for key, one in things.items():
            assert {**one.params, **one.tags, CONTENT: one.content}.items() <= kept[key]["config"].items()
            found = {
                (name, log["step"]): value
                for log in kept[key]["logs"]
                for name, value in log.items()
                if name not in ("step", "timestamp")
            }
            assert found == {(metric.name, metric.step): metric.value for metric in one.metrics}
