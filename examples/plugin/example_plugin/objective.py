"""The objective `norm`: how far the adapter's weights are from zero. `norm:lora_B` looks at these tensors alone."""

from __future__ import annotations

import math

from harness.errors import UsageError
from tuning.types import Measured, Surroundings, TrialError


class Norm:
    def __init__(self, word: str) -> None:
        name, _, part = word.partition(":")
        if name != "norm" or (":" in word and part not in ("lora_A", "lora_B")):
            raise UsageError(f"The objective is written norm, norm:lora_A or norm:lora_B, not {word!r}.")
        self.word, self._part = word, part

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """The root of the sum of squares. TrialError where it is no number."""
        from safetensors import safe_open

        total = 0.0
        with safe_open(measured.trained.adapter / "adapter_model.safetensors", "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                if self._part in name:
                    total += file.get_tensor(name).double().square().sum().item()
        if not math.isfinite(total):
            raise TrialError("the adapter's weights are not finite")
        return math.sqrt(total)
