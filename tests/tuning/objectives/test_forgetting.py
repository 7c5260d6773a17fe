"""Forgetting: the loss on neutral text that an adapter adds to its base's."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.neutral_texts import load
from harness.errors import UsageError
from harness.models.checkpoint import resolve
from tests.tuning import fakes
from tuning.objectives import forgetting
from tuning.objectives.forgetting import Forgetting, loss
from tuning.objectives.objectives import constraint_of, kept, limit_of
from tuning.study.definition import plan
from tuning.testing import training
from tuning.types import Hyperparameters, Measured, Surroundings, TrialError

WHERE = Surroundings("tiny", "", None, "cpu", None, "")
PROSE = "The road climbed between walls to a row of white houses.\n\nNobody had come to meet her.\n"


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prose") / "neutral.txt"
    path.write_text(PROSE, "utf-8")
    return path


def adapter(folder: Path, scale: float) -> Measured:
    """An adapter on `tiny` whose weights are all 1, times `scale`: 0 is the base itself."""
    import torch

    from harness.models.loading import load_model
    from tuning.training.adapters import One, adapted, lora_config, write
    from tuning.training.train_settings import TrainSettings

    base = resolve("tiny")
    model = load_model(base, "float32", "cpu")
    hyper = Hyperparameters(2, 4, 0.0, 1e-3)
    with adapted(model, hyper, base, 0) as own:
        state = {name: torch.full_like(tensor, scale) for name, tensor in One(own).state(0).items()}
        write(lora_config(hyper, base, model), state, base, TrainSettings().row_template, folder)
    return Measured(replace(training(folder.with_name("plain")).trained, adapter=folder), 1)


def test_it_is_what_plain_forward_passes_say(prose: Path, tmp_path: Path) -> None:
    """Of a base without and with an adapter, each text behind BOS, tokens added up."""
    import torch

    from harness.models.attach import attach
    from harness.models.loading import load_model, load_tokenizer

    measured = adapter(tmp_path / "adapter", 0.05)
    base = resolve("tiny")
    model, tokenizer = load_model(base, "float32", "cpu"), load_tokenizer(base)

    def plain(model: Any) -> float:
        nats, tokens = 0.0, 0
        for text in load(str(prose)).texts:
            ids = tokenizer(text, add_special_tokens=False).input_ids
            start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
            with torch.inference_mode():
                logits = model(torch.tensor([[start, *ids]])).logits[0, :-1].double()
            nats += torch.nn.functional.cross_entropy(logits, torch.tensor(ids), reduction="sum").item()
            tokens += len(ids)
        return nats / tokens

    bare = plain(model)
    expected = plain(attach(model, resolve(str(measured.trained.adapter), str(base.path)), resize=False)) - bare
    found = Forgetting.of(f"forgetting:{prose}").measure(measured, WHERE)
    assert found == pytest.approx(expected, abs=2e-4)
    assert abs(found) > 0.01
    assert loss("tiny", WHERE, load(str(prose)).texts) == pytest.approx(bare, abs=1e-4)


def test_a_constraint_is_what_is_over_its_limit(prose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "loss", lambda model, *_: 2.0 if model == "tiny" else 2.25)
    forgetting._base_loss.cache_clear()
    over = constraint_of(f"forgetting:{prose} <= 0.125", WHERE)(training(tmp_path / "adapter"))
    forgetting._base_loss.cache_clear()
    assert over == 0.125


def test_the_base_is_measured_once(prose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(model: str, *_: Any) -> float:
        asked.append(model)
        return 2.5 if model == "tiny" else 2.75

    monkeypatch.setattr(forgetting, "loss", counted)
    forgetting._base_loss.cache_clear()
    objective = Forgetting.of(f"forgetting:{prose}")
    measured = training(tmp_path / "adapter")
    assert [objective.measure(measured, WHERE) for _ in range(2)] == [0.25, 0.25]
    assert asked.count("tiny") == 1
    forgetting._base_loss.cache_clear()


def test_an_adapter_that_does_not_fit_fails_its_trial(prose: Path, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="forgetting: "):
        Forgetting.of(f"forgetting:{prose}").measure(training(tmp_path / "adapter"), WHERE)


def test_the_word_that_a_study_keeps_has_the_texts_in_it(tmp_path: Path) -> None:
    file = tmp_path / "own words.txt"
    file.write_text(PROSE, "utf-8")
    word = kept(f"forgetting:{file} <= 0.1", WHERE)
    named, most = limit_of(word)
    assert (named, most) == (f"forgetting:{file}#{load(str(file)).digest[:8]}", 0.1)
    assert Forgetting.of(named).word == named
    assert kept("forgetting", WHERE) == f"forgetting:sample#{load().digest[:8]}"
    file.write_text(PROSE + "\nMore.", "utf-8")
    with pytest.raises(UsageError, match="another than the one that the study was begun with"):
        Forgetting.of(named).measure(training(tmp_path / "adapter"), WHERE)


def test_a_study_knows_its_texts(tmp_path: Path) -> None:
    made = plan(fakes.options(tmp_path, objective="validation,forgetting", constraint=("forgetting<=0.05",))).study
    word = f"forgetting:sample#{load().digest[:8]}"
    assert made.objectives == ("validation", word)
    assert made.constraints == (f"{word}<=0.05",)
    assert math.isclose(limit_of(made.constraints[0])[1], 0.05)
