"""`harness answer`: sampling by category, templates, two turns, going on, and what is stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from data.prompts import load
from harness import backends
from harness.errors import UsageError
from harness.types import BackendInfo, Generate, Request, Response
from judges.answers import answering, templates
from judges.answers.options import AnswerOptions
from judges.answers.planning import make_plan
from judges.answers.templates import Template
from judges.store import Store
from tests.harness.backends.small_server import SmallModel, SmallServer
from tests.harness.runs import cli, json_of
from tests.harness.servers import serving
from tests.models import make_model

ROWS = [
    {"question_id": 1, "category": "writing", "turns": ["Write.", "Again."]},
    {"question_id": 2, "category": "math", "turns": ["Count."]},
    {"question_id": 3, "category": "stem", "turns": ["Explain."]},
]


class Backend:
    """Answers with what it was asked. `fault` is called before each batch with its number."""

    def __init__(self, fault=lambda number: None) -> None:
        self.info = BackendInfo("scripted", "none", "float32", 4096)
        self.warnings = ["a warning"]
        self.asked: list[Generate] = []
        self.fault = fault

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        for n, request in enumerate(requests):
            if n not in done and isinstance(request, Generate):
                self.fault(len(self.asked))
                self.asked.append(request)
                yield [(n, Response(text=f" answer to {request.prompt.own[-40:]!r} ", finish="stop", generated=3))]

    def close(self) -> None:
        """There is nothing to give back."""


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "question.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(path)


def made(tmp_path: Path, prompts: str, backend: Backend | None = None, **options):
    backend = backend or Backend()
    usual = {"model": "tiny", "prompts": prompts, "db": str(tmp_path / "s.duckdb")}
    return answering.answer(AnswerOptions(**{**usual, **options}), make=lambda *_: (backend, [])), backend


def test_each_category_has_fastchats_temperature(tmp_path, prompts):
    result, backend = made(tmp_path, prompts)
    rows = Store(tmp_path / "s.duckdb").answers_of(result.answers.id)
    assert {row.question: row.temperature for row in rows} == {"1": 0.7, "2": 0.0, "3": 0.1}
    assert {row.top_p for row in rows} == {1.0}
    assert len({row.answer_seed for row in rows}) == 4
    assert {request.max_tokens for request in backend.asked} == {1024}
    assert result.answers.status == "finished"
    assert result.answers.warnings == ("a warning",)
    assert result.answers.model_digest
    assert all(row.text == row.text.strip() and row.prompt for row in rows)


def test_the_second_turn_knows_the_first(tmp_path, prompts):
    for template in ("alpaca", "plain", "chat"):
        result, _ = made(tmp_path, prompts, template=template)
        rows = {(r.question, r.turn): r for r in Store(tmp_path / "s.duckdb").answers_of(result.answers.id)}
        first, second = rows["1", 1], rows["1", 2]
        assert "Write." in first.prompt
        assert "Again." not in first.prompt
        assert second.prompt.index("Write.") < second.prompt.index(first.text) < second.prompt.index("Again.")
        assert result.answers.template == template
        assert ("### Instruction:" in second.prompt) == (template != "plain")  # tiny's own template is Alpaca's
        assert second.prompt.startswith("<s>") == (template == "chat")
    assert len({each.identity for each in Store(tmp_path / "s.duckdb").answer_sets()}) == 3


def test_the_papers_preset(tmp_path, shared_data):
    result, _ = made(tmp_path, str(shared_data), preset="paper")
    rows = Store(tmp_path / "s.duckdb").answers_of(result.answers.id)
    assert len(rows) == 30
    assert {(row.temperature, row.top_p) for row in rows} == {(0.9, 0.9)}
    assert all(row.prompt.startswith("Below is an instruction") for row in rows)
    other, _ = made(tmp_path, str(shared_data), preset="paper", sample=29, seed=5)
    chosen = {row.question for row in Store(tmp_path / "s.duckdb").answers_of(other.answers.id)}
    assert len(chosen) == 29
    assert chosen < {row.question for row in rows}  # the same prompts for every model and seed
    assert other.answers.config["asked"] == [p.id for p in load(str(shared_data)).prompts if p.id in chosen]


def test_what_broke_off_goes_on_and_nothing_is_answered_twice(tmp_path, prompts):
    class Power(BaseException):
        pass

    def fault(number: int) -> None:
        if number == 2:
            raise Power

    broken = Backend(fault)
    with pytest.raises(Power):
        made(tmp_path, prompts, broken)
    store = Store(tmp_path / "s.duckdb")
    (record,) = store.answer_sets()
    assert (record.status, len(store.answers_of(record.id))) == ("running", 2)
    result, backend = made(tmp_path, prompts)
    assert (result.before, len(backend.asked), result.answers.id) == (2, 2, record.id)
    unbroken, _ = made(tmp_path, prompts, fresh=True)
    keys = ("question", "turn", "text", "prompt", "answer_seed", "temperature")
    as_made = [
        [[getattr(row, key) for key in keys] for row in store.answers_of(r.answers.id)] for r in (result, unbroken)
    ]
    assert as_made[0] == as_made[1]
    again, idle = made(tmp_path, prompts)
    assert (again.before, idle.asked, again.answers.id) == (4, [], unbroken.answers.id)


def test_answers_go_on_with_the_backend_that_they_began_with(tmp_path, prompts, monkeypatch):
    def fault(number: int) -> None:
        if number == 2:
            raise RuntimeError("the backend fails")

    with pytest.raises(RuntimeError, match="the backend fails"):
        made(tmp_path, prompts, Backend(fault))
    loaded = []

    def load_backend(wanted: str, *_: object) -> tuple[Backend, list[str]]:
        loaded.append(wanted)
        return Backend(), []

    monkeypatch.setattr(backends, "make", load_backend)
    options = AnswerOptions(model="tiny", prompts=prompts, db=str(tmp_path / "s.duckdb"))
    with pytest.raises(UsageError, match=r'^backend="transformers": tiny was begun with scripted, .* with `fresh`\.$'):
        answering.answer(options.replace(backend="transformers"))
    words = ("--model", "tiny", "--prompts", prompts, "--db", options.db, "--backend", "transformers")
    code, _, errors = cli("answer", *words)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("harness: --backend transformers: tiny was begun with scripted")
    assert errors.endswith("start over with --fresh.\n")
    assert loaded == []
    result = answering.answer(options)
    assert (loaded, result.before, result.asked) == (["scripted"], 2, 4)
    assert answering.answer(options.replace(backend="transformers", fresh=True)).before == 0
    assert loaded == ["scripted", "transformers"]


def test_what_makes_answers_makes_their_identity(tmp_path, prompts):
    changes = [{}, {"seed": 1}, {"temperature": 0.5}, {"top_p": 0.5}]
    changes += [{"template": "plain"}, {"max_new_tokens": 5}, {"sample": 1}]
    options = [AnswerOptions(model="tiny", prompts=prompts, db=str(tmp_path / "s.duckdb"), **each) for each in changes]
    found = [make_plan(each, load(prompts)).identity for each in options]
    assert len(set(found)) == len(changes)


def test_stop_strings_keep_a_base_model_from_asking_itself():
    assert Template("alpaca", ("\n### Instruction:",)).prompt(["a"], []).own.endswith("### Response:")
    assert "\n### Instruction:" in templates.make("alpaca", None).stop


def test_a_model_without_a_chat_template_gets_the_alpaca_template(tmp_path, prompts):
    folder = make_model(tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    code, _, errors = cli("answer", "--model", folder, "--prompts", prompts, "--template", "chat")
    assert (code, "has no chat template" in errors) == (2, True)
    result, _ = made(tmp_path, prompts, model=str(folder))
    assert result.answers.template == "alpaca"


def test_a_model_answers_from_the_command_line(tmp_path):
    db = tmp_path / "s.duckdb"
    options = ("--prompts", "sample", "--sample", 6, "--max-new-tokens", 8, "--db", db)
    first = json_of("answer", "--model", "tiny", *options)["answers"]
    assert [(each["name"], each["before"]) for each in first] == [("tiny", 0)]
    again = json_of("answer", "--model", "tiny", *options)["answers"]
    assert again[0]["before"] == again[0]["answers"] == first[0]["answers"]
    store = Store(db)
    json_of("answer", "--model", "tiny", "--configuration", "tuned@abc", *options)
    assert [(each.id, each.configuration) for each in store.answer_sets()] == [(first[0]["id"], "tuned@abc")]
    rows = store.answers_of(first[0]["id"])
    assert all(0 < row.generated <= 8 and row.asked for row in rows)
    fresh = json_of("answer", "tiny", "--fresh", *options)["answers"][0]
    texts = [[row.text for row in store.answers_of(each)] for each in (first[0]["id"], fresh["id"])]
    assert texts[0] == texts[1]  # seeded


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a checkpoint"),
        (("--model", "tiny", "--preset", "x"), "--preset x must be one of"),
        (("--model", "tiny", "--template", "chatt"), "Did you mean chat"),
        (("--model", "tiny", "--temperature", "-1"), "--temperature"),
        (("--model", "tiny", "--top-p", "0"), "--top-p"),
        (("--model", "tiny", "--sample", "0"), "--sample"),
        (("--model", "tiny", "--max-new-tokens", "0"), "--max-new-tokens"),
        (("--model", "tiny,tiny2", "--name", "x"), "--name is for one model"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path, words, said):
    db = tmp_path / "s.duckdb"
    code, _, errors = cli("answer", *words, "--prompts", "sample", "--db", db)
    assert (code, said in errors) == (2, True), errors
    assert not db.exists()


@pytest.mark.parametrize(("kind", "template"), [("chat", "chat"), ("vllm", "alpaca")])
def test_a_server_answers_both_turns(tmp_path, prompts, kind, template):
    with serving(SmallServer(SmallModel(make_model(tmp_path / "small", window=2048, chat=True)), kind)) as server:
        words = ("answer", "--model", server.url, "--served-name", "small", "--prompts", prompts)
        words += ("--template", template, "--max-new-tokens", "8", "--db", tmp_path / "s.duckdb")
        (found,) = json_of(*words)["answers"]
        asked = len(server.asked)
        again = json_of(*words)["answers"][0]
    assert found["answers"] == again["answers"] == 4
    assert len(server.asked) - asked <= asked - 4  # the second time it looks at the server, and asks for nothing
    (row,) = Store(tmp_path / "s.duckdb").answer_sets()
    rows = Store(tmp_path / "s.duckdb").answers_of(row.id)
    if kind == "chat":
        (second,) = [body["messages"] for _, body, _ in server.asked if len(body.get("messages", ())) > 1]
        first = next(r.text for r in rows if (r.question, r.turn) == ("1", 1))
        assert [(m["role"], m["content"].strip()) for m in second] == [
            ("user", "Write."),
            ("assistant", first),
            ("user", "Again."),
        ]
    assert {(r.question, r.turn) for r in rows} == {("1", 1), ("1", 2), ("2", 1), ("3", 1)}
    assert row.model_digest.startswith("served:")
