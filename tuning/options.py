"""The options of a study, from flags or a file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.errors import UsageError, suggest


@dataclass(frozen=True, slots=True)
class Options:
    """What `harness tune` takes; see its help. A study file has these names, with - or _, and the tables `space` and
    `set`."""

    model: str = ""
    revision: str | None = None
    data: str | None = None
    mix: str = ""
    sizes: str = ""
    split: str = "disjoint"
    data_seed: int = 0
    preset: str = "modern"
    as_published: bool = False
    space: Mapping[str, Any] = field(default_factory=dict)
    set: Mapping[str, Any] = field(default_factory=dict)  # hyperparameters that are held
    optimizer: str = "nomad"
    seed: int = 0
    block: int | None = None
    budget: int | None = None
    objective: str = "validation"
    constraint: tuple[str, ...] = ()
    no_rungs: bool = False
    warm_start: str | None = None
    bench_data: str | None = None
    prompts: str | None = None
    judge_url: str = "https://api.openai.com/v1"
    dtype: str | None = None
    max_tokens: int = 512
    add_bos: bool = False
    load_in_4bit: bool = False
    device: str = "auto"
    micro_batch: int = 16
    gradient_checkpointing: bool = False
    processes: int = 1
    parallel: int = 1
    packed: int = 1
    ray: str | None = None
    timeout: str | None = None
    keep: int = 5
    no_merge: bool = False
    db: str = "harness.duckdb"
    name: str | None = None


def read_file(path: Path) -> dict[str, Any]:
    """The options that a study file gives. UsageError for a file or a key that makes no sense."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no study file {path}.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}.") from error
    known = {each.name for each in fields(Options)}
    found = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UsageError(f"{path}: there is no option {key!r}.{suggest(name, known)}")
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def seconds(text: str) -> float:
    """ "90", "30m", "1h30m" in seconds."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not found or not text.strip():
        raise UsageError(f"--timeout is seconds, or as 1h30m, not {text!r}.")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest
