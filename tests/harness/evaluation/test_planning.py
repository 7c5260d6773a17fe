"""What is asked, under which identity, and what is refused before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sources import SAMPLE, DataError
from harness.errors import UsageError
from harness.evaluation import identity
from harness.evaluation.planning import Options, Plan, make_plan
from harness.types import Choice, Generate
from tests.harness.exchange import lm_eval_samples
from tests.harness.runs import BBH, MMLU
from tests.models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "random")


def plan(model: Path, **changes: Any) -> Plan:
    return make_plan(
        Options(**{"model": str(model), "tasks": "mmlu,drop", "db": "s.duckdb", "data": "sample", **changes})
    )


OTHER_RUNS: tuple[dict[str, Any], ...] = (
    {},
    {"protocol": "instructeval"},
    {"shots": 2},
    {"limit": 3},
    {"tasks": "mmlu"},
    {"tasks": f"mmlu:{MMLU[0]},drop"},
    {"chat": True},
    {"chat": True, "system": "Be brief."},
    {"strip_thinking": True},
    {"temperature": 0.5},
    {"temperature": 0.5, "top_p": 0.9},
    {"temperature": 0.5, "repeats": 2},
    {"temperature": 0.5, "repeats": 3},
    {"max_new_tokens": 5},
    {"seed": 1},
    {"dtype": "bfloat16"},
    {"load_in_4bit": True},
)


def test_what_makes_another_run(model):
    found = [plan(model, **changes).identity for changes in OTHER_RUNS]
    assert len(set(found)) == len(OTHER_RUNS)
    assert found == [plan(model, **changes).identity for changes in OTHER_RUNS]


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_tokens": 64},
        {"backend": "transformers"},
        {"device": "cpu"},
        {"db": "other.duckdb"},
        {"name": "another"},
        {"tags": ("one", "two")},
        {"fresh": True},
        {"tasks": "drop,mmlu"},
        {"dtype": "float32"},  # what "auto" is on a CPU
    ],
)
def test_what_does_not(model, changes):
    assert plan(model, **changes).identity == plan(model).identity


def test_groups_in_any_order_are_the_same_run(model):
    one, other = (plan(model, tasks=f"mmlu:{a},mmlu:{b}") for a, b in (MMLU[:2], MMLU[1::-1]))
    assert one.identity == other.identity
    assert [i.id for i in one.tasks[0].items] == [i.id for i in other.tasks[0].items]


def test_the_models_bytes_and_not_its_place_are_identity(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    assert plan(tmp_path / "copy").identity == plan(model).identity
    weights = bytearray((tmp_path / "copy/model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "copy/model.safetensors").write_bytes(weights)
    assert plan(tmp_path / "copy").identity != plan(model).identity


def test_the_datas_content_and_not_its_place_is_identity(model, tmp_path):
    for name in ("mmlu", "drop"):
        shutil.copytree(SAMPLE / name, tmp_path / "rows" / name)
    assert plan(model, data=str(tmp_path / "rows")).identity == plan(model).identity
    test = tmp_path / "rows/mmlu/test" / f"{MMLU[0]}_test.csv"
    test.write_text(test.read_text() + "Is this a new question?,yes,no,perhaps,seldom,A\n")
    assert plan(model, data=str(tmp_path / "rows")).identity != plan(model).identity


def test_a_new_version_of_a_task_is_another_run(model, monkeypatch):
    from harness.tasks.drop import Drop

    before = plan(model).identity
    monkeypatch.setattr(Drop, "version", "next")
    assert plan(model).identity != before


def test_limit_takes_the_first_of_each_group(model):
    whole, some = plan(model), plan(model, limit=2)
    assert (whole.partial, some.partial) == (False, True)
    groups: dict[str, list[str]] = {}
    for item in whole.tasks[0].items:
        groups.setdefault(item.group, []).append(item.id)
    assert sorted(groups) == MMLU
    assert [i.id for i in some.tasks[0].items] == [i for ids in groups.values() for i in ids[:2]]
    assert len(some.tasks[1].items) == 2


def test_groups_pick_items(model):
    found = plan(model, tasks=f"mmlu:{MMLU[0]},bbh")
    assert {i.group for i in found.tasks[0].items} == {MMLU[0]}
    assert sorted({i.group for i in found.tasks[1].items}) == BBH
    assert found.partial
    assert found.tasks[0].settings["groups"] == [MMLU[0]]


def test_repeats_have_keys_and_seeds_of_their_own(model):
    found = plan(model, tasks="mmlu,drop", repeats=3, temperature=0.8, limit=2)
    choice, generate = found.tasks
    assert (choice.repeats, generate.repeats) == (1, 3)
    assert generate.samples == len(generate.requests) == 6
    assert len(set(generate.keys)) == 6
    seeds = [r.sampling.seed for r in generate.requests if isinstance(r, Generate)]
    assert len(set(seeds)) == 6
    for (item, repeat, part), seed in zip(generate.keys, seeds, strict=True):
        assert seed == identity.answer_seed(0, "drop", generate.items[item].id, repeat, part)
    alone = plan(model, tasks="drop", repeats=3, temperature=0.8)  # whatever else is asked beside it
    assert [r.sampling.seed for r in alone.tasks[0].requests if isinstance(r, Generate)][:6] == seeds
    other = plan(model, tasks="drop", repeats=3, temperature=0.8, seed=1, limit=2)
    assert not {r.sampling.seed for r in other.tasks[0].requests if isinstance(r, Generate)} & set(seeds)


def test_departures_from_the_protocol_are_recorded(model):
    drop = plan(model, tasks="drop", max_new_tokens=5, temperature=0.8, top_p=0.9).tasks[0]
    assert set(drop.departures) == {
        "at most 5 new tokens instead of 64",
        "temperature 0.8 instead of 0",
        "top_p 0.9 instead of 1",
    }
    assert drop.settings["departures"] == list(drop.departures)
    assert all(isinstance(r, Generate) and r.max_tokens == 5 for r in drop.requests)
    same = plan(model, tasks="drop", max_new_tokens=64, temperature=0).tasks[0]
    assert same.departures == ()
    assert "departures" not in same.settings
    assert all(isinstance(r, Choice) for r in plan(model, tasks="mmlu", max_new_tokens=5).tasks[0].requests)


def test_lm_evals_tasks_are_planned_too(model, tmp_path):
    own = lm_eval_samples.write_tasks(tmp_path)
    found = plan(model, tasks="lm_eval:own_choice,drop", include_path=str(own), limit=3)
    assert [t.task.name for t in found.tasks] == ["lm_eval:own_choice", "drop"]
    assert len(found.tasks[0].items) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": "mmul"}, "Did you mean mmlu?"),
        ({"tasks": f"mmlu:{MMLU[0][:-1]}"}, f"Did you mean {MMLU[0]}?"),
        ({"tasks": f"mmlu,bbh:{BBH[0][:-1]}"}, f"Did you mean {BBH[0]}?"),
        ({"tasks": " , "}, 'tasks=" , ": No task is named'),
        ({"protocol": "standrad"}, "standard"),
        ({"limit": 0}, "limit=0 must be"),
        ({"repeats": 0}, "repeats=0 must be"),
        ({"repeats": 3}, "Give `temperature`"),
        ({"repeats": 3, "temperature": 0.0}, "Give `temperature`"),
        ({"repeats": 3, "temperature": 0.8, "tasks": "mmlu"}, "repeats=3 is for answers"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be"),
        ({"batch_tokens": 0}, "batch_tokens=0 must be"),
        ({"temperature": -1.0}, "temperature=-1.0 must be"),
        ({"top_p": 0.0}, "top_p=0.0 must be"),
        ({"top_p": 1.5}, "top_p=1.5 must be"),
        ({"system": "Be brief."}, 'system="Be brief." goes with `chat`'),
        ({"shots": -1}, "shots"),
        ({"shots": 1000}, "shots"),
        ({"seed": -1}, "seed=-1 must be"),
        ({"seed": 2**63}, "seed=9223372036854775808 must be"),
        ({"name": " "}, 'name=" " must be'),
        ({"tags": ("good", "")}, "tags=('good', '') must be"),
    ],
)
def test_what_is_refused(model, changes, words):
    with pytest.raises(UsageError) as caught:
        plan(model, **changes)
    assert words in str(caught.value)


def test_data_that_leaves_no_item_is_refused(model, tmp_path):
    """All rows of a DROP without a train file are its shots."""
    passages = json.loads((SAMPLE / "drop/drop_dataset_dev.json").read_text())
    few = {name: {**content, "qa_pairs": content["qa_pairs"][:1]} for name, content in list(passages.items())[:3]}
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/drop_dataset_dev.json").write_text(json.dumps(few))
    with pytest.raises(DataError, match="drop has no item to ask"):
        plan(model, tasks="drop", data=str(tmp_path))


def test_a_note_is_said_once(model, tmp_path):
    shutil.copytree(SAMPLE / "humaneval", tmp_path / "humaneval")
    (task,) = plan(model, tasks="humaneval", data=str(tmp_path)).tasks
    assert task.warnings  # a count of rows that is not the benchmark's
    assert len(set(task.warnings)) == len(task.warnings)


@given(st.integers(0, 2**63 - 1), st.text(), st.text(), st.integers(0, 1000))
def test_seeds_are_stable_and_apart(seed, task, item, repeat):
    one = identity.answer_seed(seed, task, item, repeat)
    assert 0 <= one < 2**63
    assert one == identity.answer_seed(seed, task, item, repeat)
    assert one != identity.answer_seed(seed, task, item, repeat + 1)
    assert one != identity.answer_seed(seed, task, item + "x", repeat)


def test_options_are_all_in_the_commands_help():
    """Each option of a run has its switch, and no switch is without effect."""
    import inspect

    from harness.cli.run import run

    switches = set(inspect.signature(run).parameters) - {"json", "plan", "context", "samples", "adapters"}
    assert switches == set(Options.model_fields)
    assert Options(model="m").replace(fresh=True).fresh
