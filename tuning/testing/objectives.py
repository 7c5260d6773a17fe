"""The contract of an objective (`tuning.types.Objective`), and a training to measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from harness.errors import UsageError
from harness.testing.registered import Registered
from tuning.types import Compute, Likelihood, Trained

if TYPE_CHECKING:
    from tuning.types import Measured, Objective, Surroundings


class ObjectiveContract(Registered):
    """The contract of an objective (`tuning.types.Objective`). A subclass sets

    make        what the entry point names: called with a word, returns the Objective
    words       good words, for example ("benchmark:mmlu@20",)
    bad_words   words of this objective that make no sense
    measures    is it measured here? Not where that takes a model or a server
    worse       a change of a training (`dataclasses.replace` of `Measured`) that must raise the value; default: none"""

    kind = "objectives"
    make: ClassVar[Callable[[str], Objective]]
    words: ClassVar[tuple[str, ...]]
    bad_words: ClassVar[tuple[str, ...]] = ()
    measures: ClassVar[bool] = True
    worse: ClassVar[Callable[[Measured], Measured] | None] = None

    @pytest.fixture
    def measured(self, tmp_path: Path) -> Measured:
        return training(tmp_path / "adapter")

    @pytest.fixture
    def where(self, tmp_path: Path) -> Surroundings:
        from tuning.types import Surroundings

        return Surroundings("tiny", str(tmp_path / "s.duckdb"), "sample", "cpu", "sample", "")

    def test_a_word_is_kept(self) -> None:
        """A study is found again by it."""
        for word in self.words:
            kept = type(self).make(word).word
            assert isinstance(kept, str)
            assert type(self).make(kept).word == kept
            assert kept.partition(":")[0] == word.partition(":")[0]
            assert not set(kept) & set(",\n\t"), "a study lists its objectives with commas"
            assert "<=" not in kept, "a constraint is a word with a limit"
            assert not self.registered or word.partition(":")[0] == self.registered

    def test_a_study_takes_it(self) -> None:
        from tuning.objectives.objectives import check_constraint, words_of

        if not self.registered:
            pytest.skip("the suite was given no name that the part is registered under")
        for word in self.words:
            assert words_of(word) == (word,)
            check_constraint(f"{word}<=1")

    def test_words_that_make_no_sense_are_refused(self) -> None:
        for word in self.bad_words:
            with pytest.raises(UsageError) as refusal:
                type(self).make(word)
            assert len(str(refusal.value)) > 10, "the refusal is no sentence"

    def test_it_measures_a_number(self, measured: Measured, where: Surroundings) -> None:
        """Always the same of one training."""
        if not self.measures:
            pytest.skip("it is not measured without a model or a server")
        for word in self.words:
            objective = type(self).make(word)
            value = objective.measure(measured, where)
            assert isinstance(value, int | float)
            assert math.isfinite(value)
            assert objective.measure(measured, where) == value
            assert type(self).make(word).measure(measured, where) == value

    def test_lower_is_better(self, measured: Measured, where: Surroundings) -> None:
        worse = type(self).worse
        if worse is None or not self.measures:
            pytest.skip("no worse training was given")
        for word in self.words:
            objective = type(self).make(word)
            assert objective.measure(worse(measured), where) > objective.measure(measured, where)


def training(adapter: Path) -> Measured:
    """A training as a trainer reports it, with a small adapter of rank 2 in the folder."""
    import json

    import numpy as np
    from safetensors.numpy import save_file

    from tuning.types import Measured

    adapter.mkdir(parents=True, exist_ok=True)
    shapes = {"lora_A": (2, 8), "lora_B": (8, 2)}
    names = {f"base_model.model.model.layers.0.self_attn.q_proj.{part}.weight": size for part, size in shapes.items()}
    save_file(
        {name: np.full(size, 0.5, np.float32) for name, size in names.items()}, adapter / "adapter_model.safetensors"
    )
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "lora_dropout": 0.0}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    rows = tuple((2.0 + 0.1 * n, 4) for n in range(5))
    loss = Likelihood(sum(nats for nats, _ in rows), sum(tokens for _, tokens in rows), rows)
    trained = Trained(adapter, loss, 0.6, Compute(1000, 1000, 20, 4), 12.5, 3 * 2**20, 30, 4)
    return Measured(trained, 128)


def slower(measured: Measured) -> Measured:
    """The same training in twice the time, with twice the memory, and a worse loss on a larger adapter."""
    trained, old = measured.trained, measured.trained.validation
    worse = Likelihood(2 * old.total, old.tokens, tuple((2 * nats, tokens) for nats, tokens in old.rows))
    trained = replace(trained, validation=worse, seconds=2 * trained.seconds, peak_bytes=2 * trained.peak_bytes)
    return replace(measured, trained=trained, adapter_bytes=2 * measured.adapter_bytes)
