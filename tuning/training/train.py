"""LoRA trials on a base that stays loaded.

The loss of an optimizer step is the sum over the response tokens of its whole batch, divided by their number:
micro-batches, devices and padding do not change it. What a seed decides (LoRA's initial values, the order of the
rows, dropout) is seeded before the adapter is made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data.instruction_split import Splits
from harness import peak_memory
from harness.errors import UsageError
from harness.models.checkpoint import Checkpoint, resolve
from harness.prompting.row_tokens import Tokens
from tuning.training import short_attention
from tuning.training.adapters import One, adapted, detach, lora_config, write
from tuning.training.likelihood import likelihood, packs, shares
from tuning.training.packed import Stack, packable
from tuning.training.part_rows import PartRows
from tuning.training.placement import check_trains
from tuning.training.prefix_attention import PrefixSharing
from tuning.training.steps import Steps
from tuning.training.train_settings import TrainSettings
from tuning.training.training_schedule import TrainingSchedule
from tuning.types import Hyperparameters, Likelihood, Phase, Step, Trained, TrialError

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch import Tensor
    from transformers import PreTrainedModel

Part = Literal["train", "validation", "test"]
LEAST = 0.25  # of the validation rows
_PADDED = "Rows are padded: packed one after the other, this base gives them another likelihood than alone."
DEFAULT = TrainSettings()


class Trainer:
    """Trains and evaluates adapters on one base, which is loaded at the first need and kept unchanged."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        splits: Splits,
        settings: TrainSettings = DEFAULT,
        workers: PartialState | None = None,  # the processes of a data-parallel trial; this is one of them
        placements: Sequence[Hyperparameters] = (),  # one of each way to put LoRA on the base, checked by `require`
    ) -> None:
        """`checkpoint` is a whole model (harness.models.checkpoint.resolve); UsageError for an adapter."""
        if checkpoint.base is not None:
            raise UsageError(f"{checkpoint.given} is a LoRA adapter. Merge it first (harness merge), or give its base.")
        self.checkpoint, self.splits, self.settings = checkpoint, splits, settings
        self._workers, self._placements = workers, placements
        self.on_phase: Callable[[Phase], None] = lambda phase: None  # whoever watches puts their own here
        self.rows = PartRows(checkpoint, splits, settings)

    def require(self) -> None:
        """Load the base. UsageError or ModelError where no trial could be trained on it, or measured."""
        self.on_phase(Phase("encoding the rows"))
        self.rows.require("train")
        self.rows.require("validation")
        self.on_phase(Phase("loading the base"))
        check_trains(self.model, self._placements, self.checkpoint, self.rows.part("train"), self._training)
        if self.settings.processes > 1:
            self.close()  # each of a trial's processes loads its own

    def train(
        self,
        hyper: Hyperparameters,
        fraction: float,
        seed: int,
        to: Path,
        on_step: Callable[[Step], None] | None = None,
    ) -> Trained:
        """Train on the first `fraction` of the train rows, write the adapter to the folder `to`, validate.

        Of a fraction, as much of the validation rows is used, and LEAST of them at least: a rung compares its trials
        on the same rows, and small rungs would spend most on validation. The cosine ends with the last row. An
        exception of `on_step` (to stop early) ends it, with nothing written. TrialError where it cannot end well."""
        self.on_phase(Phase("encoding the rows"))
        self.rows.require("train")
        if self.settings.processes > 1:
            from tuning.training.data_parallel import launch

            job = (hyper, fraction, seed, to)
            return launch(self.checkpoint, self.splits, self.settings, *job, on_step, self.on_phase)
        tell = None if on_step is None else lambda _, step: on_step(step)
        (result,) = self._train([hyper], fraction, [seed], [to], tell)
        if isinstance(result, TrialError):
            raise result
        return result

    def train_packed(
        self,
        hypers: Sequence[Hyperparameters],
        fraction: float,
        seeds: Sequence[int],
        to: Sequence[Path],
        on_step: Callable[[int, Step], None] | None = None,  # with the index into `hypers`
    ) -> list[Trained | TrialError]:
        """Several trials at once over the one base, each as `train` would have it (dropout draws other numbers).

        `packable` says what goes together; the rest is trained apart. `seconds` is each trial's share of the time."""
        self.rows.require("train")
        results: dict[int, Trained | TrialError] = {}
        left = list(range(len(hypers)))
        while left:
            first = left[0]
            group = [k for k in left if k == first or packable(self.model, hypers[first], hypers[k])]
            left = [k for k in left if k not in group]
            trained = self._train(
                [hypers[k] for k in group], fraction, [seeds[k] for k in group], [to[k] for k in group], on_step, group
            )
            results |= zip(group, trained, strict=True)
        return [results[k] for k in range(len(hypers))]

    def evaluate(self, adapter: Path | None, part: Part = "validation") -> Likelihood:
        """Under the base (None) or an adapter. UsageError for an empty part, ModelError for one that does not fit."""
        from harness.models.attach import attach

        self.rows.require(part)
        rows = self.rows.part(part)
        if adapter is None:
            return self._likelihood(self.model, rows, part)[0]
        resolved = resolve(str(adapter), str(self.checkpoint.path))
        try:
            return self._likelihood(attach(self.model, resolved, resize=False), rows, part)[0]
        finally:
            detach(self.model)

    @property
    def warnings(self) -> tuple[str, ...]:
        """About the rows, and how they go through the base."""
        return (*self.rows.warnings, *([_PADDED] if self.settings.packed_rows and not self._packed_rows else []))

    def close(self) -> None:
        """Free the base. It is loaded again when it is needed again."""
        import gc

        import torch

        for name in ("model", "_sharing"):
            self.__dict__.pop(name, None)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @cached_property
    def model(self) -> PreTrainedModel:
        """The base: frozen, in evaluation mode, bare between trials."""
        from harness.models.loading import load_model

        dtype = self.settings.dtype or ("float32" if self.settings.device.startswith("cpu") else "bfloat16")
        model = load_model(self.checkpoint, dtype, self.settings.device, self.settings.load_in_4bit)
        return short_attention.installed(model).requires_grad_(False)

    @cached_property
    def _packed_rows(self) -> bool:
        """Whether rows go through this base one after the other: where that was asked for and changes nothing."""
        return self.settings.packed_rows and packs(self.model, self.rows.part("train") or self.rows.part("validation"))

    @property
    def shares_prefixes(self) -> bool:
        """Whether rows of a trial without dropout go through the base with what they begin with computed once."""
        return self._sharing is not None and not self.settings.gradient_checkpointing

    @cached_property
    def _sharing(self) -> PrefixSharing | None:
        """Where rows share their prefixes in this base: the same numbers up to rounding, sooner."""
        part = self.rows.part("train") or self.rows.part("validation")
        return None if self._packed_rows else shares(self.model, part)

    def _shared(self, hypers: Sequence[Hyperparameters]) -> PrefixSharing | None:
        """In training. Dropout draws its numbers for each row; activations that are computed again are so outside of
        their pass."""
        shares = self.shares_prefixes and len(hypers) == 1 and not hypers[0].dropout
        return self._sharing if shares else None

    def _steps(self, places: Sequence[int] = (0,), sharing: PrefixSharing | None = None) -> Steps:
        tell = lambda phase: self.on_phase(replace(phase, place=places[phase.place]))  # noqa: E731
        return Steps(self.settings.micro_batch, self._packed_rows, self._workers, tell, sharing)

    def _likelihood(
        self, model: Any, rows: Sequence[Tokens], part: Part, place: int | None = None
    ) -> tuple[Likelihood, int, int]:
        total = sum(row.responses > 0 for row in rows)
        tell = lambda done, tokens: self.on_phase(Phase(part, done, total, tokens, place))  # noqa: E731
        tell(0, 0)
        return likelihood(model, rows, self.settings.micro_batch, self._packed_rows, tell, self._sharing)

    def _train(
        self,
        hypers: Sequence[Hyperparameters],
        fraction: float,
        seeds: Sequence[int],
        to: Sequence[Path],
        on_step: Callable[[int, Step], None] | None,
        places: Sequence[int] = (0,),
    ) -> list[Trained | TrialError]:
        """One trial as peft has it, or several packed. A trial that fails does not stop the others. `places` are
        theirs among all that the caller has."""
        began = time.perf_counter()
        part = self.rows.trained(hypers[0].mix, fraction)
        rows = [row for row in part if row.responses]
        self.on_phase(Phase("loading the base"))
        guess = math.log(self.model.get_input_embeddings().weight.shape[0])
        peak_memory.reset(self.settings.device)
        try:
            if not rows:
                raise TrialError(self.rows.none_left("train", part))
            schedules = [
                TrainingSchedule(hyper, seed, len(rows), guess) for hyper, seed in zip(hypers, seeds, strict=True)
            ]
            steps = self._steps(places, self._shared(hypers))  # before adapters are on: it may ask the bare base
            self.on_phase(Phase("attaching the adapter"))
            with self._carried(hypers, seeds) as (model, adapters):
                for k, schedule in enumerate(schedules):
                    schedule.begin(*adapters.parameters(k))
                tell = None if on_step is None else lambda k, step: on_step(places[k], step)
                micro = steps.run(model, adapters, schedules, rows, tell)
                states = [
                    {name: t.detach().clone() for name, t in adapters.state(k).items()} for k in range(len(hypers))
                ]
        except TrialError as error:  # of memory, or of hyperparameters that do not fit: it is of all of them
            return [error] * len(hypers)
        share = (time.perf_counter() - began) / len(hypers)
        return [
            schedule.error or self._finish(schedule, state, folder, share, micro, fraction, place)
            for schedule, state, folder, place in zip(schedules, states, to, places, strict=True)
        ]

    @contextmanager
    def _carried(self, hypers: Sequence[Hyperparameters], seeds: Sequence[int]) -> Iterator[tuple[Any, One | Stack]]:
        """The base with new adapters, in training mode, and the adapters."""
        base = self.model
        if len(hypers) == 1:
            with adapted(base, hypers[0], self.checkpoint, seeds[0]) as model, self._training(model):
                yield model, One(model)
            return
        states = []
        for hyper, seed in zip(hypers, seeds, strict=True):
            with adapted(base, hyper, self.checkpoint, seed) as model:
                states.append(One(model).state(0))
        stack = Stack(states, hypers, base.device)
        with stack.on(base) as model, self._training(model):
            yield model, stack

    @contextmanager
    def _training(self, model: Any) -> Iterator[None]:
        """Entered when adapters are on: peft leaves a hook in a base that has checkpointing switched on already."""
        import torch

        if self._workers is not None:  # dropout draws its own numbers in each process
            torch.manual_seed(torch.initial_seed() + self._workers.process_index)
        if self.settings.gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
        try:
            yield
        finally:
            if self.settings.gradient_checkpointing:
                self.model.gradient_checkpointing_disable()
                self.model.disable_input_require_grads()  # which enabling had enabled
            model.eval()

    def _finish(
        self,
        schedule: TrainingSchedule,
        state: dict[str, Tensor],
        to: Path,
        seconds: float,
        micro: int,
        fraction: float,
        place: int,
    ) -> Trained | TrialError:
        """Validate and write what was trained."""
        from peft import set_peft_model_state_dict

        began = time.perf_counter()
        rows = self.rows.part("validation")
        rows = rows[: max(1, round(max(fraction, LEAST) * len(rows)))]
        try:
            with adapted(self.model, schedule.hyper, self.checkpoint, 0) as model:
                set_peft_model_state_dict(model, state)
                validation, tokens, padding = self._likelihood(model.eval(), rows, "validation", place)
        except TrialError as error:
            return error
        if not math.isfinite(validation.total):
            return TrialError(f"the validation loss is {validation.total} nats.")
        warnings = list(self.warnings)
        if not any(tensor.any() for name, tensor in state.items() if ".lora_B" in name or ".lora_embedding_A" in name):
            warnings.append(
                "Nothing was trained: every B is still zero" + " (dropout 1)." * (schedule.hyper.dropout == 1)
            )
        if micro < self.settings.micro_batch:
            warnings.append(f"Memory sufficed for {micro} of {self.settings.micro_batch} rows a pass.")
        if self._workers is None or self._workers.is_main_process:
            config = lora_config(schedule.hyper, self.checkpoint, self.model)
            write(config, state, self.checkpoint, self.settings.row_template, to)
        return Trained(
            adapter=to,
            validation=validation,
            train_loss=schedule.train_loss,
            compute=schedule.compute(tokens, padding),
            seconds=seconds + time.perf_counter() - began,
            peak_bytes=peak_memory.peak(self.settings.device),
            steps=len(schedule.batches),
            micro_batch=micro,
            warnings=tuple(warnings),
        )
