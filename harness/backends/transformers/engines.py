"""Two ways to run a transformers model: over the prefix tree, and plainly (plain_engine.py).

Both take the plan's segments and give logits at the positions that rows read, then decode. The plain engine is the
measure that the other one is checked against (self_check.py).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from harness.backends.limits import depends_on_length
from harness.backends.transformers.attention.decode import Decode
from harness.backends.transformers.attention.hook import Active, Switch, UnsupportedError
from harness.backends.transformers.attention.shared import Pass
from harness.backends.transformers.greedy_head import GreedyHead, can_have_one
from harness.backends.transformers.linear_layers import LinearLayers
from harness.backends.transformers.plain_engine import PlainEngine
from harness.backends.transformers.prefix_tree import Row, Segment
from harness.backends.transformers.self_check import (
    cache_agrees,
    check_plain,
    check_shared,
    check_short,
    first_line,
    is_out_of_memory,
    tolerance,
)

if TYPE_CHECKING:
    import torch


# of settings of sparse attention: DeepSeek's index_topk, MiniMax's index_topk_blocks, Doge's keep_window_size
CHOOSING = re.compile(r"index_topk|indexer_budget|topk_blocks|sparse_att|compress_rat|keep_window_size|lsh_")


def engine_of(model: Any, checked: SharedEngine | None = None) -> tuple[SharedEngine | PlainEngine, str]:
    """The engine that computes this model rightly, and a warning where it is not the shared one. `checked` was found
    right for this very model with other weights, which change no window and no limit: the short check says whether it
    is for these."""
    if checked is not None:
        try:
            checked.begin_again(model)
            return checked, ""
        except UnsupportedError:
            checked.end()
    plain = PlainEngine(model)
    check_plain(plain)
    try:
        return SharedEngine(model, plain), ""
    except UnsupportedError as reason:
        plain.keeps_cache = not _hangs_on_whole(model.config.get_text_config()) and cache_agrees(plain)
        plain.computed = 0
        texts = "" if plain.keeps_cache else ", and a text is computed again for each of its tokens"
        return plain, f"shared prompts are computed again for each question with this model{texts}: {reason}"


class SharedEngine:
    """Computes each shared segment once. Raises UnsupportedError for models that it cannot run as `plain` does;
    those are left as they were."""

    def __init__(self, model: Any, plain: PlainEngine) -> None:
        config = model.config.get_text_config()
        parameters = inspect.signature(model.forward).parameters
        for name in ("position_ids", "logits_to_keep"):
            if name not in parameters:
                raise UnsupportedError(f"its forward pass takes no {name}")
        if reason := unsupported(config):
            raise UnsupportedError(reason)
        self.model = model
        self.computed = 0  # positions that went through the model
        self.windows: dict[int, int | None] = {}  # of each layer: how many tokens it sees, None for all
        self._plain = plain
        self._take_weights()
        self._layers: int | None = getattr(config, "num_hidden_layers", None)
        self._switch = Switch(model)
        try:
            self._switch.to_ours()
            check_shared(self)
        except Exception as error:  # the model may do anything with our segments
            self._switch.to_usual()
            if isinstance(error, UnsupportedError) or is_out_of_memory(error):
                raise
            raise UnsupportedError(f"shared prompts cannot go through it ({first_line(error)})") from error

    def _take_weights(self) -> None:
        self._linear = LinearLayers(self.model)
        self.greedy_head = GreedyHead(self.model) if can_have_one(self.model) else None

    def end(self) -> None:
        """Leave the model with its usual attention, and hold it no more."""
        self._switch.to_usual()
        self.model = self._plain.model = None
        self.greedy_head = None
        del self._linear

    def begin_again(self, model: Any) -> None:
        """Go on after `end` with the same model, its weights being others. UnsupportedError where the short check
        fails."""
        self.model = self._plain.model = model
        self._take_weights()
        self.computed = 0
        self._switch.to_ours()
        try:
            check_short(self)
        except Exception as error:
            if isinstance(error, UnsupportedError) or is_out_of_memory(error):
                raise
            raise UnsupportedError(f"shared prompts cannot go through it ({first_line(error)})") from error

    def prefill(self, segments: list[Segment], keep_rows: bool) -> torch.Tensor:
        """Compute segments (ancestors that are not in memory included). Returns float32 logits
        [positions read, vocabulary], rows in the order of `segments`."""
        import torch

        here = {id(s) for s in segments}
        missing = [n for n in segments[0].ancestors() if n.memory is None and id(n) not in here]
        state = Pass(missing + segments, self.model.device)
        for s in missing + segments:
            if s.row is None or keep_rows:
                s.memory = {}
        reads = [
            p
            for s in segments
            if s.row is not None
            for p in range(state.bounds[id(s)][1] - s.row.reads, state.bounds[id(s)][1])
        ]
        index = torch.tensor(reads, device=self.model.device, dtype=torch.long)
        return self._forward(state, state.ids, state.positions, index)

    def decode(self, segments: list[Segment]) -> Decoder:
        return Decoder(self, Decode(segments))

    def learn_windows(self, trunk: Segment) -> None:
        """Compute a segment without ancestors, and take from it how far back each layer sees."""
        import torch

        self.windows = {}
        state = Pass([trunk], self.model.device)
        trunk.memory = {}
        last = torch.tensor([len(trunk.ids) - 1], device=self.model.device)
        self._forward(state, state.ids, state.positions, last, learn=True)
        if self._layers is not None and len(self.windows) < self._layers:
            raise UnsupportedError(f"{self._layers - len(self.windows)} of its {self._layers} layers are not attention")

    def plain_logits(self, rows: Sequence[Row]) -> list[torch.Tensor]:
        """By the plain engine and the model's usual attention: of each row float32 [its reads, vocabulary]."""
        self._switch.to_usual()
        try:
            return self._plain.read(rows)
        finally:
            self._switch.to_ours()

    def _forward(
        self,
        state: Pass | Decode,
        ids: Any,
        positions: Any,
        keep: Any,
        learn: bool = False,
        head: GreedyHead | None = None,
    ) -> torch.Tensor:
        import torch

        last = nullcontext() if head is None else head.instead()
        with torch.inference_mode(), Active(state, self.windows, learn), self._linear.faster(), last:
            out = self.model(input_ids=ids[None], position_ids=positions[None], use_cache=False, logits_to_keep=keep)
        self.computed += len(ids)
        return out.logits[0].float()


class Decoder:
    """Rows of one batch, one token at a time, or several that are only tried."""

    def __init__(self, engine: SharedEngine, state: Decode) -> None:
        self.engine, self.state = engine, state

    def step(self, tokens: list[int]) -> torch.Tensor:
        """Feed one token a row; returns float32 logits [rows, vocabulary] for the next."""
        logits = self.feed([[token] for token in tokens])
        self.advance([1] * len(tokens))
        return logits

    def feed(self, tokens: list[list[int]]) -> torch.Tensor:
        """Feed one token a row or more; returns float32 logits [tokens, vocabulary]. `advance` says how many stay."""
        return self._feed(tokens, None)

    def _feed(self, tokens: list[list[int]], head: GreedyHead | None) -> torch.Tensor:
        import torch

        self.state.feed(tokens)
        ids = self.state.ids
        keep = torch.arange(len(ids), device=ids.device)
        return self.engine._forward(self.state, ids, self.state.positions, keep, head=head)

    def feed_greedy(self, tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `feed`, where only the two likeliest tokens are asked for: logits [tokens, columns], and which token each
        column is of, [tokens, columns], or None where they are the whole vocabulary."""
        head = self.engine.greedy_head
        if head is None:
            return self.feed(tokens), None
        if head.checked:
            return self._feed(tokens, head), head.tokens
        computed = self.engine.computed
        logits = None
        try:
            logits = self._feed(tokens, head)
        except Exception as error:  # the model may do anything with columns, such as read those of an image's tokens
            if is_out_of_memory(error):
                raise
        if logits is not None and head.tokens is None:
            return logits, None
        self.engine.computed = computed
        whole = self.feed(tokens)
        head.checked = logits is not None and head.agrees(logits, whole, tolerance(self.engine.model))
        if not head.checked:
            self.engine.greedy_head = None
        return whole, None

    def advance(self, counts: list[int]) -> None:
        self.state.advance(counts)

    def keep(self, rows: list[int]) -> None:
        self.state.keep(rows)


def unsupported(config: Any) -> str:
    """What a text configuration says that no check on short prompts would find; empty where there is nothing."""
    if depends_on_length(config):
        return "its rotary embedding depends on the length of what is computed together"
    if getattr(config, "attention_chunk_size", None):
        return "its attention is chunked"
    odd = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if odd:
        return f"it has layers of {', '.join(sorted(odd))}"
    return "its attention chooses which tokens it sees" if _chooses(config) else ""


def _chooses(config: Any) -> bool:
    return any(CHOOSING.search(name) and value for name, value in config.to_dict().items())


def _hangs_on_whole(config: Any) -> bool:
    """Whether a token's state may be another when more tokens follow, so that no cache gives what whole passes do."""
    return depends_on_length(config) or _chooses(config)
