"""Out of memory: told from other errors, and answered with fewer rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tuning.types import TrialError

T = TypeVar("T")
R = TypeVar("R")

# a CPU's allocator and cuBLAS have no error class of their own
_MESSAGES = ("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")


def out_of_memory(error: BaseException) -> bool:
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


def fits(run: Callable[[], T]) -> T | None:
    """What `run` returns, or None where memory did not suffice. What it held is freed then: the error's frames
    keep tensors alive until it is gone, so nothing is freed while it is handled."""
    import gc

    import torch

    try:
        return run()
    except Exception as error:
        if not out_of_memory(error):
            raise
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def in_halves(items: Sequence[T], run: Callable[[Sequence[T]], R]) -> Iterator[tuple[Sequence[T], R]]:
    """`run(items)`, or of its halves where memory does not suffice, and so on. TrialError where one is too much."""
    waiting = [items]
    while waiting:
        part = waiting.pop()
        result = fits(lambda part=part: run(part))  # type: ignore[misc]
        if result is not None:
            yield part, result
        elif len(part) == 1:
            raise TrialError(too_much(1))
        else:
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]


def too_much(rows: int, **about: Any) -> str:
    details = "".join(f", {name.replace('_', ' ')} {value}" for name, value in about.items())
    return (
        f"out of memory at {rows} row{'s' * (rows > 1)} a pass{details}. "
        "Try fewer tokens a row, gradient_checkpointing, or load_in_4bit."
    )
