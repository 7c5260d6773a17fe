"""The commands over finished runs: one JSON document each and nothing else, and what people read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.evaluation.planning import Options
from harness.evaluation.run import run
from harness.results import RunRow, Store
from harness.types import Generate
from tests.harness.runs import BBH, MMLU, Scripted, child, cli, json_of
from tests.models import make_model

SCORE = {"task", "group", "protocol", "metric", "value", "low", "high", "n"}
SAMPLES = 2 * (len(MMLU) + len(BBH) + 1 + 1)
TASKS = "mmlu,bbh,drop,humaneval"
EVIL = "\x1b[31m[red]the answer[/red]"


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_HOME", str(tmp_path_factory.getbasetemp() / "harness-home"))
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "random")


@pytest.fixture(scope="module")
def words(model) -> list[str]:
    return ["run", "--model", str(model), "--tasks", TASKS, "--data", "sample", "--limit", "2", "--max-new-tokens", "8"]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """The module's store: read it; what writes takes a copy."""
    return Store(tmp_path_factory.mktemp("store") / "s.duckdb")


@pytest.fixture(scope="module")
def first(store, words) -> tuple[int, str, str]:
    return cli(*words, "--db", store.path, "--name", "first", "--tag", "base", "--json")


@pytest.fixture(scope="module")
def second(first, store, model) -> RunRow:
    """The same items, answered by another; every second answer to DROP holds what a terminal would obey."""
    count = [0]

    def say(request: Generate) -> str:
        count[0] += 1
        return EVIL if count[0] % 2 else "seven"

    options = Options(
        model=str(model),
        tasks=TASKS,
        db=str(store.path),
        data="sample",
        limit=2,
        max_new_tokens=8,
        seed=1,
        name="second",
    )
    return run(options, make=lambda plan: (Scripted(say=say), [])).run


@pytest.fixture
def copy(first, second, store, tmp_path) -> Path:
    path = tmp_path / "copy.duckdb"
    path.write_bytes(store.path.read_bytes())
    return path


def test_run_prints_one_document(first):
    code, out, errors = first
    assert code == 0, errors
    found = json.loads(out)
    assert {"run", "model", "scores", "tokens", "seconds", "warnings"} <= set(found)
    assert {s["task"] for s in found["scores"]} == set(TASKS.split(","))
    assert all(set(s) >= SCORE for s in found["scores"])
    overall = {(s["task"], s["metric"]): s for s in found["scores"] if s["group"] == "all"}
    for task, metric, n in (
        ("mmlu", "acc", 8),
        ("bbh", "exact_match", 6),
        ("drop", "f1", 2),
        ("humaneval", "pass@1", 2),
    ):
        score = overall[task, metric]
        assert score["n"] == n
        assert score["low"] <= score["value"] <= score["high"]
    assert {"asked", "computed", "reused", "generated"} == set(found["tokens"])
    assert all(isinstance(n, int) and n > 0 for n in found["tokens"].values())
    assert found["seconds"]["model"] > 0
    assert "bbh: at most 8 new tokens instead of 1024" in found["warnings"]


def test_progress_goes_to_standard_error(first):
    assert f"mmlu: {2 * len(MMLU)} of {2 * len(MMLU)}" in first[2]
    assert "humaneval: 2 of 2" in first[2]


def test_show_prints_the_same_document(first, store):
    shown = json_of("show", "first", "--db", store.path)
    assert shown == json.loads(first[1])
    assert json_of("show", "base", "--db", store.path) == shown
    assert json_of("show", shown["run"][:10], "--db", store.path) == shown


def test_a_finished_run_answers_at_once_and_without_torch(first, store, words):
    code = (
        "import sys, time\nfrom harness.cli.main import run_command\nbegan = time.process_time()\n"
        f"code = run_command({[*words, '--db', str(store.path), '--json']!r})\n"
        "spent = time.process_time() - began\n"
        "print(code, spent, 'torch' in sys.modules, 'transformers' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    exit_code, seconds, torch, transformers = done.stderr.splitlines()[-1].split()
    assert (exit_code, torch, transformers) == ("0", "False", "False")
    assert float(seconds) < 5
    assert json.loads(done.stdout)["run"] == json.loads(first[1])["run"]


def test_run_says_that_it_was_finished(first, store, words):
    code, out, _ = cli(*words, "--db", store.path)
    assert code == 0
    assert "finished before; --fresh measures again" in out


def test_the_store_can_be_set_by_the_environment(first, store, monkeypatch):
    monkeypatch.setenv("HARNESS_DB", str(store.path))
    assert json_of("show", "first")["run"]


def test_every_command_has_json(copy, model, tmp_path):
    """One document on standard output; json_of would fail on a second one, or on a line beside it."""
    db = ["--db", copy]
    board = json_of("show", *db)
    assert {r["name"] for r in board["runs"]} == {"first", "second"}
    samples = json_of("samples", "first", *db)
    assert (samples["total"], len(samples["samples"])) == (SAMPLES, 10)
    compared = json_of("compare", "first", "second", *db)
    assert isinstance(compared, list)
    assert all({"task", "metric", "n", "difference", "low", "high", "p_value", "flips"} <= set(c) for c in compared)
    assert {c["task"] for c in compared} == set(TASKS.split(","))
    for form in ("parquet", "csv", "json"):
        exported = json_of("export", "first", tmp_path / form, "--format", form, *db)
        assert exported["files"]
        assert all(Path(file).exists() for file in exported["files"])
    assert json_of("import", tmp_path / "json", "--db", tmp_path / "new.duckdb")["runs"]
    assert json_of("tag", "first", "good", *db)["tags"] == ["base", "good"]
    assert json_of("data", "status")["cache"]
    assert json_of("db", "info", *db)
    assert json_of("db", "merge", copy, "--db", tmp_path / "new.duckdb")
    assert json_of("rm", "second", "--yes", *db)["removed"]
    assert json_of("gc", *db)
    code, out, _ = cli("doctor", "--json")
    assert (code in (0, 6), bool(json.loads(out))) == (True, True)


def test_merge_and_data_import_have_json(model, tmp_path):
    import shutil

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from data.sources import SAMPLE

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model)
    get_peft_model(base, LoraConfig(r=2, target_modules=["v_proj"], init_lora_weights=False)).save_pretrained(
        tmp_path / "a"
    )
    assert json_of("merge", tmp_path / "a", tmp_path / "out", "--base", model)
    assert (tmp_path / "out" / "model.safetensors").exists()
    shutil.copytree(SAMPLE / "drop", tmp_path / "rows" / "drop")
    assert json_of("data", "import", "drop", tmp_path / "rows")["imported"][0]["name"] == "drop"


def test_json_in_a_narrow_encoding(second, store):
    """A terminal that is not UTF-8: escapes, and no failure."""
    import os

    done = child("samples", "second", "--db", store.path, "--json", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == SAMPLES


# samples


def test_pages_are_apart_and_whole(second, store):
    seen: list[tuple[Any, ...]] = []
    for page in range(1, 2 + SAMPLES // 7):
        found = json_of("samples", "first", "--page", page, "--per-page", 7, "--db", store.path)
        assert (found["total"], found["page"]) == (SAMPLES, page)
        seen += [(s["task"], s["item"], s["repeat"]) for s in found["samples"]]
    assert len(seen) == len(set(seen)) == SAMPLES
    assert json_of("samples", "first", "--page", 9, "--db", store.path)["samples"] == []


def test_wrong_ones(second, store):
    every = json_of("samples", "first", "--task", "mmlu", "--per-page", 1000, "--db", store.path)
    wrong = json_of("samples", "first", "--task", "mmlu", "--per-page", 1000, "--wrong", "--db", store.path)
    assert {s["item"] for s in wrong["samples"]} == {s["item"] for s in every["samples"] if s["metrics"]["acc"] < 1}


def test_flips_are_where_one_is_right(second, store):
    def right(name: str) -> dict[tuple[str, str], bool]:
        rows = json_of("samples", name, "--per-page", 1000, "--db", store.path)["samples"]
        return {(s["task"], s["item"]): s["metrics"][s["metric"]] >= 1 for s in rows}

    a, b = right("first"), right("second")
    expected = {key for key in a if a[key] != b[key]}
    assert expected  # the models differ
    found = json_of("samples", "first", "--flips", "second", "--per-page", 1000, "--db", store.path)
    assert found["total"] == len(expected)
    assert {(s["task"], s["item"]) for s in found["samples"]} == expected
    one = json_of("samples", "first", "--flips", "second", "--task", "mmlu", "--wrong", "--db", store.path)
    assert {s["item"] for s in one["samples"]} == {
        item for task, item in expected if task == "mmlu" and not a[task, item]
    }
    compared = json_of("compare", "first", "second", "--db", store.path)
    (acc,) = [c for c in compared if (c["task"], c["metric"]) == ("mmlu", "acc")]
    assert acc["flips"] == len([1 for task, _ in expected if task == "mmlu"])


def test_flips_belong_to_their_task_and_repeat(model, tmp_path):
    """Two tasks whose items have the same names, and repeats of which one flips."""
    from tests.harness.results import make

    store = Store(tmp_path / "s.duckdb")
    runs = [make.run(name=name) for name in ("a", "b")]
    for made, values in zip(runs, ((1.0, 0.0, 1.0), (1.0, 0.0, 0.0)), strict=True):
        store.create(made, [make.task(made.id, "one"), make.task(made.id, "two")])
        samples = [make.sample(made.id, "0", value, repeat, task="one") for repeat, value in enumerate(values)]
        samples += [make.sample(made.id, "0", 1.0, task="two")]
        responses = [make.response(made.id, "0", s.repeat, task=s.task) for s in samples]
        store.record(made.id, responses, samples)
    found = json_of("samples", "a", "--flips", "b", "--db", store.path)
    assert [(s["task"], s["item"], s["repeat"]) for s in found["samples"]] == [("one", "0", 2)]
    assert found["total"] == 1


def test_flips_of_runs_that_share_no_task_are_refused(tmp_path):
    from tests.harness.results import make

    store = Store(tmp_path / "s.duckdb")
    for name, task in (("a", "one"), ("b", "two")):
        made = make.run(name=name)
        store.create(made, [make.task(made.id, task)])
    code, _, errors = cli("samples", "a", "--flips", "b", "--db", store.path)
    assert (code, "share no task" in errors) == (2, True)


def test_search(second, store):
    found = json_of("samples", "second", "--search", "THE ANSWER", "--task", "drop", "--db", store.path)
    assert found["total"] == 1
    assert found["samples"][0]["responses"][0]["text"] == EVIL
    assert json_of("samples", "second", "--search", "nowhere to be found", "--db", store.path)["total"] == 0


def test_what_a_model_wrote_is_text(second, store):
    code, out, _ = cli("samples", "second", "--task", "drop", "--db", store.path)
    assert code == 0
    assert "\x1b" not in out
    assert "\\x1b[31m[red]the answer[/red]" in out
    assert "2 samples, page 1 of 1" in out


def test_a_task_that_the_run_has_not(second, store):
    code, _, errors = cli("samples", "first", "--task", "mmul", "--db", store.path)
    assert (code, "Did you mean mmlu?" in errors) == (2, True)


def test_a_run_that_is_not_there_names_the_near_one(second, store):
    for words in (["show", "frist"], ["samples", "frist"], ["compare", "frist", "second"], ["export", "frist", "out"]):
        code, out, errors = cli(*words, "--db", store.path)
        assert (code, out) == (2, "")
        assert "Did you mean first?" in errors


# tables


def test_the_tables_for_people(second, store):
    code, out, _ = cli("show", "--db", store.path)
    assert code == 0
    assert re.search(r"first \(partial\)", out)
    assert "protocol standard" in out
    code, out, _ = cli("show", "first", "--groups", "--db", store.path)
    assert code == 0
    assert MMLU[0] in out
    assert re.search(r"tokens: [\d,]+ asked, [\d,]+ computed, [\d,]+ reused, [\d,]+ generated", out)
    assert "! a part of the items only" in out
    code, out, _ = cli("compare", "first", "second", "--db", store.path)
    assert code == 0
    assert "b - a [95%]" in out


def test_settings_that_differ_are_not_compared(first, store, words, model, tmp_path):
    db = str(tmp_path / "s.duckdb")
    for name, changes in (("a", {}), ("b", {"shots": 1})):
        options = Options(model=str(model), tasks="mmlu", db=db, data="sample", limit=1, name=name, **changes)
        run(options, make=lambda plan: (Scripted(), []))
    code, out, errors = cli("compare", "a", "b", "--db", db, "--json")
    assert (code, out) == (2, "")
    assert "the number of shots differs" in errors


# from a folder with our packages' names, by both ways of starting


@pytest.mark.parametrize("script", [pytest.param(True, marks=pytest.mark.full), False])
def test_a_run_from_a_folder_with_our_names(script, words, tmp_path):
    """The whole of it: rows, model, store, sandbox. tests/house/test_wheel.py starts the script each time."""
    import shutil

    for name in ("data", "tests", "harness"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('poisoned')\n")
    start = [sys.executable, "-P", "-m", "harness"]
    if script:
        found = shutil.which("harness", path=str(Path(sys.executable).parent))
        if found is None:
            pytest.skip("the console script is not installed beside this interpreter")
        start = [found]
    tasks = "drop,humaneval" if script else "mmlu,humaneval"
    mine = [tasks if word == TASKS else word for word in words]
    done = subprocess.run([*start, *mine, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {s["task"] for s in json.loads(done.stdout)["scores"]} == set(tasks.split(","))
    assert (tmp_path / "harness.duckdb").exists()
    assert "poisoned" not in done.stderr
    shown = subprocess.run([*start, "show", "random"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
