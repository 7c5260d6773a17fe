"""The endpoint backend before servers of every kind, well and unwell."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.backends import choose
from harness.backends.endpoint import backend as endpoint
from harness.backends.endpoint.client import Remote, UnavailableError
from harness.backends.endpoint.text import MissingPartError, refuse_without_tokenizer
from harness.errors import ModelError, UsageError
from harness.evaluation.planning import Options, make_plan
from harness.evaluation.run import run
from harness.models.served import UNVERIFIED
from harness.results import Store
from harness.types import BackendInfo, Choice, Generate, Loglikelihood, Prompt, Rolling
from tests.harness.backends import contract
from tests.harness.backends.small_server import SmallModel, SmallServer
from tests.harness.runs import cli, json_of
from tests.harness.servers import BROKEN, HALF, HANG, Server, error, serving
from tests.models import make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def model(folder) -> SmallModel:
    return SmallModel(folder)


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """No real waits between attempts."""
    monkeypatch.setattr(endpoint, "Remote", partial(Remote, sleep=lambda seconds: None))


def backend_for(url: str, tasks: str = "drop", **options: Any) -> Any:
    given = {"model": url, "served_name": "small", "data": "sample", "limit": 1, **options}
    plan = make_plan(Options(tasks=tasks, **given))
    return endpoint.make(plan.model, plan.settings)[0]


@pytest.mark.parametrize("kind", ["vllm", "echo"])
def test_the_contract_with_token_ids(kind, folder, model) -> None:
    with serving(SmallServer(model, kind)) as server:
        backend = backend_for(server.url, tokenizer=str(folder))
        if kind == "echo":  # it does not say what its window is
            assert backend.info.window > contract.WINDOW
            backend = endpoint.TokenEndpoint(
                backend.remote,
                "small",
                model.tokenizer,
                BackendInfo("endpoint", "server", "unknown", contract.WINDOW),
                frozenset(model.ends),
            )
        assert backend.info.window == contract.WINDOW
        # a server that generates behind an echo needs one token of the window more: cuts fall otherwise
        found = contract.check_all(backend, folder, "sample", items=1, too_long=kind == "vllm")
    assert found["ties"] == []
    assert server.most_at_once > 1


@pytest.mark.parametrize("kind", ["vllm", "echo", "list"])
def test_the_contract_with_text(kind, folder, model) -> None:
    wanted = contract.short(contract.asked())
    whole = [r for r in wanted.scored if not isinstance(r, Rolling) and r.prompt.own]
    letters = [r for r in whole if isinstance(r, Choice) and r.options[0] == " A"]
    texts = wanted.texts
    with serving(SmallServer(model, kind)) as server:
        backend = backend_for(server.url)
        assert backend.info.window == (2048 if kind == "vllm" else 0)
        reference = contract.transformers(folder)
        if kind == "list":
            asked = [Choice(r.prompt, words) for r in letters if len(words := model.likeliest(r.prompt)) > 1]
            assert asked
            contract.check_scored(contract.answers(backend, asked), contract.answers(reference, asked))
            with pytest.raises(MissingPartError, match="does not return what multiple choice needs"):
                contract.answers(backend, [Choice(letters[0].prompt, (" unlikelihood", " elsewhere"))])
        else:
            contract.check_scored(contract.answers(backend, whole), contract.answers(reference, whole))
        found, right = contract.answers(backend, texts), contract.answers(reference, texts)
        assert [found[n].text for n in sorted(found)] == [right[n].text for n in sorted(right)]
        assert [found[n].finish for n in sorted(found)] == [right[n].finish for n in sorted(right)]


def test_a_prompt_of_its_own_length_is_the_servers_to_refuse(model) -> None:
    with serving(SmallServer(model, "plain")) as server:
        backend = backend_for(server.url)
        with pytest.raises(ModelError, match="maximum context length is 2048"):
            contract.answers(backend, [Generate(Prompt("", "word " * 3000), (), 8)])


def test_a_chat_server_generates_and_refuses_multiple_choice(folder, model) -> None:
    with serving(SmallServer(model, "chat")) as server:
        backend = backend_for(server.url, chat=True, system="Be brief.")
        requests = [Generate(Prompt("Shared. ", f"{n}?"), (), 8) for n in range(3)]
        reference = contract.transformers(folder, chat=True, system="Be brief.")
        found, right = contract.answers(backend, requests), contract.answers(reference, requests)
        assert [found[n].text for n in range(3)] == [right[n].text for n in range(3)]
        with pytest.raises(UsageError, match=r"^chat=True: .* multiple choice cannot be asked"):
            backend_for(server.url, "mmlu", chat=True)
    assert {path for path, _, _ in server.asked} == {"/v1/models", "/v1/chat/completions"}


@pytest.mark.parametrize("request_", [Choice(Prompt("", "a"), (" A", " B")), Loglikelihood(Prompt("", "a"), " b c d")])
def test_what_a_server_leaves_out_is_an_error(request_, folder, model) -> None:
    with serving(SmallServer(model, "plain")) as server:
        for options in ({}, {"tokenizer": str(folder)}):
            with pytest.raises(ModelError, match=r"multiple choice|refuses"):
                contract.answers(backend_for(server.url, **options), [request_])


def test_what_cannot_be_asked_with_text() -> None:
    with pytest.raises(UsageError, match=r"^tokenizer must be given"):
        refuse_without_tokenizer([Rolling("x")], chat=False)


# what the options mean


def chosen(options: Options) -> str:
    plan = make_plan(options)
    return choose(plan.options.backend, plan.model)


def test_names_and_options_that_do_not_fit(model, folder) -> None:
    with serving(SmallServer(model, "vllm")) as server:
        with pytest.raises(UsageError, match=r"serves no smal\. Did you mean small\? It serves small"):
            backend_for(server.url, served_name="smal")
        for options, said in (
            ({"served_name": None}, r"^served_name must be given: .* is a server"),
            ({"dtype": "float16"}, '^dtype="float16" goes with a model on this machine'),
            ({"base": "x"}, '^base="x" goes with a model on this machine'),
            ({"base_name": "small"}, '^base_name="small" is the model that is measured'),
            ({"backend": "vllm"}, '^backend="vllm": .* is a server'),
        ):
            given: Any = {"served_name": "small", **options}
            with pytest.raises(UsageError, match=said):
                chosen(Options(model=server.url, tasks="drop", data="sample", **given))
    with pytest.raises(UsageError, match=r'^served_name="x" goes with a server'):
        make_plan(Options(model=str(folder), tasks="drop", data="sample", served_name="x"))


def test_the_digest_says_what_it_is_of(folder) -> None:
    def digest(**options: Any) -> str:
        given = {"model": "http://127.0.0.1:1/v1", "served_name": "a", "tasks": "drop", "data": "sample", **options}
        plan = make_plan(Options(**given))
        assert plan.checkpoint.digest.startswith("served:")
        return plan.checkpoint.digest

    digests = {
        digest(),
        digest(served_name="b"),
        digest(model="http://127.0.0.1:2/v1"),
        digest(base_name="c"),
        digest(tokenizer=str(folder)),
    }
    assert len(digests) == 5
    assert digest() == digest(model="http://127.0.0.1:1/v1/")


# adapters


def test_an_adapter_is_probed_against_its_base(model, folder, tmp_path) -> None:
    other = SmallModel(make_model(tmp_path / "other", "llama", "llama3", seed=5))
    names = {"adapter": other, "dropped": model, "base": model}
    with serving(SmallServer(model, "vllm", names)) as server:
        found = backend_for(server.url, served_name="adapter", base_name="base")
        assert found.info.details["probe"]["effect"] > 0.1
        assert found.info.details["probe"]["noise"] == 0
        assert "unverified" not in found.info.details
        with pytest.raises(ModelError, match="dropped answers as its base base does"):
            backend_for(server.url, served_name="dropped", base_name="base")
        with pytest.raises(UsageError, match="serves no nobody"):
            backend_for(server.url, served_name="adapter", base_name="nobody")
    with serving(SmallServer(model, "chat", names)) as server:
        assert (
            backend_for(server.url, served_name="adapter", base_name="base", chat=True).info.details["probe"]["effect"]
            == 1
        )
        with pytest.raises(ModelError, match="does not apply the adapter"):
            backend_for(server.url, served_name="dropped", base_name="base", chat=True)


def test_without_a_base_its_scores_are_marked_wherever_they_show(model, tmp_path) -> None:
    import csv
    import json

    db, out = tmp_path / "s.duckdb", tmp_path / "out"
    common = ("--data", "sample", "--limit", 1, "--max-new-tokens", 2, "--tasks", "drop", "--db", db)
    with serving(SmallServer(model, "plain", {"small": model, "large": model})) as server:
        for name in ("small", "large"):
            code, said, errors = cli("run", "--model", server.url, "--served-name", name, *common)
            assert code == 0, errors
            assert "unverified" in said
            assert UNVERIFIED.split(";")[0] in " ".join(said.split())
    assert "small (partial) (unverified)" in cli("show", "--db", db)[1]
    assert "· unverified" in cli("show", "small", "--db", db)[1]
    assert json_of("show", "small", "--db", db)["unverified"] == UNVERIFIED
    assert all(row["unverified"] for row in json_of("show", "--db", db)["runs"])
    assert cli("compare", "small", "large", "--db", db)[1].count(", unverified") == 2
    assert all(c["unverified"] == ["a", "b"] for c in json_of("compare", "small", "large", "--db", db))
    assert cli("export", "small", out, "--format", "csv", "--db", db)[0] == 0
    (scores,) = out.rglob("scores.csv")
    assert {row["unverified"] for row in csv.DictReader(scores.open())} == {"True"}
    assert cli("export", "small", out / "json", "--format", "json", "--db", db)[0] == 0
    (results,) = (out / "json").rglob("results_*.json")
    assert all("(unverified)" in row["alias"] for row in json.loads(results.read_text())["results"].values())


# a server that is not well


class Unwell:
    """Answers as a small server does, after failing in every way in turn; `down` fails for good."""

    FAULTS = (error(429, Retry_After="1"), error(500), BROKEN, HALF, HANG, error(503))

    def __init__(self, well: Any) -> None:
        self.well, self.down = well, False
        self.left = list(self.FAULTS)
        self.lock, self.asked = threading.Lock(), 0

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        with self.lock:
            if self.down:
                return error(500, "on fire")
            self.asked += 1
            if self.asked % 2 == 0 and self.left:
                return self.left.pop()
        return self.well(path, body)


def options_for(server: Server, db: Path) -> Options:
    return Options(
        model=server.url,
        tasks="mmlu,drop",
        db=str(db),
        served_name="small",
        concurrency=2,
        data="sample",
        limit=3,
        max_new_tokens=2,
    )


def test_a_server_that_recovers_ends_with_all_items_answered(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "Remote", partial(Remote, sleep=lambda seconds: None, timeout=5.0))
    unwell = Unwell(SmallServer(model, "echo"))
    with serving(unwell) as server:
        result = run(options_for(server, tmp_path / "unwell.duckdb"))
    assert unwell.left == []
    with serving(SmallServer(model, "echo")) as server:
        right = run(options_for(server, tmp_path / "well.duckdb"))
    assert result.run.status == "finished"
    assert [(s.task, s.group, s.metric, s.value) for s in result.scores] == [
        (s.task, s.group, s.metric, s.value) for s in right.scores
    ]


def test_a_server_that_stays_down_stops_the_run_which_goes_on_later(model, tmp_path, monkeypatch) -> None:
    db = tmp_path / "s.duckdb"
    unwell = Unwell(SmallServer(model, "echo"))
    unwell.left = []
    asked_before = 0

    def falls_over(path: str, body: dict[str, Any]) -> Any:
        said = unwell(path, body)
        with unwell.lock:
            unwell.down |= unwell.asked >= 40
        return said

    with serving(falls_over) as server:
        options = options_for(server, db)
        with pytest.raises(UnavailableError, match=r"on fire.*attempts were made") as told:
            run(options)
        assert told.value.exit_code == 7
        store = Store(db)
        (left,) = store.runs()
        kept = len(store.answered(left.id, "mmlu"))
        assert left.status == "running"
        assert kept > 0
        unwell.down, unwell.asked, asked_before = False, -10_000, len(server.asked)
        result = run(options)
        assert result.run.id == left.id
        assert result.resumed == kept
        prompts = {str(b["prompt"]) for _, b, _ in server.asked[:asked_before] if "prompt" in b}
        again = {str(b["prompt"]) for _, b, _ in server.asked[asked_before:] if "prompt" in b}
        # of what was asked before, no more than the window was asked again: 2 x 2 questions, of 4 options each
        assert len(prompts & again) <= 2 * 2 * 5
    assert result.run.status == "finished"


def test_the_key_is_nowhere_in_the_store(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-to-be-seen")
    db = tmp_path / "s.duckdb"
    with serving(SmallServer(model, "plain")) as server:
        run(Options(model=server.url, served_name="small", tasks="drop", data="sample", limit=1, db=str(db)))
    assert server.asked[-1][2]["authorization"] == "Bearer sk-never-to-be-seen"
    assert all(b"sk-never-to-be-seen" not in p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
