"""A study of which every trial fails: is it for one reason, which no further trial would escape?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tuning.store import AttemptRow

FEW = 5  # trials; more than the fixed points, which all have one rank
# Hyperparameters that lead nowhere are what a search is there to find out.
_NUMERICAL = re.compile(r"^(the loss is|the validation loss is|diverged:)|not finite|no finite number", re.IGNORECASE)


def one_reason(attempts: Iterable[AttemptRow], few: int = FEW) -> str:
    """Why `few` trials or more, and all there are, failed; "" where one ended well, or they have several reasons, or it
    lies in the numbers. Reasons that differ in their numbers alone are one."""
    own = [a for a in attempts if a.trial and a.purpose == "search"]
    if any(not a.failed for a in own) or len({a.trial for a in own}) < max(1, few):
        return ""
    reasons = {re.sub(r"\d[\d.,e+-]*", "#", a.reason) for a in own}
    return own[0].reason if len(reasons) == 1 and not _NUMERICAL.search(own[0].reason) else ""


def sentence(reason: str, trials: int) -> str:
    """What a person reads where a study stops for it."""
    which = "The only trial" if trials == 1 else f"All of the first {trials} trials"
    end = "" if reason.endswith((".", "!", "?")) else "."
    return (
        f"{which} failed for one reason, so the study stopped: {reason}{end} "
        "Put that right; the same command tries them again."
    )
