"""How a race ended: as plain data, and in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Standing:
    """How a configuration ended on a task. `items` is how many were read; `value`, in the first metric, is the mean
    over its trainings of what these say of the score on all items."""

    name: str
    value: float
    items: int
    is_out: bool
    is_winner: bool  # has the highest score of those that are not out, or cannot be told from the one that has


@dataclass(frozen=True, slots=True)
class TaskRace:
    """`standings`: the winner, those that cannot be told from it, the others that were measured whole, those out."""

    task: str
    metric: str
    items: int  # all there are
    standings: tuple[Standing, ...]

    @property
    def share_read(self) -> float:
        """Of the answers that measuring all of them whole takes."""
        return sum(one.items for one in self.standings) / (self.items * len(self.standings))

    @property
    def document(self) -> dict[str, Any]:
        standings = [
            {"name": one.name, "value": one.value, "items": one.items, "out": one.is_out, "winner": one.is_winner}
            for one in self.standings
        ]
        return {
            "task": self.task,
            "metric": self.metric,
            "items": self.items,
            "share_read": self.share_read,
            "standings": standings,
        }

    @property
    def sentences(self) -> list[str]:
        first, *others = self.standings
        behind = [one.name for one in others if not one.is_out and not one.is_winner]
        alike = [one.name for one in others if one.is_winner]
        read = f"all {self.items:,} items" if first.items == self.items else f"{first.items:,} of {self.items:,} items"
        parts = [f"{self.task}: {first.name} wins with {100 * first.value:.1f} after {read}."]
        if alike:
            parts.append(f"It cannot be told from {', '.join(alike)}.")
        if behind:
            parts.append(f"Behind it on all items: {', '.join(behind)}.")
        out = [f"{one.name} after {one.items:,}" for one in others if one.is_out]
        if out:
            parts.append(f"Out of the race: {', '.join(out)}.")
        parts.append(f"{100 * self.share_read:.0f}% of all answers were read.")
        return parts
