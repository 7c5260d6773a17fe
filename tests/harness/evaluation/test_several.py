"""Several models in one go: each run is the one that it is alone, and its base is loaded once."""

from __future__ import annotations

import os
import signal
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.backends.transformers import engines
from harness.evaluation import several
from harness.evaluation.planning import Options, make_plans
from harness.evaluation.run import run
from harness.evaluation.several import run_several
from harness.models import loading
from harness.progress import Progress
from harness.results import Store
from tests.harness.models.test_adapter import KINDS, make_adapter
from tests.harness.runs import Scripted, assert_same, cli, json_of, lines, nursery
from tests.models import make_model

ADAPTERS: dict[str, dict[str, Any]] = {"plain": {}, "head": KINDS["head"], "dora": KINDS["dora"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, and its adapters in `adapters`."""
    folder = tmp_path_factory.mktemp("several")
    make_model(folder / "base")
    for name, settings in ADAPTERS.items():
        make_adapter(folder / "adapters" / name, folder / "base", scale=0.3, **settings)
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path) -> Store:
    """A store with a run of each, measured alone."""
    store = Store(folder / "alone.duckdb")
    for options in every(folder, store):
        run(options)
    return store


def every(folder: Path, store: Store, **changes: Any) -> list[Options]:
    """Options of each adapter, and of the base behind them."""
    models = [folder / "adapters" / name for name in ADAPTERS] + [folder / "base"]
    settings = {"tasks": "mmlu,bbh", "data": "sample", "limit": 1, "shots": 1, "max_new_tokens": 8}
    return [Options(model=str(model), db=str(store.path), **{**settings, **changes}) for model in models]


NAMES = [*ADAPTERS, "base"]


class Counted:
    """A function, and how often it was called."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.real, self.count = getattr(owner, name), 0
        patch.setattr(owner, name, self)

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.count += 1
        return self.real(*given, **named)


class OneInMemory(Counted):
    """Loads a model where those before it are gone."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.before: list[weakref.ref[Any]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        assert [ref() for ref in self.before] == [None] * self.count, "two bases are in memory"
        model = super().__call__(*given, **named)
        self.before.append(weakref.ref(model))
        return model


def test_each_run_is_the_one_that_it_is_alone(
    folder: Path, alone: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "s.duckdb")
    loaded = OneInMemory(monkeypatch, loading, "load_unchecked")
    tokenizers = Counted(monkeypatch, loading, "load_tokenizer")
    checked = Counted(monkeypatch, engines, "check_shared")
    rows = Counted(monkeypatch, several, "make_plans")
    results = dict(run_several(every(folder, store)))
    assert list(results) == [3, 0, 1, 2], "the base, whose weights are then as they were loaded, and its adapters"
    # the adapter with a whole module of its own is the second: after it the base is loaded, and checked, anew
    assert (loaded.count, checked.count, tokenizers.count, rows.count) == (2, 2, 1, 1)
    for place, name in enumerate(NAMES):
        assert_same(alone, store, name)
        one, other = alone.resolve(name), store.resolve(name)
        assert results[place].run == other
        assert {**one.config, "db": ""} == {**other.config, "db": ""}
    texts = [[r.text for r in store.responses(results[place].run.id, "bbh")] for place in results]
    assert len({tuple(text) for text in texts}) == len(texts), "they do not differ"


def test_models_on_other_bases_are_measured_apart(folder: Path, tmp_path: Path) -> None:
    make_model(tmp_path / "other", seed=1)
    make_adapter(tmp_path / "its", tmp_path / "other")
    store, models = Store(tmp_path / "s.duckdb"), [folder / "adapters/plain", tmp_path / "its", folder / "base"]
    options = [Options(model=str(model), tasks="mmlu", data="sample", db=str(store.path)) for model in models]
    plans = make_plans([*options, options[0].replace(chat=True), options[0].replace(lora="merge")])
    assert [group for _, group in several.groups_of(plans)] == [[2, 0], [1], [3], [4]]
    assert plans[0].tasks[0].requests is plans[1].tasks[0].requests, "rows are read once"
    assert [kind.settings.lora for kind, _ in several.groups_of(plans)] == ["live", "auto", "auto", "merge"]


def test_what_a_kill_leaves_is_gone_on_with(folder: Path, alone: Store, tmp_path: Path) -> None:
    words: list[object] = ["run", "--adapters", folder / "adapters", "--db", tmp_path / "s.duckdb"]
    words += ["--tasks", "mmlu,bbh", "--data", "sample", "--limit", 1, "--shots", 1, "--max-new-tokens", 8]
    children, store = nursery(), Store(tmp_path / "s.duckdb")
    killed = children.start(tmp_path / "killed", *words, rows=2)
    children.until(partial(_is_begun, tmp_path / "killed", 2))
    os.kill(killed, signal.SIGKILL)
    assert children.wait() == -signal.SIGKILL
    before = {one.name: one.status for one in store.runs()}
    assert before == {"dora": "finished", "head": "running"}
    assert children.run(tmp_path / "rest", *words, rows=2) == 0, (tmp_path / "rest.err").read_text()
    assert lines(tmp_path / "rest", "end") <= 4, "the finished run was computed again"
    for name in ADAPTERS:
        assert_same(alone, store, name)
    assert "1 of 3 runs were finished before" in (tmp_path / "rest.out").read_text()


def _is_begun(log: Path, model: int) -> bool:
    """Whether the tasks of those before it have ended, and a batch of its own is there."""
    words = log.read_text().split() if log.exists() else []
    ends = [place for place, word in enumerate(words) if word == "end"]
    return len(ends) >= 2 * (model - 1) and "batch" in words[ends[2 * (model - 1) - 1] :]


class Shown(Progress):
    def __init__(self) -> None:
        self.tasks: list[str] = []

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        self.tasks.append(task)


def test_progress_and_a_stop_say_which_of_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Closing] = []

    def make(*needed: Any) -> tuple[Closing, list[str]]:
        def fault(number: int) -> None:
            if len(made) == 2 and number == 1:
                raise KeyboardInterrupt

        made.append(Closing(fault))
        return made[-1], []

    monkeypatch.setattr(backends, "make", make)
    progress = Shown()
    with pytest.raises(KeyboardInterrupt, match=r"^model 2 of 4, plain: Stopped\. 4 of \d+ answers are stored"):
        list(run_several(every(folder, Store(tmp_path / "s.duckdb"), tasks="mmlu", limit=2), progress))
    assert progress.tasks[0] == "reading the tasks"
    assert "model 1 of 4, base: mmlu" in progress.tasks
    assert "model 2 of 4, plain: mmlu" in progress.tasks
    assert [one.is_closed for one in made] == [True, True], "a backend that cannot switch is closed, and made anew"


class Closing(Scripted):
    def __init__(self, fault: Any) -> None:
        super().__init__(fault=fault)
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class TestCommand:
    def test_runs_are_given_in_order_and_shown_in_a_row_each(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends, "make", lambda *needed: (Scripted(), []))
        words: list[object] = ["run", "--tasks", "mmlu", "--data", "sample", "--db", tmp_path / "s.duckdb"]
        words += ["--model", folder / "adapters/plain", "--model", folder / "base", "--adapters", folder / "adapters"]
        document = json_of(*words)
        assert [one["name"] for one in document["runs"]] == ["plain", "base", "dora", "head"]
        assert {one["status"] for one in document["runs"]} == {"finished"}
        code, out, _ = cli(*words, width=80)
        assert code == 0
        assert [line.split()[0] for line in out.splitlines() if " mmlu " in line] == ["plain", "base", "dora", "head"]
        assert max(map(len, out.splitlines())) <= 80
        assert "4 of 4 runs were finished before" in out
        # the base goes with the adapters, and the base itself takes none
        assert [one["name"] for one in json_of(*words, "--base", folder / "base")["runs"]] == [
            one["name"] for one in document["runs"]
        ]

    def test_of_sampled_runs_stands_how_many_items_there_are(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends, "make", lambda *needed: (Scripted(), []))
        words = ["run", "--tasks", "mmlu", "--data", "sample", "--db", tmp_path / "s.duckdb", "--until", "items=20"]
        code, out, _ = cli(*words, "--adapters", folder / "adapters", width=80)
        assert code == 0
        assert out.count("20 of ") == 3

    def test_a_name_has_a_place_for_each_model(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backends, "make", lambda *needed: (Scripted(), []))
        words = ["run", "--tasks", "mmlu", "--data", "sample", "--limit", 1, "--db", tmp_path / "s.duckdb"]
        document = json_of(*words, "--adapters", folder / "adapters", "--name", "night {model}")
        names = [one["name"] for one in document["runs"]]
        assert len(set(names)) == 3
        assert all(
            name == f"night {Path(one['model']).name}" for name, one in zip(names, document["runs"], strict=True)
        )

    def test_a_name_is_for_one_model(self, folder: Path) -> None:
        words = ["run", "--adapters", folder / "adapters", "--tasks", "mmlu", "--data", "sample", "--name", "x"]
        code, _, errors = cli(*words)
        assert code == 2
        assert "--name is for one model, and these are 3. Put {model} into it" in errors

    @pytest.mark.parametrize(
        ("where", "said"),
        [
            ("base", "is a LoRA adapter (none holds an adapter_config.json)."),
            ("adapters/plain", "It is an adapter itself: give it as the model."),
            ("none", "cannot be read (No such file or directory). Give one that holds adapters."),
        ],
    )
    def test_a_folder_without_adapters(self, folder: Path, where: str, said: str) -> None:
        code, _, errors = cli("run", "--adapters", folder / where, "--tasks", "mmlu")
        assert code != 0
        assert said in errors
