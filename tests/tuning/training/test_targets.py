"""LoRA's targets: those of the architecture where nobody chose; a name that is wrong is said before any trial."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.models.adapter import merge
from harness.models.checkpoint import resolve
from harness.models.loading import load_model
from tests.models import make_model
from tests.tuning import fakes
from tests.tuning.models import hyper, small_splits
from tuning.study.definition import Plan, plan
from tuning.training.targets import Modules, check, chosen, modules_of
from tuning.training.train import Trainer
from tuning.types import Trained

USUAL = ("q_proj", "v_proj")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(
        tmp_path_factory.mktemp("gpt2") / "model", "gpt2", window=512, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0
    )


def small(name: str) -> Any:
    """A configuration of an architecture, as small as its class allows."""
    import transformers as tf

    usual = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    llama_like = {**usual, "num_key_value_heads": 2, "intermediate_size": 48}
    made = {
        "gpt2": lambda: tf.GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2),
        "gpt_bigcode": lambda: tf.GPTBigCodeConfig(vocab_size=64, n_embd=32, n_layer=2, n_head=2),
        "bloom": lambda: tf.BloomConfig(vocab_size=64, hidden_size=32, n_layer=2, n_head=2),
        "falcon": lambda: tf.FalconConfig(**usual),
        "mpt": lambda: tf.MptConfig(vocab_size=64, d_model=32, n_layers=2, n_heads=2),
        "gpt_neox": lambda: tf.GPTNeoXConfig(**usual, intermediate_size=48),
        "codegen": lambda: tf.CodeGenConfig(vocab_size=64, n_embd=64, n_layer=2, n_head=4, rotary_dim=8),
        "gptj": lambda: tf.GPTJConfig(vocab_size=64, n_embd=32, n_layer=2, n_head=2, rotary_dim=8),
        "opt": lambda: tf.OPTConfig(**usual, ffn_dim=48, word_embed_proj_dim=32),
        "phi3": lambda: tf.Phi3Config(**llama_like, pad_token_id=0),
        "phi": lambda: tf.PhiConfig(**llama_like),
        "llama": lambda: tf.LlamaConfig(**llama_like),
    }
    return made[name]()


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("gpt2", ("c_attn",)),
        ("gpt_bigcode", ("c_attn",)),
        ("bloom", ("query_key_value",)),
        ("falcon", ("query_key_value",)),
        ("mpt", ("Wqkv",)),
        ("gpt_neox", ("query_key_value",)),
        ("codegen", ("qkv_proj",)),
        ("gptj", USUAL),
        ("opt", USUAL),
        ("phi3", ("qkv_proj",)),
        ("phi", USUAL),
        ("llama", USUAL),
    ],
)
def test_the_targets_of_an_architecture(name: str, targets: tuple[str, ...], tmp_path: Path) -> None:
    small(name).save_pretrained(tmp_path)
    base: Any = SimpleNamespace(path=tmp_path, remote_code=False)
    found = modules_of(base)
    assert found is not None
    assert chosen(USUAL, found) == targets
    check(targets, found)


BASE = Modules(
    "odd", ("h", "h.0", "h.0.mix", "h.0.mix.proj", "h.0.q_proj", "emb"), ("h.0.mix.proj", "h.0.q_proj"), ("emb",)
)


def test_what_is_there_of_the_usual_ones_is_kept() -> None:
    assert chosen(USUAL, BASE) == ("q_proj",)


def test_an_architecture_that_nobody_knows_is_said_with_its_modules() -> None:
    with pytest.raises(
        UsageError, match=r"^set must be given: target_modules, .*no a and no b .* Its linear modules are proj, q_proj"
    ):
        chosen(("a", "b"), BASE)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("q_porj", r"has no module q_porj\. Did you mean q_proj\? Its linear modules are proj, q_proj"),
        ("roj", "has no module roj"),
        ("mix", "has no linear module mix"),
        ("0.mix.projj", r"has no module .* Did you mean h.0.mix.proj\?"),
    ],
)
def test_a_target_that_is_not_there(target: str, said: str) -> None:
    check(["q_proj", "mix.proj", "h.0.q_proj", "emb"], BASE)
    with pytest.raises(UsageError, match=said):
        check(["q_proj", target], BASE)


def planned(folder: Path, model: Path, **changes: Any) -> Plan:
    return plan(fakes.options(folder, model=str(model), **changes))


def test_a_study_on_gpt2_says_what_it_trains(gpt2: Path, tmp_path: Path) -> None:
    made = planned(tmp_path, gpt2)
    assert {hyper.target_modules for _, hyper in made.study.start} == {("c_attn",)}
    assert made.study.defaults.target_modules == ("c_attn",)
    (note,) = made.notes
    assert "no q_proj and no v_proj; LoRA goes on c_attn (gpt2)" in note
    assert "c_attn, c_fc, c_proj, lm_head" in note
    named = planned(tmp_path, gpt2, set={"target_modules": "c_attn"})
    assert named.notes == ()
    assert named.study.identity == made.study.identity


SPACE = {"rank": {"kind": "choice", "values": [4, 8]}}


@pytest.mark.parametrize(
    "changes",
    [
        {"set": {"target_modules": "c_attn,c_porj"}},
        {"set": {"target_modules": "c_porj"}},
        {"space": {**SPACE, "target_modules": {"kind": "choice", "values": ["c_attn", "c_attn,c_porj"]}}},
    ],
    ids=["beside one that is there", "alone", "in the space"],
)
def test_a_mistyped_target_is_refused_before_any_trial(changes: dict[str, Any], gpt2: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no module c_porj\. Did you mean c_proj\?.*c_attn, c_fc, c_proj, lm_head"):
        planned(tmp_path, gpt2, **changes)


def test_conv1d_layers_train_packed_as_alone_and_merge(gpt2: Path, tmp_path: Path) -> None:
    base = resolve(str(gpt2))
    trainer = Trainer(base, small_splits())
    hypers = [hyper(4, target_modules=("c_attn",)), hyper(2, alpha=3.0, target_modules=("c_attn",))]
    packed = trainer.train_packed(hypers, 1.0, [0, 1], [tmp_path / "p0", tmp_path / "p1"])
    for k, one in enumerate(hypers):
        alone = trainer.train(one, 1.0, k, tmp_path / f"a{k}")
        together = packed[k]
        assert isinstance(together, Trained)
        assert together.validation.total == pytest.approx(alone.validation.total, rel=1e-5)
        assert together.train_loss == pytest.approx(alone.train_loss, rel=1e-5)
    note = merge(str(tmp_path / "a0"), tmp_path / "merged", base=str(gpt2))  # compares logits with the live adapter's
    assert note["largest_difference"] < 1e-4
    assert type(load_model(resolve(str(tmp_path / "merged")))).__name__ == "GPT2LMHeadModel"
