"""Every option × what it cannot be, in a study file and as a flag: one sentence that names key and value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sources import DataError
from harness.errors import ModelError, UsageError
from harness.options.row_columns import columns_of
from tests.harness.runs import cli
from tests.tuning import fakes
from tuning.objectives.training_objectives import Validation
from tuning.store import Store
from tuning.study import session
from tuning.study.options import Options, read_file
from tuning.study.row_options import mix_of, sizes_of
from tuning.study.space import HELD, Space, held_values

COUNTS = ("block", "budget", "max_tokens", "micro_batch", "processes", "parallel", "packed")
SEEDS = ("seed", "data_seed", "keep")
FLAGS = ("as_published", "no_rungs", "add_bos", "load_in_4bit", "gradient_checkpointing", "no_merge")
TABLES = ("space", "set")
TEXTS = tuple(name for name in Options.model_fields if name not in (*COUNTS, *SEEDS, *FLAGS, *TABLES, "constraint"))
OF_TOML = {  # as TOML writes them
    "text": '"40"',
    "empty": '""',
    "blank": '" "',
    "float": "4.5",
    "whole float": "40.0",
    "negative": "-3",
    "zero": "0",
    "huge": "1" + "0" * 400,
    "nan": "nan",
    "inf": "inf",
    "bool": "true",
    "list": "[1]",
    "empty list": "[]",
    "table": "{a = 1}",
    "date": "2026-01-01",
}
NO_NUMBER = [word for word in OF_TOML if word not in ("zero",)]
WRONG = {
    **{name: [*NO_NUMBER, "zero"] for name in COUNTS},
    **{name: list(NO_NUMBER) for name in SEEDS},
    **{name: [word for word in OF_TOML if word != "bool"] for name in FLAGS},
    **{name: [word for word in OF_TOML if word != "table"] for name in TABLES},
    **{name: [word for word in OF_TOML if word not in ("text", "empty", "blank")] for name in TEXTS},
    "constraint": [word for word in OF_TOML if word not in ("empty list",)],
}
WRONG["timeout"] = ["empty", "blank", "negative", "nan", "inf", "bool", "list", "table", "date", "empty list"]
CASES = [(name, kind) for name, kinds in WRONG.items() for kind in kinds]


def test_every_option_is_tried() -> None:
    assert set(WRONG) == set(Options.model_fields)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_a_wrong_value_in_a_file_is_one_sentence(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f"{name} = {OF_TOML[kind]}\n")
    with pytest.raises(UsageError) as caught:
        read_file(path)
    sentence = str(caught.value)
    assert "study.toml: " in sentence
    assert name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 700
    if kind not in ("table", "huge", "date", "blank"):
        assert OF_TOML[kind] in sentence


WORDS = [
    ("split", "leaky"),
    ("preset", "moderm"),
    ("optimizer", "nomat"),
    ("dtype", "float3"),
    ("device", "gpu"),
    ("judge_url", "localhost"),
    ("timeout", "soon"),
    ("objective", "validaton"),
    ("objective", "validation,validation"),
    ("objective", "validation,"),
    ("objective", "benchmark:none@3"),
    ("objective", "benchmark:mmlu@0"),
    ("objective", "win-rate:x"),
    ("constraint", "seconds"),
    ("constraint", "seconds<=nan"),
    ("constraint", "seconds<=inf"),
    ("constraint", "seconds<=-1"),
    ("mix", "alpaca=0.7,dolly=0.4"),
    ("mix", "alpaca=0.7,dolly=nan"),
    ("mix", "alpaca=1.5,dolly=-0.5"),
    ("mix", "alpaca=0.5,alpaca=0.5"),
    ("mix", "alpaka=1"),
    ("mix", "alpaca"),
    ("mix", "my.jsonl=0.5,my.txt=0.5"),
    ("columns", "frage"),
    ("columns", "instruction="),
    ("columns", "question=frage"),
    ("columns", "input=a,output=a"),
    ("sizes", "0.7,0.2,0.2"),
    ("sizes", "0.7,0.2"),
    ("sizes", "7,nan,1"),
    ("sizes", "-7,1,1"),
    ("sizes", "0,1,1"),
    ("sizes", "5.0,1,1"),
    ("sizes", "1e400,1,1"),
    ("sizes", "a,b,c"),
]


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_a_word_that_means_nothing(name: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f'{name} = "{word}"\n')
    with pytest.raises(UsageError, match=r"study\.toml: ") as caught:
        read_file(path)
    assert name in str(caught.value)
    assert word in str(caught.value)
    change: dict[str, Any] = {name: (word,) if name == "constraint" else word}
    with pytest.raises(UsageError) as caught:
        Options().replace(**change)
    assert f"{name}=" in str(caught.value)
    assert word in str(caught.value)


BAD_SPACES: list[dict[str, Any]] = [
    {"rank": {"kind": "integer", "low": 1, "high": 10**9}},
    {"rank": {"kind": "choice", "values": [10**9]}},
    {"rank": {"kind": "choice", "values": [-4]}},
    {"rank": {"kind": "choice", "values": [4.5]}},
    {"rank": {"kind": "choice", "values": [True]}},
    {"rank": {"kind": "choice", "values": [float("nan")]}},
    {"rank": {"kind": "choice", "values": [[4]]}},
    {"rank": {"kind": "choice", "values": {"a": 4}}},
    {"rank": {"kind": ["choice"], "values": [4]}},
    {"rank": {"kind": 3}},
    {"rank": {"kind": "real", "low": 4, "high": 16}},
    {"rank": {"kind": "stepped", "low": 4, "high": 16, "step": 2.5}},
    {"rank": {"kind": "stepped", "low": 4, "high": 16, "step": 20}},
    {"rank": {"kind": "stepped", "low": 4, "high": 16, "step": -4}},
    {"rank": {"kind": "stepped", "low": 4, "high": 16, "step": float("nan")}},
    {"rank": {"kind": "integer", "low": 10**400, "high": 10**400}},
    {"rank": {"kind": "integer", "low": True, "high": 4}},
    {"lr": {"kind": "log", "low": float("nan"), "high": 1}},
    {"lr": {"kind": "log", "low": 1e-5, "high": float("inf")}},
    {"lr": {"kind": "log", "low": 1e-5, "high": 10**400}},
    {"lr": {"kind": "log", "low": "1e-5", "high": 1e-3}},
    {"dropout": {"kind": "choice", "values": [0.0, 1.5]}},
    {"batch": {"kind": "log", "low": 1, "high": 64}},
    {"rank": [4, 8]},
    {"rank": "choice"},
    {},
]


@pytest.mark.parametrize("space", BAD_SPACES, ids=str)
def test_a_space_that_cannot_be(space: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Space.from_dict(space)
    assert all(name in str(caught.value) for name in space)


BAD_HELD = ["x", "", True, None, [], [1], {}, float("nan"), float("inf"), -1, 10**400, 1e9]


@pytest.mark.parametrize("value", BAD_HELD, ids=str)
@pytest.mark.parametrize("name", HELD)
def test_a_hyperparameter_that_cannot_be_held(name: str, value: Any) -> None:
    if (name, value) in (("target_modules", "x"), ("rslora", True), ("dora", True)):
        assert held_values({name: value})
        return
    with pytest.raises(UsageError, match=name):
        held_values({name: value})


def test_held_values_are_as_a_trainer_takes_them() -> None:
    held = held_values({"rank": 8.0, "epochs": 2, "target_modules": ["q_proj", "k_proj"], "dora": True})
    assert held == {"rank": 8, "epochs": 2, "target_modules": ("q_proj", "k_proj"), "dora": True}
    assert isinstance(held["rank"], int)


def test_a_file_may_say_it_in_two_ways(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('constraint = "seconds<=600"\ntimeout = 3600\n')
    assert read_file(path) == {"constraint": ("seconds<=600",), "timeout": "3600"}
    path.write_text("no-rungs = true\nno_rungs = false\n")
    with pytest.raises(UsageError, match="stands twice"):
        read_file(path)


@given(text=st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_shares_and_sizes_or_a_sentence(text: str) -> None:
    for read in (mix_of, sizes_of, columns_of):
        try:
            read(text)
        except UsageError:
            continue


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fakes.rows(tmp_path / "rows")
    real = session.run
    monkeypatch.setattr(session, "run", lambda *a, **k: real(*a, **{**k, "setup": fakes.setup()}))
    return tmp_path


@pytest.mark.parametrize("value", ["-1", "0", "1.5", "x", "", "nan", "99999999999"])
@pytest.mark.parametrize("name", [*COUNTS, *SEEDS])
def test_a_wrong_number_as_a_flag(name: str, value: str, folder: Path) -> None:
    if name in SEEDS and value == "0":
        return
    flag = f"--{name.replace('_', '-')}"
    code, _, errors = cli("tune", "--model", "tiny", "--db", folder / "s.duckdb", flag, value)
    assert code == 2, errors
    assert flag in errors
    assert value in errors
    assert "Traceback" not in errors
    assert not (folder / "s.duckdb").exists()


def test_zero_false_and_empty_flags_come_before_the_file(folder: Path) -> None:
    path = folder / "s.toml"
    path.write_text(
        f'model = "tiny"\ndata = "{folder}/rows"\nmix = "alpaca=0.8,dolly=0.2"\nbudget = 4\noptimizer = "random"\n'
        f'seed = 7\ndata_seed = 7\nkeep = 5\nno-rungs = true\nno-merge = true\ndb = "{folder}/file.duckdb"\n'
    )
    words = ["tune", "--study", path, "--seed", 0, "--data-seed", 0, "--keep", 0, "--mix", "", "--rungs"]
    code, _, errors = cli(*words)
    assert code == 0, errors
    store = Store(folder / "file.duckdb")
    (row,) = store.studies()
    assert (row.seed, row.config["data_seed"], row.config["mix"]) == (0, 0, None)
    assert len(row.config["fractions"]) > 1
    assert not any(attempt.adapter for attempt in store.attempts(row.id))
    assert cli(*words, "--db", folder / "flag.duckdb")[0] == 0
    assert len(Store(folder / "flag.duckdb").studies()) == 1
    code, _, errors = cli(*words, "--name", "")
    assert code == 2
    assert "--name" in errors


def test_a_sweep_of_sizes_that_cannot_be(folder: Path) -> None:
    for sizes, sweep in (("", "a"), ("", "0.9"), ("1,2", "3"), ("20,5,5", ""), ("20,5,5", "4,-1")):
        code, _, errors = cli("tune", "--model", "tiny", "--sizes", sizes, "--sweep-validation", sweep)
        assert code == 2, errors
        assert ("--sizes 1,2" if sizes == "1,2" else "--sweep-validation") in errors
        assert "Traceback" not in errors


REFUSED: list[tuple[list[object], int]] = [
    (["--optimizer", "nomat"], 2),
    (["--optimizer", "gp", "--objective", "validation,memory"], 2),
    (["--optimizer", "cma-es", "--constraint", "seconds<=1"], 2),
    (["--optimizer", "nomad", "--objective", "validation,memory,seconds"], 2),
    (["--objective", "validaton"], 2),
    (["--objective", "win-rate:j@2", "--prompts", "/none/prompts.jsonl"], 3),
    (["--timeout", "soon"], 2),
    (["--ray", "127.0.0.1:1"], 2),
    (["--ray", "127.0.0.1:99999"], 2),
    (["--data", "/none"], 3),
    (["--model", "/none"], 4),
    (["--warm-start", "none"], 2),
]


@pytest.mark.parametrize(("words", "expected"), REFUSED, ids=str)
def test_a_study_that_is_refused_is_not_there(words: list[object], expected: int, folder: Path) -> None:
    db = folder / "s.duckdb"
    usual = ["tune", "--model", "tiny", "--data", folder / "rows", "--budget", 4, "--db", db, "--no-merge"]
    assert cli(*usual, "--optimizer", "random")[0] == 0
    code, _, errors = cli(*usual, "--seed", 5, *words)
    assert code in (expected, 2), errors
    assert "Traceback" not in errors
    (row,) = Store(db).studies()
    assert row.status == "finished"
    assert not list(folder.glob("*.run-*"))


REFUSALS = [UsageError, ModelError, DataError]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_while_the_first_trial_is_measured_leaves_nothing(
    refusal: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only an objective finds out."""

    def refusing(*_: object) -> float:
        raise refusal("there is nothing to measure on")

    monkeypatch.setattr(Validation, "measure", refusing)
    with pytest.raises(refusal, match="nothing to measure on"):
        fakes.run(tmp_path, budget=4)
    assert Store(tmp_path / "s.duckdb").studies() == []


@pytest.mark.parametrize("made", REFUSALS)
def test_a_refusal_while_the_search_begins_leaves_nothing(made: type[Exception], tmp_path: Path) -> None:
    """What only the trainer finds out, as it loads the base; a study that had begun before stays."""

    def refusing(plan: Any, options: Options) -> Any:
        def setup() -> Any:
            raise made("this model cannot be used")

        return setup

    with pytest.raises(made, match="cannot be used"):
        session.run(fakes.options(tmp_path, budget=4), setup=refusing)
    store = Store(tmp_path / "s.duckdb")
    assert not store.exists()
    fakes.run(tmp_path, budget=4)
    with pytest.raises(made):
        session.run(fakes.options(tmp_path, budget=5), setup=refusing)
    (row,) = store.studies()
    assert row.status == "stopped"
    assert len(json.dumps(store.trials(row.id), default=str)) > 2
