"""The grader `model` keeps the public contract: at a server here; tests of runs have one that is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from harness.testing import GraderContract
from harness.types import Grader, GradeRequest
from judges.grading.model_grader import ModelGrader
from tests.judges.grading.server import grading

REQUEST = GradeRequest("What is 2 + 2?", "It is four.", "Is it right?", ("1", "2", "3", "4", "5"), "4")


def _made(settings: Mapping[str, Any], where: str) -> Grader:
    return ModelGrader.of(settings, where)


class TestModelGrader(GraderContract):
    make = _made
    registered = "model"
    settings: ClassVar[Any] = {}
    bad_settings = (
        {},
        {"model": "j", "base_url": "127.0.0.1/v1"},
        {"model": "j", "base_url": "http://127.0.0.1/v1", "price_in": 1.0},
        {"model": "j", "base_url": "http://127.0.0.1/v1", "device": "cpu"},
        {"model": "tiny", "temperature": -1.0},
        {"model": "tiny", "max_tokens": 0},
        {"model": "tiny", "max-cost": 1.0},
    )
    better = ((REQUEST, replace(REQUEST, answer="5")), (replace(REQUEST, reference=""), replace(REQUEST, answer="")))

    @pytest.fixture(autouse=True)
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with grading() as (server, _):
            monkeypatch.setattr(type(self), "settings", {"model": "j", "base_url": server.url, "attempts": 1})
            yield

    @property
    def part(self) -> Any:
        return ModelGrader.of
