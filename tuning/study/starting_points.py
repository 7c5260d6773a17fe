"""Where a search begins on one base: its space and targets in the names of the base's modules, and its first points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.options import about
from tuning.study.options import Options
from tuning.study.presets import Preset, fixed_points, without_regret
from tuning.study.space import Space, held_values
from tuning.training import targets
from tuning.types import MIX, Hyperparameters

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim")  # as configurations call it


@dataclass(frozen=True, slots=True)
class StartingPoints:
    """What a search is over and where it begins, for one base."""

    space: Space
    defaults: Hyperparameters
    start: tuple[tuple[str, Hyperparameters], ...]
    notes: tuple[str, ...]

    def mixed(self, mix: tuple[str, float] | None) -> StartingPoints:
        """With that share of a source, where a point has none of its own."""
        if mix is None:
            return self
        start = tuple((label, hyper if hyper.mix else replace(hyper, mix=mix)) for label, hyper in self.start)
        return replace(self, defaults=replace(self.defaults, mix=mix), start=start)


def starting_points(
    options: Options, chosen: Preset, space: Space, checkpoint: Checkpoint, warm: Sequence[Hyperparameters]
) -> StartingPoints:
    """`warm` are those of another study. UsageError for targets that the base does not have."""
    held = held_values(options.set)
    by_a_person = "target_modules" in held
    wanted = held.get("target_modules", chosen.defaults.target_modules)
    others = {name for hyper in warm if hyper.target_modules != wanted for name in hyper.target_modules}
    with _about_targets(options):
        space, on, notes = targets.settle(checkpoint, space, wanted, others, by_a_person)
    held["target_modules"] = on
    defaults = replace(chosen.defaults, **held)
    more = {"first": replace(chosen.first, **held)}
    if chosen.without_regret:
        more["without-regret"], unknown = without_regret(defaults, *_shape(checkpoint))
        notes = (*notes, *unknown)
    return StartingPoints(space, defaults, _start(space, defaults, more, warm), notes)


def _shape(checkpoint: Checkpoint) -> tuple[str, int | None]:
    """The model type and the width that config.json says, of the text part where there are several."""
    config = json.loads((checkpoint.path / "config.json").read_text("utf-8"))  # resolving has read it
    text = config.get("text_config")
    inner = {**config, **(text if isinstance(text, Mapping) else {})}
    width = next((inner[name] for name in _WIDTHS if isinstance(inner.get(name), int)), None)
    return str(inner.get("model_type", "")), width


def _start(
    space: Space,
    defaults: Hyperparameters,
    more: Mapping[str, Hyperparameters],
    warm: Sequence[Hyperparameters],
) -> tuple[tuple[str, Hyperparameters], ...]:
    """The fixed points, those of the preset and those of another study, each once, under its first name."""
    from tuning.study.ledger import key_of

    points = [*fixed_points(defaults).items(), *more.items()]
    points += [(f"warm-{n}", hyper) for n, hyper in enumerate(warm, 1) if _is_held(space, hyper, defaults)]
    distinct: dict[str, tuple[str, Hyperparameters]] = {}
    for label, hyper in points:
        distinct.setdefault(key_of(hyper), (label, hyper))
    return tuple(distinct.values())


def _is_held(space: Space, hyper: Hyperparameters, defaults: Hyperparameters) -> bool:
    """Has the space a point for it? One without a share of rows gets the study's own later."""
    for parameter in space.parameters if hyper.mix is None else ():
        if parameter.name.startswith(MIX):
            share = float(parameter.decode(parameter.bounds[0]))
            hyper = replace(hyper, mix=(parameter.name.removeprefix(MIX), share))
    return space.point(hyper, defaults) is not None


def _about_targets(options: Options) -> AbstractContextManager[None]:
    """Where the names of target modules come from."""
    source = "set" if "target_modules" in options.set else "space"
    return about(source, {"target_modules": getattr(options, source).get("target_modules")})
