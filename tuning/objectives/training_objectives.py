"""Objectives that a training itself gives: validation, seconds, memory, adapter-size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from harness.errors import UsageError
from tuning.types import Measured, Surroundings


class TrainingObjective(ABC):
    """One that is written as its name alone."""

    word: ClassVar[str]

    @classmethod
    def of(cls, word: str) -> Self:
        if word != cls.word:
            raise UsageError(f"The objective {cls.word} is written so, without more, and not {word!r}.")
        return cls()

    @abstractmethod
    def measure(self, measured: Measured, where: Surroundings) -> float: ...


class Validation(TrainingObjective):
    word = "validation"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """UsageError where there is nothing to measure on: it is no trial's fault."""
        loss = measured.trained.validation
        if loss.tokens:
            return loss.mean
        if not loss.rows:
            raise UsageError("There are no validation rows, and the objective is the loss on them.")
        raise UsageError(
            f"None of {len(loss.rows)} validation rows has any of its response left: their prompts alone fill "
            "max_tokens (or the base's positions). Give shorter rows, or more max_tokens."
        )


class Seconds(TrainingObjective):
    word = "seconds"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        return measured.trained.seconds


class Memory(TrainingObjective):
    word = "memory"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        return float(measured.trained.peak_bytes)


class AdapterSize(TrainingObjective):
    word = "adapter-size"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        return float(measured.adapter_bytes)
