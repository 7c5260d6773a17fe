"""Trials on a Ray cluster of two nodes on one machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.progress import Progress
from tests.tuning import fakes
from tests.tuning.child import ROOT
from tuning.search import cluster
from tuning.search.workers import Job, Reply
from tuning.study import session
from tuning.types import Hyperparameters, Step

CLUSTERS: dict[str, Any] = {}  # by address


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # the nodes' workers find the fakes
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
        CLUSTERS[made.address] = made
        yield made.address
        ray.shutdown()
        made.shutdown()


@pytest.mark.full
def test_two_nodes_make_the_ledger_of_one(address: str, tmp_path: Path) -> None:
    import ray

    found = []
    for name, more in (("local", {}), ("ray", {"ray": address, "parallel": 2})):
        folder = tmp_path / name
        folder.mkdir()
        options = fakes.options(folder, optimizer="nomad", block=2, budget=8, **more)
        result = session.run(options, setup=fakes.setup())
        found.append(fakes.outcome(folder))
        best = result.ledger.best
        assert best
        attempt = result.ledger.whole(best.number)
        assert attempt
        assert (Path(attempt.adapter) / "adapter_model.safetensors").stat().st_size == best.hyperparameters["rank"]
    assert found[0] == found[1]
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2


@pytest.mark.full
def test_a_worker_killed_in_mid_trial_costs_only_its_trial(address: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    options = fakes.options(tmp_path, ray=address, parallel=2, block=2, budget=6, no_rungs=True)
    found = session.run(options, setup=fakes.setup(str(log), {8: "abort once"}))
    assert [trial.state for trial in found.ledger.trials] == ["finished"] * 6
    notes = [note for _, note in found.ledger.store.study_notes(found.row.id)]
    assert len(notes) == 1
    assert "trained again" in notes[0]
    assert len(fakes.begun(log)) == 7


@pytest.mark.full
def test_a_node_that_goes_leaves_the_study_to_the_others(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workers are asked for where two have room; then a third node comes, and goes in mid-study."""
    monkeypatch.setattr(cluster, "ROOM", 20.0)  # that an actor starts in, on a busy machine too
    node = CLUSTERS[address].add_node(num_cpus=1)

    class Leave(Progress):
        def update(self, task: str, done: float = 0, total: int = 0, **_: Any) -> None:
            if task == "trials" and done == 6 and node in CLUSTERS[address].worker_nodes:
                CLUSTERS[address].remove_node(node)

    options = fakes.options(tmp_path, ray=address, parallel=4, block=4, budget=14, no_rungs=True)
    found = session.run(options, Leave(), setup=fakes.setup())
    assert [trial.state for trial in found.ledger.trials] == ["finished"] * 14
    notes = [note for _, note in found.ledger.store.study_notes(found.row.id)]
    assert any("goes on with 3" in note for note in notes)
    assert any("goes on with 2" in note for note in notes)


FAKE: Any = fakes.FakeTrainer


def job(to: Path) -> Job:
    return Job(1, Hyperparameters(8, 16.0, 0.0, 1e-3), 1.0, 0, to)


def test_what_an_actor_sends_is_written_whole(tmp_path: Path) -> None:
    """The actor's own code, here in this process: nothing of its folder stays, and all comes back."""
    actor: Any = cluster._Remote(FAKE)
    (reply,), messages, (files,) = actor.run([job(tmp_path / "a" / "b")])
    assert isinstance(reply, Reply)
    assert reply.trained
    assert reply.trained.adapter == tmp_path / "a" / "b"
    assert not reply.trained.adapter.exists()
    assert [(each.trial, step.step) for each, step in messages if isinstance(step, Step)] == [(1, 1), (1, 2), (1, 3)]
    cluster._write(reply.trained.adapter, files)
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["adapter_config.json", "adapter_model.safetensors"]
    assert os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_no_cluster_is_said_at_once(address: str) -> None:
    with pytest.raises(UsageError, match=rf'^ray="{address}"'):
        cluster.ray_pool(FAKE, address, 1, "cpu")
