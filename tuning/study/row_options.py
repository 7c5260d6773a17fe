"""Which rows a study learns from: shares of sources, sizes of parts, and the rows themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from data.instruction_split import Splits


def mix_of(text: str) -> dict[str, float] | None:
    """ "alpaca=0.7,my.jsonl=0.3", "paper", or "" for all rows as they come. UsageError where these are no shares."""
    from data.instruction_rows.sources import SETS, is_a_name
    from data.instruction_split import PAPER_MIX

    if text == "paper":
        return dict(PAPER_MIX)
    if not text:
        return None
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, share = (side.strip() for side in (part.rpartition("=") if "=" in part else (part, "", ""))[::2])
        if not is_a_name(name):
            raise UsageError(
                f"There are rows of {', '.join(SETS)}, files (as my.jsonl) and hub data sets (hub:OWNER/NAME), not of "
                f"{name!r}.{suggest(name, SETS)}"
            )
        if name in shares:
            raise UsageError(f"It names {name} twice.")
        shares[name] = _number(share)
        if not 0 < shares[name] <= 1:
            raise UsageError(f"The share of {name} is above 0 and at most 1, not {share or 'nothing'}.")
    total = sum(shares.values())
    if abs(total - 1) > 1e-3:
        raise UsageError(f"Shares add up to 1, as in alpaca=0.7,dolly=0.3, and these to {total:g}.")
    return shares


def sizes_of(text: str) -> tuple[float, float, float]:
    """ "0.7,0.15,0.15" (shares), "500,100,100" (rows), "paper", or "" for the usual ones. UsageError where three parts
    cannot have these sizes; test alone may be empty."""
    from data.instruction_split import PAPER_SIZES, Sizes

    if text in ("", "paper"):
        sizes = PAPER_SIZES if text else Sizes()
        return sizes.train, sizes.validation, sizes.test
    parts = [part.strip() for part in text.split(",")]
    numbers = [_number(part) for part in parts]
    if len(parts) != 3 or not all(map(math.isfinite, numbers)):
        raise UsageError("Three sizes are train,validation,test: shares as 0.7,0.15,0.15, or rows as 500,100,100.")
    three = tuple(number if "." in part else _rows(part) for part, number in zip(parts, numbers, strict=True))
    shares = [size for size in three if isinstance(size, float)]
    if min(numbers) < 0 or min(numbers[:2]) == 0:
        raise UsageError("Train and validation have rows: their sizes are above 0, and that of test is from 0 up.")
    if sum(shares) > 1 + 1e-9:
        raise UsageError(f"Shares add up to 1 at most, and these to {sum(shares):g}.")
    train, validation, test = three
    return train, validation, test


def swept(sizes: str, validation: str) -> list[str]:
    """The sizes with each of several of the validation part. UsageError where one of them cannot be."""
    train, _, test = ("0.7,0.15,0.15" if not sizes else _paper() if sizes == "paper" else sizes).split(",")
    texts = [f"{train},{size.strip()},{test}" for size in validation.split(",")]
    for text in texts:
        sizes_of(text)
    return texts


def load_rows(
    data: str | None,
    mix: Mapping[str, float] | None,
    columns: Mapping[str, str],
    sizes: tuple[float, float, float],
    way: str,
    seed: int,
) -> Splits:
    from data.instruction_rows import sources
    from data.instruction_split import Sizes, split

    loaded = sources.load(data, tuple(mix) if mix else None, columns)
    shares = dict(zip(loaded.sources, mix.values(), strict=True)) if mix else None
    splits = split(loaded.rows, seed, Sizes(*sizes), shares, "paper" if way == "paper" else "disjoint")
    return replace(splits, notes=(*loaded.notes, *splits.notes))


def _paper() -> str:
    return ",".join(map(str, sizes_of("paper")))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _rows(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"A size is a share with a point, as 0.7, or a whole number of rows, not {text!r}.") from None
