"""The rows of the store, as the rest of the program sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

RunStatus = Literal["running", "sampled", "finished", "imported"]
ResponseKind = Literal["choice", "loglikelihood", "rolling", "generate"]


@dataclass(frozen=True, slots=True)
class RunRow:
    id: str  # uuid4, hex: unique over all machines
    identity: str  # sha256, hex: equal for two runs that measure the same thing
    name: str
    status: RunStatus
    partial: bool
    model: str  # as given
    model_digest: str
    base_digest: str  # "" when there is no base
    backend: str
    device: str
    dtype: str
    seed: int
    created: datetime  # with a time zone; comes back in UTC
    finished: datetime | None = None
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)  # git revision, package versions, host
    totals: Mapping[str, Any] = field(default_factory=dict)  # tokens, seconds, peak_bytes, sampled
    warnings: Sequence[str] = ()  # comes back as a tuple

    @property
    def unverified(self) -> str:
        """Why it is not known which weights answered; "" where it is."""
        return str(self.config.get("backend_details", {}).get("unverified", ""))

    @property
    def goes_on(self) -> bool:
        """Whether the same command would ask more: the run was broken off, or has read a part of its items."""
        return self.status in ("running", "sampled")

    @property
    def sampled(self) -> Mapping[str, Mapping[str, Any]]:
        """Of each task whose score is of items drawn at random: `items`, `of` (all there are) and `stopped`, why it
        was enough. Its interval holds the score that all items would give."""
        tasks: Mapping[str, Mapping[str, Any]] = self.totals.get("sampled", {}).get("tasks", {})
        return tasks


@dataclass(frozen=True, slots=True)
class EstimateRow:
    """What was foretold of a run or a study."""

    identity: str
    made: datetime
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskRow:
    run: str
    task: str
    protocol: str
    version: str
    metric: str  # the one a leaderboard shows first, and that decides right and wrong
    data_source: str
    data_digest: str
    shots: int
    chat: bool
    settings: Mapping[str, Any]
    items: int  # samples expected: items times repeats


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One request's answer; key (run, task, item, repeat, part)."""

    run: str
    task: str
    item: str
    repeat: int
    part: int  # the request's place among those of its item
    kind: ResponseKind
    shared: str  # the shared prompt's text, stored once
    own: str
    text: str = ""
    logprobs: tuple[float, ...] = ()  # natural logs
    greedy: tuple[bool, ...] = ()
    tokens: tuple[int, ...] = ()
    finish: Literal["", "stop", "length"] = ""
    asked: int = 0
    reused: int = 0
    generated: int = 0
    warnings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # what the log-probabilities are of


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One scored answer; key (run, task, item, repeat)."""

    run: str
    task: str
    item: str
    repeat: int
    group: str
    cluster: str
    metrics: Mapping[str, float]
    answer: str = ""
    expected: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    run: str
    task: str
    group: str  # "all" is the whole task
    protocol: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    method: str
