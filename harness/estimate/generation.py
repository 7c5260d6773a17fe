"""How long it takes to generate texts that end nobody knows where.

A step of r rows takes a + b r seconds, measured at two numbers of rows. How soon rows end is what was seen of some:
the part that ended at each step (Kaplan and Meier 1958, with one row more that went on), and after the longest of them
the mean rate. At the ends of a range a row ends so many times less or more readily as the exact 95% interval of a rate
says of so many ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.estimate.ranges import Range


@dataclass(frozen=True)
class Steps:
    a: float  # seconds of a step
    b: float  # and of each row in it
    rows: tuple[tuple[int, bool], ...] = ()  # tokens that were seen of each, and whether it ended there

    @property
    def ended(self) -> int:
        return sum(ended for _, ended in self.rows)

    @property
    def seen(self) -> int:
        return sum(tokens for tokens, _ in self.rows)

    @cached_property
    def sureness(self) -> Range:
        """Times the hazard that was seen, from the one that ends rows the latest."""
        from scipy.stats import gamma

        few, ended = float(gamma.ppf(0.025, self.ended)) if self.ended else 0.0, max(1, self.ended)
        return Range(few / ended, 1.0 if self.ended else 0.0, float(gamma.ppf(0.975, self.ended + 1)) / ended)

    def seconds(self, batches: Sequence[Sequence[int]]) -> Range:
        """Of all batches, each the most new tokens of its rows."""
        return self._over(lambda alive: sum(self._batch(limits, alive) for limits in batches), batches)

    def tokens(self, batches: Sequence[Sequence[int]]) -> Range:
        """That come out."""
        limits = [limit for batch in batches for limit in batch]
        return self._over(lambda alive: sum(float(alive[:limit].sum()) for limit in limits), batches)

    def _over(self, figure: Any, batches: Sequence[Sequence[int]]) -> Range:
        hazard = self._hazard(max(limit for batch in batches for limit in batch))
        sure = self.sureness
        return Range(*(figure(_alive(hazard, times)) for times in (sure.high, sure.expected, sure.low)))

    def _hazard(self, steps: int) -> Any:
        """The part of the rows that ends at each step."""
        import numpy as np

        mean = max(1, self.ended) / (1 + self.seen)
        hazard = np.full(steps, mean)
        if self.ended:
            for step in range(min(steps, max(tokens for tokens, _ in self.rows))):
                at_risk = 1 + sum(tokens > step for tokens, _ in self.rows)
                hazard[step] = sum(ended and tokens == step + 1 for tokens, ended in self.rows) / at_risk
        return hazard

    def _batch(self, limits: Sequence[int], alive: Any) -> float:
        """Until the last of its rows has ended. The first token comes of the prompt's own pass."""
        import numpy as np

        most = max(limits)
        if most <= 1:
            return 0.0
        within = (np.asarray(limits)[None, :] > np.arange(1, most)[:, None]).sum(axis=1)  # whose limit is further on
        going = alive[1:most]
        return float((self.a * (1.0 - (1.0 - going) ** within) + self.b * within * going).sum())


def _alive(hazard: Any, times: float) -> Any:
    """The part of the rows that comes to each step, where they end so many times as readily."""
    import numpy as np

    return np.concatenate([[1.0], np.cumprod((1.0 - hazard) ** times)[:-1]])
