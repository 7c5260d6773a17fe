"""Every part against the contract suite of its kind. `registered` has the suite look it up as the commands do."""

from __future__ import annotations

from functools import cache
from typing import Any

from example_plugin import backend, command, grader, judge, objective, optimizer, page, task

from harness.models.checkpoint import resolve
from harness.models.loading import load_model, load_tokenizer
from harness.testing import BackendContract, CommandContract, GraderContract, TaskContract
from harness.types import GradeRequest
from judges.testing import JudgeContract, pair
from leaderboard.testing import PageContract
from tuning.testing import ObjectiveContract, OptimizerContract


class TestCapitals(TaskContract):
    make = task.Capitals
    registered = "capitals"


def tiny() -> tuple[Any, Any]:
    """The small model that comes with the product, loaded anew: a backend may change what it is given."""
    checkpoint = resolve("tiny")
    return load_model(checkpoint, "float32"), load_tokenizer(checkpoint)


@cache
def plain() -> backend.Plain:
    return backend.Plain(*tiny())


@cache
def transformers() -> Any:
    from harness.backends.transformers.backend import TransformersLM

    return TransformersLM(*tiny())


class TestPlain(BackendContract):
    entry = backend.make
    registered = "plain"
    make = plain
    reference = transformers


class TestHalton(OptimizerContract):
    make = optimizer.Halton
    registered = "halton"
    learns = False


class TestShorter(JudgeContract):
    make = judge.Shorter
    registered = "shorter"
    better = (pair("Four.", "It is four, I think."), pair("", "4"))


def request(answer: str) -> GradeRequest:
    return GradeRequest("What is 2 + 2?", answer, "Is it brief?", ("1", "2", "3"))


class TestBrief(GraderContract):
    make = grader.Brief
    registered = "brief"
    settings = {"words": 2}  # noqa: RUF012
    bad_settings = ({"word": 2}, {"words": 0})
    better = ((request("Four."), request("It is four, I think.")),)


class TestNorm(ObjectiveContract):
    make = objective.Norm
    registered = "norm"
    words = ("norm", "norm:lora_A")
    bad_words = ("norm:", "norm:lora_C", "norms")


class TestHistory(PageContract):
    page = page.PAGE
    registered = "history"


class TestLatest(CommandContract):
    command = command.latest
    registered = "latest"
