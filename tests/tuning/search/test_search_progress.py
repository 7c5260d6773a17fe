"""What a search shows of its workers' jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.progress import Progress
from harness.progress.log import Log
from tests.harness.progress.clock import Clock
from tests.tuning import fakes
from tests.tuning.fakes import rows
from tuning.search.rungs import WHOLE
from tuning.search.search_progress import SearchProgress
from tuning.search.workers import Job
from tuning.study import session
from tuning.types import Hyperparameters, Phase, Step

HYPER = Hyperparameters(8, 16.0, 0.0, 2e-4)


@dataclass
class Recorded(Progress):
    updates: list[tuple[str, str, float, int, str]] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        self.updates.append((task, figures.get("phase", ""), done, total, figures.get("detail", "")))

    def end(self, task: str, result: str = "") -> None:
        self.ends.append((task, result))


def job(number: int, fraction: float = 1.0) -> Job:
    return Job(number, HYPER, fraction, 0, Path("nowhere"))


def test_a_trials_way_through_its_phases():
    clock, lines = Clock(), list[str]()
    shown = SearchProgress(Log(lines.append, clock), clock=clock)
    shown.expect(4, WHOLE, 1, ())
    shown.overall(0, 4)
    first = job(1)
    shown.follow(first, Phase("encoding the rows"))
    shown.follow(first, Phase("training", 0, 2, 0))
    for step in (1, 2):
        clock.now += 30
        shown.follow(first, Phase("training", step, 2, 3000 * step))
        shown.follow(first, Step(step, 2, 4.0 / step, 1e-4))
    shown.follow(first, Phase("validation", 0, 8))
    clock.now += 10
    shown.follow(first, Phase("validation", 8, 8, 400))
    title = "trial 1 (rank 8, alpha 16, lr 0.0002)"
    assert lines == [
        "trials: 0 of 4\n",
        f"{title}: training, 0 of 2 steps\n",
        f"{title}: training, 1 of 2 steps, 100 tokens/s, about 30 s left\n",
        "trials: 0 of 4, about 1.5 to 6 min left\n",
        f"{title}: training, 2 of 2 steps, loss 4, 100 tokens/s\n",
        "trials: 0 of 4, about 1 to 5 min left\n",
        f"{title}: validation, 8 of 8 rows, 40 tokens/s\n",
    ]


def test_the_loss_is_a_mean_that_forgets():
    recorded = Recorded()
    shown = SearchProgress(recorded)
    for step in range(1, 41):
        shown.follow(job(1), Step(step, 40, 2.0 if step <= 20 else 1.0, 1e-4))
    details = [detail for task, _, _, _, detail in recorded.updates if task.startswith("trial ")]
    assert details[0] == details[19] == "loss 2"
    assert details[-1] == "loss 1.108"


@pytest.mark.parametrize("more", [{}, {"parallel": 2}, {"packed": 2}])
def test_a_study_shows_every_trial_and_its_end(tmp_path, more):
    recorded = Recorded()
    result = session.run(fakes.options(tmp_path, budget=6, block=2, **more), recorded, setup=fakes.setup())
    attempts = result.ledger.attempts
    assert len([end for end in recorded.ends if end[0].startswith("trial")]) == len(attempts)
    assert all(" in " in text for task, text in recorded.ends if task.startswith("trial"))
    steps = [update for update in recorded.updates if update[0].startswith("trial ") and update[3] == 3]
    assert {done for _, _, done, _, _ in steps} == {1, 2, 3}
    assert recorded.updates[-1][:4] == ("trials", "", 6, 6)
    best = result.ledger.leading
    assert best
    assert recorded.updates[-1][4] == f"best {'about ' if best[2] else ''}{best[1]:.4f} (trial {best[0]})"


def test_a_failed_trial_says_why(tmp_path):
    recorded = Recorded()
    session.run(fakes.options(tmp_path, budget=6, no_rungs=True), recorded, setup=fakes.setup("", {256: "trial"}))
    assert any(text == "failed: the loss is not finite" for _, text in recorded.ends)


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_real_trainer_tells_its_phases(tmp_path, parallel):
    """Over the pipe of a process of its own as well."""
    recorded = Recorded()
    options = fakes.options(
        tmp_path, data=str(rows(tmp_path / "many", 24)), budget=4, sizes="16,4,0", no_rungs=True, device="cpu",
        parallel=parallel, set={"batch": 8, "epochs": 1}, micro_batch=4,
    )  # fmt: skip
    session.run(options, recorded)
    preparing = [phase for task, phase, *_ in recorded.updates if task == "preparing"]
    assert preparing == ["encoding the rows", "loading the base"]
    assert recorded.ends[1] == ("preparing", "")
    first = [update for update in recorded.updates if update[0].startswith("trial 1 ")]
    phases = list(dict.fromkeys(phase for _, phase, *_ in first))
    assert phases[-3:] == ["training", "validation", "measuring the objectives"]
    training = [(done, total) for _, phase, done, total, _ in first if phase == "training"]
    assert sorted({done for done, _ in training}) == [0.5, 1, 1.5, 2]
    assert {total for _, total in training} == {2}
    assert [done for _, phase, done, _, _ in first if phase == "validation"] == [0, 4]


def test_nothing_of_it_is_stored(tmp_path):
    from tuning.store import Store

    writes: list[int] = []
    for progress in (Progress(), Recorded()):
        folder = tmp_path / type(progress).__name__
        folder.mkdir()
        result = session.run(fakes.options(folder, budget=4, no_rungs=True), progress, setup=fakes.setup())
        writes.append(sum(len(Store(folder / "s.duckdb").steps(result.row.id, trial)) for trial in (1, 2, 3)))
    assert writes[0] == writes[1] == 9
