"""What makes two studies one, and options that make no sense."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.sources import DataError
from harness.errors import HarnessError, ModelError, UsageError
from tests.tuning import fakes
from tuning.store import Store, StudyRow
from tuning.study import presets
from tuning.study.definition import Study, again, plan
from tuning.study.options import Options, read_file, seconds
from tuning.types import Hyperparameters


def test_a_study_comes_back_from_its_json(tmp_path: Path) -> None:
    made = plan(fakes.options(tmp_path, mix="alpaca=0.8,dolly=0.2", sizes="0.6,0.2,0.2")).study
    back = Study.from_dict(json.loads(json.dumps(made.to_dict())))
    assert back == made
    assert back.identity == made.identity
    checkpoint, splits = again(back)
    assert checkpoint.digest == made.base_digest
    assert dict(splits.digests) == dict(made.data_digests)


CHANGES: list[dict[str, Any]] = [
    {"seed": 1},
    {"block": 2},
    {"packed": 2},
    {"preset": "paper-round1"},
    {"preset": "paper-round2", "as_published": True},
    {"optimizer": "nomad"},
    {"objective": "validation,adapter-size"},
    {"constraint": ("adapter-size<=99",)},
    {"no_rungs": True},
    {"data_seed": 1},
    {"sizes": "0.5,0.25,0.25"},
    {"set": {"batch": 4}},
    {"dtype": "bfloat16"},
    {"max_tokens": 99},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_makes_another_study(change: dict[str, Any], tmp_path: Path) -> None:
    usual = fakes.options(tmp_path)
    assert plan(usual.replace(**change)).study.identity != plan(usual).study.identity


SAME: list[dict[str, Any]] = [
    {"budget": 99},
    {"name": "another"},
    {"timeout": "1h"},
    {"keep": 1},
    {"micro_batch": 3},
    {"parallel": 4, "block": 1},
    {"device": "cpu"},
]


@pytest.mark.parametrize("change", SAME, ids=str)
def test_what_may_change_from_session_to_session(change: dict[str, Any], tmp_path: Path) -> None:
    usual = fakes.options(tmp_path)
    assert plan(usual.replace(**change)).study.identity == plan(usual).study.identity


def test_rows_that_moved_are_the_same_study(tmp_path: Path) -> None:
    one = plan(fakes.options(tmp_path)).study
    other = plan(fakes.options(tmp_path, data=str(fakes.rows(tmp_path / "moved")))).study
    assert one.identity == other.identity


def test_the_paper_s_preset(tmp_path: Path) -> None:
    study = plan(fakes.options(tmp_path, preset="paper-round1", budget=None)).study
    assert study.fractions == (1.0,)
    assert [label for label, _ in study.start] == ["paper-default", "peft-default", "common"]
    assert study.start[0][1] == Hyperparameters(8, 32.0, 0.1, 1e-5, epochs=3.0)
    assert plan(fakes.options(tmp_path, preset="paper-round2", budget=None)).budget == 100


RUNGS: list[tuple[dict[str, Any], bool, bool]] = [  # whether there are rungs, and compare by the first objective alone
    ({}, True, True),
    ({"objective": "validation,adapter-size"}, True, False),
    ({"objective": "benchmark:mmlu@2"}, True, True),
    ({"constraint": ("seconds<=9",)}, True, False),
    ({"objective": "validation,adapter-size", "no_rungs": True}, False, True),
    ({"objective": "validation,adapter-size", "preset": "paper-round1"}, False, True),
    ({"objective": "win-rate:reference@2", "prompts": "sample"}, False, True),
]


@pytest.mark.parametrize(("change", "rungs", "by_first"), RUNGS, ids=str)
def test_which_studies_have_rungs(change: dict[str, Any], rungs: bool, by_first: bool, tmp_path: Path) -> None:
    study = plan(fakes.options(tmp_path, **{"optimizer": "random", "budget": None, **change})).study
    assert (len(study.fractions) > 1, study.by_first) == (rungs, by_first)


@pytest.mark.parametrize(
    "change", [RUNGS[1][0], RUNGS[2][0], RUNGS[3][0], {"constraint": ("adapter-size<=99",)}], ids=str
)
def test_a_study_that_was_begun_before_several_had_rungs_goes_on(change: dict[str, Any], tmp_path: Path) -> None:
    """One on all rows, and one whose rungs knew its constraint from the first objective alone."""
    options = fakes.options(tmp_path, **change)
    new = plan(options).study
    constrained = change.get("constraint") == ("adapter-size<=99",)
    before = replace(new, fractions=new.fractions if constrained else (1.0,), by_first=True)
    assert "by_first" not in written(before)
    assert before.identity != new.identity or new.by_first
    Store(options.db).create_study(row_of(before))
    assert plan(options).study == before
    assert plan(options.replace(seed=1)).study.by_first == new.by_first


def written(study: Study) -> dict[str, Any]:
    """A study's configuration as stores had it before studies could say how rungs compare."""
    config = study.to_dict()
    assert config.pop("by_first") is True
    assert Study.from_dict(config) == study
    return config


def row_of(study: Study) -> StudyRow:
    return StudyRow(
        id=study.identity[:32],
        identity=study.identity,
        name="before",
        status="stopped",
        model=study.model,
        base_digest=study.base_digest,
        data_digest=study.data_digest,
        optimizer=study.optimizer,
        seed=study.seed,
        budget=12,
        created=datetime.now(UTC),
        config=written(study),
    )


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": ""}, UsageError, "^model must be given"),
    ({"model": "nowhere-at-all"}, ModelError, "no folder"),
    ({"data": "/no/such/rows"}, DataError, "no"),
    ({"preset": "moderm"}, UsageError, "Did you mean modern"),
    ({"objective": "validaton"}, UsageError, "Did you mean validation"),
    ({"objective": "benchmark:mmlu"}, UsageError, "TASK@N"),
    ({"constraint": ("seconds",)}, UsageError, "seconds<=600"),
    ({"set": {"ranks": 3}}, UsageError, "Did you mean rank"),
    ({"set": {"rank": 3}}, UsageError, "does not search"),
    ({"mix": "alpaca"}, UsageError, "mix="),
    ({"sizes": "1,2"}, UsageError, "sizes="),
    ({"split": "leaky"}, UsageError, "split="),
    ({"budget": 0}, UsageError, "budget="),
    ({"space": {"rank": {"kind": "chioce"}}}, UsageError, "kind"),
]


@pytest.mark.parametrize(("change", "error", "says"), BAD, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense(change: dict[str, Any], error: type[Exception], says: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=says):
        plan(fakes.options(tmp_path, **change))


def test_a_study_file(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        'model = "tiny"\nbudget = 9\nno-rungs = true\nconstraint = ["seconds<=9"]\n'
        '[set]\nbatch = 4\n[space.rank]\nkind = "choice"\nvalues = [4, 8]\n'
    )
    found = Options(**read_file(path))
    assert (found.model, found.budget, found.no_rungs, found.constraint) == ("tiny", 9, True, ("seconds<=9",))
    assert found.set == {"batch": 4}
    made = plan(found.replace(data=str(fakes.rows(tmp_path / "rows"))))
    assert made.study.space.names == ("rank",)
    assert made.study.defaults.batch == 4


@pytest.mark.parametrize("text", ["budget = ", "bugdet = 3", "model = 1\nmodel = 2"])
def test_a_bad_study_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(HarnessError, match=r"study\.toml"):
        read_file(path)
    with pytest.raises(UsageError, match="no study file"):
        read_file(tmp_path / "none.toml")


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("30m", 1800), ("1h30m", 5400), ("2h", 7200), ("1.5s", 1.5)])
def test_times(text: str, value: float) -> None:
    assert seconds(text) == value
    with pytest.raises(UsageError):
        seconds(f"{text} or so")


def test_a_study_that_was_begun_with_a_preset_as_it_was_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own first points and template, and a budget they fit in; another seed begins as the preset is now."""
    with monkeypatch.context() as once:
        once.setitem(presets.PRESETS, "modern", presets.FORMER["modern"])
        begun = fakes.run(tmp_path, budget=3, template="alpaca")  # the only template that there was
    assert {tuple(t.hyperparameters["target_modules"]) for t in begun.ledger.trials} == {("q_proj", "v_proj")}
    assert fakes.run(tmp_path, budget=3).computed is False
    more = fakes.run(tmp_path, budget=5)
    assert (more.row.id, more.ledger.started) == (begun.row.id, 5)
    with pytest.raises(UsageError, match=r"must be 4 or more: .*without-regret"):
        plan(fakes.options(tmp_path, budget=3, seed=1))
    assert [label for label, _ in plan(fakes.options(tmp_path, seed=1)).study.start][-1] == "without-regret"


@pytest.mark.parametrize(
    ("kind", "width", "lr", "is_known"),
    [
        ("llama", 4096, 2.857e-4, True),  # 5e-4 x (2000 / 4096) ** 0.781
        ("llama", 2048, 4.908e-4, True),
        ("qwen3", 2560, 4.905e-4, True),  # 5e-4 x (2000 / 2560) ** 0.0775
        ("qwen2_moe", 1024, 5.266e-4, True),
        ("llama", 64, 2e-3, True),  # held to the range that is searched
        ("gemma3_text", 640, 5e-4, False),
        ("llama", None, 5e-4, False),
    ],
)
def test_the_point_of_lora_without_regret(kind: str, width: int | None, lr: float, is_known: bool) -> None:
    modern = presets.PRESETS["modern"]
    point, notes = presets.without_regret(modern.defaults, kind, width)
    assert (point.rank, point.alpha, point.dropout, point.target_modules) == (32, 32.0, 0.0, ("auto",))
    assert point.lr == pytest.approx(lr, rel=1e-3)
    assert bool(notes) is not is_known
    assert modern.space.point(point, modern.defaults) is not None
