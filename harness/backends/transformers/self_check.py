"""Is a model computed rightly? Asked at load, of the model itself, before any score is made of it.

Plainly: token sequences alone must be enough for it, later tokens must not change what comes before, and what runs
beside a sequence must not change it. Over the prefix tree: as plain forward passes, on prompts longer than every
window and limit in its configuration, with prefixes cut as runs cut them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from harness.backends.limits import window_of
from harness.backends.transformers.attention.hook import UnsupportedError
from harness.backends.transformers.prefix_tree import Row, Segment
from harness.backends.transformers.window_limits import Limit, limits_of, reduced
from harness.errors import ModelError
from harness.models.causal import looking_ahead, looks_ahead
from harness.models.rounding import last_bit_changed, with_rounding

if TYPE_CHECKING:
    import torch

SHORT = 37  # tokens of the longest row of the check that every model gets
BEYOND = 40  # tokens that a row of the check goes beyond a limit: its trunk and its leaf, and a few more
STEPS = 2  # tokens decoded after it
# multiply-adds that the check at one limit may take: one or two seconds
WORK = {"cpu": 5e10}
WORK_ELSEWHERE = 1e13
TRUNK = 24  # tokens that all rows of the check begin with
MOST_READS = 12  # positions of a row that are compared
# leaves of the check's tree, by number (see _compare); the first and the long one are of one length
EVERY_LEAF, FEW_LEAVES, EQUAL_LEAVES, LONG_LEAF = (0, 1, 2, 3), (0, 2), (0, 3), 3


class Plain(Protocol):
    """Of plain_engine.PlainEngine, what is checked."""

    model: Any
    together: int

    def find_options(self, ids: list[int]) -> torch.Tensor: ...
    def logits(self, rows: Sequence[list[int]], reads: int) -> torch.Tensor: ...
    def go_on(self, rows: Sequence[list[int]], cache: dict[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]: ...


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
    def plain_logits(self, rows: Sequence[Row]) -> list[torch.Tensor]: ...


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
    alone = engine.find_options(ids)
    if alone.shape[0] != length or alone.ndim != 2:
        raise ModelError(
            f"{_name(model)} cannot be measured here: it gives no logits at each token (their shape is "
            f"{tuple(alone.shape)} for {length} tokens)."
        )
    if not bool(alone.isfinite().all()):
        return  # nothing can be compared; answers that are not numbers are told of where they are read
    allowed = tolerance(model)
    together = engine.logits([ids, other], length)
    ahead = looks_ahead(model, together[0][:half], together[1][:half])
    if gap(together[0], alone) <= allowed and not ahead:
        return
    alone = engine.logits([ids], length)[0]
    if not gap(engine.logits([ids], length)[0], alone) <= allowed:
        raise ModelError(
            f"{_name(model)} cannot be measured here: it gives other logits for the same tokens a second time."
        )
    if gap(together[0], alone) <= allowed and not ahead:
        return
    engine.together = 1  # a row may hang on what runs beside it; or on later tokens, when it runs alone too
    if ahead := looks_ahead(model, alone[:half], engine.logits([other], length)[0][:half]):
        raise looking_ahead(model, getattr(model, "name_or_path", "") or "The model", ahead)


def cache_agrees(engine: Plain) -> bool:
    """Whether tokens that go on from the model's own cache have the logits of whole passes, beyond each limit that a
    check of seconds reaches."""
    import torch

    model = engine.model
    config = model.config.get_text_config()
    window = window_of(config)
    reached = [limit.tokens + BEYOND for limit in limits_of(config, window) if _affordable(model, limit)]
    length = min(max([SHORT, *reached]), window - STEPS)
    rows = [random_ids(model, length + STEPS, seed) for seed in range(min(2, engine.together))]
    try:
        logits, cache = engine.go_on([row[:length] for row in rows], {})
        steps = [logits]
        for at in range(length, length + STEPS):
            logits, cache = engine.go_on([row[at : at + 1] for row in rows], cache)
            steps.append(logits)
        return gap(torch.stack(steps, 1), engine.logits(rows, STEPS + 1)) <= tolerance(model)
    except Exception as error:  # models may do anything with a cache
        if is_out_of_memory(error):
            raise
        return False


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
    small = [_reduced_logits(engine, limit) for limit in out_of_reach]
    usual = _compare(engine, min(SHORT, window - STEPS), EQUAL_LEAVES if out_of_reach else EVERY_LEAF)
    for limit, logits in zip(out_of_reach, small, strict=True):
        _check_reduced(engine, limit, logits, usual)
    if longest > SHORT:
        length = min(longest, window - STEPS)
        # the branch alone is longer than the limit, unless the model's window ends before
        _compare(engine, length, FEW_LEAVES if length == longest else (*FEW_LEAVES, LONG_LEAF))


def check_short(engine: Shared) -> None:
    """UnsupportedError unless it agrees with plain passes on short rows."""
    window = window_of(engine.model.config.get_text_config())
    _compare(engine, min(SHORT, window - STEPS), EVERY_LEAF)


def _affordable(model: Any, limit: Limit) -> bool:
    """Whether a check beyond this limit takes seconds: about two rows of its length, in weights alone."""
    weights = sum(p.numel() for n, p in model.named_parameters() if "embed" not in n)
    return 2.2 * weights * (limit.tokens + BEYOND) <= WORK.get(model.device.type, WORK_ELSEWHERE)


def _reduced_logits(engine: Shared, limit: Limit) -> torch.Tensor:
    """Compared at a limit that is too long to be reached in a check, and is made small for it."""
    with reduced(engine.model, engine.model.config.get_text_config(), limit):
        return _compare(engine, SHORT, EQUAL_LEAVES)


def _check_reduced(engine: Shared, limit: Limit, small: torch.Tensor, usual: torch.Tensor) -> None:
    """Made small, a limit must have changed what plain passes give. Where it changes nothing it was not checked, which
    is well only where all layers' masks say that there is no window."""
    # as far from the usual logits as rounding never takes them
    changes = not gap(small, usual) <= tolerance(engine.model) / 10
    if not changes and ("window" not in limit.name or any(w is not None for w in engine.windows.values())):
        raise UnsupportedError(
            f"its configuration has {limit.name} = {limit.tokens}, which is too long to be checked here"
        )


def _compare(engine: Shared, length: int, which: Sequence[int]) -> torch.Tensor:
    """A small tree of rows of `length` tokens, against plain passes: a trunk, a long branch, `which` leaves, and some
    tokens decoded. Gives the first row's plain logits. A pass costs about as much for a few tokens as for fifty: the
    weights go through memory, so the number of passes counts. Plain ones are as many as the leaves have lengths."""
    model = engine.model
    ids = random_ids(model, length + 40, seed=length)
    trunk_end, branch_end = TRUNK if length >= SHORT else length // 2, max(length // 2 + 1, length - 8)
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
        row = Row(ids[:start] + own, min(MOST_READS, len(own)), 0, n)
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

    import torch

    longer = [replace(row, ids=row.ids + more, reads=row.reads + STEPS) for row, more in zip(rows, tokens, strict=True)]

    def plain() -> list[torch.Tensor]:
        """Of the prompts' ends, and of the decoded tokens."""
        logits = engine.plain_logits(longer)
        return [torch.cat([one[:-STEPS] for one in logits]), torch.stack([one[-STEPS:] for one in logits])]

    wanted = plain()
    ours = [got, torch.stack(steps, 1)]
    if not all(gap(own, theirs) <= tolerance(model) for own, theirs in zip(ours, wanted, strict=True)):
        with last_bit_changed(model):
            rounded = plain()
        for own, theirs, other in zip(ours, wanted, rounded, strict=True):
            apart, by_rounding = gap(own, theirs), gap(other, theirs)
            if not apart <= with_rounding(tolerance(model), by_rounding):
                raise UnsupportedError(f"logits with shared prompts differ from plain ones by {apart:.1e}")
    return wanted[0][: rows[0].reads]
