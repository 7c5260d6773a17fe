"""Which engine answers: what `auto` means, and options that fit no engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness import backends
from harness.errors import UsageError
from harness.evaluation.planning import Options, Plan, make_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(Options(model="tiny", tasks="drop", data="sample", limit=1))


def chosen(plan: Plan, device: str, has_vllm: bool, monkeypatch: Any, **options: Any) -> str:
    monkeypatch.setattr(backends, "find_spec", lambda name: object() if has_vllm else None)
    changed = replace(plan, device=device, options=plan.options.replace(**options))
    return backends.choose(changed.options.backend, changed.model)


def test_auto_is_vllm_where_it_and_a_gpu_are_present(plan, monkeypatch) -> None:
    assert chosen(plan, "cuda", True, monkeypatch) == "vllm"
    assert chosen(plan, "cuda", False, monkeypatch) == "transformers"
    assert chosen(plan, "cpu", True, monkeypatch) == "transformers"
    assert chosen(plan, "cuda", True, monkeypatch, load_in_4bit=True) == "transformers"
    assert chosen(plan, "cuda", True, monkeypatch, backend="transformers") == "transformers"
    assert chosen(plan, "cpu", True, monkeypatch, backend="vllm") == "vllm"


def test_names_that_are_none(plan, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"Did you mean vllm\?"):
        chosen(plan, "cpu", True, monkeypatch, backend="vlm")
    with pytest.raises(UsageError, match=r'^backend="endpoint" asks a server: .* `served_name`'):
        chosen(plan, "cpu", True, monkeypatch, backend="endpoint")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lora": "both"}, 'lora="both" must be one of auto, merge, live'),
        ({"tensor_parallel": 0}, "tensor_parallel=0 must be a whole number from 1 up"),
        ({"data_parallel": -1}, "data_parallel=-1 must be a whole number from 1 up"),
        ({"gpu_memory": 1.5}, "gpu_memory=1.5 must be a part"),
        ({"concurrency": 4}, "^concurrency=4 goes with a server"),
        ({"tokenizer": "x"}, '^tokenizer="x" goes with a server'),
    ],
)
def test_options_that_do_not_fit(options, said) -> None:
    with pytest.raises(UsageError, match=said):
        make_plan(Options(model="tiny", tasks="drop", data="sample", **options))


def test_parallel_engines_are_not_another_run(plan) -> None:
    other = make_plan(plan.options.replace(tensor_parallel=2, data_parallel=2, lora="live", gpu_memory=0.5))
    assert other.identity == plan.identity
