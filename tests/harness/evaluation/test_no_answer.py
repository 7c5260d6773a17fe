"""The run makes no score of what is not a number, also where a task, a plug-in's for example, overlooks it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from harness import registry
from harness.evaluation.no_answer import NOT_A_NUMBER
from harness.evaluation.planning import Options
from harness.evaluation.run import run
from harness.results import Store
from harness.types import Request, Response
from tests.harness.runs import Scripted

COUNTRIES = ("France", "Peru", "Egypt")


class Broken(Scripted):
    """Not a number for the capital of one country, and the first option for others."""

    def __init__(self, country: str, value: float) -> None:
        super().__init__()
        self.country, self.value = country, value

    def _one(self, request: Request) -> Response:
        logprobs = (-1.0, -2.0, -3.0)
        if self.country in request.prompt.own:  # type: ignore[union-attr]
            logprobs = (self.value, -2.0, -3.0)
        return Response(logprobs=logprobs, greedy=(False,) * 3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("country", COUNTRIES)
def test_a_task_that_overlooks_it(country: str, value: float, plugged: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    options = Options(model="tiny", tasks="capitals", db=str(store.path))
    result = run(options, make=lambda plan: (Broken(country, value), []))
    (sample,) = [sample for sample in store.samples(result.run.id, "capitals") if sample.item == country]
    assert (sample.metrics, sample.note) == ({"acc": 0.0}, NOT_A_NUMBER)
    (score,) = result.scores
    assert score.value == (0 if country == "France" else 1 / 3)  # the first option is Paris
    assert any(f"capitals: 1 of 3 answers count as not right: {NOT_A_NUMBER}" in w for w in result.run.warnings)


def test_a_figure_that_is_no_number(plugged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capitals = registry.load("tasks", "capitals").__self__
    summarize = capitals.summarize

    def broken(self, samples):
        (score,) = summarize(self, samples)
        return [score, replace(score, metric="odds", value=math.nan)]

    monkeypatch.setattr(capitals, "summarize", broken)
    store = Store(tmp_path / "s.duckdb")
    options = Options(model="tiny", tasks="capitals", db=str(store.path))
    result = run(options, make=lambda plan: (Broken("none", 0.0), []))
    assert [score.metric for score in result.scores] == ["acc"]
    assert "capitals: no figure for odds of all: it is not a number" in result.run.warnings
