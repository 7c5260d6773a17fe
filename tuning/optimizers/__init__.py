"""Optimizers behind one ask/tell contract (`tuning.types.Optimizer`), one file each: parts by name
(harness/registry.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from harness import registry
from harness.errors import MissingError, UsageError

if TYPE_CHECKING:
    from tuning.study.space import Space
    from tuning.types import Optimizer, Point

ORDER = ("nomad", "nni-tpe", "tpe", "gp", "nsga2", "cma-es", "random", "list")  # of ours, in lists and in colours


class OptimizerClass(Protocol):
    """A part of the kind `harness.optimizers`: the class itself."""

    max_objectives: int
    takes_constraints: bool

    def __call__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int, constraints: int
    ) -> Optimizer:
        """`start` are points of the space; `block` is the most that one ask may give; `objectives` is within
        `max_objectives`, and `constraints`, their number, is 0 where the class takes none."""
        ...


def names() -> list[str]:
    """Ours in their order, then those of other packages."""
    return registry.names("optimizers", ORDER)


def make(
    name: str,
    space: Space,
    seed: int,
    start: Sequence[Point],
    block: int = 1,
    objectives: int = 1,
    constraints: int = 0,
) -> Optimizer:
    """The optimizer of that name.

    `start` is asked first, in order. `block` is the most points that one ask gives. The sequence depends on all of
    these and on the outcomes told, and on nothing else: not on a budget, so a longer study begins with a shorter
    one's trials. UsageError when the name is unknown, the optimizer cannot do what is asked, or a start point is
    not in the space."""
    check(name, block, objectives, constraints)
    start = [space.canonical(point) for point in start]
    return _load(name)(space, seed, start, block, objectives, constraints)


def check(name: str, block: int = 1, objectives: int = 1, constraints: int = 0) -> None:
    """UsageError when the name is unknown or the optimizer cannot do what is asked."""
    registry.check("optimizers", name)
    if block < 1 or objectives < 1 or constraints < 0:
        raise UsageError(f"An optimizer needs a block and objectives of at least 1, not {block} and {objectives}.")
    most = _load(name).max_objectives
    if objectives > 1 and most == 1:
        able = _able(lambda other: other.max_objectives != 1)
        raise UsageError(f"{name} has one objective, and {objectives} are asked. Several can be had of {able}.")
    if 0 < most < objectives:
        able = _able(lambda other: other.max_objectives == 0)
        raise UsageError(
            f"{name} has {most} objectives at most, and {objectives} are asked. More can be had of {able}."
        )
    if constraints and not _load(name).takes_constraints:
        raise UsageError(f"{name} knows no constraints. {_able(lambda other: other.takes_constraints)} do.")


def _load(name: str) -> OptimizerClass:
    made: OptimizerClass = registry.load("optimizers", name)
    return made


def _able(fits: Callable[[OptimizerClass], bool]) -> str:
    """Names of those that fit, for a message; one that cannot be loaded is left out."""
    able = []
    for name in names():
        try:
            if fits(_load(name)):
                able.append(name)
        except MissingError:
            continue
    return registry.listed("optimizers", able)
