"""GPU hours that docs/scale.md gives: python -m bench.gpu_hours prints its table.

No GPU was at hand, so these are calculated: floating-point operations over a card's published peak and the share of it
that training of this kind reaches, as a range. Operations a token are 4 a weight of the base for training LoRA
(forward, and backward without the base's own gradients), 6 a weight of the adapter, and 2 a weight for a forward pass.
What is measured is named where it stands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

PEAK = {"A100": 312e12, "H100": 989e12}  # dense bfloat16 operations a second, NVIDIA's data sheets (SXM)
SHARE = (0.15, 0.45)  # of the peak: an assumption, wide on purpose
TOKENS_A_ROW = 140  # measured: 70% Alpaca and 30% Dolly in Alpaca's template, Gemma 3's tokenizer, at most 512
RUNGS = 5.4  # measured: compute of all trials on all rows over that with rungs (docs/tuning.md)
MMLU_TOKENS = (
    10_501_351 * 108_935 / 696_006
)  # measured: five-shot prompts, and the part that is computed (benchmarks.md)


@dataclass(frozen=True, slots=True)
class Study:
    name: str
    weights: float  # of the base
    adapter: float  # weights of a typical adapter
    rows: int
    validation: int
    epochs: int
    trials: int
    finalists: int  # trainings over new seeds

    def training(self) -> float:
        """Operations of one training on all rows, validation included."""
        learnt = self.epochs * self.rows * TOKENS_A_ROW
        return learnt * (4 * self.weights + 6 * self.adapter) + 2 * self.weights * self.validation * TOKENS_A_ROW


STUDIES = (
    Study("1 B base, 5,000 rows", 1.0e9, 2.2e7, 5_000, 500, 2, 40, 24),
    Study("8 B base, 5,000 rows", 8.0e9, 8.4e7, 5_000, 500, 2, 40, 24),
    Study("the paper's: 7 B base, 53,610 rows", 6.74e9, 6.7e7, 53_610, 13_402, 2, 100, 24),
)


def table() -> Iterator[str]:
    """The rows of docs/scale.md."""
    yield f"| study | on one GPU | {' | '.join(PEAK)} |"
    yield "|---|---|---|---|"
    for study in STUDIES:
        parts = {
            "one training on all rows": study.training(),
            f"{study.trials} trials on all rows": study.trials * study.training(),
            f"{study.trials} trials with rungs": study.trials * study.training() / RUNGS,
            f"{study.finalists} trainings of finalists": study.finalists * study.training(),
            "MMLU of one checkpoint": 2 * study.weights * MMLU_TOKENS,
        }
        for number, (part, operations) in enumerate(parts.items()):
            yield f"| {'' if number else study.name} | {part} | {' | '.join(hours(operations).values())} |"


def hours(operations: float) -> dict[str, str]:
    """By card, the least and the most."""
    made = {}
    for card, peak in PEAK.items():
        seconds = [operations / peak / share for share in sorted(SHARE, reverse=True)]
        unit, size = ("h", 3600) if seconds[0] >= 3600 else ("min", 60)
        made[card] = " to ".join(f"{float(f'{each / size:.2g}'):g}" for each in seconds) + f" {unit}"
    return made


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
