"""Adapters for other engines: refused before any engine starts, kept by digest, and the engine held against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.backends.vllm import served_adapter
from harness.errors import ModelError
from harness.models.checkpoint import Checkpoint, resolve
from tests.harness.backends.adapters import make_adapter
from tests.models import make_model


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "model", "llama", "llama3")


@pytest.fixture
def adapter(base, tmp_path) -> Checkpoint:
    return resolve(str(make_adapter(base, tmp_path / "adapter")))


def test_a_merged_checkpoint_is_made_once_and_answers_as_the_live_adapter(base, adapter) -> None:
    from harness.models.adapter import logits
    from harness.models.loading import load_model

    folder, told = served_adapter.merged(adapter, "float32")
    before = (folder / "config.json").stat().st_mtime_ns
    again, same = served_adapter.merged(adapter, "float32")
    assert (again, same) == (folder, told)
    assert (folder / "config.json").stat().st_mtime_ns == before
    merged = logits(load_model(resolve(str(folder))))[:, -1].log_softmax(-1)
    read = [[merged[n][t].item() for t in tokens] for n, tokens in enumerate(told.tokens)]
    assert served_adapter._largest(read, told.live) < 1e-4
    assert served_adapter._largest(told.live, told.base) > 0.01


def test_another_adapter_or_dtype_is_kept_apart(base, adapter, tmp_path) -> None:
    other = resolve(str(make_adapter(base, tmp_path / "other", seed=1)))
    folders = {served_adapter._folder(a, d) for a in (adapter, other) for d in ("float32", "bfloat16")}
    assert len(folders) == 4


@pytest.mark.parametrize(
    "make",
    [served_adapter.merged, lambda adapter, dtype: served_adapter.live([adapter], dtype)],
    ids=["merged", "live"],
)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("names", "fits no module|does not fit"),
        ("zero", "all its B matrices are zero"),
    ],
)
def test_an_adapter_that_does_nothing_stops_before_an_engine_starts(base, tmp_path, make, damage, said) -> None:
    wrong = resolve(str(make_adapter(base, tmp_path / "wrong", damage=damage)))
    with pytest.raises(ModelError, match=said):
        make(wrong, "float32")
    assert not list((tmp_path / "home").rglob("harness_probe.json"))


def test_the_digest_of_another_base_stops_at_once(base, tmp_path) -> None:
    with pytest.raises(ModelError, match="was trained on a base with the digest"):
        resolve(str(make_adapter(base, tmp_path / "wrong", damage="digest")))


def test_an_engine_that_drops_a_live_adapter_is_found_out(adapter) -> None:
    (told,) = served_adapter.live([adapter], "float32")
    assert served_adapter.live([adapter], "float32") == [told]

    def right(prompts: Any, tokens: Any, with_it: bool) -> Any:
        return told.live if with_it else told.base

    def drops_it(prompts: Any, tokens: Any, with_it: bool) -> Any:
        return told.base

    def computes_otherwise(prompts: Any, tokens: Any, with_it: bool) -> Any:
        return [[v + 0.01 * with_it for v in row] for row in told.live] if with_it else told.base

    assert served_adapter.check(adapter, "float32", told, right, True, "vLLM") == 0
    with pytest.raises(ModelError, match="vLLM does not apply the adapter"):
        served_adapter.check(adapter, "float32", told, drops_it, True, "vLLM")
    with pytest.raises(ModelError, match="computes something else than transformers"):
        served_adapter.check(adapter, "float32", told, drops_it, False, "vLLM")
    with pytest.raises(ModelError, match="computes something else than transformers"):
        served_adapter.check(adapter, "float32", told, computes_otherwise, True, "vLLM")
