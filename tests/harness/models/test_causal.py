"""Which checkpoints are causal language models: what transformers loads decides, not what a config says of itself."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, ModelError
from harness.models.adapter import logits, merge
from harness.models.attach import attach
from harness.models.causal import beside_text, pattern_beside_text, text_part
from harness.models.checkpoint import resolve
from harness.models.loading import check_loads, load_model
from tests.models import make_model, make_tokenizer
from tests.multimodal import KINDS, make_multimodal

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def save(folder: Path, model: Any) -> Path:
    model.float().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def edit(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def change_tensors(folder: Path, add: dict[str, Any] | None = None, drop: str | None = None) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = {**load_file(path), **(add or {})}
    if drop:
        del tensors[drop]
    save_file(tensors, path, {"format": "pt"})


def refused(folder: Path) -> str:
    """Why; before a study and before a run alike."""
    reasons = []
    for load in (check_loads, load_model):
        with pytest.raises(HarnessError) as caught:
            load(resolve(str(folder)))
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]
    return reasons[0]


class TestWhatIsCausal:
    def test_is_decoder_false_is_written_for_every_model(self, tmp_path: Path):
        import transformers as tf

        config = tf.GPTNeoXConfig(vocab_size=2000, max_position_embeddings=256, **SMALL)
        folder = edit(save(tmp_path / "neox", tf.GPTNeoXForCausalLM(config)), is_decoder=False)
        check_loads(resolve(str(folder)))
        assert type(load_model(resolve(str(folder)))).__name__ == "GPTNeoXForCausalLM"

    def test_no_class_is_named(self, tmp_path: Path):
        folder = edit(make_model(tmp_path / "llama"), architectures=None)
        found = resolve(str(folder))
        assert found.architecture == "llama"
        assert type(load_model(found)).__name__ == "LlamaForCausalLM"

    @pytest.mark.parametrize("tied", [True, False])
    def test_a_base_class_has_a_head_only_where_it_is_tied(self, tied: bool, tmp_path: Path):
        import torch
        import transformers as tf

        whole = load_model(resolve(str(make_model(tmp_path / "whole", tie_word_embeddings=tied))))
        base = tf.LlamaModel(whole.config)
        base.load_state_dict(whole.model.state_dict())
        folder = save(tmp_path / "base", base)
        assert resolve(str(folder)).architecture == "LlamaModel"
        if tied:
            assert torch.equal(logits(load_model(resolve(str(folder)))), logits(whole))
        else:
            assert "lacks weights: lm_head.weight" in refused(folder)

    def test_bert_is_one_where_it_looks_back_only(self, tmp_path: Path):
        import transformers as tf

        config = tf.BertConfig(vocab_size=2000, is_decoder=True, **SMALL)
        folder = save(tmp_path / "bert", tf.BertLMHeadModel(config))
        check_loads(resolve(str(folder)))
        load_model(resolve(str(folder)))
        assert "not a causal language model" in refused(edit(folder, is_decoder=False))

    def test_one_that_looks_ahead_is_found_by_looking(self, tmp_path: Path):
        import transformers as tf

        config = tf.XLNetConfig(vocab_size=2000, d_model=32, n_layer=2, n_head=2, d_inner=64)
        folder = save(tmp_path / "xlnet", tf.XLNetLMHeadModel(config))
        with pytest.raises(ModelError, match="hangs on the words after it"):
            load_model(resolve(str(folder)))

    def test_encoders_with_a_decoder(self, tmp_path: Path):
        import transformers as tf

        config = tf.T5Config(vocab_size=2000, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
        folder = save(tmp_path / "t5", tf.T5ForConditionalGeneration(config))
        with pytest.raises(ModelError, match=r"T5ForConditionalGeneration, which is not a causal .* encoder with a"):
            resolve(str(folder))
        edited = edit(folder, is_encoder_decoder=False)  # the class is one all the same
        assert "not a causal language model" in refused(edited)

    @pytest.mark.parametrize("head", ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"])
    def test_other_heads(self, head: str, tmp_path: Path):
        folder = edit(make_model(tmp_path / "llama"), architectures=["Llama" + head])
        with pytest.raises(ModelError, match=f"Llama{head}, which is not a causal language model: its head"):
            resolve(str(folder))

    def test_a_model_of_images_alone(self, tmp_path: Path):
        import transformers as tf

        config = tf.ViTConfig(image_size=28, patch_size=14, **SMALL)
        assert "no class for vit" in refused(save(tmp_path / "vit", tf.ViTModel(config)))

    def test_a_config_that_its_class_cannot_take(self, tmp_path: Path):
        assert "cannot be loaded" in refused(edit(make_model(tmp_path / "llama"), num_attention_heads=0))

    def test_formats_that_are_not_read(self, tmp_path: Path):
        folder = make_model(tmp_path / "llama")
        (folder / "model.safetensors").rename(folder / "model-q4.gguf")
        with pytest.raises(ModelError, match=r"no weights.*GGUF \(model-q4\.gguf\)"):
            resolve(str(folder))
        (folder / "config.json").unlink()
        with pytest.raises(ModelError, match=r"no config\.json.*GGUF \(model-q4\.gguf\)"):
            resolve(str(folder))


class TestOldBuffers:
    def test_masks_and_frequencies_are_no_weights(self, tmp_path: Path):
        import torch

        gpt2 = make_model(tmp_path / "gpt2", "gpt2")
        before = logits(load_model(resolve(str(gpt2))))
        mask = torch.ones(1, 1, 16, 16, dtype=torch.bool).tril()
        change_tensors(
            gpt2,
            {
                "transformer.h.0.attn.bias": mask,
                "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
                "transformer.h.1.attn.masked_bias": torch.tensor(-1e4),
            },
        )
        assert torch.equal(logits(load_model(resolve(str(gpt2)))), before)
        llama = make_model(tmp_path / "llama")
        for layer in (0, 1):
            change_tensors(llama, {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": torch.ones(8)})
        change_tensors(llama, {"model.rotary_emb.cos_cached": torch.ones(1, 1, 4, 4), "model.self_attn.bias": mask})
        load_model(resolve(str(llama)))

    @pytest.mark.parametrize("name", ["model.layers.0.self_attn.bias", "model.layers.0.masked_bias_proj.weight"])
    def test_what_only_looks_like_one(self, name: str, tmp_path: Path):
        import torch

        folder = make_model(tmp_path / "llama")
        change_tensors(folder, {name: torch.ones(64)})
        assert f"does not use: {name}." in refused(folder)


class TestModelsThatSeeToo:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_whole_is_loaded_and_text_alone_goes_through(self, kind: str, tmp_path: Path):
        import torch
        from transformers import AutoModelForMultimodalLM

        folder = make_multimodal(tmp_path / kind, kind)
        found = resolve(str(folder))
        check_loads(found)
        model = load_model(found)
        assert type(model).__name__ == found.architecture
        plain = AutoModelForMultimodalLM.from_pretrained(folder).eval()
        assert torch.equal(logits(model), logits(plain))
        parts = beside_text(model)
        assert parts
        for name, module in model.named_modules():
            if any(name == part or name.startswith(part + ".") for part in parts):
                module.register_forward_hook(lambda *_: pytest.fail("text went through the vision tower"))
        assert torch.equal(logits(model), logits(plain))
        assert text_part(model).startswith(("model.language_model", "language_model"))

    def test_a_text_model_has_nothing_beside_it(self, tmp_path: Path):
        model = load_model(resolve(str(make_model(tmp_path / "llama"))))
        assert (text_part(model), beside_text(model), pattern_beside_text(model)) == ("model", [], None)

    def test_keys_of_older_versions(self, tmp_path: Path):
        """Files have had language_model.model. and model.language_model.; both load."""
        import torch
        from safetensors.torch import load_file, save_file

        folder = make_multimodal(tmp_path / "gemma3", "gemma3")
        before = logits(load_model(resolve(str(folder))))
        path = folder / "model.safetensors"
        tensors = load_file(path)
        assert any(name.startswith("language_model.model.") for name in tensors)
        new = {
            name.replace("language_model.model.", "model.language_model.")
            if name.startswith("language_model.")
            else "model." + name: tensor
            for name, tensor in tensors.items()
        }
        save_file(new, path, {"format": "pt"})
        assert torch.equal(logits(load_model(resolve(str(folder)))), before)


def make_adapter(folder: Path, model: Any, base: Path, **settings: Any) -> Path:
    """An adapter as peft saves it, of a model however it was loaded, that names `base`."""
    import torch
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        live = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{"r": 4, **settings}))
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in live.named_parameters():
                if ".lora_B." in name:
                    parameter.normal_(std=0.05)
        live.save_pretrained(folder, save_embedding_layers=False)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(base)}))
    return folder


class TestAdaptersOfThem:
    @pytest.mark.parametrize("targets", [["q_proj", "v_proj"], "all-linear", r".*language_model.*\.(q|v)_proj"])
    def test_one_of_the_whole_model(self, targets: Any, tmp_path: Path):
        """Whether or not it has tensors for the vision tower too."""
        import torch
        from transformers import AutoModelForMultimodalLM

        base = make_multimodal(tmp_path / "base", "gemma3")
        model = AutoModelForMultimodalLM.from_pretrained(base).eval()
        adapter = resolve(str(make_adapter(tmp_path / "adapter", model, base, target_modules=targets)))
        assert adapter.base
        live = logits(attach(load_model(adapter.base), adapter))
        assert torch.allclose(live, logits(model), atol=1e-5)
        note = merge(str(adapter.path), tmp_path / "merged")
        assert note["largest_difference"] < 1e-4
        merged = load_model(resolve(str(tmp_path / "merged")))
        assert type(merged).__name__ == "Gemma3ForConditionalGeneration"
        assert torch.allclose(logits(merged), live, atol=1e-4)

    @pytest.mark.parametrize("kind", ["qwen3_5", "llama4"])
    def test_one_of_the_text_part_alone(self, kind: str, tmp_path: Path):
        """As AutoModelForCausalLM loads it: "model.layers", where the whole has "model.language_model.layers"."""
        import torch
        from transformers import AutoModelForCausalLM

        base = make_multimodal(tmp_path / "base", kind)
        model = AutoModelForCausalLM.from_pretrained(base).eval()
        assert "vision" not in str(model)
        folder = make_adapter(tmp_path / "adapter", model, base, target_modules=["q_proj", "v_proj", "lm_head"])
        adapter = resolve(str(folder))
        assert adapter.base
        live = logits(attach(load_model(adapter.base), adapter))
        assert torch.allclose(live, logits(model), atol=1e-5)
        assert merge(str(folder), tmp_path / "merged")["largest_difference"] < 1e-4

    @pytest.mark.parametrize("prefix", ["language_model.model", "model.language_model"])
    def test_one_of_the_whole_on_its_text_part(self, prefix: str, tmp_path: Path):
        """The text part was published alone, or the names are those of an older version."""
        import torch

        base = make_model(tmp_path / "base")
        folder = make_adapter(
            tmp_path / "adapter", load_model(resolve(str(base))), base, target_modules=["q_proj", "down_proj"]
        )
        adapter = resolve(str(folder))
        assert adapter.base
        expected = logits(attach(load_model(adapter.base), adapter))
        other = shutil.copytree(folder, tmp_path / "other")
        from safetensors.torch import load_file, save_file

        path = other / "adapter_model.safetensors"
        named = {name.replace("model.model.model.", f"model.model.{prefix}."): t for name, t in load_file(path).items()}
        assert all(prefix in name for name in named)
        save_file(named, path, {"format": "pt"})
        assert torch.equal(logits(attach(load_model(adapter.base), resolve(str(other)))), expected)
