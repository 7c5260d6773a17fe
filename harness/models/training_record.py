"""What our trainer records in an adapter's folder: the base it was trained on, and the template of its rows.

A merged checkpoint keeps the template in `harness_merge.json`. Others' adapters, and ours from before there was a
choice, record none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from harness.models.checkpoint import BASE_DIGEST_FILE, Checkpoint

MERGE_FILE = "harness_merge.json"
TEMPLATES = ("chat", "alpaca", "plain")


def write_record(folder: Path, base_digest: str, template: str | None = None) -> None:
    """In an adapter's folder."""
    record = {"base_digest": base_digest, **({} if template is None else {"template": template})}
    temporary = folder / f".{BASE_DIGEST_FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(record) + "\n", "utf-8")
        temporary.replace(folder / BASE_DIGEST_FILE)
    finally:
        temporary.unlink(missing_ok=True)


def template_of(checkpoint: Checkpoint) -> str | None:
    """The template that an adapter or a merged checkpoint was trained in, where that is recorded."""
    if checkpoint.kind == "served":
        return None
    for name in (BASE_DIGEST_FILE, MERGE_FILE):
        try:
            record = json.loads((checkpoint.path / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and record.get("template") in TEMPLATES:
            return str(record["template"])
    return None


def chat_warnings(checkpoint: Checkpoint, chat: bool) -> list[str]:
    """That a checkpoint is asked in its chat template and was trained without it, or the other way."""
    template = template_of(checkpoint)
    if template == "chat" and not chat:
        return [f"{checkpoint.given} was trained in its chat template and is asked without it; --chat asks in it"]
    if template not in (None, "chat") and chat:
        return [
            f"{checkpoint.given} was trained in the template {template} and is asked in a chat template; without "
            "--chat it is asked in none"
        ]
    return []
