"""The search space: which hyperparameters are searched, over which values, and what a point means to a trainer."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, suggest
from tuning.study.parameters import Parameter, Real, Stepped, from_dict
from tuning.types import MIX, Hyperparameters, Point, Value

if TYPE_CHECKING:
    import numpy as np

WHOLE = ("rank", "batch")
# Alpha is absolute or follows the rank; a space has one of the three at most.
OVER_RANK = {"alpha_over_rank": 1.0, "alpha_over_sqrt_rank": 0.5}  # alpha = value x rank ** power
WORDS = ("auto", "attention", "mlp")  # target modules by what they are: tuning/training/targets.py makes names of them
HELD = tuple(field.name for field in fields(Hyperparameters) if field.name != "mix")
NAMES = (*HELD, *OVER_RANK)  # and MIX with a source


class Space:
    """Parameters by name. A point has a value for each of them and for nothing else."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        names = [p.name for p in self.parameters]
        for name in names:
            if name not in NAMES and (not name.startswith(MIX) or name == MIX):
                raise UsageError(
                    f"{name!r} is not a hyperparameter.{suggest(name, NAMES)} They are {', '.join(NAMES)}."
                )
        if len(set(names)) != len(names):
            raise UsageError(f"A parameter stands twice in the space: {', '.join(names)}.")
        if len({"alpha", *OVER_RANK} & set(names)) > 1:
            raise UsageError("A space has one of alpha, alpha_over_rank and alpha_over_sqrt_rank, not several.")
        if sum(name.startswith(MIX) for name in names) > 1:
            raise UsageError(
                "A space has the share of one source (mix:SOURCE), not of several: the others share the rest."
            )
        if not names:
            raise UsageError("A space needs at least one parameter.")
        for parameter in self.parameters:
            _check_meaning(parameter)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    @property
    def source(self) -> str | None:
        """The source of rows whose share is searched."""
        return next((name.removeprefix(MIX) for name in self.names if name.startswith(MIX)), None)

    @cached_property
    def size(self) -> int | None:
        """How many points there are where none is real; None where a parameter is."""
        return None if any(p.size is None for p in self.parameters) else self.count

    @cached_property
    def count(self) -> int:
        """How many points there are, reals having four digits."""
        return math.prod(p.count for p in self.parameters)

    def check(self, point: Point) -> None:
        """UsageError with a sentence when this is no point of the space."""
        self.canonical(point)

    def canonical(self, point: Point) -> dict[str, Value]:
        """The point with each value as the space writes it, in the space's order. UsageError when it is none of its."""
        unknown, missing = set(point) - set(self.names), set(self.names) - set(point)
        if unknown or missing:
            parts = [f"lacks {', '.join(sorted(missing))}"] * bool(missing)
            parts += [f"has {', '.join(sorted(unknown))}, which the space does not search"] * bool(unknown)
            raise UsageError(f"The point {dict(point)} {' and '.join(parts)}.")
        return {p.name: p.check(point[p.name]) for p in self.parameters}

    def key(self, point: Point) -> str:
        """One text a point, equal for equal points."""
        return json.dumps(self.canonical(point), separators=(",", ":"))

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Of the codes."""
        return [p.bounds for p in self.parameters]

    def encode(self, point: Point) -> list[float]:
        """One code a parameter: an int, but for real parameters."""
        return [p.encode(point[p.name]) for p in self.parameters]

    def decode(self, codes: Sequence[float]) -> dict[str, Value]:
        """The point at these codes, each brought into its bounds."""
        return {p.name: p.decode(code) for p, code in zip(self.parameters, codes, strict=True)}

    def draw(self, rng: np.random.Generator) -> dict[str, Value]:
        """A point with every code drawn evenly: reals evenly in their logarithm where they are logarithmic."""
        codes: list[float] = []
        for p in self.parameters:
            low, high = p.bounds
            codes.append(rng.uniform(low, high) if p.size is None else int(rng.integers(int(low), int(high) + 1)))
        return self.decode(codes)

    def points(self) -> Iterator[dict[str, Value]]:
        """Every point, the last parameter turning fastest. A wide range of reals has many."""
        values = itertools.product(*(p.all_values() for p in self.parameters))
        return (dict(zip(self.names, combination, strict=True)) for combination in values)

    def hyperparameters(self, point: Point, defaults: Hyperparameters) -> Hyperparameters:
        """What a trainer needs; what the space does not search comes from `defaults`. Alpha is made absolute."""
        values: dict[str, Any] = dict(self.canonical(point))
        rank = int(values.get("rank", defaults.rank))
        for name, power in OVER_RANK.items():
            if name in values:
                values["alpha"] = values.pop(name) * rank**power
        if "target_modules" in values:
            values["target_modules"] = modules(values["target_modules"])
        if self.source is not None:
            values["mix"] = (self.source, float(values.pop(MIX + self.source)))
        for name in values:
            if name in WHOLE:
                values[name] = int(values[name])  # the steps of a stepped range are floats
            elif name in ("alpha", "epochs"):
                values[name] = float(values[name])
        return replace(defaults, **values)

    def point(self, hyperparameters: Hyperparameters, defaults: Hyperparameters) -> dict[str, Value] | None:
        """The point that means these hyperparameters, or None when the space has none that does."""
        known: dict[str, Any] = hyperparameters.to_dict()
        known["target_modules"] = ",".join(hyperparameters.target_modules)
        for name, power in OVER_RANK.items():
            known[name] = float(f"{hyperparameters.alpha / hyperparameters.rank**power:.12g}")
        try:
            point = self.canonical({name: known[name] for name in self.names if name in known})
        except UsageError:
            return None
        return point if same(self.hyperparameters(point, defaults), hyperparameters) else None

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """As a study file writes it: a table a parameter, by name."""
        return {p.name: p.to_dict() for p in self.parameters}

    @staticmethod
    def from_dict(written: Mapping[str, Any]) -> Space:
        """UsageError where the tables make no space."""
        for name, table in written.items():
            if not isinstance(table, Mapping):
                raise UsageError(f"{name}: a parameter is a table with its kind and range, not {table!r}.")
        return Space([from_dict(name, table) for name, table in written.items()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.parameters)

    def __repr__(self) -> str:
        return f"Space({self.to_dict()})"


def modules(text: str) -> tuple[str, ...]:
    """ "q_proj,v_proj" or "attention+lm_head" as names and WORDS. UsageError when there is none."""
    names = tuple(name.strip() for name in re.split("[,+]", text) if name.strip())
    if not names:
        raise UsageError(f"target_modules = {text!r} names no module; write {', '.join(WORDS)}, or q_proj,v_proj.")
    return names


def same(a: Hyperparameters, b: Hyperparameters) -> bool:
    """Equal but for rounding in their numbers."""
    return all(
        math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12)
        if isinstance(x, float) and isinstance(y, int | float)
        else x == y
        for x, y in zip(asdict(a).values(), asdict(b).values(), strict=True)
    )


# the least that each hyperparameter can be, whether that itself is allowed, and the most: beyond is a slip of the hand
_MEANING: dict[str, tuple[float, bool, float]] = {
    "rank": (1, True, 16_384),
    "alpha": (0, False, 1e6),
    "alpha_over_rank": (0, False, 1e6),
    "alpha_over_sqrt_rank": (0, False, 1e6),
    "dropout": (0, True, 1),
    "lr": (0, False, 100),
    "epochs": (0, False, 10_000),
    "batch": (1, True, 1e6),
    "warmup": (0, True, 1),
    "lora_plus": (0, False, 1e6),
}


def held_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters that are held, each as a trainer takes it. UsageError for an unknown name and for a value that
    could not be trained."""
    for name in values:
        if name not in HELD:
            raise UsageError(f"{name!r} is not a hyperparameter.{suggest(name, HELD)} They are {', '.join(HELD)}.")
    return {name: _held_value(name, value) for name, value in values.items()}


def _held_value(name: str, value: Any) -> Any:
    if name == "target_modules" and isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        value = ",".join(value)
    _check_value(name, value)
    if name == "target_modules":
        return modules(value)
    return int(value) if name in WHOLE else value


def _check_meaning(parameter: Parameter) -> None:
    """UsageError when a value of the parameter's range could not be trained."""
    name = parameter.name
    for value in getattr(parameter, "values", [parameter.decode(code) for code in parameter.bounds]):
        _check_value(name, value)
    if name in WHOLE and isinstance(parameter, Real):
        raise UsageError(f"{name} is a whole number: its kind is choice, integer or stepped, not real or log.")
    if name in WHOLE and isinstance(parameter, Stepped):
        _check_value(name, parameter.step)


def _check_value(name: str, value: Any) -> None:
    """UsageError when the hyperparameter cannot have the value."""
    if name == "target_modules":
        modules(value if isinstance(value, str) else "")
        return
    if name in ("rslora", "dora"):
        if not isinstance(value, bool):
            raise UsageError(f"{name} takes true and false alone, not {value!r}.")
        return
    low, included, high = (0, True, 1) if name.startswith(MIX) else _MEANING[name]
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (low <= number if included else low < number) or not number <= high:
        least = f"{'at least' if included else 'above'} {low:g} and at most {high:,.10g}"
        raise UsageError(f"{name} is a number {least}, not {value!r}.")
    if name in WHOLE and number != int(number):
        raise UsageError(f"{name} is a whole number, not {value!r}.")
