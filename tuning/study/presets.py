"""Spaces and settings that have a name: the three searches of arXiv 2312.00949, and one after what is known since.

Also the fixed points, which every study evaluates first whatever the space holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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


def fixed_points(defaults: Hyperparameters) -> dict[str, Hyperparameters]:
    """The named points that are always evaluated first, in this order, trained otherwise as `defaults` says.

    `paper-default` is the baseline of arXiv 2312.00949, `peft-default` the defaults of peft.LoraConfig at a common
    learning rate, `common` what many recipes use."""
    return {
        "paper-default": replace(defaults, rank=8, alpha=32.0, dropout=0.1, lr=1e-5),
        "peft-default": replace(defaults, rank=8, alpha=8.0, dropout=0.0, lr=2e-4),
        "common": replace(defaults, rank=8, alpha=16.0, dropout=0.05, lr=2e-4),
    }


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
) -> Preset:
    rank, alpha, dropout, lr = first
    start = Hyperparameters(rank=rank, alpha=alpha, dropout=dropout, lr=lr, epochs=epochs, batch=batch)
    return Preset(name, space, start, start, budget, rungs)


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
_MODERN = Space(
    [
        Choice("rank", _doubling(4, 256)),
        Choice("alpha_over_rank", _doubling(0.25, 16)),
        Choice("dropout", (0.0, 0.05, 0.1)),
        Real("lr", 2e-5, 2e-3, log=True),
    ]
)
PRESETS = {
    made.name: made
    for made in (
        _preset("paper-round1", _published(128), (8, 32.0, 0.1, 1e-5), budget=50, epochs=3.0),
        _preset("paper-round2", _published(512), (8, 32.0, 0.1, 1e-5), budget=100, epochs=2.0),
        _preset("paper-low-rank", _LOW_RANK, (8, 64.0, 0.0, 10**-3.5), budget=50, epochs=3.0),
        _preset("modern", _MODERN, (8, 16.0, 0.05, 2e-4), budget=40, epochs=3.0, rungs=True, batch=16),
    )
}
