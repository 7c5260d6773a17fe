"""Models that see too are trained in their text part alone; what is no causal model is refused before any trial."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open

from harness.errors import ModelError
from harness.models.adapter import merge
from harness.models.checkpoint import resolve
from tests.models import make_model, make_tokenizer
from tests.multimodal import make_multimodal
from tests.tuning.models import hyper, small_splits
from tuning.study.options import Options
from tuning.study.session import run
from tuning.training.train import Trainer

TARGETS = ("q_proj", "v_proj", "fc1", "qkv", "attn.proj", "linear_1")  # some are the vision tower's alone


@pytest.mark.parametrize("kind", ["gemma3", "mistral3", "qwen3_5", "llama4", "qwen2_vl"])
def test_targets_are_of_the_language_model(kind: str, tmp_path: Path) -> None:
    trainer = Trainer(resolve(str(make_multimodal(tmp_path / "base", kind))), small_splits())
    one = hyper(target_modules=TARGETS)
    trained = trainer.train(one, 1.0, 0, tmp_path / "adapter")
    before = trainer.evaluate(None, "test").mean
    after = trainer.evaluate(trained.adapter, "test").mean
    assert after < before
    names = list(safe_open(trained.adapter / "adapter_model.safetensors", "pt").keys())
    assert names
    assert all("language_model." in name for name in names)

    packed = trainer.train_packed([one, replace(one, rank=2)], 1.0, [0, 0], [tmp_path / "a", tmp_path / "b"])
    assert packed[0].validation.mean == pytest.approx(trained.validation.mean, abs=1e-5)  # type: ignore[union-attr]

    merge(str(trained.adapter), tmp_path / "merged")
    merged = Trainer(resolve(str(tmp_path / "merged")), small_splits())
    assert merged.checkpoint.architecture == trainer.checkpoint.architecture
    assert merged.evaluate(None, "test").mean == pytest.approx(after, abs=1e-5)


def test_what_is_no_causal_model_begins_no_study(tmp_path: Path) -> None:
    import transformers as tf

    from tuning.store import Store

    config = tf.BertConfig(
        vocab_size=2000, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    tf.BertLMHeadModel(config).save_pretrained(tmp_path / "bert")
    make_tokenizer().save_pretrained(tmp_path / "bert")
    llama = make_model(tmp_path / "llama")
    path = llama / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 3}))
    for folder, reason in ((tmp_path / "bert", "not a causal language model"), (llama, "lacks weights")):
        options = Options(model=str(folder), db=str(tmp_path / "r.duckdb"), data="sample", budget=4, device="cpu")
        with pytest.raises(ModelError, match=reason):
            run(options)
    assert not (tmp_path / "r.duckdb").exists() or not Store(tmp_path / "r.duckdb").studies()
