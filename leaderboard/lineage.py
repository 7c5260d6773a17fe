"""Where a checkpoint came from: the trial of a study that trained it, and its hyperparameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.store.study_rows import BASE

if TYPE_CHECKING:
    from harness.store import Store

_TAG = re.compile(r"study-([0-9a-f]{12})-trial-(\d+)")  # `harness tune top --run` gives it


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
    studies = {study.id[:12]: study.id for study in store.studies()}
    if not studies:
        return {}
    places = store.trained_in()
    for run, tags in store.tags().items():
        for found in filter(None, map(_TAG.fullmatch, tags)):
            if found[1] in studies:
                places[run] = (studies[found[1]], int(found[2]))
    rows = {(row["study"], row["number"]): row for row in store.studies_of(sorted(set(places.values())))}
    return {run: _lineage(rows[place], place[1]) for run, place in places.items() if place in rows}


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
