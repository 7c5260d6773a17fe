"""Where a checkpoint came from: the trial of a study that trained it, and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuning.store.rows import BASE

if TYPE_CHECKING:
    from tuning.store import Store


@dataclass(frozen=True, slots=True)
class Lineage:
    study: str  # its id
    name: str  # the study's
    base: str  # the study's model, as given
    optimizer: str
    trial: int  # 0 is the base itself
    label: str = ""  # of a fixed point
    source: str = ""  # start, optimizer, enqueued
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """ "trial 7", with a fixed point's name, or "base"."""
        if self.trial == BASE:
            return "base"
        return f"trial {self.trial}" + (f" ({self.label})" if self.label else "")


def lineages(store: Store) -> dict[str, Lineage]:
    """By run: of those that `tune top --run` made, and of those whose model is an adapter that a study keeps."""
    from tuning.report.trial_scores import places

    last = {run: own[-1] for run, own in places(store).items()}
    rows = {(row["study"], row["number"]): row for row in store.studies_of(sorted(set(last.values())))} if last else {}
    return {run: _lineage(rows[place], place[1]) for run, place in last.items() if place in rows}


def _lineage(row: Mapping[str, Any], trial: int) -> Lineage:
    return Lineage(
        study=row["study"],
        name=row["name"],
        base=row["model"],
        optimizer=row["optimizer"],
        trial=trial,
        label=row["label"] or "",
        source=row["source"] or "",
        hyperparameters=row["hyperparameters"] or {},
    )
