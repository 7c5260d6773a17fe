"""What made a number: program, packages, machine."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "lora-harness",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "accelerate",
    "datasets",
    "lm_eval",
    "duckdb",
    "openai",
    "vllm",
)


def provenance() -> dict[str, Any]:
    """Git revision of this program (where it runs from a checkout), versions, host, platform."""
    return {
        "git_revision": git_revision(Path(__file__).resolve().parent.parent),
        "packages": versions(),
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    by_name = {}
    for name in PACKAGES:
        try:
            by_name[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return by_name


def git_revision(folder: Path) -> str:
    """ "" outside a checkout; "…-dirty" where tracked files differ from the commit."""
    if not (folder / ".git").exists():
        return ""
    try:
        completed = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return completed.stdout.strip() if completed.returncode == 0 else ""
