"""A value that only a session finds wrong is named as it was written: the flag, or Python's argument."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from tests.harness.runs import cli
from tests.judges.make import answered, words
from tests.models import make_model


def test_models_prompts_and_prices(tmp_path: Path) -> None:
    db = str(answered(tmp_path / "s.duckdb", {"a": words("a"), "b": words("b")}).path)
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"models": "a"}, "models=('a',)", " is one model: a comparison takes two models or more, or one and another "),
        ({"models": "a,b", "prompts": "x"}, 'prompts="x"', " names no prompt sets in "),
        ({"models": "a,b", "max_cost": 1.0}, "max_cost=1.0", ": a cost needs both of the judge's prices, "),
        ({"models": "a,b", "price_in": 1.0}, "price_in=1.0", ": a cost needs both of the judge's prices, "),
    ]
    for given, label, behind in cases:
        with pytest.raises(UsageError) as caught:
            harness.judge(**given, judge="j", db=db, progress=False)
        assert str(caught.value).startswith(label + behind)
        flags = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        code, _, errors = cli("judge", *flags, "--judge", "j", "--db", db)
        flag = " ".join(flags[-2:])
        assert (code, errors.startswith(f"harness: {flag}{behind}")) == (2, True), errors
    assert "price_in" not in cli("judge", "--models", "a,b", "--judge", "j", "--max-cost", 1, "--db", db)[2]


def test_models_that_answered_several_prompt_sets(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    answered(path, {"a": words("a")})
    answered(path, {"b": words("b")}, prompts="q" * 64)
    behind = " must be given: one of the prompt sets that these models answered (a: pppppppp, b: qqqqqqqq)."
    with pytest.raises(UsageError, match=rf"^prompts{re.escape(behind)}$"):
        harness.judge("a,b", "j", db=path, progress=False)
    assert cli("judge", "--models", "a,b", "--judge", "j", "--db", path)[::2] == (2, f"harness: --prompts{behind}\n")


def test_a_template_that_a_model_does_not_have(tmp_path: Path) -> None:
    model = make_model(tmp_path / "plain")
    (model / "chat_template.jinja").unlink()
    behind = f": {model} has no chat template; alpaca and plain need none."
    with pytest.raises(UsageError) as caught:
        harness.answer(model, "sample", template="chat", db=tmp_path / "s.duckdb", progress=False)
    assert str(caught.value) == f'template="chat"{behind}'
    flags = ["--model", model, "--prompts", "sample", "--template", "chat", "--db", tmp_path / "s.duckdb"]
    assert cli("answer", *flags)[::2] == (2, f"harness: --template chat{behind}\n")


def test_the_prompt_set_of_a_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.options import OptionError, not_given
    from judges.ranking import evidence

    for error, flag, argument in (
        (not_given("prompts", "one of a, b"), "--prompts must be given: one of a, b.", "prompts must be given: one of"),
        (OptionError("prompts", "x", ": no such one."), "--prompts x: no such one.", 'prompts="x": no such one.'),
    ):

        def gather(*_: object, error: UsageError = error) -> None:
            raise error

        monkeypatch.setattr(evidence, "gather", gather)
        assert cli("ranking", "--db", tmp_path / "s.duckdb")[::2] == (2, f"harness: {flag}\n")
        with pytest.raises(UsageError) as caught:
            harness.rank(db=tmp_path / "s.duckdb")
        assert str(caught.value).startswith(argument)
