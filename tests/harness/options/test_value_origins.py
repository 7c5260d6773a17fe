"""A value that only planning finds wrong is named as it was written: the flag, or Python's argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from tests.harness.runs import cli

FILES = Path(__file__).parents[1] / "tasks/file_tasks/files"
CHOICES, MESSAGES = (f"file:{FILES / name}.jsonl" for name in ("choices", "messages"))
URL = "http://127.0.0.1:1/v1"
NOT_HERE = " goes with a model on this machine, and this one is a server's."
OF_A_SERVER = "goes with a server (`model` is its address)."
# The options, of which the last is wrong; what stands behind it, in Python's words
CASES: list[tuple[dict[str, Any], str]] = [
    ({"tasks": "mmlu", "repeats": 3}, " is for answers that are generated, and these tasks only weigh given options."),
    (
        {"tasks": "drop", "repeats": 3},
        " asks drop for different answers, and at temperature 0 all are alike. Give `temperature`, for example 0.8 "
        "with `top_p` 0.95.",
    ),
    ({"system": "Be brief."}, " goes with `chat`: without a chat template there is no place for it."),
    ({"served_name": "x"}, f" {OF_A_SERVER}"),
    ({"model": URL, "dtype": "float16"}, NOT_HERE),
    ({"model": URL, "trust_remote_code": True}, NOT_HERE),
    ({"model": URL, "served_name": "x", "base_name": "x"}, " is the model that is measured: give the base without"),
    ({"tasks": "mmul"}, ": There is no task 'mmul'. Did you mean mmlu?"),
    ({"tasks": ","}, ": No task is named. There are bbh, "),
    ({"tasks": "mmlu:x"}, ": mmlu has no group 'x'. It has: "),
    ({"tasks": "mmlu", "protocol": "x"}, ": mmlu has no such protocol. The protocols are standard and instructeval."),
    ({"tasks": CHOICES, "protocol": "instructeval"}, ": file:choices.jsonl is asked as its file says, and has no such"),
    (
        {"tasks": "lm_eval:x", "protocol": "instructeval"},
        ": lm_eval:x is scored as lm-evaluation-harness does, and",
    ),
    ({"tasks": "lm_eval:x", "include_path": "nowhere"}, " must be a folder with lm-eval YAML files."),
    ({"tasks": "mmlu", "shots": 9}, ": for mmlu the dev split of "),
    ({"tasks": "humaneval", "shots": 2}, ": humaneval has no shots. Leave it out, or give 0."),
    ({"chat_template": "x"}, " goes with a chat template, and none is used here (a run uses one with `chat`)."),
    ({"chat": True, "chat_template": "x"}, ": tiny has no chat template of this name. There are default."),
    ({"chat": True, "date": "today"}, " must be a day such as 2024-07-26."),
    ({"chat": True, "date": "2025-01-31"}, ": the chat template of tiny asks for no date. Leave it out."),
    (
        {"model": URL, "served_name": "x", "add_bos": True},
        " changes prompts that are made here, and a server makes",
    ),
    ({"base": "tiny"}, " goes with a LoRA adapter, and tiny is not one (no adapter_config.json in "),
    ({"revision": "x"}, " goes with a hub id, and tiny is embedded."),
    ({"backend": "endpoint"}, " asks a server: give its address as `model` (http://host:port/v1), and `served_name`."),
]


def flags_of(given: dict[str, Any]) -> list[str]:
    words = []
    for name, value in given.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def in_flags(text: str) -> str:
    for name in ("temperature", "top_p", "chat", "model", "tokenizer", "served_name"):
        text = text.replace(f"`{name}`", f"--{name.replace('_', '-')}")
    return text


@pytest.mark.parametrize(("options", "behind"), CASES, ids=[f"{[*given][-1]}{n}" for n, (given, _) in enumerate(CASES)])
def test_a_runs_value_is_named_as_it_was_written(options: dict[str, Any], behind: str, tmp_path: Path) -> None:
    usual: dict[str, Any] = {"model": "tiny", "tasks": "drop", "data": "sample", "db": str(tmp_path / "s.duckdb")}
    given = {name: value for name, value in usual.items() if name not in options} | options
    with pytest.raises(UsageError) as caught:
        harness.evaluate(**given, progress=False)
    name, value = [*options.items()][-1]
    label = f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
    assert str(caught.value).startswith(label + behind)
    code, _, errors = cli("run", *flags_of(given))
    assert code == 2
    assert errors.startswith(f"harness: {' '.join(flags_of({name: value}))}{in_flags(behind)}")
    assert not (tmp_path / "s.duckdb").exists()


def test_an_option_that_must_be_given(tmp_path: Path) -> None:
    common: dict[str, Any] = {"data": "sample", "db": str(tmp_path / "s.duckdb")}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"model": "tiny", "tasks": MESSAGES}, "chat", "file:messages.jsonl has messages, which are asked in a chat"),
        ({"model": URL, "tasks": "drop"}, "served_name", f"{URL} is a server, which lists its models at {URL}/models"),
    ]
    for given, name, text in cases:
        with pytest.raises(UsageError, match=f"^{name} must be given: {text}"):
            harness.evaluate(**given, **common, progress=False)
        code, _, errors = cli("run", *flags_of(given | common))
        assert code == 2
        assert errors.startswith(f"harness: --{name.replace('_', '-')} must be given: {text}")


def test_merging_names_its_flags(tmp_path: Path) -> None:
    """Its options are not declared."""
    code, _, errors = cli("merge", "tiny", tmp_path / "out", "--base", "tiny")
    assert (code, errors.startswith("harness: --base tiny goes with a LoRA adapter, and tiny is not one")) == (2, True)
