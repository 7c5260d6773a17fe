"""`--template`: a chat model's study from its rows to answers, the record that goes with adapters, and identities."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.models.checkpoint import resolve
from harness.models.training_record import template_of
from judges.store import Store as JudgesStore
from tests.harness.prompting.published_templates import read
from tests.harness.runs import cli, json_of
from tests.tuning.models import WORDS, small_base
from tuning.store import Store
from tuning.study.definition import Study, plan
from tuning.study.options import Options

QUESTIONS = [{"question_id": 1, "category": "writing", "turns": ["Write.", "Again."]}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model, one without a chat template, rows and questions."""
    folder = tmp_path_factory.mktemp("templates")
    for name in ("chat", "bare"):
        small_base(folder / name)
    (folder / "chat" / "chat_template.jinja").write_text(read("zephyr"))
    (folder / "bare" / "chat_template.jinja").unlink()
    (folder / "chatml.jinja").write_text(read("chatml"))
    rng = random.Random(0)

    def said(number: int) -> str:
        return f"{number} {' '.join(rng.choices(WORDS, k=6))}"

    rows = [
        {"messages": [{"role": "user", "content": said(n)}, {"role": "assistant", "content": said(n)}]}
        for n in range(24)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "question.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return folder


def words_of(folder: Path, model: str, *more: object) -> list[object]:
    given: list[object] = ["--model", folder / model, "--data", folder / "rows.jsonl", "--sizes", "12,6,6"]
    small = ["--set", "epochs=1", "--optimizer", "list", "--budget", 4, "--no-rungs", "--db", folder / "s.duckdb"]
    return ["tune", *given, *small, *more]


def study_of(folder: Path, model: str, template: str = "auto") -> Study:
    return plan(
        Options(model=str(folder / model), data=str(folder / "rows.jsonl"), sizes="12,6,6", template=template)
    ).study


def answered(folder: Path, model: Path, *words: object) -> tuple[str, list[str]]:
    """The template that a model answered in, and the warnings that were shown."""
    usual = ["--prompts", folder / "question.jsonl", "--max-new-tokens", 2, "--db", folder / "s.duckdb"]
    (document,) = json_of("answer", "--model", model, *usual, *words)["answers"]
    return document["template"], document["warnings"]


def test_a_chat_models_study_from_its_rows_to_answers(folder: Path) -> None:
    code, out, _ = cli(*words_of(folder, "chat", "--name", "chatting"))
    assert code == 0
    note = f"rows are trained in the chat template of {folder / 'chat'} (template = auto)"
    assert note in out
    store = Store(folder / "s.duckdb")
    study = store.resolve_study("chatting")
    assert (study.config["template"], study.config["chat_template"]) == ("chat", "")
    (merged,) = store.study_folder(study.id).glob("best-trial-*")
    adapters = sorted(store.study_folder(study.id).rglob("adapter_config.json"))
    assert {template_of(resolve(str(file.parent))) for file in adapters} == {"chat"}
    assert template_of(resolve(str(merged))) == "chat"
    # it answers as it was trained, unless another template is asked for
    template, warnings = answered(folder, merged)
    assert (template, [text for text in warnings if "trained" in text]) == ("chat", [])
    (made,) = JudgesStore(folder / "s.duckdb").answer_sets()
    (first, _) = JudgesStore(folder / "s.duckdb").answers_of(made.id)
    assert first.prompt == "<|user|>\nWrite.</s>\n<|assistant|>\n"
    template, warnings = answered(folder, merged, "--template", "alpaca")
    differs = f"{merged} was trained in the template chat and answers in alpaca; the template chat is its own"
    assert (template, differs in warnings) == ("alpaca", True)
    # and a run without the template says so
    adapter = adapters[0].parent
    run = ["run", "--model", adapter, "--tasks", "mmlu", "--data", "sample", "--limit", 1, "--db", folder / "s.duckdb"]
    without = json_of(*run)["warnings"]
    assert f"{adapter} was trained in its chat template and is asked without it; --chat asks in it" in without
    assert not any("was trained in" in text for text in json_of(*run, "--chat")["warnings"])


def test_a_template_of_ones_own_goes_with_the_adapter(folder: Path) -> None:
    words = words_of(folder, "bare", "--template", folder / "chatml.jinja", "--name", "own")
    assert cli(*words)[0] == 0
    store = Store(folder / "s.duckdb")
    study = store.resolve_study("own")
    assert study.config["chat_template"] == read("chatml")
    (merged,) = store.study_folder(study.id).glob("best-trial-*")
    assert (merged / "chat_template.jinja").read_text() == read("chatml")
    assert answered(folder, merged)[0] == "chat"
    adapter = next(store.study_folder(study.id).rglob("adapter_config.json")).parent
    assert resolve(str(adapter)).tokenizer == adapter


def test_what_was_trained_in_alpaca_is_asked_in_it(folder: Path) -> None:
    words = words_of(folder, "chat", "--name", "alpaca", "--db", folder / "alpaca.duckdb")
    assert cli(*words, "--template", "alpaca")[0] == 0
    store = Store(folder / "alpaca.duckdb")
    (merged,) = store.study_folder(store.resolve_study("alpaca").id).glob("best-trial-*")
    assert answered(folder, merged)[0] == "alpaca"
    # a search that was begun so goes on so, with the same command of before there was a choice
    assert (
        "rows are trained in alpaca, as it was begun (template = auto)"
        in plan(
            Options(
                model=str(folder / "chat"),
                data=str(folder / "rows.jsonl"),
                sizes="12,6,6",
                optimizer="list",
                set={"epochs": 1},
                no_rungs=True,
                db=str(folder / "alpaca.duckdb"),
            )
        ).notes
    )
    run = ["run", "--model", merged, "--tasks", "mmlu", "--data", "sample", "--limit", 1, "--db", folder / "s.duckdb"]
    warnings = json_of(*run, "--chat")["warnings"]
    assert any(text.startswith(f"{merged} was trained in the template alpaca and is asked in a") for text in warnings)


def test_identities_from_before_there_was_a_choice_stay(folder: Path) -> None:
    """They were trained in alpaca, which a model without a chat template still is."""
    bare = study_of(folder, "bare")
    assert (bare.template, bare.identity) == ("alpaca", study_of(folder, "bare", "alpaca").identity)
    written: dict[str, Any] = {
        name: value for name, value in bare.to_dict().items() if name not in ("template", "chat_template")
    }
    assert Study.from_dict(written) == bare
    assert study_of(folder, "chat", "alpaca").template == "alpaca"
    others = [study_of(folder, "chat"), study_of(folder, "chat", "alpaca"), study_of(folder, "chat", "plain")]
    others.append(study_of(folder, "chat", str(folder / "chatml.jinja")))
    assert len({study.identity for study in others}) == 4
    assert replace(others[0], template="alpaca").identity == others[1].identity


@pytest.mark.parametrize(
    ("model", "template", "said"),
    [
        ("bare", "chat", r"has no chat template; give a file with one, or alpaca or plain"),
        ("bare", "chatt", r"there is no such file, nor such a template. Did you mean chat\? There are auto, chat"),
        ("bare", ".", r"there is no such file"),
    ],
)
def test_a_template_that_is_not_there_is_refused(folder: Path, model: str, template: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf'^template="{template}": .*{said}'):
        study_of(folder, model, template)


def test_rows_that_no_template_takes_are_refused_before_work(folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "refusing.jinja"
    template.write_text(
        "{% if ' ' in messages[0]['content'] %}{{ raise_exception('One word.') }}{% endif %}" + read("zephyr")
    )
    words = words_of(folder, "bare", "--template", template, "--db", tmp_path / "s.duckdb")
    code, _, errors = cli(*words)
    assert code == 2
    assert "--template" in errors
    assert "takes none of the 12 train rows" in errors
    assert not Store(tmp_path / "s.duckdb").exists()
