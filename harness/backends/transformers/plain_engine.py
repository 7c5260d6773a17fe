"""Running a transformers model plainly: each row whole, rows of equal length together, without padding.

Right for any architecture that transformers can run, and the measure that the other engine is checked against
(self_check.py). Texts go on from the model's own cache where that was found to give what whole passes give.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.self_check import gap, is_out_of_memory, tolerance

if TYPE_CHECKING:
    import torch

    from harness.backends.transformers.prefix_tree import Row, Segment

CACHES = ("past_key_values", "cache_params", "state")  # what models call their cache, in and out


class PlainEngine:
    """What questions are answered with only for models that SharedEngine refuses."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.computed = 0
        self.together = 16  # rows of equal length in one forward pass
        self.keeps_cache = False  # whether texts go on from the model's own cache (self_check.check_cache)
        self._options: dict[str, Any] = {}
        self._keeps_some = False  # whether logits can be asked for at the last positions only

    def find_options(self, ids: list[int]) -> torch.Tensor:
        """Try which of the options that save memory leave the logits of `ids` as they are; gives these."""
        import torch

        parameters = inspect.signature(self.model.forward).parameters
        without = {"use_cache": False} if "use_cache" in parameters else {}
        row = torch.tensor([ids], device=self.model.device)
        try:
            with torch.inference_mode():
                usual = self.model(input_ids=row).logits[0].float()
        except Exception as error:
            if is_out_of_memory(error) or not without:
                raise
            self._options = without  # some fail at making their cache
            return self.logits([ids], len(ids))[0]
        reads = len(ids) // 2
        for options, keeps_some in ((without, "logits_to_keep" in parameters), (without, False)):
            self._options, self._keeps_some = options, keeps_some
            try:
                logits = self.logits([ids], reads)[0]
                if logits.shape[0] == reads and not gap(logits, usual[-reads:]) > tolerance(self.model):
                    return usual
            except Exception as error:
                if is_out_of_memory(error):
                    raise
        self._options, self._keeps_some = {}, False
        return usual

    def logits(self, rows: Sequence[list[int]], reads: int) -> torch.Tensor:
        """Of rows of equal length, float32 [rows, reads, vocabulary], at each one's last `reads` positions."""
        return self._forward(rows, reads, **self._options).logits[:, -reads:].float()

    def go_on(self, rows: Sequence[list[int]], cache: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Of rows of equal length that go on from `cache` ({} at their beginning), float32 [rows, vocabulary] at each
        one's end, and the cache with them in it. KeyError where the model gives none that it takes again."""
        out = self._forward(rows, 1, use_cache=True, **cache)
        name = next(iter(cache), "") or self._name_of_cache(out)
        return out.logits[:, -1].float(), {name: getattr(out, name)}

    def _name_of_cache(self, out: Any) -> str:
        parameters = inspect.signature(self.model.forward).parameters
        for name in CACHES:
            if name in parameters and getattr(out, name, None) is not None:
                return name
        raise KeyError("no cache")

    def _forward(self, rows: Sequence[list[int]], reads: int, **options: Any) -> Any:
        import torch

        ids = torch.tensor(list(rows), device=self.model.device)
        keep = {"logits_to_keep": reads} if self._keeps_some else {}
        with torch.inference_mode():
            out = self.model(input_ids=ids, **options, **keep)
        self.computed += ids.numel()
        return out

    def prefill(self, segments: list[Segment], keep_rows: bool) -> torch.Tensor:
        import torch

        rows = [s.row for s in segments if s.row is not None]
        return torch.cat(self.read(rows)) if rows else torch.empty(0)

    def read(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """Of each row, float32 [its reads, vocabulary]; rows of equal length go together."""
        by_row: dict[int, torch.Tensor] = {}
        for group in _equal_lengths([len(r.ids) for r in rows], self.together):
            logits = self.logits([rows[i].ids for i in group], max(rows[i].reads for i in group))
            for place, i in enumerate(group):
                by_row[i] = logits[place, logits.shape[1] - rows[i].reads :]
        return [by_row[i] for i in range(len(rows))]

    def decode(self, segments: list[Segment]) -> PlainDecoder | CachedDecoder:
        rows = [list(s.row.ids) for s in segments if s.row is not None]
        return CachedDecoder(self, rows) if self.keeps_cache else PlainDecoder(self, rows)


class PlainDecoder:
    """Computes rows anew at every token: slow, and right without knowing how a model keeps its state."""

    def __init__(self, engine: PlainEngine, rows: list[list[int]]) -> None:
        self.engine, self.rows = engine, rows

    def step(self, tokens: list[int]) -> torch.Tensor:
        """Feed one token a row; returns float32 logits [rows, vocabulary] for the next."""
        import torch

        for row, token in zip(self.rows, tokens, strict=True):
            row.append(token)
        by_row: dict[int, torch.Tensor] = {}
        for group in _equal_lengths([len(r) for r in self.rows], self.engine.together):
            by_row.update(zip(group, self.engine.logits([self.rows[i] for i in group], 1)[:, 0], strict=True))
        return torch.stack([by_row[i] for i in range(len(self.rows))])

    def keep(self, rows: list[int]) -> None:
        self.rows = [self.rows[r] for r in rows]


class CachedDecoder:
    """Goes on from the model's own cache. Rows of equal length share one, from their prompts' beginning to the end of
    the last of them."""

    def __init__(self, engine: PlainEngine, rows: list[list[int]]) -> None:
        self.engine = engine
        self._caches: list[_Cached] = []
        of_row: dict[int, tuple[_Cached, int]] = {}
        for group in _equal_lengths([len(row) for row in rows], engine.together):
            cached = _Cached([rows[n] for n in group])
            self._caches.append(cached)
            of_row.update((n, (cached, place)) for place, n in enumerate(group))
        self._places = [of_row[n] for n in range(len(rows))]  # of each row: its cache, and which of its rows it is

    def step(self, tokens: list[int]) -> torch.Tensor:
        """As PlainDecoder's."""
        import torch

        for (cached, place), token in zip(self._places, tokens, strict=True):
            cached.next[place] = [*cached.prompts[place], token] if cached.prompts else [token]
        logits = {id(cached): cached.go_on(self.engine) for cached in self._caches}
        return torch.stack([logits[id(cached)][place] for cached, place in self._places])

    def keep(self, rows: list[int]) -> None:
        self._places = [self._places[r] for r in rows]
        going = {id(cached) for cached, _ in self._places}
        self._caches = [cached for cached in self._caches if id(cached) in going]


@dataclass(eq=False)
class _Cached:
    """Rows of equal length and the cache that they are in. One that has ended gets its last token again, which nothing
    reads: models cannot take a row out of every kind of cache."""

    prompts: list[list[int]]  # until they are in the cache
    next: list[list[int]] = field(default_factory=list)  # what goes in next, of each row
    cache: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next = [[] for _ in self.prompts]

    def go_on(self, engine: PlainEngine) -> torch.Tensor:
        """Float32 [rows, vocabulary] for the next tokens."""
        logits, self.cache = engine.go_on(self.next, self.cache)
        self.prompts, self.next = [], [row[-1:] for row in self.next]
        return logits


def _equal_lengths(lengths: list[int], most: int) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for i, n in enumerate(lengths):
        by_length.setdefault(n, []).append(i)
    for group in by_length.values():
        for at in range(0, len(group), most):
            yield group[at : at + most]
