"""What `harness tune` takes, by flags, a study file or in Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from harness.errors import UsageError
from harness.options.declaration import COUNT, SEED, option
from harness.options.row_columns import columns_of
from harness.options.run_options import ALLOWED_DEVICES, DEVICES, Stored
from harness.options.toml import read_toml
from harness.prompting.row_tokens import MAX_TOKENS
from tuning import optimizers
from tuning.objectives import objectives
from tuning.study.presets import PRESETS
from tuning.study.row_options import mix_of, sizes_of
from tuning.study.space import Space, held_values

MODEL, ROWS, SEARCH, COMPUTE, KEEP = "Model", "Rows", "Search", "Computing", "Store"
PLACE = "a folder, sample or hub"
DTYPES = ("float32", "bfloat16", "float16", "float64")


def seconds(text: str) -> float:
    """ "90", "30m", "1h30m" in seconds."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not match or not text.strip():
        raise UsageError(f"A time is seconds, or as 1h30m, not {text!r}.")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def assigned(text: str, of: str = "--set") -> tuple[str, Any]:
    """NAME=VALUE; the value is JSON, or else text."""
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{of} is written NAME=VALUE, not {text!r}.")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value


def _held(texts: Iterable[str]) -> dict[str, Any]:
    return dict(map(assigned, texts))


def _constraints(words: tuple[str, ...]) -> None:
    for word in words:
        objectives.check_constraint(word)


def _time(value: Any) -> Any:
    """A number of seconds as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class TuneOptions(Stored):
    """What `harness tune` takes; see its help. A study file has these names, with - or _, and the tables `space` and
    `set`."""

    file_word: ClassVar[str] = "study file"

    model: str = option(
        "", "The base: a folder, a hub id, or tiny.", panel=MODEL, allowed="a folder, a hub id, or tiny"
    )
    revision: str | None = option(None, "A hub model's revision.", panel=MODEL, allowed="a hub model's revision")
    data: str | None = option(
        None,
        "Instruction rows: files (my.jsonl,more.csv), a folder, sample, hub (the default), or hub:ID.",
        panel=ROWS,
        allowed="files, a folder, sample, hub or hub:ID",
    )
    columns: str = option(
        "",
        "A file's columns, where they have other names: instruction=frage,output=antwort.",
        panel=ROWS,
        allowed="text as instruction=frage,output=antwort",
        reader=columns_of,
        may_be_empty=True,
    )
    mix: str = option(
        "",
        "Shares: alpaca=0.7,dolly=0.3, my.jsonl=0.8,alpaca=0.2, or paper.",
        panel=ROWS,
        allowed="text as alpaca=0.7,my.jsonl=0.3, or paper",
        reader=mix_of,
        may_be_empty=True,
    )
    sizes: str = option(
        "",
        "Train, validation, test: 0.7,0.15,0.15 (the default), 500,100,100 or paper.",
        panel=ROWS,
        allowed="text as 0.7,0.15,0.15 or 500,100,100, or paper",
        reader=sizes_of,
        may_be_empty=True,
    )
    split: str = option(
        "disjoint", "disjoint, or paper (leaks, on purpose).", panel=ROWS, choices=("disjoint", "paper")
    )
    template: str = option(
        "auto",
        "Of rows: auto (chat, else alpaca), chat, alpaca, plain, or a Jinja file.",
        panel=ROWS,
        allowed="auto, chat, alpaca, plain, or a file with a chat template",
    )
    data_seed: int = option(0, "Of the split.", panel=ROWS, ge=0, le=SEED)
    preset: str = option("modern", f"{', '.join(PRESETS)}.", panel=SEARCH, choices=PRESETS)
    as_published: bool = option(
        False, "The paper's dropout 1 too.", panel=SEARCH, flag="--as-published/--no-as-published"
    )
    space: Mapping[str, Any] = option(
        {},
        "The space that is searched, a table for each hyperparameter.",
        flag="",
        allowed="a table of parameters, as [space.rank]",
        reader=Space.from_dict,
    )
    set: Mapping[str, Any] = option(
        {},
        "Hold a hyperparameter: --set batch=16 --set epochs=2.",
        panel=SEARCH,
        allowed="a table of hyperparameters that are held, as [set]",
        reader=held_values,
        parse=_held,
    )
    optimizer: str = option("nomad", f"{', '.join(optimizers.ORDER)}.", panel=SEARCH, choices=optimizers.names)
    budget: int | None = option(
        None, "Distinct trials, fixed points included (the preset's where not given).", panel=SEARCH, ge=1, le=COUNT
    )
    seed: int = option(0, "Of proposals and trainings.", panel=SEARCH, ge=0, le=SEED)
    block: int | None = option(
        None, "Points asked together (--parallel where not given).", panel=SEARCH, ge=1, le=COUNT
    )
    objective: str = option(
        "validation",
        "validation, seconds, memory, adapter-size, forgetting, benchmark:TASK@N, win-rate:JUDGE@N; several by comma.",
        panel=SEARCH,
        allowed="text as validation,adapter-size",
        reader=objectives.words_of,
    )
    constraint: tuple[str, ...] = option(
        (),
        "For example seconds<=600. May be given several times.",
        panel=SEARCH,
        allowed='a list of texts as "seconds<=600"',
        reader=_constraints,
    )
    no_rungs: bool = option(
        False, "Every trial on all rows, as the paper did.", panel=SEARCH, flag="--no-rungs/--rungs"
    )
    warm_start: str | None = option(
        None, "Begin with another study's best points.", panel=SEARCH, allowed="a study by name or id"
    )
    bench_data: str | None = option(None, "Benchmark rows of benchmark objectives.", panel=SEARCH, allowed=PLACE)
    prompts: str | None = option(
        None, "Open prompts of win-rate objectives.", panel=SEARCH, allowed="a prompt set's file or name"
    )
    judge_url: str = option(
        "https://api.openai.com/v1",
        "A server with the judge of win-rate objectives.",
        panel=SEARCH,
        allowed="a server's address that begins with http",
        pattern=r"^https?://\S+$",
    )
    parallel: int = option(1, "Trials at a time.", panel=COMPUTE, ge=1, le=COUNT)
    packed: int = option(1, "Trials of a block trained in one pass, on a GPU.", panel=COMPUTE, ge=1, le=COUNT)
    ray: str | None = option(None, "A Ray cluster's address, or auto.", panel=COMPUTE, allowed="HOST:PORT, or auto")
    timeout: str | None = option(
        None,
        "No trial begins after so long: 3600, 1h30m.",
        panel=COMPUTE,
        allowed="seconds, or a time as 1h30m",
        reader=seconds,
        convert=_time,
    )
    device: str = option(
        "auto", "auto, cpu, cuda, mps.", panel=COMPUTE, allowed=ALLOWED_DEVICES, pattern=f"^({DEVICES})$"
    )
    dtype: str | None = option(None, "Of the base: float32, bfloat16.", panel=COMPUTE, choices=DTYPES)
    max_tokens: int = option(MAX_TOKENS, "Of prompt and response together.", panel=COMPUTE, ge=1, le=COUNT)
    add_bos: bool = option(
        False,
        "Put BOS before each text, if the tokenizer does not.",
        panel=COMPUTE,
        flag="--add-bos/--no-add-bos",
    )
    micro_batch: int = option(16, "Rows in one pass.", panel=COMPUTE, ge=1, le=COUNT)
    gradient_checkpointing: bool = option(
        False,
        "Less memory, more time.",
        panel=COMPUTE,
        flag="--gradient-checkpointing/--no-gradient-checkpointing",
    )
    load_in_4bit: bool = option(
        False, "Quantise the base (bitsandbytes, GPU).", panel=COMPUTE, flag="--load-in-4bit/--no-load-in-4bit"
    )
    processes: int = option(1, "Of one data-parallel training.", panel=COMPUTE, ge=1, le=COUNT)
    keep: int = option(5, "Adapters kept: those of the best N trials.", panel=KEEP, ge=0, le=COUNT)
    no_merge: bool = option(False, "Leave the best adapter unmerged.", panel=KEEP, flag="--no-merge/--merge")
    name: str | None = option(None, "What to call the study.", panel=KEEP, allowed="a name that is not empty")


Options = TuneOptions  # the name of before


def read_file(path: Path) -> dict[str, Any]:
    """The options that a study file gives. UsageError for a file, a key or a value that makes no sense."""
    return read_toml(TuneOptions, path)
