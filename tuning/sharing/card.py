"""What a model card says, as plain values: everything in the card's files follows from these, and from nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tuning.sharing.figures import Difference, Figure, Measured


@dataclass(frozen=True, slots=True)
class Training:
    """How the adapter came to be."""

    study: str  # the study's name
    identity: str  # the study's
    optimizer: str
    seed: int  # of the search
    trials: int
    budget: int
    objectives: tuple[str, ...]
    trial: int
    label: str  # the name of a fixed point, "" for others
    hyperparameters: Mapping[str, Any]
    template: str
    max_tokens: int
    dtype: str
    rows: str  # where the rows came from
    row_digests: Mapping[str, str]  # by part
    seeds: tuple[int, ...]  # of the trainings that were measured
    validation_loss: float | None  # nats a response token, on all rows
    tokens: int  # that the search computed


@dataclass(frozen=True, slots=True)
class Asked:
    """How a task was asked, and on which rows."""

    name: str
    task: str
    protocol: str
    version: str
    shots: int
    chat: bool
    source: str
    digest: str
    partial: bool


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run that the card's numbers are made of."""

    id: str
    name: str
    identity: str
    model_digest: str
    backend: str
    device: str
    dtype: str
    seed: int
    finished: str  # ISO 8601, or "" while it is not


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    kind: str  # run, study, whole study
    model: str  # as it was given
    base: str  # as it was given; "" where the model is no adapter
    base_digest: str
    training: Training | None
    verdict: tuple[str, ...]
    asked: tuple[Asked, ...]
    measured: tuple[Measured, ...]
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    runs: tuple[SharedRun, ...]
    program: Mapping[str, Any] = field(default_factory=dict)  # versions, platform
    warnings: tuple[str, ...] = ()

    @property
    def own_runs(self) -> list[SharedRun]:
        """The runs of the card's own model."""
        ids = {run for one in self.measured for run in one.runs[one.own]}
        return [run for run in self.runs if run.id in ids]

    def text(self) -> str:
        """As JSON, from which `parsed` makes the same card."""
        return json.dumps({"format": 1, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parsed(text: str) -> Card:
    """ValueError, KeyError or TypeError where the text is no card."""
    document = json.loads(text)
    if document.pop("format") != 1:
        raise ValueError("a card of another version")
    if not all(re.fullmatch("[0-9a-f]+", run["id"]) for run in document["runs"]):  # it is part of a path
        raise ValueError("a run's id that is none")
    training = document["training"]
    return Card(
        **{
            **document,
            "training": training and Training(**_tuples(training)),
            "verdict": tuple(document["verdict"]),
            "asked": tuple(Asked(**one) for one in document["asked"]),
            "measured": tuple(_measured(one) for one in document["measured"]),
            "figures": tuple(Figure(**one) for one in document["figures"]),
            "differences": tuple(Difference(**one) for one in document["differences"]),
            "runs": tuple(SharedRun(**one) for one in document["runs"]),
            "warnings": tuple(document["warnings"]),
        }
    )


def _measured(one: Mapping[str, Any]) -> Measured:
    sides = tuple((title, tuple(runs)) for title, runs in one["sides"])
    return Measured(**{**one, "sides": sides, "left_out": tuple(one["left_out"])})


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
