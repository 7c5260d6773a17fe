"""Which chat template is meant, what it says of itself, and that the clock has no say in what it writes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ModelError, UsageError
from harness.evaluation.compare_notes import prompt_notes
from harness.evaluation.planning import Options, make_plan
from harness.evaluation.run import run
from harness.prompting import chat_templates
from harness.prompting.chat_templates import DATE, ChatTemplate, conversation
from harness.results import Store
from tests.models import CHAT_TEMPLATE, make_model, make_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y %H:%M:%S') %}{% endif %}"
    "Today Date: {{ date_string }}\n"
)
RAISING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
ALTERNATING = (
    "{% for m in messages %}{% if loop.index0 > 0 %}{{ raise_exception('Only one turn') }}{% endif %}"
    "{{ m['content'] }}{% endfor %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("chat") / "m", tokenizer="llama3")


@pytest.fixture
def folder(model: Path) -> Path:
    """The model with the template that `model` was made with; tests write another."""
    (model / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return model


def template(text: object, name: str | None = None, date: str | None = None) -> ChatTemplate:
    tokenizer = make_tokenizer("llama3")
    tokenizer.chat_template = text
    return ChatTemplate(tokenizer, name, date, "m")


def options(folder: Path, db: Path, **more: object) -> Options:
    return Options(model=str(folder), tasks="mmlu", db=str(db), data="sample", limit=1, chat=True, **more)  # type: ignore[arg-type]


@given(
    formats=st.lists(
        st.sampled_from(["%d %b %Y", "%H:%M:%S", "%Y-%m-%d", "%A", "%j", "%f", "%s"]), min_size=1, max_size=3
    ),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)),
    day=st.dates(),
)
@settings(max_examples=60, deadline=None)
def test_what_a_template_writes_hangs_on_the_given_date_and_not_on_the_clock(formats, now, day) -> None:
    from unittest import mock

    from transformers.utils import chat_template_utils

    text = "".join(f"{{{{ strftime_now('{form}') }}}} " for form in formats) + CLOCK + "{{ messages[0]['content'] }}"
    if day.year < 1000:
        day = day.replace(year=day.year + 1000)
    one = template(text, date=day.isoformat())
    said = one.render(conversation(["Hello"]))
    with mock.patch.object(chat_template_utils, "datetime") as clock:
        clock.now.return_value = now
        assert one.render(conversation(["Hello"])) == said
    midnight = datetime(day.year, day.month, day.day)
    assert said.startswith(" ".join(map(midnight.strftime, formats)))


def test_two_runs_on_two_days_have_the_same_prompts_and_one_identity(folder: Path, tmp_path: Path, monkeypatch) -> None:
    (folder / "chat_template.jinja").write_text(CLOCK + CHAT_TEMPLATE)
    db = tmp_path / "s.duckdb"
    plan = make_plan(options(folder, db))
    assert plan.options.date == DATE
    other = make_plan(options(folder, db, date="2025-01-31"))
    assert other.identity != plan.identity
    result = run(options(folder, db))
    assert result.run.config["date"] == DATE
    assert any(f"it is given {DATE} (--date" in warning for warning in result.run.warnings)
    again = run(options(folder, db, fresh=True))
    assert (
        Store(db).responses(result.run.id, "mmlu")[0].logprobs == Store(db).responses(again.run.id, "mmlu")[0].logprobs
    )


def test_a_template_without_a_clock_leaves_the_identity_as_it_was(folder: Path, tmp_path: Path) -> None:
    plan = make_plan(options(folder, tmp_path / "s.duckdb"))
    assert plan.options.date is None
    with pytest.raises(UsageError, match=r'^date="2025-01-31": .* asks for no date\. Leave it out'):
        make_plan(options(folder, tmp_path / "s.duckdb", date="2025-01-31"))


@pytest.mark.parametrize("date", ["today", "2025-13-01", "2025-1-1", "20250101", "2025-02-30"])
def test_a_date_that_is_none_is_refused(folder: Path, tmp_path: Path, date: str) -> None:
    with pytest.raises(UsageError, match=f'^date="{date}" must be a day such as'):
        make_plan(options(folder, tmp_path / "s.duckdb", date=date))


def test_a_comparison_says_that_dates_differ_and_that_old_runs_had_none(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    (folder / "chat_template.jinja").write_text(CLOCK + CHAT_TEMPLATE)
    made = run(options(folder, tmp_path / "s.duckdb")).run
    later = replace(made, config={**made.config, "date": "2025-01-31"})
    old = replace(made, config={key: value for key, value in made.config.items() if key != "date"})
    assert not prompt_notes([made, made])
    assert "different dates: 2024-07-26 in" in prompt_notes([made, later])[0]
    assert "before the date in prompts was fixed" in prompt_notes([made, old])[0]
    assert "before the date in prompts was fixed" in prompt_notes([old, old])[0]
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    assert not prompt_notes([old, old])
    assert "--add-bos" in prompt_notes([made, replace(made, config={**made.config, "add_bos": True})])[0]


def test_a_template_that_refuses_a_system_text_says_so_before_any_work(folder: Path, tmp_path: Path) -> None:
    (folder / "chat_template.jinja").write_text(RAISING + CHAT_TEMPLATE)
    with pytest.raises(UsageError, match=r'^system="Be brief": .*not supported\. It takes it without the system text'):
        run(options(folder, tmp_path / "s.duckdb", system="Be brief"))
    assert not (tmp_path / "s.duckdb").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ nothing.of.it }}", "'nothing' is undefined"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[9]['content'] }}", "no element 9"),
        ("{{ messages.append(1) }}", "unsafe|not safely callable"),
        ("{{ raise_exception('Not like\nthat') }}", r"Not like that\."),
    ],
)
def test_whatever_a_template_raises_is_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as error:
        template(text).check()
    assert "\n" not in str(error.value)


def test_turns_that_a_template_does_not_take_are_found_at_the_start() -> None:
    one = template(ALTERNATING)
    one.check(turns=1)
    with pytest.raises(ModelError, match=r"Only one turn\. It takes a single turn only"):
        one.check(turns=2)


def test_a_template_that_leaves_something_out_or_changes_says_so() -> None:
    (left_out,) = template("{{ messages[-1]['content'] }}").check(system="Be brief")
    assert "leaves out some of what it is given" in left_out
    assert not template("{{ messages[-1]['content'] }}").check()
    (changing,) = template("{{ range(10**5) | random }}{{ messages[0]['content'] }}").check()
    assert "does not write the same text twice" in changing


def test_of_several_templates_one_is_named(folder: Path, tmp_path: Path) -> None:
    several = {"rag": "RAG {{ messages[0]['content'] }}", "tool_use": "TOOLS {{ messages[0]['content'] }}"}
    with pytest.raises(
        UsageError,
        match=r"^chat_template must be given: m has several .* none is its default: rag, tool_use",
    ):
        template(several)
    with pytest.raises(
        UsageError,
        match=r'^chat_template="ragg": m has no .* of this name\. Did you mean rag\? There are rag, tool_use',
    ):
        template(several, "ragg")
    with pytest.raises(UsageError, match=r"^chat_template must be given: the only one of m is 'rag', not a default"):
        template({"rag": "R"})
    assert template(several, "rag").render(conversation(["Hi"])) == "RAG Hi"
    assert template({**several, "default": "D"}).render(conversation(["Hi"])) == "D"
    extra = folder / "additional_chat_templates"
    extra.mkdir()
    (extra / "rag.jinja").write_text("RAG {{ messages[0]['content'] }}")
    try:
        plain, named = (make_plan(options(folder, tmp_path / "s.duckdb", chat_template=n)) for n in (None, "rag"))
        assert plain.identity != named.identity
        assert named.checkpoint.digest == plain.checkpoint.digest
        (extra / "rag.jinja").write_text("Other")
        assert make_plan(options(folder, tmp_path / "s.duckdb")).checkpoint.digest != plain.checkpoint.digest
    finally:
        (extra / "rag.jinja").unlink()
        extra.rmdir()


def test_templates_are_found_where_transformers_finds_them(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = make_tokenizer("llama3")
    for number, text in enumerate(("One", {"default": "One", "rag": "Two"}, {"rag": "Two", "tool_use": "Three"})):
        tokenizer.chat_template = text
        for way in (True, False):
            place = tmp_path / f"{number}{way}"
            tokenizer.save_pretrained(place, save_jinja_files=way)
            loaded = AutoTokenizer.from_pretrained(place).chat_template
            assert chat_templates.read(place) == chat_templates.by_name(loaded) == chat_templates.by_name(text)
    (tmp_path / "list").mkdir()
    entries = [{"name": "rag", "template": "Two"}, {"name": "tool_use", "template": "Three"}]
    (tmp_path / "list" / "tokenizer_config.json").write_text(json.dumps({"chat_template": entries}))
    assert chat_templates.read(tmp_path / "list") == {"rag": "Two", "tool_use": "Three"}
    assert chat_templates.read(tmp_path) == {}
