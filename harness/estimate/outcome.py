"""An estimate, held against what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.estimate.ranges import Range, size_text, time_range_text, time_text

if TYPE_CHECKING:
    from datetime import datetime

    from harness.results import Store


def outcome(
    store: Store, identity: str, until: datetime | None, seconds: float | None, peak_bytes: int
) -> dict[str, Any] | None:
    """What was foretold of a run or study before it ended, and what it took; None where nothing was foretold."""
    row = store.estimate(identity, until)
    if row is None:
        return None
    planned = row.document
    took = None if until is None else seconds
    return {
        "made": row.made.isoformat(),
        "planned": planned,
        "took_seconds": took,
        "took_bytes": peak_bytes if until is not None else 0,
        "sentence": _sentence(planned, took, peak_bytes if until is not None else 0),
    }


def _sentence(planned: Mapping[str, Any], seconds: float | None, peak_bytes: int) -> str:
    """ "planned 1.2 to 1.9 h, took 1.4 h; memory planned 3.1 GiB, took 3.0 GiB"."""
    time = f"planned {time_range_text(Range.read(planned['seconds']))}"
    if seconds is not None:
        time += f", took {time_text(seconds)}"
    if not planned["memory_bytes"]:
        return time
    memory = f"memory planned {size_text(planned['memory_bytes'])}"
    return f"{time}; {memory}, took {size_text(peak_bytes)}" if peak_bytes else f"{time}; {memory}"
