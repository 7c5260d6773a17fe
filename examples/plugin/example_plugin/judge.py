"""The judge `shorter`: of two answers the one with fewer words wins. To see how much length alone explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judges.types import JudgedPair, Verdict


class Shorter:
    name, version = "shorter", "1"
    config: Mapping[str, Any] = {}

    def compare(self, pair: JudgedPair) -> Verdict | None:
        """None where neither says anything."""
        first, second = len(pair.first[-1].split()), len(pair.second[-1].split())
        if not first and not second:
            return None
        winner = "tie" if first == second else "first" if first < second else "second"
        return Verdict(winner, f"A has {first} words, B has {second}.")
