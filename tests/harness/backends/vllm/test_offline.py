"""The contract over vLLM's own engine, in this process: `make test-vllm` (needs vllm; one engine at a time)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is in an environment of its own: make test-vllm")

from harness import backends
from harness.backends.vllm.engine import PROMPT_LOGPROBS
from harness.evaluation.planning import Options, make_plan
from harness.evaluation.run import run
from harness.results import Store
from harness.types import Choice, Prompt
from tests.harness.backends import contract
from tests.harness.backends.vllm.counters import computed

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def options(folder, tmp_path_factory) -> Options:
    db = tmp_path_factory.mktemp("store") / "s.duckdb"
    return Options(
        model=str(folder), tasks="mmlu,drop", db=str(db), data="sample", limit=4, max_new_tokens=6, backend="vllm"
    )


@pytest.fixture(scope="module")
def backend(options) -> Iterator[Any]:
    plan = make_plan(options)
    made, warnings = backends.make("vllm", plan.model, plan.settings)
    assert warnings == []
    yield made
    made.close()


@pytest.fixture
def rows(request) -> str:
    """The real rows, or the bundled sample where they are not there."""
    try:
        return str(request.getfixturevalue("shared_data"))
    except pytest.skip.Exception:
        return "sample"


def test_the_contract(backend, folder, rows, record_property) -> None:
    found = contract.check_all(backend, folder, rows)
    print(f"\nvllm, offline: {found}")
    assert PROMPT_LOGPROBS in backend.warnings
    assert found["questions"] >= 20


def test_what_prompts_share_is_computed_once(backend, folder) -> None:
    """By vLLM's own counters; they agree with what the answers say."""
    shared = " ".join(f"word{n}" for n in range(300)) + "\n\n"
    questions = [Choice(Prompt(shared, f"Is it {n}?\nAnswer:"), (" A", " B")) for n in range(40)]
    before = computed()
    found = contract.answers(backend, questions)
    went_through = computed() - before
    asked = sum(r.asked for r in found.values())
    assert went_through == sum(r.asked - r.reused for r in found.values())
    assert went_through < asked / 5


def test_a_run_and_its_resume(backend, options, folder) -> None:
    """Half a run, cut off between batches; what follows asks the rest only, and scores as transformers does."""

    class CutOff(Exception):
        pass

    class Half:
        info, warnings = backend.info, backend.warnings

        def answer(self, requests: Any, done: Any = ()) -> Any:
            answered = 0
            for batch in backend.answer(requests, done):
                yield batch
                answered += len(batch)
                if answered >= len(requests) // 2:
                    raise CutOff

        def close(self) -> None:
            """The fixture's is closed by the fixture."""

    with pytest.raises(CutOff):
        run(options, make=lambda plan: (Half(), []))
    store = Store(options.db)
    (left,) = store.runs()
    kept = len(store.answered(left.id, "mmlu"))
    result = run(options, make=lambda plan: (backend, []))
    assert (result.run.id, result.run.status) == (left.id, "finished")
    assert result.resumed == kept > 0
    right = run(options.replace(db=options.db + ".other", backend="transformers"))
    assert [(s.task, s.group, s.value) for s in result.scores] == [(s.task, s.group, s.value) for s in right.scores]
    assert result.run.identity == right.run.identity  # the backend is not what makes two runs different
