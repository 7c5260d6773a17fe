"""Whether a checkpoint's files are still there, and are what they were."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import ModelError
from harness.models.checkpoint import resolve

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def state_of(model: str, digest: str, base: str | None = None) -> list[str]:
    """Sentences on what is not as it was; none where all is. Nothing is downloaded; large files' digests are
    remembered (harness/models/digests.py)."""
    if not digest:
        return [f"No digest of {model or 'the checkpoint'} was recorded."]
    if digest.startswith("served:"):
        return [f"The weights behind {model} cannot be seen: a server has them."]
    if model != "tiny" and not Path(model).expanduser().is_dir():
        if _HUB_ID.fullmatch(model):
            return [f"{model} is on the hub, and was not looked for there."]
        return [f"The files are gone: there is no {model}. The digest says which they were."]
    try:
        now = resolve(model, base).digest
    except ModelError as error:
        return [f"The files cannot be read: {error}"]
    return [] if now == digest else [f"{model} is another checkpoint now: its digest is {now}."]
