"""Whether LoRA trains where a study puts it: asked of the loaded base, with one row, before the first trial.

Names that fit say little. peft refuses some modules of some architectures (Mamba's `out_proj`), an embedding of
positions is called with no token ids (OPT's), a module may lend its weights without being called (Mamba's `dt_proj`,
whose adapter would stay as it began), and not every class can compute activations again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.models.loading import listed
from harness.prompting.row_tokens import Tokens
from tuning.study.space import Space
from tuning.training.adapters import adapted
from tuning.training.encoded import batch
from tuning.training.likelihood import response_nll
from tuning.training.memory import out_of_memory
from tuning.training.targets import fits
from tuning.types import Hyperparameters, TrialError

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

Training = Callable[[Any], AbstractContextManager[None]]


def placements(
    space: Space, defaults: Hyperparameters, start: Sequence[tuple[str, Hyperparameters]]
) -> tuple[Hyperparameters, ...]:
    """Of a study's possible trials one for each way to put LoRA on the base."""
    hypers = [hyper for _, hyper in start]
    if searched := [parameter for parameter in space.parameters if parameter.name in ("target_modules", "dora")]:
        part = Space(searched)
        hypers += [part.hyperparameters(point, defaults) for point in part.points()]
    by_place: dict[tuple[frozenset[str], bool], Hyperparameters] = {}
    for hyper in hypers:
        by_place.setdefault((frozenset(hyper.target_modules), hyper.dora), hyper)
    return tuple(by_place.values())


def check_trains(
    model: Any, hypers: Sequence[Hyperparameters], checkpoint: Checkpoint, rows: Sequence[Tokens], training: Training
) -> None:
    """UsageError where no trial with the target modules of one of `hypers` could be trained, or one of its modules
    would train nothing. `training` switches a model with an adapter to training."""
    row = min((row for row in rows if row.responses), key=lambda row: len(row.ids))
    for hyper in hypers:
        where = f"LoRA on {', '.join(hyper.target_modules)} cannot be trained with {checkpoint.given}"
        try:
            idle = _idle(model, hyper, checkpoint, row, training)
        except TrialError as error:
            raise UsageError(f"{where}: {error}") from error
        except Exception as error:  # a class fails in its own way on what it was not written for
            if out_of_memory(error):
                continue  # the trials try with fewer rows, and say so
            reason = " ".join(str(error).split())[:300]
            raise UsageError(f"{where}: its training step fails ({type(error).__name__}: {reason}).") from error
        if idle:
            raise UsageError(
                f"{where}: {type(model).__name__} computes without calling {listed(idle)}, and LoRA there would train "
                "nothing. Leave that out of target_modules."
            )


def _idle(model: Any, hyper: Hyperparameters, checkpoint: Checkpoint, row: Tokens, training: Training) -> list[str]:
    """The target modules none of whose adapters a training step reaches."""
    with adapted(model, hyper, checkpoint, 0) as live, training(live):
        loss = response_nll(live, batch([row], False, str(model.device))).sum()
        if loss.requires_grad:
            loss.backward()
        reached = [
            name.partition(".lora_")[0]
            for name, parameter in live.named_parameters()
            if (".lora_B." in name or ".lora_embedding_B." in name) and parameter.grad is not None
        ]
    return sorted(target for target in hyper.target_modules if not fits(target, reached))
