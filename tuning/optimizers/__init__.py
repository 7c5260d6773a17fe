"""Optimizers behind one ask/tell contract (`tuning.types.Optimizer`), one file each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from tuning.study.space import Space
    from tuning.types import Optimizer, Point

SEVERAL_OBJECTIVES = ("nomad", "tpe", "nsga2", "random", "list")
CONSTRAINTS = ("nomad", "tpe", "gp", "nsga2", "random", "list")
OPTIMIZERS = ("nomad", "nni-tpe", "tpe", "gp", "nsga2", "cma-es", "random", "list")


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
    if name == "nomad":
        from tuning.optimizers.nomad import Nomad

        return Nomad(space, seed, start, block, objectives, constraints)
    if name == "nni-tpe":
        from tuning.optimizers.nni_tpe import NniTpe

        return NniTpe(space, seed, start, block)
    if name == "random":
        from tuning.optimizers.random_search import RandomSearch

        return RandomSearch(space, seed, start, block)
    if name == "list":
        from tuning.optimizers.fixed_list import FixedList

        return FixedList(space, seed, start, block)
    from tuning.optimizers.optuna_samplers import OptunaSampler

    return OptunaSampler(name, space, seed, start, block, objectives)


def check(name: str, block: int = 1, objectives: int = 1, constraints: int = 0) -> None:
    """UsageError when the name is unknown or the optimizer cannot do what is asked."""
    if name not in OPTIMIZERS:
        raise UsageError(
            f"There is no optimizer {name!r}.{suggest(name, OPTIMIZERS)} There are {', '.join(OPTIMIZERS)}."
        )
    if block < 1 or objectives < 1 or constraints < 0:
        raise UsageError(f"An optimizer needs a block and objectives of at least 1, not {block} and {objectives}.")
    if objectives > 1 and name not in SEVERAL_OBJECTIVES:
        able = ", ".join(SEVERAL_OBJECTIVES)
        raise UsageError(f"{name} has one objective, and {objectives} are asked. Several can be had of {able}.")
    if objectives > 2 and name == "nomad":
        raise UsageError(f"nomad has two objectives at most, and {objectives} are asked. nsga2 takes more.")
    if constraints and name not in CONSTRAINTS:
        raise UsageError(f"{name} knows no constraints. {', '.join(CONSTRAINTS)} do.")
