"""`harness data show FILE --model MODEL`: rows as a model's tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.prompting.published_templates import read
from tests.harness.runs import cli, json_of
from tests.models import make_model

TURNS = [
    ("system", "Be short."),
    ("user", "Who wrote </s> Faust?"),
    ("assistant", "Goethe."),
    ("user", "And Emma?"),
    ("assistant", "Jane Austen."),
]
ROWS = [
    {"messages": [{"role": role, "content": content} for role, content in TURNS]},
    {"messages": [{"role": "user", "content": "river " * 90}, {"role": "assistant", "content": "No."}]},
    {"messages": [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "stone " * 90}]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data-tokens")
    make_model(folder / "model", tokenizer="llama3")
    (folder / "model" / "chat_template.jinja").write_text(read("zephyr"))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


def test_lengths_what_is_cut_and_what_is_learnt(folder: Path) -> None:
    show = ["data", "show", folder / "rows.jsonl", "--model", folder / "model", "--max-tokens", 100]
    tokens = json_of(*show)["tokens"]
    assert (tokens["template"], tokens["rows"], tokens["most"], tokens["cut"], tokens["lost"]) == ("chat", 3, 100, 2, 1)
    assert tokens["median"] <= tokens["percentile_95"] <= tokens["longest"]
    assert tokens["warnings"] == ["1 of 3 rows have names of control tokens in their text; they are trained as text."]
    parts = tokens["examples"][0]["parts"]
    assert [part["text"] for part in parts if part["learnt"]] == ["Goethe.</s>", "Jane Austen.</s>"]
    assert "".join(part["text"] for part in parts).startswith(
        "<s><|system|>\nBe short.</s>\n<|user|>\nWho wrote </s> F"
    )
    assert [len(example["ids"]) for example in tokens["examples"]][1:] == [100, 100]
    assert tokens["examples"][1]["learnt"] == []
    code, out, _ = cli(*show, width=80)
    assert code == 0
    assert "{+Goethe.</s>+}" in out
    assert "at 100 tokens 2 of 3 rows are cut, and 1 of them lose their whole response" in out
    assert "! 1 of 3 rows have names" in out


def test_the_template_is_chosen_as_for_tune(folder: Path) -> None:
    show = ["data", "show", folder / "rows.jsonl", "--model", folder / "model"]
    tokens = json_of(*show, "--template", "plain")["tokens"]
    assert tokens["template"] == "plain"
    assert tokens["examples"][0]["parts"][0]["text"] == "<s>Be short.\n\nWho wrote </s> Faust?\n\n"
    (folder / "own.jinja").write_text(read("chatml"))
    own = json_of(*show, "--template", folder / "own.jinja")["tokens"]
    assert "<|im_start|>user\nAnd Emma?<|im_end|>" in own["examples"][0]["parts"][2]["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-tokens", 5), "--max-tokens goes with --model"),
        (("--template", "chat"), "--template goes with --model"),
        (("--model", "tiny", "--template", "chatt"), "Did you mean chat?"),
    ],
)
def test_options_that_make_no_sense_are_refused(folder: Path, words: tuple[object, ...], said: str) -> None:
    code, _, errors = cli("data", "show", folder / "rows.jsonl", *words)
    assert (code, said in errors) == (2, True)
