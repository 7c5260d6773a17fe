"""The recorded searches: whole, and no better than they say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench.training import optimizers as bench
from harness.errors import UsageError
from harness.stats.paired import Paired
from tuning.search import blackbox


def test_the_grid_is_complete_and_learnable():
    grid = blackbox.tiny_grid()
    assert grid.space.size == len(grid.losses) >= 300
    assert {len(losses) for losses in grid.losses.values()} == {2}
    losses = [loss for point in grid.space.points() if (loss := grid(point)) is not None]
    assert len(losses) > 0.7 * len(grid.losses)
    assert max(losses) - min(losses) > 20 * grid.noise() > 0


def test_a_grid_with_a_point_missing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = blackbox.TINY_GRID.read_text("utf-8").splitlines()
    (tmp_path / "grid.csv").write_text("\n".join(lines[:-1]), "utf-8")
    monkeypatch.setattr(blackbox, "TINY_GRID", tmp_path / "grid.csv")
    with pytest.raises(UsageError, match="not a complete grid"):
        blackbox.tiny_grid()


def test_the_papers_points_are_the_papers(shared_data: Path):
    with (shared_data / "paper" / "nomad_round2_100pts.csv").open(newline="") as file:
        upstream = [[float(row[c]) for c in ("rank", "alpha", "dropout", "lr")] for row in csv.DictReader(file)]
    ours = blackbox._rows(blackbox.PAPER_POINTS)
    assert [[float(row[c]) for c in ("rank", "alpha", "dropout", "lr")] for row in ours] == upstream
    assert len(ours) == 100


def test_the_surrogate_says_how_good_it_is():
    surrogate = blackbox.paper()
    assert 0.5 < surrogate.leave_one_out() < 1
    # what it was fitted to: the baseline's learning rate is the worst region, 5e-4 the best
    worst = surrogate({"rank": 8, "alpha": 32, "dropout": 0.1, "lr": 1e-5})
    best = surrogate({"rank": 256, "alpha": 64, "dropout": 0.0, "lr": 4.8e-4})
    assert best < 0.97 < 1.1 < worst


def test_leave_one_out_is_leaving_one_out():
    """The closed form against refitting, with the kernel held."""
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor

    surrogate = blackbox.paper()
    x, kernel = surrogate._process.X_train_, surrogate._process.kernel_
    y = (surrogate.losses - surrogate.losses.mean()) / surrogate.losses.std()
    misses = []
    for at in range(0, len(y), 9):
        rest = np.arange(len(y)) != at
        held = GaussianProcessRegressor(kernel, optimizer=None, alpha=surrogate._process.alpha).fit(x[rest], y[rest])
        misses.append(y[at] - held.predict(x[[at]])[0])
    inverse = np.linalg.inv(kernel(x))
    np.testing.assert_allclose(misses, ((inverse @ y) / np.diag(inverse))[::9], atol=1e-6)


def test_the_measurement_counts_distinct_trials(capsys: pytest.CaptureFixture):
    seen: dict[str, float | None] = {}

    class Counted(blackbox.Recorded):
        def __call__(self, point):
            assert self.space.key(point) not in seen
            return seen.setdefault(self.space.key(point), super().__call__(point))

    grid = blackbox.tiny_grid()
    run = bench.best_so_far(Counted(grid.space, grid.losses), "nni-tpe", seed=0)
    assert len(run) == len(seen) == bench.BUDGET
    assert run == sorted(run, reverse=True)
    assert run[-1] == min(loss for loss in seen.values() if loss is not None)
    bench.compare("grid", 0.0, ["tpe", "random"], seeds=3)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["optimizer"] for line in lines] == ["tpe", "random", "tpe"]


@pytest.mark.parametrize(
    ("test", "p", "says"),
    [
        (Paired(-0.2, -0.3, -0.1, 0.001, "bootstrap"), 0.004, "0.2000 nats [0.1000, 0.3000] below random"),
        (Paired(0.2, 0.1, 0.3, 0.001, "bootstrap"), 0.004, "0.2000 nats [0.1000, 0.3000] above random"),
        (Paired(-0.2, -0.5, 0.1, 0.2, "bootstrap"), 0.4, "cannot be told apart"),
        (Paired(-0.2, -0.3, -0.1, 0.03, "bootstrap"), 0.06, "cannot be told apart"),
    ],
)
def test_the_sentence_says_no_more_than_the_test(test: Paired, p: float, says: str):
    assert says in bench.sentence("x", test, p)
