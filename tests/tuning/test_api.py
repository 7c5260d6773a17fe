"""`harness.tune` and what it gives, with trainings that are fakes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.arguments import StoppedError
from harness.errors import IncompleteError, UsageError
from tests.harness.runs import json_of
from tests.tuning import fakes
from tuning.api import FINALISTS, Tuned
from tuning.study import finalist_evaluation, session
from tuning.types import TrialError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, where trainings are fakes."""
    fakes.rows(tmp_path / "rows")
    real, top = session.run, partial(finalist_evaluation.top, setup=fakes.setup())
    monkeypatch.setattr(session, "run", lambda *a, **k: real(*a, **{**k, "setup": fakes.setup()}))
    monkeypatch.setattr(finalist_evaluation, "top", top)
    return tmp_path


def tune(folder: Path, **given: Any) -> Tuned:
    usual = {"data": str(folder / "rows"), "optimizer": "random", "no_merge": True, "budget": 4, "progress": False}
    return harness.tune("tiny", db=folder / "s.duckdb", **{**usual, **given})


def test_a_study_is_the_commands_study_and_answers_at_once_the_second_time(folder):
    study = tune(folder, name="mine", constraint="seconds<=600", set={"batch": 4})
    assert study.computed
    words = ("--model", "tiny", "--data", folder / "rows", "--optimizer", "random", "--no-merge", "--budget", 4)
    words = (*words, "--constraint", "seconds<=600", "--set", "batch=4", "--db", folder / "s.duckdb")
    assert json_of("tune", *words) == json.loads(json.dumps(study.document))
    again = tune(folder, constraint=["seconds<=600"], set={"batch": 4})
    assert (again.study, again.computed, again.name) == (study.study, False, "mine")
    assert "harness.tune(" in harness.open(folder / "s.duckdb")._store.resolve_study(study.study).command

    trials = study.trials()
    assert trials.column("number").to_pylist() == [1, 2, 3, 4]
    assert set(trials.column("study_name").to_pylist()) == {"mine"}
    best = trials.to_pylist()[study.best["number"] - 1]
    assert (best["value"], best["rank"]) == (study.best["value"], study.best["hyperparameters"]["rank"])
    assert json.loads(best["hyperparameters"])["batch"] == 4
    assert harness.open(folder / "s.duckdb").trials("mine").equals(trials)
    assert "best: trial" in repr(study)
    assert '<div class="harness">' in study._repr_html_()
    assert study.checkpoint is None  # no_merge


def test_finalists_and_report(folder):
    study = tune(folder)
    finalists = study.finalists(k=1, seeds=2, progress=False)
    frame = finalists.frame()
    assert frame.column_names == list(FINALISTS)
    assert set(frame.column("trial").to_pylist()) > {0}
    assert finalists.sentences
    assert all(sentence in repr(finalists) for sentence in finalists.sentences)
    assert (finalists.merged, finalists.runs, finalists.races) == ([], [], [])
    assert {path.name for path in study.report(folder / "report")} >= {"report.html", "report.md"}
    for wrong in ({"k": 0}, {"seeds": 0}, {"spread": -1}, {"parallel": 0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            study.finalists(progress=False, **wrong)


def test_a_study_file_and_arguments_over_it(folder):
    (folder / "s.toml").write_text(
        f'model = "tiny"\ndata = "{folder}/rows"\nbudget = 4\noptimizer = "list"\n'
        f'no-merge = true\ndb = "{folder}/f.duckdb"\n'
        "[set]\nbatch = 2\nepochs = 1\n"
    )
    study = harness.tune(study=folder / "s.toml", set={"batch": 4}, no_rungs=True, seed=0, progress=False)
    assert {(t["hyperparameters"]["batch"], t["hyperparameters"]["epochs"]) for t in study.document["trials"]} == {
        (4, 1)
    }
    assert (study.document["study"]["budget"], study.db) == (4, f"{folder}/f.duckdb")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"optimiser": "random"}, "harness.tune takes no argument 'optimiser'. Did you mean optimizer?"),
        ({"budget": "40"}, "budget"),
        ({"optimizer": "nomat"}, "nomad"),
        ({"set": {"batch": "many"}}, "batch"),
        ({"objective": "nothing"}, "nothing"),
    ],
)
def test_wrong_arguments_are_sentences_and_leave_no_store(given, sentence, folder):
    with pytest.raises(UsageError, match=sentence):
        tune(folder, **given)
    assert not (folder / "s.duckdb").exists()


def test_a_study_whose_trials_all_fail_says_so(folder, monkeypatch):
    def fail(self: fakes.FakeTrainer, *given: Any) -> Any:
        raise TrialError("the loss is not finite")

    monkeypatch.setattr(fakes.FakeTrainer, "train", fail)
    with pytest.raises(IncompleteError, match="trials of tiny-random-0 failed"):
        tune(folder)


def test_ctrl_c_keeps_what_was_trained_and_says_so(folder, monkeypatch):
    real = fakes.FakeTrainer.train
    trained: list[int] = []

    def train(self: fakes.FakeTrainer, *given: Any) -> Any:
        trained.append(1)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(self, *given)

    monkeypatch.setattr(fakes.FakeTrainer, "train", train)
    with pytest.raises(StoppedError, match="of 4 trials are done; the same command goes on"):
        tune(folder)
    assert harness.open(folder / "s.duckdb").trials().num_rows > 0
    assert len(tune(folder).document["trials"]) == 4
