"""Where LoRA goes: what would not train is refused while the base is loaded; what cannot be packed is trained alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.architectures.models import ARCHITECTURES, make
from tests.tuning import fakes
from tests.tuning.models import hyper, small_splits
from tests.tuning.study.test_refused_models import refused
from tuning.study.parameters import Choice
from tuning.study.space import Space
from tuning.training.placement import check_trains, placements
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings
from tuning.types import Trained

BY_NAME = {str(architecture): architecture for architecture in ARCHITECTURES}


def trainer_of(folder: Path, name: str, **settings: Any) -> Trainer:
    from harness.models.checkpoint import resolve

    return Trainer(resolve(str(make(folder / "base", BY_NAME[name]))), small_splits(), TrainSettings(**settings))


@pytest.mark.parametrize(
    ("name", "targets", "reason"),
    [
        ("Mamba", "in_proj,out_proj", "Module 'out_proj' is incompatible with Mamba-based models"),
        ("Mamba", "in_proj,dt_proj", "computes without calling dt_proj, and LoRA there would train nothing"),
        ("OPT", "q_proj,embed_positions", r"its training step fails \(RuntimeError: Expected tensor"),
    ],
)
def test_a_place_where_lora_does_not_train_begins_no_study(
    name: str, targets: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(make(tmp_path / "model", BY_NAME[name]))
    sentence = refused(fakes.options(tmp_path, model=model, set={"target_modules": targets}, device="cpu"), monkeypatch)
    assert sentence.startswith(f"LoRA on {targets.replace(',', ', ')} cannot be trained with {model}: ")
    assert sentence.endswith((".", ")."))
    assert re.search(reason, sentence)


def test_each_place_of_a_study_is_tried_once() -> None:
    space = Space(
        [Choice("rank", (2, 4)), Choice("target_modules", ("q_proj", "v_proj,q_proj")), Choice("dora", (False, True))]
    )
    usual = hyper(target_modules=("q_proj", "v_proj"))
    places = placements(space, usual, [("first", usual), ("second", hyper(8, target_modules=("k_proj",)))])
    assert [(set(place.target_modules), place.dora) for place in places] == [
        ({"q_proj", "v_proj"}, False),
        ({"k_proj"}, False),
        ({"q_proj"}, False),
        ({"q_proj"}, True),
        ({"q_proj", "v_proj"}, True),
    ]


def test_memory_that_does_not_suffice_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from tuning.training import placement

    trainer = trainer_of(tmp_path, "Llama")
    trainer.require()

    def too_little(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(placement, "response_nll", too_little)
    check_trains(trainer.model, [hyper()], trainer.checkpoint, trainer.rows.part("train"), trainer._training)


def test_embeddings_are_trained_alone_and_that_is_seen(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, "Qwen2")
    hypers = [hyper(rank, target_modules=("embed_tokens", "q_proj")) for rank in (2, 3)]
    packed = trainer.train_packed(hypers, 0.5, [0, 1], [tmp_path / "p0", tmp_path / "p1"])
    for number, one in enumerate(hypers):
        alone, together = trainer.train(one, 0.5, number, tmp_path / f"a{number}"), packed[number]
        assert isinstance(together, Trained)
        assert together.validation.total == alone.validation.total
    only = trainer.train(hyper(2, target_modules=("embed_tokens",)), 0.5, 0, tmp_path / "only")
    assert not [warning for warning in only.warnings if "Nothing was trained" in warning]


def test_rows_whose_positions_depend_on_the_longest_are_not_padded(tmp_path: Path) -> None:
    """Phi-3's longrope takes other frequencies beyond its original length: padding would take a shorter row there."""
    trainer = trainer_of(tmp_path, "Phi-3 (longrope)", micro_batch=12)
    rows = trainer.rows.part("validation")
    assert min(len(row.ids) for row in rows) <= 160 < max(len(row.ids) for row in rows)
    together = trainer.evaluate(None)
    trainer.settings = TrainSettings(micro_batch=1)
    alone = trainer.evaluate(None)
    assert [nats for nats, _ in alone.rows] == pytest.approx([nats for nats, _ in together.rows], abs=1e-4)
    hypers = [hyper(2, target_modules=("qkv_proj",)), hyper(3, target_modules=("qkv_proj",))]
    packed = trainer.train_packed(hypers, 0.5, [0, 1], [tmp_path / "p0", tmp_path / "p1"])
    second = trainer.train(hypers[1], 0.5, 1, tmp_path / "second")
    assert isinstance(packed[1], Trained)
    assert packed[1].validation.total == pytest.approx(second.validation.total, rel=1e-6)
