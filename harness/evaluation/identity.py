"""What makes two runs the same run, and the seeds of sampled answers.

A run's identity is what its scores depend on: model, tasks with their protocol, version, settings and
data, prompt and sampling settings, dtype, seed. Batch size, device and backend are recorded, and are
not identity: they change scores by rounding only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(content: Mapping[str, Any]) -> str:
    """sha256, hexadecimal, over JSON with sorted keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def answer_seed(seed: int, task: str, item: str, repeat: int, part: int = 0) -> int:
    """The seed of one sampled answer, in [0, 2**63): the same whatever else is asked beside it."""
    key = f"{seed}\0{task}\0{item}\0{repeat}\0{part}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1
