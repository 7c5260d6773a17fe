"""Several adapters live on one engine, over a stand-in that computes each one's merged checkpoint: the calls carry the
adapter that is meant, and each run is the one that it is alone. The engine itself is tested by `make test-vllm`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from harness.backends.vllm import engine, served_adapter
from harness.evaluation.planning import Options
from harness.evaluation.run import run
from harness.evaluation.several import run_several
from harness.models.checkpoint import resolve
from harness.results import Store
from tests.harness.backends import contract
from tests.harness.backends.adapters import make_adapter
from tests.harness.backends.small_server import SmallModel
from tests.harness.backends.vllm.test_engine import Params, StandIn
from tests.harness.runs import assert_same
from tests.models import make_model


class LoRARequest(NamedTuple):
    name: str
    number: int
    path: str


class Engine(StandIn):
    """Answers with the checkpoint that the call's adapter was merged into."""

    def __init__(self, models: Callable[[str], SmallModel], arguments: dict[str, Any]) -> None:
        self.models, self.arguments, self.is_closed = models, arguments, False
        self.numbers: dict[str, int] = {}

    def ask(self, calls: Any) -> Any:
        for key, ids, params, lora in calls:
            if lora is not None:
                assert self.numbers.setdefault(lora.path, lora.number) == lora.number
                assert len(set(self.numbers.values())) == len(self.numbers), "two adapters have one number"
            assert params.prompt_logprobs is None, "it ends an engine that has live adapters"
            self.model = self.models(lora.path if lora else "")
            yield [(key, self.one(ids, params))]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Engine]:
    """The engines that were started, by a vLLM that is not there."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    for name, content in (
        ("vllm", {"SamplingParams": Params}),
        ("vllm.sampling_params", {}),
        ("vllm.lora", {}),
        ("vllm.lora.request", {"LoRARequest": LoRARequest}),
    ):
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    merged: dict[str, SmallModel] = {}
    engines: list[Engine] = []

    def start(arguments: dict[str, Any], window: int, model: Any) -> Engine:
        def checkpoint(adapter: str) -> SmallModel:
            if adapter not in merged:
                path = served_adapter.merged(resolve(adapter), "float32")[0] if adapter else arguments["model"]
                merged[adapter] = SmallModel(Path(path))
            return merged[adapter]

        engines.append(Engine(checkpoint, arguments))
        return engines[-1]

    monkeypatch.setattr(engine, "require", lambda: None)
    monkeypatch.setattr(engine, "recorded_of", lambda arguments: {})
    monkeypatch.setattr(engine, "start", start)
    return engines


def test_each_run_is_the_one_that_it_is_alone_on_one_engine(started: list[Engine], tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", window=contract.WINDOW)
    models = [make_adapter(base, tmp_path / f"adapter-{n}", seed=2 * n) for n in (1, 2)] + [base]
    shared: dict[str, Any] = {"tasks": "mmlu", "data": "sample", "limit": 1, "shots": 1, "backend": "vllm"}
    alone, together = Store(tmp_path / "alone.duckdb"), Store(tmp_path / "together.duckdb")
    for model in models:
        run(Options(model=str(model), db=str(alone.path), lora="live", **shared))
    assert [one.arguments.get("enable_lora", False) for one in started] == [True, True, False]
    started.clear()
    results = dict(run_several([Options(model=str(model), db=str(together.path), **shared) for model in models]))
    (only,) = started
    assert (only.arguments["max_loras"], only.arguments["max_lora_rank"], only.is_closed) == (1, 8, True)
    assert len(only.numbers) == 2
    for place, name in enumerate(("adapter-1", "adapter-2", "base")):
        assert_same(alone, together, name)
        assert results[place].run.config["backend_details"]["lora"] == ("live" if place < 2 else "")
    logprobs = {str([r.logprobs for r in together.responses(one.run.id, "mmlu")]) for one in results.values()}
    assert len(logprobs) == 3, "they do not differ"


def test_a_run_that_was_begun_live_or_merged_goes_on_so(started: list[Engine], tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", window=contract.WINDOW)
    options = [
        Options(
            model=str(make_adapter(base, tmp_path / f"adapter-{n}", seed=n)),
            db=str(tmp_path / "s.duckdb"),
            tasks="mmlu",
            data="sample",
            limit=1,
            shots=0,
            backend="vllm",
        )
        for n in (1, 2)
    ]
    store = Store(tmp_path / "s.duckdb")
    run(options[0])
    live = run(options[1].replace(lora="live")).run
    assert [one.arguments.get("enable_lora", False) for one in started] == [False, True], "auto merges one"
    for one in store.runs():
        store.update(one.id, status="running")
    started.clear()
    assert run(options[1]).run.id == live.id
    assert started[0].arguments["enable_lora"]
    for one in store.runs():
        store.update(one.id, status="running")
    started.clear()
    list(run_several(options))
    assert [one.arguments.get("enable_lora", False) for one in started] == [False, True]
