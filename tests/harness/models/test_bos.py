"""A model that wants a BOS and gets none is warned of; one that wants none is not; --add-bos puts exactly one."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.evaluation.planning import Options
from harness.evaluation.run import run
from harness.models.bos import add_bos, adds_bos, warnings
from harness.prompting.tokens import Encoder
from harness.types import Prompt
from tests.models import make_model, make_tokenizer

NAMES = ("<s>", "<bos>", "<|begin_of_text|>", "<|endoftext|>", "<|im_start|>")


def tokenizer_with(bos: str | None, eos: str = "</s>", kind: str = "bytes") -> Any:
    tokenizer = make_tokenizer(kind)
    tokenizer.add_special_tokens({"bos_token": bos, "eos_token": eos} if bos else {"eos_token": eos})
    if bos is None:
        tokenizer.bos_token = None
    return tokenizer


def config(folder: Path, **content: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("family", "bos"),
    [
        ("gemma", "<bos>"),
        ("gemma2", "<bos>"),
        ("gemma3_text", "<bos>"),
        ("gemma3n", "<s>"),
        ("recurrent_gemma", "<bos>"),
        ("llama", "<s>"),
        ("llama", "<|begin_of_text|>"),
        ("mistral", "<s>"),
        ("mixtral", "<s>"),
        ("cohere", "<s>"),
    ],
)
def test_families_that_are_trained_with_bos(tmp_path: Path, family: str, bos: str) -> None:
    tokenizer = tokenizer_with(bos)
    folder = config(tmp_path / "m", model_type=family, bos_token_id=tokenizer.bos_token_id)
    (warning,) = warnings(tokenizer, folder)
    assert "--add-bos" in warning
    assert bos in warning
    assert family in warning
    assert not warnings(tokenizer, folder, first=tokenizer.bos_token_id), "the chat template puts it there"
    add_bos(tokenizer, "m")
    assert not warnings(tokenizer, folder)


@pytest.mark.parametrize(
    ("family", "bos", "eos", "of_config"),
    [
        ("qwen2", None, "<|im_end|>", 151643),
        ("qwen3", "<|endoftext|>", "<|im_end|>", 151643),
        ("gpt2", "<|endoftext|>", "<|endoftext|>", 50256),
        ("gpt_neox", "<|endoftext|>", "<|endoftext|>", 0),
        ("llama", "<|endoftext|>", "<|endoftext|>", 0),  # SmolLM
        ("llama", "<|im_start|>", "<|im_end|>", 1),  # SmolLM2-Instruct
        ("llama", "<|startoftext|>", "<|endoftext|>", 1),  # Yi
        ("olmo2", "<|endoftext|>", "<|endoftext|>", None),
    ],
)
def test_families_that_are_trained_without_it(
    tmp_path: Path, family: str, bos: str | None, eos: str, of_config
) -> None:
    folder = config(tmp_path / "m", model_type=family, bos_token_id=of_config)
    assert not warnings(tokenizer_with(bos, eos), folder)


WANTS = ("gemma", "gemma3_text", "recurrent_gemma", "cohere2", "llama", "mistral", "deepseek_v3")
WANTS_NONE = ("qwen2", "gpt2", "gpt_neox", "olmo2", "falcon", "bloom")


@given(
    kind=st.sampled_from(["bytes", "sentencepiece", "llama3"]),
    family=st.sampled_from(WANTS + WANTS_NONE),
    bos=st.sampled_from(["<s>", "<|begin_of_text|>"]),
    inside=st.booleans(),
    adds=st.booleans(),
    of_template=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_warning_where_a_model_wants_bos_and_nothing_puts_it_there(
    kind: str, family: str, bos: str, inside: bool, adds: bool, of_template: bool
) -> None:
    """Whatever puts it there, the tokenizer or the chat template, and wherever the configuration names the family."""
    tokenizer = tokenizer_with(bos, kind=kind)
    with TemporaryDirectory() as place:
        content = {"model_type": family, "bos_token_id": tokenizer.bos_token_id}
        folder = config(Path(place), **({"text_config": content} if inside else content))
        if adds:
            add_bos(tokenizer, "m")
        first = tokenizer.bos_token_id if of_template else 9
        warned = warnings(tokenizer, folder, first)
    there = of_template or Encoder(tokenizer, 100).ids("word")[0] == tokenizer.bos_token_id
    assert len(warned) == (family in WANTS and not there)
    assert all("--add-bos" in warning and bos in warning for warning in warned)


def test_no_config_is_no_evidence(tmp_path: Path) -> None:
    assert not warnings(tokenizer_with("<s>"), tmp_path)
    (tmp_path / "config.json").write_text("[]")
    assert not warnings(tokenizer_with("<s>"), tmp_path)


@given(
    kind=st.sampled_from(["bytes", "sentencepiece", "llama3"]),
    bos=st.sampled_from(NAMES),
    texts=st.lists(st.text(max_size=20) | st.sampled_from(NAMES), min_size=1, max_size=4),
    chat=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_with_add_bos_any_prompt_has_exactly_one(kind: str, bos: str, texts: list[str], chat: bool) -> None:
    tokenizer = tokenizer_with(bos, kind=kind)
    before = tokenizer.backend_tokenizer.encode("word", add_special_tokens=False).ids
    add_bos(tokenizer, "m")
    add_bos(tokenizer, "m")
    assert adds_bos(tokenizer)
    assert tokenizer.backend_tokenizer.encode("word", add_special_tokens=False).ids == before
    encoder = Encoder(tokenizer, 10_000, chat=chat)
    shared = "The following are questions about anatomy.\n\nQuestion?\nAnswer: A\n\n"
    prompts = [Prompt(shared, text + "x") for text in texts] + [Prompt("", "".join(texts) + "x")]
    for encoded in encoder.prompts(prompts, [1] * len(prompts)):
        assert encoded.ids[0] == tokenizer.bos_token_id
        assert encoded.ids.count(tokenizer.bos_token_id) == 1


def test_there_must_be_a_bos_to_add() -> None:
    with pytest.raises(UsageError, match=r"^add_bos=True: the tokenizer of m has no BOS token"):
        add_bos(tokenizer_with(None), "m")


def test_a_run_warns_and_add_bos_changes_its_scores_and_its_identity(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    common: dict[str, Any] = {
        "model": str(folder),
        "tasks": "mmlu",
        "db": str(tmp_path / "s.duckdb"),
        "data": "sample",
        "limit": 1,
    }
    without, with_it = run(Options(**common)).run, run(Options(**common, add_bos=True)).run
    assert any("--add-bos" in warning for warning in without.warnings)
    assert not any("--add-bos" in warning for warning in with_it.warnings)
    assert without.identity != with_it.identity
    assert with_it.totals["tokens"]["asked"] > without.totals["tokens"]["asked"]


def test_training_adds_one_too() -> None:
    from data.instructions import Instruction
    from harness.prompting.row_tokens import encode

    tokenizer = tokenizer_with("<s>")
    add_bos(tokenizer, "m")
    (row,), _ = encode(tokenizer, [Instruction("alpaca", "Say <s>", "", "</s>")], 512)
    assert (row.ids[0], row.ids.count(1), row.ids[-1], row.ids.count(2)) == (1, 1, 2, 1)
