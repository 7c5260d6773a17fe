"""Adapters come and go on a base in memory, and each gives the numbers that it gives on a base of its own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ModelError
from harness.models import loaded_base
from harness.models.adapter import logits, merge_for_run
from harness.models.attach import attach
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.loaded_base import LoadedBase
from harness.models.loading import load_model
from tests.harness.models.test_adapter import KINDS, TIED, make_adapter
from tests.models import make_model


def adapters(root: Path, base: Path, kinds: dict[str, dict[str, Any]]) -> list[Checkpoint]:
    return [resolve(str(make_adapter(root / name.replace(" ", "-"), base, **kinds[name]))) for name in kinds]


def alone(adapter: Checkpoint, dtype: str) -> Any:
    assert adapter.base
    return logits(merge_for_run(attach(load_model(adapter.base, dtype), adapter), adapter)[0])


def loaded(base: Path, dtype: str = "float32") -> LoadedBase:
    return LoadedBase(functools.partial(load_model, resolve(str(base)), dtype), base)


WEIGHTS_ONLY = ("plain", "rslora", "dora", "all-linear", "patterns", "embedding")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("arch", "kinds", "loads"),
    [
        ("llama", {name: KINDS[name] for name in WEIGHTS_ONLY}, 1),
        ("gpt2", {"plain": {}, "dora": KINDS["dora"], "untied": {"target_modules": ["c_attn", "wte"]}}, 2),
        ("llama", {"head": KINDS["head"], "plain": {}}, 2),  # a whole module took the place of the base's
        ("tied", TIED, len(TIED) + 1),  # parted, all but the last, which is followed by the base alone
    ],
    ids=["weights", "gpt2", "whole module", "tied"],
)
def test_to_the_last_bit_as_alone(
    arch: str, kinds: dict[str, Any], loads: int, dtype: str, models: Path, tmp_path: Path
) -> None:
    import torch

    base, checkpoints = loaded(models / arch, dtype), adapters(tmp_path, models / arch, kinds)
    for adapter in checkpoints:
        assert torch.equal(logits(base.merged(adapter)[0]), alone(adapter, dtype)), adapter.given
    assert torch.equal(logits(base.bare()), logits(load_model(resolve(str(models / arch)), dtype)))
    assert base.loads == loads


def test_a_live_adapter_is_taken_off_and_the_base_is_as_it_was(models: Path, tmp_path: Path) -> None:
    import torch

    base, checkpoints = (
        loaded(models / "llama"),
        adapters(tmp_path, models / "llama", {"plain": {}, "rslora": KINDS["rslora"]}),
    )
    before = logits(base.bare())
    for adapter in checkpoints:
        assert adapter.base
        assert torch.equal(logits(base.live(adapter)), logits(attach(load_model(adapter.base), adapter)))
    assert torch.equal(logits(base.bare()), before)
    assert base.loads == 1


def test_an_adapter_that_does_not_fit_does_no_harm_to_the_next(models: Path, tmp_path: Path) -> None:
    import torch

    make_model(tmp_path / "wide", hidden_size=32, num_attention_heads=2)
    misfit = make_adapter(tmp_path / "misfit", tmp_path / "wide")
    (good,) = adapters(tmp_path, models / "llama", {"plain": {}})
    base = loaded(models / "llama")
    with pytest.raises(ModelError, match="does not fit"):
        base.merged(resolve(str(misfit), str(models / "llama")))
    assert torch.equal(logits(base.merged(good)[0]), alone(good, "float32"))


def test_a_base_that_was_not_brought_back_is_loaded_again(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    checkpoints = adapters(tmp_path, models / "llama", {"plain": {}, "all-linear": KINDS["all-linear"]})
    base = loaded(models / "llama")
    base.merged(checkpoints[0])
    monkeypatch.setattr(loaded_base._WeightFiles, "fill", lambda self, name, parameter: None)
    assert torch.equal(logits(base.merged(checkpoints[1])[0]), alone(checkpoints[1], "float32"))
    assert base.loads == 2


def test_weights_that_stand_otherwise_in_the_files_are_loaded_again(models: Path, tmp_path: Path) -> None:
    import torch

    checkpoints = adapters(tmp_path, models / "llama", {"plain": {}, "rslora": KINDS["rslora"]})
    (tmp_path / "other").mkdir()
    make_model(tmp_path / "other", seed=1)
    base = LoadedBase(functools.partial(load_model, resolve(str(models / "llama"))), tmp_path / "other")
    base.merged(checkpoints[0])
    assert torch.equal(logits(base.merged(checkpoints[1])[0]), alone(checkpoints[1], "float32"))
    assert base.loads == 2
