"""The rows of studies, as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

StudyStatus = Literal["running", "stopping", "stopped", "finished"]
TrialState = Literal["running", "finished", "stopped", "failed"]
Source = Literal["start", "optimizer", "enqueued"]
Purpose = Literal["search", "final"]

BASE = 0  # the trial number under which the base itself is measured


@dataclass(frozen=True, slots=True)
class StudyRow:
    id: str  # uuid4, hex: unique over all machines
    identity: str  # sha256, hex: equal for two studies that search for the same thing in the same way
    name: str
    status: StudyStatus
    model: str  # as given
    base_digest: str
    data_digest: str  # of train, validation and test rows
    optimizer: str
    seed: int
    budget: int  # distinct trials
    created: datetime  # with a time zone; comes back in UTC
    finished: datetime | None = None
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    totals: Mapping[str, Any] = field(default_factory=dict)  # seconds, sessions
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrialRow:
    """Distinct hyperparameters; key (study, number)."""

    study: str
    number: int  # from 1, in the order of proposal
    digest: str  # of the hyperparameters
    source: Source
    label: str  # the name of a fixed point, "" for others
    hyperparameters: Mapping[str, Any]
    point: Mapping[str, Any]
    state: TrialState
    created: datetime
    objectives: tuple[float, ...] = ()  # as told to the optimizer; empty while it runs and where it failed
    constraints: tuple[float, ...] = ()
    estimated: bool = False  # stopped at a rung: the first objective is an estimate, with its penalty
    reason: str = ""
    finished: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One training and what it gave; key (study, trial, purpose, fraction, seed)."""

    study: str
    trial: int
    purpose: Purpose
    fraction: float  # of the training rows
    seed: int
    finished: datetime
    failed: bool = False
    reason: str = ""
    objectives: tuple[float, ...] = ()
    constraints: tuple[float, ...] = ()
    validation_nats: float = 0.0
    validation_tokens: int = 0
    test_nats: tuple[float, ...] = ()  # of each test row; final attempts only
    test_tokens: tuple[int, ...] = ()
    train_loss: float = 0.0
    forward_tokens: int = 0
    backward_tokens: int = 0
    measured_tokens: int = 0
    padding_tokens: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    adapter_bytes: int = 0
    steps: int = 0
    micro_batch: int = 0
    adapter: str = ""  # its folder; "" once it is dropped
    warnings: tuple[str, ...] = ()

    @property
    def validation_loss(self) -> float | None:
        """Nats a response token; None where nothing was measured."""
        return self.validation_nats / self.validation_tokens if self.validation_tokens else None


@dataclass(frozen=True, slots=True)
class StepRow:
    study: str
    trial: int
    purpose: Purpose
    fraction: float
    seed: int
    step: int
    loss: float
    lr: float
