"""NNI 3.0's TPE, as arXiv 2312.00949 used it, without NNI's server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuning.optimizers.sequential import SequentialOptimizer
from tuning.study.parameters import Choice, Parameter
from tuning.types import Outcome, Point

if TYPE_CHECKING:
    from tuning.study.space import Space


class NniTpe(SequentialOptimizer):
    """NNI's defaults: the first 20 outcomes are warm-up, points under way are taken for as good as the best.

    But for its deduplicator, which answers a repeated proposal in a finite space with the next point of a grid search
    from the lowest corner: on the recorded grid that made it worse than random search. Here a repeat costs nothing."""

    name = "nni-tpe"

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int = 1, constraints: int = 0
    ) -> None:
        super().__init__(space, seed, start, block, objectives, constraints)
        self._tuner = _tuner(seed)
        self._tuner.update_search_space({p.name: _range(p) for p in space.parameters})
        self._tuner.dedup._never_dup = True
        self._proposals = 0

    def _propose(self) -> tuple[Point, Any]:
        codes = self._tuner.generate_parameters(self._proposals)
        self._proposals += 1
        return self.space.decode([codes[name] for name in self.space.names]), (self._proposals - 1, codes)

    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        if token is None:
            if outcome.values is not None:
                codes = dict(zip(self.space.names, self.space.encode(point), strict=True))
                self._tuner.import_data([{"parameter": codes, "value": outcome.values[0]}])
                self._tuner.liar.update(outcome.values[0])  # import_data leaves that out
            return
        number, codes = token
        if outcome.values is not None:
            self._tuner.receive_trial_result(number, codes, outcome.values[0])
        self._tuner.trial_end(number, outcome.values is not None)


def _range(parameter: Parameter) -> dict[str, Any]:
    """A parameter's codes in NNI's words."""
    low, high = parameter.bounds
    if isinstance(parameter, Choice):
        return {"_type": "choice", "_value": list(range(len(parameter.values)))}
    if parameter.size is None:
        return {"_type": "uniform", "_value": [low, high]}
    return {"_type": "quniform", "_value": [low, high, 1]}


def _tuner(seed: int) -> Any:
    """NNI writes its log to standard output, which is ours."""
    from nni.algorithms.hpo.tpe_tuner import TpeTuner
    from nni.runtime.log import silence_stdout

    silence_stdout()
    return TpeTuner("minimize", seed)
