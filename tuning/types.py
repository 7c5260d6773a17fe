"""The contract of a search: what an optimizer proposes, what a trainer makes of it, what comes back.

An optimizer knows a space and outcomes, and nothing of models. A trainer knows a base, rows and
hyperparameters, and nothing of searches. The search loop (`tuning/search/loop.py`) stands between them and stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.progress import SILENT, Progress

Value = int | float | str | bool
MIX = "mix:"  # begins the name of the hyperparameter that is a source's share of the rows: "mix:alpaca"
Point = Mapping[str, Value]  # a value for each parameter of a space, as people write it


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a trainer needs: `space.Space.hyperparameters(point)` makes it, with alpha absolute."""

    rank: int
    alpha: float
    dropout: float
    lr: float
    target_modules: tuple[str, ...] = ("q_proj", "v_proj")
    epochs: float = 3.0
    batch: int = 128  # rows in an optimizer step, over all devices and micro-batches
    warmup: float = 0.03  # of all steps
    lora_plus: float = 1.0  # learning rate of B over that of A
    rslora: bool = False
    dora: bool = False
    mix: tuple[str, float] | None = None  # a source of rows and its share of those that are trained; None: the study's

    def to_dict(self) -> dict[str, Any]:
        """As the store and people know it: the share as "mix:alpaca", where there is one."""
        values = asdict(self)
        del values["mix"]
        return {**values, **({MIX + self.mix[0]: self.mix[1]} if self.mix else {})}

    @staticmethod
    def from_dict(written: Mapping[str, Any]) -> Hyperparameters:
        values = {name: value for name, value in written.items() if not name.startswith(MIX)}
        mix = next(((name.removeprefix(MIX), share) for name, share in written.items() if name.startswith(MIX)), None)
        return Hyperparameters(**{**values, "target_modules": tuple(written["target_modules"]), "mix": mix})

    def value_of(self, name: str) -> Any:
        """A hyperparameter by the name that `to_dict` has for it; None for a share that it does not have."""
        return self.to_dict().get(name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a proposed point gave."""

    values: tuple[float, ...] | None  # one an objective, lower is better; None: the evaluation failed
    constraints: tuple[float, ...] = ()  # feasible where every one is <= 0


class Optimizer(Protocol):
    """Made with (space, seed, start, block, objectives, constraints); the first points asked are `start`, in order.

    The sequence of points is a function of these and of the outcomes told, and of nothing else: a fresh
    optimizer that is told the same outcomes proposes the same points. That is all of resume."""

    name: ClassVar[str]
    max_objectives: ClassVar[int]  # 0: any number
    takes_constraints: ClassVar[bool]

    def ask(self) -> list[Point]:
        """The next block: one to `block` points, none of which waits for another's outcome. [] when the search has
        ended by itself (a mesh at its finest, a list at its end). A point may have been proposed before."""
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Outcomes of the points last asked, in their order."""
        ...

    def close(self) -> None:
        """Stop a child process, if there is one. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step of a trial, as it happens."""

    step: int  # from 1
    steps: int  # in all
    loss: float  # mean negative log-likelihood of the batch's response tokens, nats
    lr: float


@dataclass(frozen=True, slots=True)
class Phase:
    """How far a training is, for who watches it; nothing of it is stored."""

    name: str  # "loading the base", "encoding the rows", "training", "validation", "test"
    done: float = 0.0  # steps of training, rows of the others
    total: int = 0  # 0: it cannot be counted
    tokens: int = 0  # that went through the base in this phase
    place: int | None = None  # of a packed trial among those that are trained together; None: it is of all


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Negative log-likelihood of responses under a model."""

    total: float  # nats, over all response tokens
    tokens: int  # response tokens
    rows: tuple[tuple[float, int], ...]  # (nats, response tokens) of each row, in the rows' order

    @property
    def mean(self) -> float:
        return self.total / self.tokens


@dataclass(frozen=True, slots=True)
class Compute:
    """Tokens of the rows that went through the model, a shared prefix's for each row. Padding is counted apart."""

    forward: int = 0
    backward: int = 0
    validation: int = 0
    padding: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """One training: the adapter and what it cost."""

    adapter: Path  # folder, as peft writes it, with harness.json (the base's digest)
    validation: Likelihood
    train_loss: float  # mean over the last tenth of the steps, nats per response token
    compute: Compute
    seconds: float
    peak_bytes: int  # of the GPU, or of the whole process; 0 where it cannot be told
    steps: int
    micro_batch: int  # rows; what was left after halving for memory
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What an objective looks at."""

    trained: Trained
    adapter_bytes: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an objective may need beside a training."""

    model: str  # the base, as given
    db: str
    bench_data: str | None
    device: str
    prompts: str | None
    judge_url: str
    add_bos: bool = False
    template: str = "alpaca"  # of the study's rows: chat, alpaca or plain
    progress: Progress = SILENT  # where a measurement shows how far it is


class Objective(Protocol):
    """Something that a search makes small. `word` is how a study names it, for example "benchmark:mmlu@20"."""

    @property
    def word(self) -> str: ...

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """Of one training; lower is better. TrialError where this trial cannot be measured; other errors stop the
        study, which the same command goes on with."""
        ...


class ObjectiveFactory(Protocol):
    """A part of the kind `harness.objectives`. Its entry point's name is the word before the colon."""

    def __call__(self, word: str, /) -> Objective:
        """UsageError where what follows the name makes no sense. Nothing is read or asked yet."""
        ...


class TrialError(Exception):
    """A trial that cannot end well: loss not finite, out of memory at one row, hyperparameters that do not fit.
    The message says which. The study goes on."""
