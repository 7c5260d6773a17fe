"""The contract suite of backends (harness.testing) for the transformers backend on a GPU, held against a CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.common import say
from harness.testing import BackendContract
from harness.testing.answers import answers, asked, check_scored
from tests.harness.backends.contract import make


def figures(device: str = "cuda") -> Iterator[dict[str, Any]]:
    """How many tests ended how. A line says each when it has ended."""
    counter = OutcomeCounter(device)
    pytest.main(["-q", "-s", "-p", "no:cacheprovider", __file__], plugins=[counter])
    yield dict(counter.counts)


class OutcomeCounter:
    """A plugin of pytest: the device, and what became of each test."""

    def __init__(self, device: str) -> None:
        self.name, self.counts = device, Counter[str]()

    @pytest.fixture(scope="session")
    def device(self) -> str:
        return self.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.counts[report.outcome] += 1
            problem = {"problem": report.longreprtext[-1000:]} if report.failed else {}
            say(test=report.nodeid.rpartition("::")[2], outcome=report.outcome, **problem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def on_cpu(folder: Path) -> Any:
    return backend_on("cpu", folder)


def backend_on(device: str, folder: Path) -> Any:
    from harness.backends.transformers.backend import TransformersLM
    from harness.models.checkpoint import resolve
    from harness.models.loading import load_model, load_tokenizer

    checkpoint = resolve(str(folder))
    return TransformersLM(load_model(checkpoint, "float32", device), load_tokenizer(checkpoint))


class TestOnDevice(BackendContract):
    @pytest.fixture
    def backend(self, device: str, folder: Path) -> Any:
        return backend_on(device, folder)

    @pytest.fixture
    def right(self, on_cpu: Any) -> Any:
        return on_cpu

    def test_it_computes_there_and_shares_prompts(self, backend: Any, device: str) -> None:
        assert backend.model.device.type == device
        assert backend.warnings == []

    def test_log_probabilities_are_those_of_a_cpu(self, backend: Any, right: Any) -> None:
        scored = asked().scored
        say(largest_difference=check_scored(answers(backend, scored), answers(right, scored)))
