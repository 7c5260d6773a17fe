"""A value that only a plan or a session finds wrong: the sentence names it where it was written, in the study file, on
the command line or in Python, and what stands behind it is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import harness
from harness.errors import UsageError
from tests.harness.runs import cli
from tests.tuning import fakes
from tuning.store import Store
from tuning.study.options import TuneOptions


class Wrong(NamedTuple):
    key: str
    value: Any
    behind: str  # the beginning of what stands behind key and value
    beside: Mapping[str, Any] = {}
    flags: tuple[str, ...] | None = ()  # how the command line writes it; None: it cannot

    @property
    def words(self) -> tuple[str, ...] | None:
        return self.flags or (None if self.flags is None else (f"--{self.key.replace('_', '-')}", str(self.value)))


RANKS = {"kind": "choice", "values": [4, 8]}
CASES = {
    "a budget below the first points": Wrong("budget", 1, " must be 4 or more: so many points come first (paper-def"),
    "a held parameter that is searched": Wrong(
        "set", {"rank": 3}, " must be of what the space does not search, and it searches rank,", {}, ("--set", "rank=3")
    ),
    "held target modules": Wrong(
        "set",
        {"target_modules": "q_porj"},
        ": the base has no module q_porj. Did you mean q_proj?",
        {},
        ("--set", "target_modules=q_porj"),
    ),
    "searched target modules": Wrong(
        "space",
        {"target_modules": {"kind": "choice", "values": ["q_proj", "q_porj"]}},
        ": the base has no module q_porj. Did you mean q_proj?",
        {},
        None,
    ),
    "as published of another preset": Wrong(
        "as_published", True, " belongs to the paper's presets, and modern is not one", {}, ("--as-published",)
    ),
    "two objectives of an optimizer of one": Wrong(
        "objective", "validation,memory", ": gp has one objective, and 2 are asked.", {"optimizer": "gp"}
    ),
    "a constraint of an optimizer of none": Wrong(
        "constraint", "seconds<=1", ": cma-es knows no constraints.", {"optimizer": "cma-es"}
    ),
    "a study that is not there": Wrong("warm_start", "none", ": There is no study 'none' in "),
    "a revision of what is no hub id": Wrong("revision", "x", " goes with a hub id, and tiny is embedded."),
    "no address of a cluster": Wrong("ray", "nowhere", " must be HOST:PORT, or auto for the cluster of this machine."),
    "no cluster at an address": Wrong("ray", "127.0.0.1:1", ": there is no Ray cluster: "),
    "prompts that fill each row": Wrong("max_tokens", 3, ": None of 34 train rows has any of its response within 3 to"),
}


@pytest.fixture
def usual(tmp_path: Path) -> dict[str, Any]:
    """Options of a study that could be, on the embedded model; the store has one of another seed."""
    fakes.run(tmp_path, budget=4, seed=1)
    files = {"data": str(tmp_path / "rows"), "db": str(tmp_path / "s.duckdb")}
    return {"model": "tiny", **files, "optimizer": "random", "device": "cpu"}


def toml_of(values: Mapping[str, Any]) -> str:
    """JSON's scalars and lists are TOML's too; tables are written inline."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def in_toml(key: str, value: Any) -> str:
    """As the sentence names it."""
    if not isinstance(value, Mapping):
        return f"{key} = {json.dumps([value] if key == 'constraint' else value)}"
    ((name, inner),) = value.items()
    return f"[{key}.{name}]" if isinstance(inner, Mapping) else f"[{key}] {name} = {json.dumps(inner)}"


def words_of(values: Mapping[str, Any]) -> list[str]:
    return [word for key, value in values.items() for word in (f"--{key.replace('_', '-')}", str(value))]


def refusal(*words: object) -> str:
    """What `harness tune` ends with; how far the trials are may stand before it."""
    code, _, errors = cli("tune", *words)
    assert code == 2
    return errors.splitlines()[-1]


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_names_the_place_of_the_value(case: str, usual: dict[str, Any], tmp_path: Path) -> None:
    wrong = CASES[case]
    beside = {**usual, **wrong.beside}
    study = tmp_path / "study.toml"
    study.write_text(toml_of({**beside, wrong.key: wrong.value}))

    with pytest.raises(UsageError) as caught:
        harness.tune(**{**beside, wrong.key: wrong.value}, progress=False)
    text = str(caught.value)
    assert text.startswith(f"{wrong.key}="), text
    behind = text[text.index(wrong.behind) :]  # in Python a value is written as Python does

    expected = f"{study}: {in_toml(wrong.key, wrong.value)}{behind}"
    with pytest.raises(UsageError) as caught:
        harness.tune(study=study, progress=False)
    assert str(caught.value) == expected
    assert refusal("--study", study) == f"harness: {expected}"

    if wrong.words is not None:
        shown = " ".join(wrong.words)
        assert refusal(*words_of(beside), *wrong.words) == f"harness: {shown}{behind}"
    assert [row.seed for row in Store(usual["db"]).studies()] == [1]


def test_of_two_places_the_one_that_counts_is_named(usual: dict[str, Any], tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(toml_of({**usual, "budget": 9}))
    assert "harness: --budget 1 must be 4 or more" in cli("tune", "--study", study, "--budget", 1)[2]
    with pytest.raises(UsageError, match=r"^budget=1 must be 4 or more"):
        harness.tune(study=study, budget=1, progress=False)

    study.write_text(toml_of({**usual, "set": {"rank": 3}}))
    text = f"{study}: [set] rank = 3 must be of what the space does not search"
    assert text in cli("tune", "--study", study, "--set", "batch=4")[2]
    with pytest.raises(UsageError, match=r"study\.toml: \[set\] rank = 3 must be"):
        harness.tune(study=study, set={"batch": 4}, progress=False)
    study.write_text(toml_of({**usual, "set": {"batch": 4}}))
    words = ["--set", "epochs=1", "--set", "rank=3"]
    assert "harness: --set rank=3 must be of what" in cli("tune", "--study", study, *words)[2]


def test_a_default_is_named_as_the_option_that_changes_it(usual: dict[str, Any], tmp_path: Path) -> None:
    """Prompts of more than 512 tokens, and nobody said how many there may be."""
    words = [f"{number}" * 900 for number in range(1000, 1040)]
    rows = [{"instruction": word, "input": "", "output": "x"} for word in words]
    (tmp_path / "rows" / "alpaca.json").write_text(json.dumps(rows))
    study = tmp_path / "study.toml"
    study.write_text(toml_of({**usual, "mix": "alpaca=1"}))
    assert "harness: --max-tokens 512: None of 28 train rows" in cli("tune", "--study", study)[2]


def test_a_model_must_be_given() -> None:
    assert refusal() == "harness: --model must be given: a folder, a hub id, or tiny."
    with pytest.raises(UsageError, match=r"^model must be given: a folder, a hub id, or tiny\.$"):
        harness.tune(progress=False)


def test_a_number_of_finalists(usual: dict[str, Any], tmp_path: Path) -> None:
    result = fakes.run(tmp_path, budget=4)
    for name, value in (("k", 0), ("spread", -1), ("seeds", 0)):
        code, _, errors = cli("tune", "top", result.row.id, f"--{name}", value, "--db", tmp_path / "s.duckdb")
        assert (code, f"harness: --{name} {value} must be a whole number from" in errors) == (2, True)
        wrong: dict[str, Any] = {name: value}
        with pytest.raises(UsageError, match=rf"^{name}={value} must be a whole number from"):
            harness.tune(**dict(fakes.options(tmp_path, budget=4)), progress=False).finalists(**wrong)


def test_an_option_error_travels_whole() -> None:
    """From the worker that met it."""
    import pickle

    from harness.options import OptionError

    error = OptionError("max_tokens", 3, ": too few.", 1)
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), vars(back), str(back)) == (OptionError, vars(error), "max_tokens=3: too few.")


def test_every_case_is_an_option() -> None:
    assert {wrong.key for wrong in CASES.values()} <= set(TuneOptions.model_fields)
