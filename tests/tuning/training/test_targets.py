"""LoRA's targets: those of the architecture where nobody chose; a name that is wrong is said before any trial."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.models.adapter import merge, merge_for_run
from harness.models.attach import attach
from harness.models.checkpoint import resolve
from harness.models.loading import load_model
from tests.harness.backends.transformers import architectures
from tests.models import make_model
from tests.tuning import fakes
from tests.tuning.models import hyper, small_splits
from tuning.study.definition import Plan, plan
from tuning.training.linear_modules import Modules, modules_of
from tuning.training.targets import check, chosen, named
from tuning.training.train import Trainer
from tuning.types import Trained

USUAL = ("q_proj", "v_proj")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(
        tmp_path_factory.mktemp("gpt2") / "model", "gpt2", window=512, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0
    )


def of_config(name: str, folder: Path) -> Any:
    """What stands for a checkpoint where nothing but its configuration is asked for."""
    architectures.small(name).save_pretrained(folder)
    return SimpleNamespace(path=folder, remote_code=False, given=name, architecture="")


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
    base = modules_of(of_config(name, tmp_path))
    assert chosen(USUAL, base) == targets
    check(targets, base)


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
    paper: dict[str, Any] = {"preset": "paper-round1", "template": "alpaca"}
    made = planned(tmp_path, gpt2, **paper)
    assert {hyper.target_modules for _, hyper in made.study.start} == {("c_attn",)}
    assert made.study.defaults.target_modules == ("c_attn",)
    (note,) = made.notes
    assert "no q_proj and no v_proj; LoRA goes on c_attn (gpt2)" in note
    assert "c_attn, c_fc, c_proj, lm_head" in note
    named = planned(tmp_path, gpt2, set={"target_modules": "c_attn"}, **paper)
    assert named.notes == ()
    assert named.study.identity == made.study.identity


LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WORDS = [  # of an architecture: auto, attention, mlp (None: it has no such layers), what is left out, solid tensors
    ("llama", LLAMA, LLAMA[:4], LLAMA[4:], (), ()),
    ("gemma3", LLAMA, LLAMA[:4], LLAMA[4:], (), ()),  # its image tower has modules of these names too
    ("gpt2", ("c_attn", "c_proj", "c_fc"), ("c_attn", "attn.c_proj"), ("c_fc", "mlp.c_proj"), (), ()),
    (
        "phi3",
        ("o_proj", "qkv_proj", "gate_up_proj", "down_proj"),
        ("o_proj", "qkv_proj"),
        ("gate_up_proj", "down_proj"),
        (),
        (),
    ),
    (
        "bloom",
        ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"),
        ("query_key_value", "dense"),
        ("dense_h_to_4h", "dense_4h_to_h"),
        (),
        (),
    ),
    (
        "opt",
        ("k_proj", "v_proj", "q_proj", "out_proj", "fc1", "fc2"),
        ("k_proj", "v_proj", "q_proj", "out_proj"),
        ("fc1", "fc2"),
        (),
        (),
    ),
    ("ctrl", ("Wq", "Wk", "Wv", "dense", "ffn.0", "ffn.2"), ("Wq", "Wk", "Wv", "dense"), ("ffn.0", "ffn.2"), (), ()),
    ("mixtral", LLAMA[:4], LLAMA[:4], None, (), ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")),
    (
        "qwen2_moe",
        LLAMA,
        LLAMA[:4],
        LLAMA[4:],
        ("mlp.shared_expert_gate",),
        ("mlp.experts.gate_up_proj", "mlp.experts.down_proj"),
    ),
    (
        "dbrx",
        ("Wqkv", "out_proj"),
        ("Wqkv", "out_proj"),
        None,
        ("ffn.router.layer",),
        ("ffn.experts.mlp.w1", "ffn.experts.mlp.v1", "ffn.experts.mlp.w2"),
    ),
    ("mamba", ("in_proj",), None, None, ("mixer.x_proj", "mixer.dt_proj", "mixer.out_proj"), ()),
    ("falcon_h1", (*LLAMA[4:], "in_proj", *LLAMA[:4]), LLAMA[:4], LLAMA[4:], ("mamba.out_proj",), ()),
]


@pytest.mark.parametrize(("name", "auto", "attention", "mlp", "beside", "tensors"), WORDS, ids=[w[0] for w in WORDS])
def test_what_words_stand_for(
    name: str,
    auto: tuple[str, ...],
    attention: tuple[str, ...] | None,
    mlp: tuple[str, ...] | None,
    beside: tuple[str, ...],
    tensors: tuple[str, ...],
    tmp_path: Path,
) -> None:
    base = modules_of(of_config(name, tmp_path))
    assert named(["auto"], base) == auto
    for word, targets in (("attention", attention), ("mlp", mlp)):
        if targets is None:
            with pytest.raises(UsageError, match=f"^{word} stands for no linear module .* Its linear modules are "):
                named([word], base)
        else:
            assert named([word], base) == targets
    assert (tuple(base.beside), base.tensors) == (beside, tensors)
    assert not any("lm_head" in name or "embed" in name for name in base.of_blocks)


def test_words_and_names_together() -> None:
    base = Modules("odd", BLOCKS, BLOCKS)
    assert named(["mlp", "lm_head", "h.0.mlp.up"], base) == ("mlp.up", "lm_head", "h.0.mlp.up")
    assert named(["auto"], base) == ("attn.up", "mlp.up")  # h.0.gate.up chooses: "up" alone would name it too


BLOCKS = ("h.0.attn.up", "h.0.mlp.up", "h.0.gate.up", "h.1.attn.up", "h.1.mlp.up", "lm_head")


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


def test_words_in_a_study_become_names(tmp_path: Path) -> None:
    """In what is held, in what is searched, and in a preset: trials know names alone, and names make the identity."""
    with_words = fakes.options(tmp_path, preset="paper-round1", set={"target_modules": "attention"})
    made = plan(with_words).study
    assert made.defaults.target_modules == LLAMA[:4]
    names = with_words.replace(set={"target_modules": "+".join(LLAMA[:4])})
    assert plan(names).study.identity == made.identity
    modern = plan(fakes.options(tmp_path)).study
    assert {hyper.target_modules for _, hyper in modern.start} == {LLAMA}

    searched = {"kind": "choice", "values": ["attention", "mlp", "auto", "q_proj,v_proj"]}
    study = plan(fakes.options(tmp_path, space={**SPACE, "target_modules": searched})).study
    (parameter,) = [p for p in study.space.parameters if p.name == "target_modules"]
    values = [",".join(names) for names in (LLAMA[:4], LLAMA[4:], LLAMA, LLAMA[:1] + LLAMA[2:3])]
    assert parameter.to_dict()["values"] == values
    point: dict[str, Any] = {"rank": 4, "target_modules": values[1]}
    assert study.space.hyperparameters(point, study.defaults).target_modules == LLAMA[4:]


def test_two_choices_of_the_same_modules_are_refused(gpt2: Path, tmp_path: Path) -> None:
    searched = {"kind": "choice", "values": ["attention", "c_attn,attn.c_proj"]}
    with pytest.raises(
        UsageError, match=r"attention and c_attn,attn\.c_proj are the same modules of this base: c_attn,a"
    ):
        planned(tmp_path, gpt2, space={**SPACE, "target_modules": searched})


def test_all_layers_of_gpt2_train_packed_as_alone_merge_and_answer(gpt2: Path, tmp_path: Path) -> None:
    """Names of two parts ("attn.c_proj") among them."""
    names = ("c_attn", "attn.c_proj", "mlp.c_proj")
    trainer = Trainer(resolve(str(gpt2)), small_splits())
    hypers = [hyper(4, target_modules=names), hyper(2, alpha=3.0, target_modules=names)]
    packed = trainer.train_packed(hypers, 1.0, [0, 1], [tmp_path / "p0", tmp_path / "p1"])
    alone = trainer.train(hypers[1], 1.0, 1, tmp_path / "a")
    assert isinstance(packed[1], Trained)
    assert packed[1].validation.total == pytest.approx(alone.validation.total, rel=1e-5)
    assert merge(str(tmp_path / "a"), tmp_path / "merged", base=str(gpt2))["largest_difference"] < 1e-4
    adapter = resolve(str(tmp_path / "a"), str(gpt2))
    model, warnings = merge_for_run(attach(load_model(resolve(str(gpt2))), adapter), adapter)
    assert (type(model).__name__, warnings) == ("GPT2LMHeadModel", [])
