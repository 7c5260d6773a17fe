"""Optuna's samplers: TPE, Gaussian process, NSGA-II and CMA-ES, on codes instead of values.

Numbers that have an order are integers to a sampler, so that it can tell near from far.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuning.optimizers.sequential import SequentialOptimizer
from tuning.types import Outcome, Point

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from tuning.study.parameters import Parameter
    from tuning.study.space import Space

POPULATION = 12  # of NSGA-II: its default of 50 is the whole of a study


class OptunaSampler(SequentialOptimizer):
    """A subclass gives the sampler."""

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int, constraints: int
    ) -> None:
        import optuna

        super().__init__(space, seed, start, block, objectives, constraints)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self._sampler(seed)
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        self._distributions = {p.name: _distribution(p) for p in space.parameters}

    @abstractmethod
    def _sampler(self, seed: int) -> BaseSampler: ...

    def _propose(self) -> tuple[Point, Any]:
        trial = self._study.ask(self._distributions)
        return self.space.decode([trial.params[name] for name in self.space.names]), trial

    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        import optuna

        if token is None:
            self._study.enqueue_trial(dict(zip(self.space.names, self.space.encode(point), strict=True)))
            token = self._study.ask(self._distributions)
        if outcome.values is None:
            self._study.tell(token, state=optuna.trial.TrialState.FAIL)
            return
        for number, excess in enumerate(outcome.constraints):
            token.set_constraint(str(number), excess)
        self._study.tell(token, list(outcome.values))


class Tpe(OptunaSampler):
    name = "tpe"
    max_objectives = 0
    takes_constraints = True

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, multivariate=True)


class GaussianProcess(OptunaSampler):
    name = "gp"
    takes_constraints = True

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed)


class Nsga2(OptunaSampler):
    name = "nsga2"
    max_objectives = 0
    takes_constraints = True

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, population_size=POPULATION)


class CmaEs(OptunaSampler):
    name = "cma-es"

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import CmaEsSampler

        return CmaEsSampler(seed=seed, with_margin=True, warn_independent_sampling=False)


def _distribution(parameter: Parameter) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    low, high = parameter.bounds
    if not parameter.ordered:
        return CategoricalDistribution(list(range(int(high) + 1)))
    return FloatDistribution(low, high) if parameter.size is None else IntDistribution(int(low), int(high))
