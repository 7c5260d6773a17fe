"""Where a sampled run looks at what it has read, to see whether it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.types import Rolling

if TYPE_CHECKING:
    from harness.evaluation.planning import TaskPlan
    from harness.stats.drawing import Unit
    from harness.types import Request

ON_A_CPU, ELSEWHERE = 64, 256  # requests from one look to the next, at least: what keeps a backend busy
GROWTH = 0.25  # of what is read, before the next look


def least_requests(device: str) -> int:
    """From one look to the next, on a plan's device."""
    return ON_A_CPU if device == "cpu" else ELSEWHERE


def looks(plan: TaskPlan, drawn: Sequence[Unit], least: int) -> list[int]:
    """After how many of the drawn units a run looks, ascending; the last is all of them.

    From one look to the next there are at least `least` requests and a quarter of those before, and as many characters
    of the items' own as of prompts that they share, since a backend may compute a shared prompt anew in each batch. So
    looks are a function of the questions and their order: a run that goes on looks where it would have looked."""
    requests: dict[str, list[Request]] = {item.id: [] for item in plan.items}
    for (index, _, _), request in zip(plan.keys, plan.requests, strict=True):
        requests[plan.items[index].id].append(request)
    ends: list[int] = []
    read = asked = own = shared = 0
    seen: set[str] = set()
    for number, unit in enumerate(drawn, 1):
        for request in (request for item in unit.items for request in requests[item]):
            asked += 1
            if isinstance(request, Rolling):
                own += len(request.text)
                continue
            own += len(request.prompt.own) + sum(map(len, request.prompt.earlier))
            if request.prompt.shared not in seen:
                seen.add(request.prompt.shared)
                shared += len(request.prompt.shared)
        if asked >= max(least, GROWTH * read) and own >= shared:
            ends.append(number)
            read, asked, own, shared = read + asked, 0, 0, 0
            seen.clear()
    if asked:
        if ends and asked < least / 2:
            ends.pop()
        ends.append(len(drawn))
    return ends


def look_at(drawn: Sequence[Unit], items: int) -> list[int]:
    """As `looks`, where the only one before the end is at so many items, or at the end of their last unit."""
    read = 0
    for number, unit in enumerate(drawn, 1):
        read += len(unit.items)
        if read >= items:
            return sorted({number, len(drawn)})
    return [len(drawn)]
