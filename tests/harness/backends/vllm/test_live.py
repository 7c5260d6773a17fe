"""Live LoRA in vLLM's engine against the adapter in transformers: `make test-vllm`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is in an environment of its own: make test-vllm")

from harness import backends
from harness.backends.vllm import served_adapter
from harness.errors import ModelError
from harness.evaluation.planning import Options, make_plan
from harness.models.checkpoint import resolve
from tests.harness.backends import contract
from tests.harness.backends.adapters import make_adapter

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter") / "lora")


def plan_for(adapter: Path, lora: str) -> Any:
    return make_plan(Options(model=str(adapter), tasks="mmlu", data="sample", backend="vllm", lora=lora))


@pytest.fixture(scope="module")
def live(adapter) -> Iterator[Any]:
    plan = plan_for(adapter, "live")
    made, _ = backends.make("vllm", plan.model, plan.settings)
    yield made
    made.close()


def test_the_contract_with_a_live_adapter(live, adapter) -> None:
    """The measure is the merged checkpoint in transformers."""
    folder, _ = served_adapter.merged(resolve(str(adapter)), "float32")
    found = contract.check_all(live, folder, "sample", items=3, adapted=True)
    print(f"\nvllm, live LoRA: {found}, against transformers {live.info.details['apart_from_transformers']:.2g}")


def test_an_adapter_that_the_engine_drops_is_found_out(live, adapter, base) -> None:
    """vLLM takes an adapter whose module names fit nothing, and answers as the base."""
    from vllm.lora.request import LoRARequest

    wrong = make_adapter(base, adapter.parent / "wrong", damage="names")
    (told,) = served_adapter.live([resolve(str(adapter))], "float32")
    right, live.lora = live.lora, LoRARequest("wrong", 2, str(wrong))
    try:
        with pytest.raises(ModelError, match=r"does not apply the adapter|vLLM's engine stopped"):
            live.check(told, resolve(str(adapter)), "float32", True)
    finally:
        live.lora = right
    assert live.check(told, resolve(str(adapter)), "float32", True) < 1e-3


@pytest.mark.parametrize("lora", ["live", "merge"])
@pytest.mark.parametrize("damage", ["names", "zero", "digest"])
def test_wrong_adapters_stop_before_the_engine_starts(base, tmp_path, damage, lora) -> None:
    wrong = make_adapter(base, tmp_path / "wrong", damage=damage)

    def load() -> None:
        plan = plan_for(wrong, lora)
        backends.make("vllm", plan.model, plan.settings)

    with pytest.raises(ModelError, match=r"fits no module|does not fit|matrices are zero|with the digest"):
        load()
