"""The model that a backend loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A checkpoint and how it is held in memory: `device` "cpu", "cuda:1", "mps", or "server"; `dtype` "float32", …"""

    checkpoint: Checkpoint
    device: str
    dtype: str
    load_in_4bit: bool = False
    address: str = ""  # of the server, where one serves it
    others: tuple[Checkpoint, ...] = ()  # on the same base, measured in turn: see `harness.types.Switching`
