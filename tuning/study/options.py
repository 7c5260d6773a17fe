"""The options of a study, from flags or a file: their names, what they may be, and what stands where none is given."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import UsageError, suggest
from tuning import optimizers
from tuning.objectives import objectives
from tuning.study import rules
from tuning.study.presets import PRESETS
from tuning.study.row_options import mix_of, sizes_of
from tuning.study.rules import form, one_of, option, text, texts, whole, yes_or_no
from tuning.study.space import Space, held_values


def seconds(text: str) -> float:
    """ "90", "30m", "1h30m" in seconds."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not found or not text.strip():
        raise UsageError(f"A time is seconds, or as 1h30m, not {text!r}.")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


COUNT = whole(1)
SEED = whole(0, rules.SEED)
PLACE = "a folder, sample or hub"
DTYPES = ("float32", "bfloat16", "float16", "float64")


def _or_empty(allowed: str, read: Any) -> rules.Rule:
    return rules.Rule(allowed, lambda value: isinstance(value, str), read)


@dataclass(frozen=True, slots=True)
class Options:
    """What `harness tune` takes; see its help. A study file has these names, with - or _, and the tables `space` and
    `set`. UsageError, with the flag's name, where a value is not what its rule allows."""

    model: str = option("", text("a folder, a hub id, or tiny"))
    revision: str | None = option(None, text("a hub model's revision"))
    data: str | None = option(None, text(PLACE))
    mix: str = option("", _or_empty("text as alpaca=0.7,dolly=0.3, or paper", mix_of))
    sizes: str = option("", _or_empty("text as 0.7,0.15,0.15 or 500,100,100, or paper", sizes_of))
    split: str = option("disjoint", one_of(("disjoint", "paper")))
    data_seed: int = option(0, SEED)
    preset: str = option("modern", one_of(PRESETS))
    as_published: bool = option(False, yes_or_no())
    space: Mapping[str, Any] = option({}, rules.table("a table of parameters, as [space.rank]", Space.from_dict))
    set: Mapping[str, Any] = option({}, rules.table("a table of hyperparameters that are held, as [set]", held_values))
    optimizer: str = option("nomad", text("an optimizer's name", optimizers.check))
    seed: int = option(0, SEED)
    block: int | None = option(None, COUNT)
    budget: int | None = option(None, COUNT)
    objective: str = option("validation", text("text as validation,adapter-size", objectives.words_of))
    constraint: tuple[str, ...] = option((), texts('a list of texts as "seconds<=600"', objectives.check_constraint))
    no_rungs: bool = option(False, yes_or_no())
    warm_start: str | None = option(None, text("a study by name or id"))
    bench_data: str | None = option(None, text(PLACE))
    prompts: str | None = option(None, text("a prompt set's file or name"))
    judge_url: str = option("https://api.openai.com/v1", form(r"https?://\S+", "an address that begins with http"))
    dtype: str | None = option(None, one_of(DTYPES))
    max_tokens: int = option(512, COUNT)
    add_bos: bool = option(False, yes_or_no())
    load_in_4bit: bool = option(False, yes_or_no())
    device: str = option("auto", form(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", "auto, cpu, mps, cuda, or one as cuda:1"))
    micro_batch: int = option(16, COUNT)
    gradient_checkpointing: bool = option(False, yes_or_no())
    processes: int = option(1, COUNT)
    parallel: int = option(1, COUNT)
    packed: int = option(1, COUNT)
    ray: str | None = option(None, text("HOST:PORT, or auto"))
    timeout: str | None = option(None, text("seconds, or a time as 1h30m", seconds))
    keep: int = option(5, whole(0))
    no_merge: bool = option(False, yes_or_no())
    db: str = option("harness.duckdb", text("a file's name"))
    name: str | None = option(None, text("a name that is not empty"))

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            shown = value if isinstance(value, str) and value.strip() else rules.shown(value)
            rules.check(each, f"--{each.name.replace('_', '-')} {shown}", value)


def read_file(path: Path) -> dict[str, Any]:
    """The options that a study file gives. UsageError for a file, a key or a value that makes no sense."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no study file {path}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}.") from error
    known = {each.name: each for each in fields(Options)}
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UsageError(f"{path}: there is no option {key!r}.{suggest(name, known)}")
        if name in found:
            raise UsageError(f"{path}: {key} stands twice, once with - and once with _.")
        found[name] = _meant(name, value)
        label = f"[{key}]" if isinstance(value, Mapping) else f"{key} = {rules.shown(value)}"
        known[name].metadata["rule"].check(f"{path}: {label}", found[name])
    return found


def _meant(name: str, value: Any) -> Any:
    """One constraint without its list, and a time as a number."""
    if name == "constraint":
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
    if name == "timeout" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value
