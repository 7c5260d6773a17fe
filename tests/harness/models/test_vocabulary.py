"""Tokens without a row, and adapters that brought rows: a run, or one sentence, never an IndexError."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.errors import ModelError
from harness.evaluation.planning import Options, make_plan
from harness.models.adapter import merge
from harness.models.attach import attach
from harness.models.checkpoint import resolve
from harness.models.loading import load_config, load_model, load_tokenizer
from harness.models.vocabulary import fit_tokenizer, rows_of
from tests.models import make_model, make_tokenizer

ADDED = ["<new0>", "<new1>"]


def tokenizer_of(*added: str) -> Any:
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(list(added))
    return tokenizer


class TestTokenizers:
    def fitted(self, folder: Path) -> tuple[Any, list[str]]:
        found = resolve(str(folder))
        tokenizer = load_tokenizer(found)
        return tokenizer, fit_tokenizer(tokenizer, rows_of(load_config(found)), found)

    def test_as_many_tokens_as_rows_or_fewer(self, tmp_path: Path):
        assert self.fitted(make_model(tmp_path / "even"))[1] == []
        assert self.fitted(make_model(tmp_path / "padded", vocab_size=2048))[1] == []

    def test_added_tokens_without_a_row_are_read_as_text(self, tmp_path: Path):
        folder = make_model(tmp_path / "model")
        more = tokenizer_of(*ADDED)
        more.add_special_tokens({"pad_token": "[PAD]"})
        more.save_pretrained(folder)
        assert load_tokenizer(resolve(str(folder)))("a <new0> b").input_ids[-2] >= 2000
        tokenizer, said = self.fitted(folder)
        assert said == [
            f"The tokenizer of {folder} has tokens that the model's embedding of 2,000 rows does not know: "
            "<new0>, <new1>, [PAD]. They are read as plain text."
        ]
        text = "a <new0> b [PAD]</s>"
        assert max(tokenizer(text).input_ids) < 2000
        assert tokenizer.decode(tokenizer(text).input_ids) == text
        assert tokenizer(text).input_ids[-1] == tokenizer.eos_token_id
        assert tokenizer.pad_token is None
        assert tokenizer.chat_template

    def test_a_tokenizer_of_another_model(self, tmp_path: Path):
        folder = make_model(tmp_path / "model", vocab_size=1999)
        with pytest.raises(ModelError, match=r"2,000 tokens and the model's embedding 1,999 rows"):
            self.fitted(folder)

    def test_a_run_says_so(self, tmp_path: Path):
        folder = make_model(tmp_path / "model")
        tokenizer_of(*ADDED).save_pretrained(folder)
        plan = make_plan(
            Options(
                model=str(folder), tasks="mmlu", db=str(tmp_path / "r.duckdb"), data="sample", limit=1, device="cpu"
            )
        )
        backend, said = backends.make(plan.options.backend, plan.model, plan.settings)
        assert any("read as plain text" in warning for warning in said)
        assert list(backend.answer(plan.tasks[0].requests[:1]))

    def test_training_says_so(self, tmp_path: Path):
        from tests.tuning.models import hyper, small_base, small_splits
        from tuning.training.train import Trainer

        base = small_base(tmp_path / "model")
        tokenizer_of("river").save_pretrained(base.path)
        trained = Trainer(resolve(str(base.path)), small_splits()).train(hyper(), 1.0, 0, tmp_path / "adapter")
        assert any("does not know: river. They are read as plain text." in warning for warning in trained.warnings)


def resized(folder: Path, base: Path, rows: int, *, save: bool | str = True, **settings: Any) -> Any:
    """An adapter trained after the vocabulary was resized, as peft saves it; returns the live model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(rows, mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        live = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], **settings))
        with torch.no_grad():
            for parameter in live.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.05)
        live.save_pretrained(folder, save_embedding_layers=save)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(base)}))
    if rows > 2000:
        tokenizer_of(*ADDED[: rows - 2000]).save_pretrained(folder)
    return live.eval()


class TestAdapters:
    @pytest.mark.parametrize("rows", [2002, 2064, 2000])
    @pytest.mark.parametrize("tied", [False, True])
    @pytest.mark.parametrize(
        "settings",
        [{}, {"modules_to_save": ["embed_tokens", "lm_head"]}, {"modules_to_save": ["embed_tokens"]}],
        ids=["whole", "both", "input"],
    )
    def test_live_and_merged_are_peft_s_own(self, rows: int, tied: bool, settings: dict[str, Any], tmp_path: Path):
        import torch

        base = make_model(tmp_path / "base", tie_word_embeddings=tied)
        expected = resized(tmp_path / "adapter", base, rows, **settings)
        ids = torch.tensor([[5, 1999, rows - 1, 7, 300, 42]])
        with torch.no_grad():
            wanted = expected(input_ids=ids).logits
        found = resolve(str(tmp_path / "adapter"))
        assert found.base
        with torch.no_grad():
            live = attach(load_model(found.base), found)(input_ids=ids).logits
        assert live.shape[-1] == rows
        assert torch.allclose(live, wanted, atol=1e-5)
        merge(str(found.path), tmp_path / "merged")
        merged = load_model(resolve(str(tmp_path / "merged")))
        with torch.no_grad():
            assert torch.allclose(merged(input_ids=ids).logits, wanted, atol=1e-3)
        assert merged.config.vocab_size == rows
        own = load_tokenizer(resolve(str(tmp_path / "merged")))
        assert own.get_vocab().get("<new0>") == (2000 if rows > 2000 else None)

    def test_rows_that_it_does_not_hold(self, tmp_path: Path):
        from safetensors.torch import load_file, save_file

        base = make_model(tmp_path / "base")
        resized(tmp_path / "adapter", base, 2002)
        path = tmp_path / "adapter" / "adapter_model.safetensors"
        tensors = load_file(path)
        head = next(name for name in tensors if "lm_head" in name)
        del tensors[head]
        save_file(tensors, path, {"format": "pt"})
        found = resolve(str(tmp_path / "adapter"))
        assert found.base
        with pytest.raises(ModelError, match=r"vocabulary of 2,002 tokens and the base one of 2,000.*no lm_head in it"):
            attach(load_model(found.base), found)

    def test_a_base_that_stays_is_not_resized(self, tmp_path: Path):
        base = make_model(tmp_path / "base")
        resized(tmp_path / "adapter", base, 2002)
        found = resolve(str(tmp_path / "adapter"))
        assert found.base
        model = load_model(found.base)
        with pytest.raises(ModelError, match="size mismatch"):
            attach(model, found, resize=False)
        assert model.get_input_embeddings().weight.shape[0] == 2000

    def test_an_engine_is_given_it_merged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        from harness.backends.vllm import served_adapter

        monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
        base = make_model(tmp_path / "base")
        resized(tmp_path / "adapter", base, 2002)
        found = resolve(str(tmp_path / "adapter"))
        with pytest.raises(ModelError, match=r"vocabulary of its own.*--lora merge"):
            served_adapter.live([found], "float32")
        folder, told = served_adapter.merged(found, "float32")
        assert max(map(max, told.tokens)) > 1900
        assert rows_of(load_config(resolve(str(folder)))) == 2002

    def test_its_tokenizer_has_more_tokens_than_its_rows(self, tmp_path: Path):
        """Only a LoRA was saved, beside a tokenizer with a padding token that the base has never had."""
        base = make_model(tmp_path / "base")
        resized(tmp_path / "adapter", base, 2000, save=False)
        tokenizer_of("[PAD]").save_pretrained(tmp_path / "adapter")
        options = Options(
            model=str(tmp_path / "adapter"),
            tasks="mmlu",
            db=str(tmp_path / "r.duckdb"),
            data="sample",
            limit=1,
            device="cpu",
        )
        plan = make_plan(options)
        _, said = backends.make(plan.options.backend, plan.model, plan.settings)
        assert any("does not know: [PAD]" in warning for warning in said)
