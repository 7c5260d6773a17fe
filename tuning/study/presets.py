"""Spaces and settings that have a name: the three searches of arXiv 2312.00949, and one after what is known since.

Also the fixed points, which every study evaluates first whatever the space holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError, suggest
from harness.options import OptionError
from tuning.study.parameters import Choice, Integer, Real
from tuning.study.space import Space
from tuning.types import Hyperparameters, Value

PUBLISHED_DROPOUT = (0.0, 1e-4, 1e-3, 1e-2, 0.1)


@dataclass(frozen=True, slots=True)
class Preset:
    name: str
    space: Space
    defaults: Hyperparameters  # of what the space does not search
    first: Hyperparameters  # the point that the search starts from
    budget: int  # distinct trials, fixed points included
    rungs: bool  # trials start on subsets, and only promising ones go on
    without_regret: bool = False  # whether LoRA Without Regret's point is among the first


def preset(name: str, as_published: bool = False) -> Preset:
    """The preset of that name. `as_published` brings back dropout 1, which trains nothing. UsageError for an unknown
    name, and for `as_published` where nothing was published."""
    if name not in PRESETS:
        raise UsageError(f"There is no preset {name!r}.{suggest(name, PRESETS)} There are {', '.join(PRESETS)}.")
    plain = PRESETS[name]
    if not as_published:
        return plain
    if not name.startswith("paper-"):
        raise OptionError("as_published", True, f" belongs to the paper's presets, and {name} is not one of them.")
    parameters = [
        replace(p, values=(*p.values, 1.0)) if isinstance(p, Choice) and p.name == "dropout" else p
        for p in plain.space.parameters
    ]
    return replace(plain, space=Space(parameters))


FIXED: dict[str, dict[str, Any]] = {
    "paper-default": {"rank": 8, "alpha": 32.0, "dropout": 0.1, "lr": 1e-5},
    "peft-default": {"rank": 8, "alpha": 8.0, "dropout": 0.0, "lr": 2e-4},
    "common": {"rank": 8, "alpha": 16.0, "dropout": 0.05, "lr": 2e-4},
}


def fixed_points(defaults: Hyperparameters) -> dict[str, Hyperparameters]:
    """The named points that are always evaluated first, in this order, trained otherwise as `defaults` says.

    `paper-default` is the baseline of arXiv 2312.00949, `peft-default` the defaults of peft.LoraConfig at a common
    learning rate, `common` what many recipes use."""
    return {name: replace(defaults, **values) for name, values in FIXED.items()}


def without_regret(
    defaults: Hyperparameters, model_type: str, width: int | None
) -> tuple[Hyperparameters, tuple[str, ...]]:
    """The point of "LoRA Without Regret" (Schulman and Thinking Machines Lab, 2025,
    https://thinkingmachines.ai/blog/lora/): rank 32, alpha 32, no dropout, and ten times the learning rate of full
    fine-tuning. A note where its rule does not know the base.

    The rule is that of the tinker cookbook (`hyperparam_utils.get_lr`, docs/supervised-learning/sl-hyperparams):
    lr = 5e-5 x 10 x (2000 / width) ** power, with the power 0.781 of Llama and 0.0775 of Qwen. It is not known for
    other families, which get 5e-4; and it is held to the preset's range, since no narrower or wider model was
    measured."""
    family = next((family for family in _POWERS if family in model_type), None)
    lr, notes = _LORA_LR, []
    if family and width:
        lr *= (_WIDTH / width) ** _POWERS[family]
    else:
        notes.append(
            f"without-regret: the rule for its learning rate knows Llama and Qwen, and not "
            f"{model_type or 'this base'}. It is {lr:g}."
        )
    lr = float(_LR.check(min(max(lr, _LR.low), _LR.high)))
    return replace(defaults, rank=32, alpha=32.0, dropout=0.0, lr=lr), tuple(notes)


def _doubling(low: float, high: float) -> tuple[Value, ...]:
    values: list[Value] = []
    while low <= high:
        values.append(int(low) if low >= 1 else low)
        low *= 2
    return tuple(values)


def _preset(
    name: str,
    space: Space,
    first: tuple[int, float, float, float],
    budget: int,
    epochs: float,
    rungs: bool = False,
    batch: int = 128,
    without_regret: bool = False,
) -> Preset:
    rank, alpha, dropout, lr = first
    start = Hyperparameters(rank=rank, alpha=alpha, dropout=dropout, lr=lr, epochs=epochs, batch=batch)
    if without_regret:
        start = replace(start, target_modules=("auto",))
    return Preset(name, space, start, start, budget, rungs, without_regret)


def _published(highest: int) -> Space:
    return Space(
        [
            Choice("rank", _doubling(4, highest)),
            Integer("alpha", 1, 64),
            Choice("dropout", PUBLISHED_DROPOUT),
            Real("lr", 1e-6, 1e-3, log=True),
        ]
    )


_LOW_RANK = Space(
    [Choice("rank", _doubling(4, 64)), Integer("alpha_over_rank", 1, 64), Choice("dropout", PUBLISHED_DROPOUT)]
)
_LR = Real("lr", 2e-5, 2e-3, log=True)
_LORA_LR = 5e-4  # ten times 5e-5, at a width of 2000
_WIDTH = 2000
_POWERS = {"llama": 0.781, "qwen": 0.0775}
_MODERN = Space(
    [
        Choice("rank", _doubling(4, 256)),
        Choice("alpha_over_rank", _doubling(0.25, 16)),
        Choice("dropout", (0.0, 0.05, 0.1)),
        _LR,
    ]
)
PRESETS = {
    made.name: made
    for made in (
        _preset("paper-round1", _published(128), (8, 32.0, 0.1, 1e-5), budget=50, epochs=3.0),
        _preset("paper-round2", _published(512), (8, 32.0, 0.1, 1e-5), budget=100, epochs=2.0),
        _preset("paper-low-rank", _LOW_RANK, (8, 64.0, 0.0, 10**-3.5), budget=50, epochs=3.0),
        _preset(
            "modern",
            _MODERN,
            (8, 16.0, 0.05, 2e-4),
            budget=40,
            epochs=3.0,
            rungs=True,
            batch=16,
            without_regret=True,
        ),
    )
}
# What a preset was once: a study that was begun with it goes on with it.
FORMER = {
    "modern": _preset("modern", _MODERN, (8, 16.0, 0.05, 2e-4), budget=40, epochs=3.0, rungs=True, batch=16),
}
