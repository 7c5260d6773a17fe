"""Is a model computed rightly? Asked at load, of the model itself, before any score is made of it.

Plainly: token sequences alone must be enough for it, later tokens must not change what comes before, and what runs
beside a sequence must not change it. Over the prefix tree: as plain forward passes, on prompts longer than every
window and limit in its configuration, with prefixes cut as runs cut them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.backends.limits import window_of
from harness.backends.transformers.attention_hook import UnsupportedError
from harness.backends.transformers.prefix_tree import Row, Segment
from harness.backends.transformers.window_limits import Limit, limits_of, reduced
from harness.errors import ModelError

if TYPE_CHECKING:
    import torch

SHORT = 37  # tokens of the longest row of the check that every model gets
BEYOND = 40  # tokens that a row of the check goes beyond a limit: its trunk and its leaf, and a dozen more
STEPS = 2  # tokens decoded after it
# multiply-adds that the check at one limit may take: one or two seconds
WORK = {"cpu": 5e10}
WORK_ELSEWHERE = 1e13
# leaves of the check's tree, by number (see _compare)
EVERY_LEAF, FEW_LEAVES, ONE_LEAF, LONG_LEAF = (0, 1, 2, 3), (0, 2), (0,), 3


class Plain(Protocol):
    """Of engines.PlainEngine, what is checked."""

    model: Any
    together: int

    def find_options(self, ids: list[int]) -> None: ...
    def logits(self, rows: Sequence[list[int]], reads: int) -> torch.Tensor: ...


class Decoder(Protocol):
    def step(self, tokens: list[int]) -> torch.Tensor: ...


class Shared(Protocol):
    """Of engines.SharedEngine, what is checked."""

    model: Any
    computed: int
    windows: dict[int, int | None]

    def learn_windows(self, trunk: Segment) -> None: ...
    def prefill(self, segments: list[Segment], keep_rows: bool) -> torch.Tensor: ...
    def decode(self, segments: list[Segment]) -> Decoder: ...
    def plain_logits(self, ids: list[int], reads: int) -> torch.Tensor: ...


def tolerance(model: Any) -> float:
    """Of logits, relative to the largest: what rounding explains."""
    import torch

    return {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 2e-2}.get(model.dtype, 6e-2)


def gap(ours: torch.Tensor, plain: torch.Tensor) -> float:
    """Largest difference, relative to the largest logit; NaN where either has one."""
    return (ours - plain).abs().max().item() / max(1.0, plain.abs().max().item())


def random_ids(model: Any, count: int, seed: int = 0) -> list[int]:
    """Tokens that mean nothing special to any model, as far as their numbers tell."""
    import torch

    vocabulary = vocabulary_of(model)
    low = min(vocabulary // 4, 300)
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, vocabulary, (count,), generator=generator).tolist()


def vocabulary_of(model: Any) -> int:
    sizes = [getattr(model.config.get_text_config(), "vocab_size", None)]
    for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
        weight = getattr(embedding, "weight", None)
        sizes.append(weight.shape[0] if weight is not None and weight.ndim == 2 else None)
    return min(s for s in sizes if isinstance(s, int))


# plainly


def check_plain(engine: Plain) -> None:
    """Raises ModelError for a model that cannot be measured from token ids alone. Sets how `engine` calls it."""
    try:
        _check_plain(engine)
    except ModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(
            f"{_name(engine.model)} cannot be measured here: its forward pass on token ids fails ({first_line(error)})."
        ) from error


def _check_plain(engine: Plain) -> None:
    model = engine.model
    config = model.config.get_text_config()
    window = window_of(config)
    # sparse attention chooses what it sees when there is more than it takes; Reformer's, beyond two chunks
    reached = [2 * n.tokens + 8 for n in limits_of(config, window) if "window" not in n.name and _affordable(model, n)]
    length = max(4, min(max([24, *reached]), window - 1))
    ids = random_ids(model, length)
    half = length // 2
    other = ids[:half] + random_ids(model, length - half, seed=1)
    engine.find_options(ids)
    alone = engine.logits([ids], length)[0]
    if alone.shape[0] != length or alone.ndim != 2:
        raise ModelError(
            f"{_name(model)} cannot be measured here: it gives no logits at each token (their shape is "
            f"{tuple(alone.shape)} for {length} tokens)."
        )
    if not bool(alone.isfinite().all()):
        return  # nothing can be compared; answers that are not numbers are told of where they are read
    allowed = tolerance(model)
    if not gap(engine.logits([ids], length)[0], alone) <= allowed:
        raise ModelError(
            f"{_name(model)} cannot be measured here: it gives other logits for the same tokens a second time."
        )
    together = engine.logits([ids, other], length)
    if gap(together[0], alone) <= allowed and gap(together[1][:half], alone[:half]) <= allowed:
        return
    engine.together = 1
    if not gap(engine.logits([other], length)[0][:half], alone[:half]) <= allowed:
        raise ModelError(
            f"{_name(model)} is no causal language model: its predictions change with the tokens that come after. "
            "Only models that predict each token from those before it can be measured."
        )


def _name(model: Any) -> str:
    return type(model).__name__


def first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    import torch

    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
    )


# over the prefix tree


def check_shared(engine: Shared) -> None:
    """Raises UnsupportedError unless it agrees with plain passes at every length; leaves the layers' windows there."""
    model, config = engine.model, engine.model.config.get_text_config()
    window = window_of(config)
    longest = SHORT
    out_of_reach = []
    for limit in limits_of(config, window):
        if _affordable(model, limit):
            longest = max(longest, limit.tokens + BEYOND)
        else:
            out_of_reach.append(limit)
    for limit in out_of_reach:
        _check_reduced(engine, limit)
    _compare(engine, min(SHORT, window - STEPS), ONE_LEAF if out_of_reach else EVERY_LEAF)
    if longest > SHORT:
        length = min(longest, window - STEPS)
        # the branch alone is longer than the limit, unless the model's window ends before
        _compare(engine, length, FEW_LEAVES if length == longest else (*FEW_LEAVES, LONG_LEAF))


def _affordable(model: Any, limit: Limit) -> bool:
    """Whether a check beyond this limit takes seconds: about two rows of its length, in weights alone."""
    weights = sum(p.numel() for n, p in model.named_parameters() if "embed" not in n)
    return 2.2 * weights * (limit.tokens + BEYOND) <= WORK.get(model.device.type, WORK_ELSEWHERE)


def _check_reduced(engine: Shared, limit: Limit) -> None:
    """At a limit too long to be reached in a check: made small, it must change what plain passes give, and ours with
    them. Where it changes nothing it cannot be checked, unless all layers' masks say that there is no window."""
    model, config = engine.model, engine.model.config.get_text_config()
    ids = random_ids(model, SHORT)
    before = engine.plain_logits(ids, 1)
    with reduced(model, config, limit):
        after = engine.plain_logits(ids, 1)
        # as far from the usual logits as rounding never takes them
        changes = not gap(after, before) <= tolerance(model) / 10
        if changes:
            _compare(engine, SHORT, FEW_LEAVES)
    if not changes:
        _compare(engine, SHORT, FEW_LEAVES)
        if "window" not in limit.name or any(w is not None for w in engine.windows.values()):
            raise UnsupportedError(
                f"its configuration has {limit.name} = {limit.tokens}, which is too long to be checked here"
            )


def _compare(engine: Shared, length: int, which: Sequence[int]) -> None:
    """A small tree of rows of `length` tokens, against plain passes: a trunk, a long branch, `which` leaves, and some
    tokens decoded. Each leaf beside the first costs a plain pass more."""
    model = engine.model
    ids = random_ids(model, length + 40, seed=length)
    trunk_end, branch_end = min(20, length // 2), max(length // 2 + 1, length - 8)
    trunk = Segment(ids[:trunk_end], 0, None, None)
    branch = Segment(ids[trunk_end:branch_end], trunk_end, trunk, None)
    every = [
        (branch, ids[length : length + 7]),
        (branch, ids[length + 7 : length + 10]),
        (trunk, ids[length + 10 : length + 15]),
        (trunk, ids[trunk_end + 1 : length]),  # its own tokens are further apart than the window
    ]
    rows, leaves = [], []
    for n, number in enumerate(which):
        parent, own = every[number]
        start = branch_end if parent is branch else trunk_end
        row = Row(ids[:start] + own, min(8, len(own)), 0, n)
        rows.append(row)
        leaves.append(Segment(own, start, parent, row))
    new = random_ids(model, STEPS * len(rows), seed=1)
    tokens = [new[n * STEPS : (n + 1) * STEPS] for n in range(len(rows))]

    computed = engine.computed
    engine.learn_windows(trunk)
    got = engine.prefill([branch, *leaves], keep_rows=True)
    decoder = engine.decode(leaves)
    steps = [decoder.step([t[n] for t in tokens]) for n in range(STEPS)]
    engine.computed = computed

    wanted = []
    wanted_steps = []
    for row, more in zip(rows, tokens, strict=True):
        logits = engine.plain_logits(row.ids + more, row.reads + STEPS)
        wanted.append(logits[: row.reads])
        wanted_steps.append(logits[row.reads :])
    import torch

    for ours, theirs in ((got, torch.cat(wanted)), (torch.stack(steps, 1), torch.stack(wanted_steps))):
        apart = gap(ours, theirs)
        if not apart <= tolerance(model):
            raise UnsupportedError(f"logits with shared prompts differ from plain ones by {apart:.1e}")
