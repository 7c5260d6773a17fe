"""A source's share of the train rows as a hyperparameter: `[space."mix:alpaca"]`.

Trials differ in their train rows alone; validation and test are the study's, in its own mix. What a share trains on is
`Splits.drawn`: a function of the split and the share. So the rows that it can draw belong to the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.instruction_split import digest
from harness.errors import UsageError, suggest
from tuning.study.parameters import Real
from tuning.study.space import Space
from tuning.types import MIX

if TYPE_CHECKING:
    from data.instruction_split import Splits

LEAST = 0.5  # of the train part's rows: trials with fewer would differ in their number above all


def data_digests(splits: Splits, space: Space) -> Mapping[str, str]:
    """Of all rows that trials of this space can see."""
    if space.source is None:
        return splits.digests
    return {**splits.digests, "pool": digest([row for source in sorted(splits.pool) for row in splits.pool[source]])}


def own_share(splits: Splits, space: Space) -> tuple[str, float] | None:
    """The source whose share is searched, and the one that it has in the study's own mix, as points write it."""
    if space.source is None:
        return None
    share = sum(row.source == space.source for row in splits.train) / len(splits.train)
    return space.source, float(Real(MIX + space.source, 0.0, 1.0).check(share))


def check(splits: Splits, space: Space, way: str) -> list[str]:
    """Notes on shares that leave trials fewer rows. UsageError where a share cannot be searched on these rows."""
    source = space.source
    if source is None:
        return []
    if way == "paper":
        raise UsageError(
            "the paper's split draws rows with replacement, in one mix. A share can be searched with `split` disjoint."
        )
    sources = sorted(splits.pool)
    if source not in sources:
        raise UsageError(f"there are rows of {', '.join(sources)}, and none of {source}.{suggest(source, sources)}")
    if len(sources) == 1:
        raise UsageError(f"all rows are of {source}: a share needs a second source (see `mix`).")
    (parameter,) = [p for p in space.parameters if p.name == MIX + source]
    low, high = (float(parameter.decode(code)) for code in parameter.bounds)
    notes = []
    for share in dict.fromkeys((low, high)):
        rows, most = len(splits.drawn(source, share)), len(splits.train)
        if rows < LEAST * most:
            raise UsageError(
                f"at a share of {share:g} the sources have rows for {rows} of the {most} that train has, and "
                f"{LEAST:.0%} are needed. Make the range narrower, or train smaller (`sizes`)."
            )
        if rows < most:
            notes.append(
                f"{MIX}{source} = {share:g} trains on {rows} rows, and the study's own mix on {most}: its sources have "
                "no more, and no row is taken twice."
            )
    return notes
