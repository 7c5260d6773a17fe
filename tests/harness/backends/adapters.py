"""Adapters that are right, and wrong in the ways that matter."""

from __future__ import annotations

from pathlib import Path

from harness.models.checkpoint import resolve
from harness.models.training_record import write_record
from tests.harness.models.test_adapter import make_adapter as trained
from tests.harness.models.test_adapter import rename_tensors


def make_adapter(base: Path, folder: Path, damage: str = "", seed: int = 0) -> Path:
    """`damage`: "names" of modules that the base lacks, all-"zero" B, or the "digest" of another base."""
    trained(folder, base, scale=0.0 if damage == "zero" else 0.05 * (seed + 1), target_modules=["q_proj", "v_proj"])
    if damage == "names":
        rename_tensors(folder, "self_attn", "attention")
    write_record(folder, "0" * 64 if damage == "digest" else resolve(str(base)).digest)
    return folder
