"""The steps of training: micro-batches, memory that does not suffice, processes that add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.prompting.row_tokens import Tokens
from tuning.training.adapters import One
from tuning.training.encoded import batch, by_length
from tuning.training.likelihood import alike, response_nll
from tuning.training.memory import fits, too_much
from tuning.training.packed import Stack
from tuning.training.prefix_attention import PrefixSharing
from tuning.training.shared_prefixes import passes, shared_batch
from tuning.training.training_schedule import TrainingSchedule
from tuning.types import Phase, Step, TrialError

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Steps:
    """What of a trainer's settings its steps depend on; `workers` are the processes of a data-parallel trial."""

    micro_batch: int
    packed_rows: bool
    workers: PartialState | None = None
    on_phase: Callable[[Phase], None] = lambda phase: None
    sharing: PrefixSharing | None = None  # of the base, where its rows share their prefixes

    def run(
        self,
        model: Any,
        adapters: One | Stack,
        schedules: Sequence[TrainingSchedule],
        rows: Sequence[Tokens],
        on_step: Callable[[int, Step], None] | None,
    ) -> int:
        """All steps of all courses. The micro-batch that was left."""
        micro, steps, gone = self.micro_batch, len(schedules[0].batches), [0.0] * len(schedules)

        def passed(share: float, tokens: Sequence[float]) -> None:
            for k, schedule in enumerate(schedules):
                if not schedule.error:
                    self.on_phase(Phase("training", step + share, steps, int(gone[k] + tokens[k]), k))

        for step in range(steps):
            if all(schedule.error for schedule in schedules):
                break
            groups = [[rows[at] for at in schedule.batches[step]] for schedule in schedules]
            while not self._agreed(own_sums := fits(partial(self.gradients, model, groups, micro, passed))):
                adapters.clear_gradients()
                if micro <= len(schedules):
                    raise TrialError(too_much(micro, rank=max(schedule.hyper.rank for schedule in schedules)))
                micro = max(1, micro // 2)
            sums = self._added(own_sums, adapters)
            gone = [before + added[1] for before, added in zip(gone, sums, strict=True)]
            for k, schedule in enumerate(schedules):
                if not schedule.error:
                    schedule.passed(*sums[k][1:])
                    try:
                        schedule.advance(step, sums[k][0])
                    except TrialError as error:
                        schedule.error = error
                    else:
                        if on_step is not None:
                            on_step(k, Step(step + 1, steps, sums[k][0], schedule.lr(step)))
            adapters.clear_gradients()
        return micro

    def gradients(
        self,
        model: Any,
        groups: Sequence[Sequence[Tokens]],
        micro: int,
        passed: Callable[[float, Sequence[float]], None] = lambda share, tokens: None,
    ) -> Tensor:
        """Of one step, `micro` rows at a time: gradients where the adapters hold them, and for each group of rows
        [loss, tokens, padding], on the device. In a process of several, this process's part of all that. `passed` is
        told after each pass the share of the step that is done, and of each group the tokens."""
        import torch

        device = str(model.device)
        responses = torch.tensor([[sum(row.responses for row in group)] for group in groups], device=device)
        # losses stay on the device until the step's end: to read one is to wait for all that was begun
        total = torch.zeros(len(groups), dtype=torch.float64, device=device)
        tokens, padding = [0.0] * len(groups), [0.0] * len(groups)
        own = max(1, micro // len(groups))
        if self.workers is not None:
            own = min(own, -(-len(groups[0]) // self.workers.num_processes))
        # packed trials go through together, so their micro-batches are cut by number alone
        share = 0.0 if len(groups) > 1 or self.packed_rows else alike(model)
        if self.sharing is None:
            chunks = list(zip(*(by_length(group, own, share) for group in groups), strict=True))
        else:
            chunks = [(part,) for part in passes(groups[0], own)]
        if self.workers is not None:
            chunks = chunks[self.workers.process_index :: self.workers.num_processes]
        processes = 1 if self.workers is None else self.workers.num_processes
        for number, chunk in enumerate(chunks, 1):
            parts = [[group[at] for at in part] for group, part in zip(groups, chunk, strict=True)]
            together = [row for part in parts for row in part]
            if self.sharing is None:
                made = batch(together, self.packed_rows and len(groups) == 1, device)
                nats = response_nll(model, made)
            else:
                made, segments = shared_batch(together, device)
                with self.sharing.over(segments):
                    nats = response_nll(model, made)
            of = made.row // len(parts[0])
            losses = (
                torch.zeros(len(groups), 1, device=device, dtype=nats.dtype).index_add(0, of, nats[:, None]) / responses
            )
            losses.sum().backward()
            total += losses.detach()[:, 0].double()
            for k, part in enumerate(parts):
                own_tokens = sum(len(row.ids) for row in part)
                tokens[k] += own_tokens
                padding[k] += (made.tokens + made.padding) / len(groups) - own_tokens
            passed(number / len(chunks), [processes * count for count in tokens])
        return torch.stack([total, *torch.tensor([tokens, padding], dtype=torch.float64, device=device)], 1)

    def _agreed(self, sums: Tensor | None) -> bool:
        """Had every process memory enough?"""
        if self.workers is None:
            return sums is not None
        import torch
        from accelerate.utils import reduce

        lacking = torch.tensor([sums is None], dtype=torch.float32, device=self.workers.device)
        return not bool(reduce(lacking, "sum").item())

    def _added(self, sums: Tensor | None, adapters: One | Stack) -> list[list[float]]:
        """What `gradients` computed, and its gradients, added up over the processes."""
        import torch

        assert sums is not None  # `_agreed` saw to it
        if self.workers is not None:
            from accelerate.utils import reduce

            sums = reduce(sums.to(self.workers.device), "sum").cpu()
            holders = adapters.holders()
            flat = torch.cat([torch.zeros_like(h).flatten() if h.grad is None else h.grad.flatten() for h in holders])
            parts = reduce(flat, "sum").split([h.numel() for h in holders])
            for holder, part in zip(holders, parts, strict=True):
                holder.grad = part.view_as(holder)
        adapters.share_gradients()
        return sums.tolist()
