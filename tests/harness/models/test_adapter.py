"""An adapter is on its base, or the run stops; and merged means the same logits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.errors import ModelError, UsageError
from harness.models import adapter as adapters
from harness.models import rounding
from harness.models.adapter import logits, merge, merge_for_run, probe
from harness.models.attach import attach
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.loading import load_model, load_tokenizer
from harness.models.training_record import write_record
from tests.models import make_model, make_tokenizer

TARGETS = {"llama": ["q_proj", "v_proj", "down_proj"], "gpt2": ["c_attn", "c_proj"]}  # gpt2's are Conv1D, transposed


def make_adapter(folder: Path, base: Path, scale: float = 0.05, **settings: Any) -> Path:
    """What peft writes after training: B and the whole modules differ from where they began by `scale`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    settings = {"target_modules": TARGETS.get(base.name, TARGETS["llama"]), "r": 4, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = LoraConfig(task_type="CAUSAL_LM", **settings)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        with torch.no_grad():
            for name, p in model.named_parameters():
                if ".lora_B." in name or ".lora_embedding_A." in name or ".modules_to_save." in name:
                    p.add_(torch.randn_like(p) * scale)
        model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def rename_tensors(adapter: Path, old: str, new: str) -> None:
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    save_file({name.replace(old, new): tensor for name, tensor in load_file(path).items()}, path, {"format": "pt"})


def change_config(adapter: Path, **changes: object) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def attached(adapter: Path) -> Any:
    found = resolve(str(adapter))
    assert found.base
    return attach(load_model(found.base), found)


@pytest.fixture
def lora(models: Path, tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "lora", models / "llama")


class TestResolving:
    """What an adapter's folder says, without torch."""

    def test_base_digest_and_tokenizer_come_from_the_base(self, models: Path, lora: Path):
        found = resolve(str(lora))
        base = resolve(str(models / "llama"))
        assert (found.kind, found.base, found.tokenizer) == ("adapter", base, models / "llama")
        assert found.digest != base.digest
        (warning,) = found.warnings
        assert "does not record which base" in warning

    def test_the_base_it_was_trained_on(self, models: Path, lora: Path):
        other = make_model(models / "other", seed=1)
        write_record(lora, resolve(str(models / "llama")).digest)
        assert resolve(str(lora)).warnings == ()
        with pytest.raises(ModelError) as caught:
            resolve(str(lora), base=str(other))
        for digest in (resolve(str(models / "llama")).digest, resolve(str(other)).digest):
            assert digest in str(caught.value)

    def test_digest_covers_base_settings_and_tensors(self, models: Path, lora: Path):
        first = resolve(str(lora)).digest
        change_config(lora, base_model_name_or_path="elsewhere", target_modules=["v_proj", "down_proj", "q_proj"])
        assert resolve(str(lora), base=str(models / "llama")).digest == first
        other = make_model(models / "another", seed=2)
        digests = {first, resolve(str(lora), base=str(other)).digest}
        change_config(lora, lora_alpha=99)
        digests.add(resolve(str(lora), base=str(models / "llama")).digest)
        rename_tensors(lora, "q_proj", "k_proj")
        digests.add(resolve(str(lora), base=str(models / "llama")).digest)
        assert len(digests) == 4

    def test_its_own_tokenizer_is_used(self, lora: Path):
        before = resolve(str(lora)).digest
        tokenizer = make_tokenizer()
        tokenizer.chat_template = "{{ messages }}"
        tokenizer.save_pretrained(lora)
        found = resolve(str(lora))
        assert found.tokenizer == lora
        assert found.digest != before
        assert any("its own tokenizer" in warning for warning in found.warnings)
        assert load_tokenizer(found).chat_template == "{{ messages }}"

    def test_a_base_that_is_not_there(self, lora: Path):
        change_config(lora, base_model_name_or_path=str(lora / "gone"))
        with pytest.raises(ModelError, match=r"names .*gone as its base; pass another place with --base"):
            resolve(str(lora))
        change_config(lora, base_model_name_or_path=None)
        with pytest.raises(ModelError, match="Pass it with --base"):
            resolve(str(lora))
        change_config(lora, base_model_name_or_path=str(lora))
        with pytest.raises(ModelError, match="is itself a LoRA adapter"):
            resolve(str(lora))

    def test_other_kinds_and_pickles(self, lora: Path):
        (lora / "adapter_model.safetensors").rename(lora / "adapter_model.bin")
        with pytest.raises(ModelError, match="only as pickle"):
            resolve(str(lora))
        change_config(lora, peft_type="IA3")
        with pytest.raises(ModelError, match="type IA3; only LoRA"):
            resolve(str(lora))


class TestAttaching:
    """Each tensor finds its module, and each module its tensors."""

    @pytest.mark.parametrize("arch", ["llama", "gpt2"])
    def test_logits_are_peft_s_own(self, arch: str, models: Path, tmp_path: Path):
        import torch
        from peft import AutoPeftModelForCausalLM

        lora = make_adapter(tmp_path / "lora", models / arch)
        model = attached(lora)
        live, effect = probe(model, resolve(str(lora)))
        assert effect > 0.01
        assert torch.equal(live, logits(AutoPeftModelForCausalLM.from_pretrained(lora).eval()))

    def test_no_module_fits(self, lora: Path):
        rename_tensors(lora, "self_attn", "attention")
        rename_tensors(lora, "mlp", "ff")
        with pytest.raises(ModelError, match=r"would be left out: model.layers.0.attention.q_proj, .*1.ff.down_proj\."):
            attached(lora)
        change_config(lora, target_modules=["query"])
        with pytest.raises(ModelError, match=r"does not fit .* the base has no model.layers.0.attention.q_proj, "):
            attached(lora)

    def test_some_tensors_fit_nothing(self, lora: Path):
        rename_tensors(lora, "layers.1.self_attn.v_proj", "layers.1.self_attn.value")
        with pytest.raises(ModelError, match=r"would be left out: model.layers.1.self_attn.value\."):
            attached(lora)

    def test_some_modules_have_no_tensors(self, lora: Path):
        change_config(lora, target_modules=["q_proj", "v_proj", "down_proj", "k_proj"])
        with pytest.raises(ModelError, match=r"no tensors: model.layers.0.self_attn.k_proj, .*1.self_attn.k_proj\."):
            attached(lora)

    def test_a_whole_module_is_missing(self, lora: Path):
        change_config(lora, modules_to_save=["lm_head"])
        with pytest.raises(ModelError, match=r"does not fit .*lm_head"):
            attached(lora)

    def test_another_shape(self, lora: Path):
        change_config(lora, r=8)
        with pytest.raises(ModelError, match=r"does not fit .*size mismatch for base_model"):
            attached(lora)

    def test_a_config_that_peft_cannot_read(self, lora: Path):
        change_config(lora, layers_to_transform=[0], target_modules=".*q_proj")
        with pytest.raises(ModelError, match="not one that peft can read: `layers_to_transform`"):
            attached(lora)


class TestProbe:
    """An adapter that changes nothing, or breaks everything, stops the run."""

    def test_all_b_are_zero(self, models: Path, tmp_path: Path):
        lora = make_adapter(tmp_path / "lora", models / "llama", scale=0)
        with pytest.raises(ModelError, match=r"changes nothing.*all its B matrices are zero"):
            probe(attached(lora), resolve(str(lora)))

    def test_an_effect_below_the_precision(self, models: Path, tmp_path: Path):
        lora = make_adapter(tmp_path / "lora", models / "llama", scale=1e-12)
        with pytest.raises(ModelError, match=r"changes nothing.*lost in float32"):
            probe(attached(lora), resolve(str(lora)))

    def test_numbers_that_are_not_finite(self, models: Path, tmp_path: Path):
        import torch

        # attention hides a NaN in a query, so the tensors are looked at as well
        lora = make_adapter(tmp_path / "nan", models / "llama", scale=torch.nan, target_modules=["q_proj"])
        with pytest.raises(ModelError, match=r"not finite: model.layers.0.self_attn.q_proj, .*1.self_attn.q_proj\."):
            attached(lora)
        lora = make_adapter(tmp_path / "huge", models / "llama", scale=1e38)
        model, found = attached(lora), resolve(str(lora))
        with pytest.raises(ModelError, match=r"With the adapter .* the logits are not finite"):
            probe(model, found)
        next(model.get_base_model().parameters()).data[:] = torch.inf
        with pytest.raises(ModelError, match="before any adapter"):
            probe(model, found)


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True, "r": 16},
    "dora": {"use_dora": True},
    "head": {"modules_to_save": ["lm_head"]},
    "all-linear": {"target_modules": "all-linear"},
    "patterns": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 3}},
    "embedding": {"target_modules": ["q_proj", "embed_tokens"]},
}
TIED: dict[str, dict[str, Any]] = {
    "input": {"target_modules": ["q_proj", "embed_tokens"]},
    "output": {"target_modules": ["q_proj", "lm_head"]},
    "both": {"target_modules": ["embed_tokens", "lm_head"]},
    "kept tied": {"target_modules": ["q_proj", "embed_tokens"], "ensure_weight_tying": True},
    "saved input": {"modules_to_save": ["embed_tokens"]},
    "saved output": {"modules_to_save": ["lm_head"]},
    "input, saved output": {"target_modules": ["q_proj", "embed_tokens"], "modules_to_save": ["lm_head"]},
}
CASES = [("llama", settings) for settings in KINDS.values()] + [("tied", settings) for settings in TIED.values()]
CASES += [("gpt2", KINDS["plain"]), ("gpt2", KINDS["dora"]), ("gpt2", {"target_modules": ["c_attn", "wte"]})]


class TestMerging:
    """Merged equals live, in memory and on disk."""

    @pytest.mark.parametrize(("arch", "settings"), CASES, ids=lambda value: str(value)[:70])
    def test_merged_equals_live(self, arch: str, settings: dict[str, Any], models: Path, tmp_path: Path):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        lora = make_adapter(tmp_path / "lora", models / arch, **settings)
        found = resolve(str(lora))
        assert found.base
        live, _ = probe(attached(lora), found)
        in_memory, said = merge_for_run(attach(load_model(found.base), found), found)
        assert said == []
        assert float((logits(in_memory) - live).abs().max()) < 5e-5
        note = merge(str(lora), tmp_path / "out")
        assert note["largest_difference"] < 5e-5
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
        assert float((logits(plain) - live).abs().max()) < 5e-5
        again = AutoTokenizer.from_pretrained(tmp_path / "out")
        assert again("some words").input_ids == load_tokenizer(found)("some words").input_ids

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_a_merge_that_goes_wrong_is_caught(
        self, dtype: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        # what peft 0.21.2 does by itself where one of two tied embeddings is trained
        monkeypatch.setattr(adapters, "_untie", lambda model: None)
        for name, settings in TIED.items():
            if "saved" in name:
                continue
            lora = make_adapter(tmp_path / name, models / "tied", **settings)
            found = resolve(str(lora))
            assert found.base
            with pytest.raises(ModelError, match="went wrong: a logit differs"):
                merge_for_run(attach(load_model(found.base, dtype), found), found)
            with pytest.raises(ModelError, match="went wrong: a logit differs"):
                merge(str(lora), tmp_path / "out", dtype=dtype)
        assert {path.name for path in tmp_path.iterdir()} <= TIED.keys()

    def test_what_rounding_explains_is_no_fault(self, lora: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        """Rounding takes some models further than is usual: Gemma 3 270M by 0.9 standard deviations in bfloat16."""
        note = merge(str(lora), tmp_path / "out", dtype="bfloat16")
        monkeypatch.setitem(adapters.TOLERANCE, "bfloat16", 0.7 * note["largest_difference"])
        merge(str(lora), tmp_path / "again", dtype="bfloat16")
        monkeypatch.setattr(rounding, "ROUNDINGS", 0)
        with pytest.raises(ModelError, match="went wrong: a logit differs"):
            merge(str(lora), tmp_path / "third", dtype="bfloat16")

    def test_what_peft_cannot_merge(self, models: Path, tmp_path: Path):
        lora = make_adapter(tmp_path / "lora", models / "llama", lora_bias=True)
        with pytest.raises(ModelError, match=r"peft cannot merge .* the base layer has no bias"):
            merge(str(lora), tmp_path / "out")

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_short_types(self, dtype: str, lora: Path, tmp_path: Path):
        note = merge(str(lora), tmp_path / "out", dtype=dtype)
        assert 1e-4 < note["largest_difference"] < note["tolerance"] / 2
        assert note["dtype"] == resolve(str(tmp_path / "out")).dtype == dtype

    def test_a_short_type_that_drowns_the_adapter_is_said(self, models: Path, tmp_path: Path):
        lora = make_adapter(tmp_path / "lora", models / "llama", scale=0.002)
        found = resolve(str(lora))
        assert found.base
        _, (warning,) = merge_for_run(attach(load_model(found.base, "bfloat16"), found), found)
        assert "--dtype float32 keeps all of it" in warning
        assert merge_for_run(attach(load_model(found.base), found), found)[1] == []

    def test_provenance_and_files(self, models: Path, lora: Path, tmp_path: Path):
        (tmp_path / "out").mkdir()  # an empty folder is as good as none
        note = merge(str(lora), tmp_path / "out")
        assert json.loads((tmp_path / "out" / "harness_merge.json").read_text()) == note
        base: Checkpoint = resolve(str(models / "llama"))
        written = resolve(str(tmp_path / "out"))
        assert (note["base_digest"], note["adapter_digest"]) == (base.digest, resolve(str(lora)).digest)
        assert note["digest"] == written.digest
        assert note["versions"].keys() == {"lora-harness", "peft", "torch", "transformers"}
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            assert (tmp_path / "out" / name).read_bytes() == (models / "llama" / name).read_bytes()
        assert not (tmp_path / "out" / "adapter_config.json").exists()
        modes = {path.stat().st_mode for path in (tmp_path / "out").iterdir()}
        assert len(modes) == 1

    def test_where_it_may_not_be_written(self, models: Path, lora: Path, tmp_path: Path):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "precious").write_text("kept")
        with pytest.raises(UsageError, match="not an empty folder"):
            merge(str(lora), tmp_path / "full")
        with pytest.raises(UsageError, match="not an empty folder"):
            merge(str(lora), tmp_path / "full" / "precious")
        with pytest.raises(UsageError, match=r"no folder .*nowhere"):
            merge(str(lora), tmp_path / "nowhere" / "out")
        with pytest.raises(UsageError, match="whole model"):
            merge(str(models / "llama"), tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "lora"]
        assert (tmp_path / "full" / "precious").read_text() == "kept"

    def test_a_full_disk_leaves_nothing(self, lora: Path, tmp_path: Path):
        code = """
import resource, sys
from pathlib import Path
from harness.models.adapter import merge
from harness.errors import ModelError

for limit in (100, 1_000_000):  # bytes a file: too few for the first small file, and for the weights
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        merge(sys.argv[1], Path(sys.argv[2]))
    except ModelError as error:
        print(error)
"""
        command = [sys.executable, "-P", "-c", code, str(lora), str(tmp_path / "out")]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        sentences = child.stdout.splitlines()
        assert len(sentences) == 2
        for sentence in sentences:
            assert "cannot be written" in sentence
            assert "File too large" in sentence
        assert [path.name for path in tmp_path.iterdir()] == ["lora"]


class TestCommand:
    """`harness merge`."""

    @pytest.fixture
    def app(self) -> Any:
        import typer

        from harness.cli.merge import merge as command

        app = typer.Typer()
        app.command()(command)
        return app

    def test_json_and_words(self, app: Any, models: Path, lora: Path, tmp_path: Path):
        moved = shutil.copytree(models / "llama", tmp_path / "moved")
        change_config(lora, base_model_name_or_path=None)
        options = ["--base", str(moved), "--dtype", "float16"]
        result = CliRunner().invoke(app, [str(lora), str(tmp_path / "out"), *options, "--json"])
        document = json.loads(result.stdout)
        assert (document["out"], document["dtype"]) == (str(tmp_path / "out"), "float16")
        result = CliRunner().invoke(app, [str(lora), str(tmp_path / "again"), *options])
        assert "merged into" in result.stdout
        assert "does not record which base" in result.stderr
