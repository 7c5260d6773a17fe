"""One run from options to scores, through the store: what is stored, said, refused, and found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from data.sources import SAMPLE
from harness.errors import IncompleteError, ModelError, StoreError, UsageError
from harness.evaluation.planning import Options, Plan
from harness.evaluation.run import Result, run
from harness.progress import Progress
from harness.prompting.thinking import SCORED, UNFINISHED
from harness.results import Store
from harness.types import Request, Response
from tests.harness.runs import MMLU, Scripted, cli, nursery
from tests.models import make_model

ITEMS = 2 * len(MMLU)  # of the runs here, where nothing else is said


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "random")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "s.duckdb")


def options(model: Path, store: Store, **changes: Any) -> Options:
    settings = {"model": str(model), "tasks": "mmlu", "db": str(store.path), "data": "sample", "limit": 2}
    return Options(**{**settings, **changes})


def scripted(backend: Scripted | None = None) -> Callable[[Plan], tuple[Scripted, list[str]]]:
    return lambda plan: (backend or Scripted(), [])


class Recorded(Progress):
    def __init__(self) -> None:
        self.updates: list[tuple[str, float, int]] = []
        self.ends: list[str] = []

    def end(self, task: str, result: str = "") -> None:
        self.ends.append(f"{task}: {result}")

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        self.updates.append((task, done, total))


def never(plan: Plan) -> Any:
    raise AssertionError("a model is loaded")


def test_what_a_backend_warns_of_at_load_is_shown_before_it_answers(model, store):
    backend, progress = Scripted(), Recorded()
    backend.warnings = ["every row is computed anew"]
    shown_before: list[str] = []
    answer = backend.answer

    def answering(*given: Any) -> Any:
        shown_before.extend(progress.ends)
        return answer(*given)

    backend.answer = answering
    run(options(model, store), progress, make=scripted(backend))
    assert f"{Path(model).name}: warning: every row is computed anew" in shown_before


def test_all_of_a_run_is_stored(model, store):
    progress = Recorded()
    settings = options(model, store, tasks="mmlu,drop", tags=("a", "b"), seed=3)
    result = run(settings, progress, command=["harness", "run"], make=scripted())
    (found,) = store.runs()
    assert found == result.run
    assert (found.status, found.partial, found.model, found.name) == ("finished", True, str(model), "random")
    assert (found.backend, found.device, found.dtype, found.seed) == ("scripted", "none", "float32", 3)
    assert found.command == "harness run"
    assert found.finished > found.created
    assert {"packages", "host", "python", "git_revision"} <= set(found.provenance)
    assert found.provenance["packages"]["torch"]
    assert store.tags() == {found.id: ["a", "b"]}
    assert [(t.task, t.items, t.data_source) for t in store.tasks(found.id)] == [
        ("mmlu", ITEMS, "sample"),
        ("drop", 2, "sample"),
    ]
    assert all(t.data_digest and t.version for t in store.tasks(found.id))
    assert len(store.responses(found.id, "mmlu")) == len(store.samples(found.id, "mmlu")) == ITEMS
    assert result.scores
    assert set(result.scores) == set(store.scores(found.id))
    assert (result.resumed, result.computed) == (0, True)
    counted = [update for update in progress.updates if update[2]]
    assert counted[0] == ("mmlu", 0, ITEMS)
    assert counted[-1] == ("drop", 2, 2)
    tokens = found.totals["tokens"]
    assert tokens["asked"] == sum(r.asked for task in ("mmlu", "drop") for r in store.responses(found.id, task)) > 0
    assert {"planning", "loading", "model", "scoring", "store", "waiting", "total"} <= set(found.totals["seconds"])


def test_a_finished_run_answers_without_a_model(model, store):
    first = run(options(model, store), make=scripted())
    again = run(options(model, store, name="better", tags=("kept",)), make=never)
    assert (again.run.id, again.computed, again.resumed) == (first.run.id, False, ITEMS)
    assert set(again.scores) == set(first.scores)
    assert store.resolve("better").id == store.resolve("kept").id == first.run.id
    assert again.run.totals == first.run.totals
    with store.lease(first.run.identity[:16]):  # it asks for no lease either
        assert not run(options(model, store), make=never).computed
    assert store.resolve(first.run.id).name == "better"


def test_fresh_starts_over_and_is_then_the_one_that_is_found(model, store):
    old = run(options(model, store), make=scripted())
    new = run(options(model, store, fresh=True), make=scripted())
    assert new.computed
    assert new.resumed == 0
    assert {old.run.id, new.run.id} == {r.id for r in store.runs()}
    assert run(options(model, store), make=never).run.id == new.run.id
    assert store.resolve("random").id == new.run.id
    assert len(store.samples(old.run.id, "mmlu")) == ITEMS


def test_two_at_once_are_one_too_many(model, store):
    """The second is told who holds the run, before it loads anything."""
    errors = []

    def make(plan: Plan) -> tuple[Scripted, list[str]]:
        with pytest.raises(StoreError) as caught:
            run(options(model, store), make=never)
        errors.append(caught.value)
        run(options(model, store, seed=1), make=scripted())  # another run is welcome
        return Scripted(), []

    assert run(options(model, store), make=make).computed
    assert f"process {os.getpid()}" in str(errors[0])
    assert errors[0].exit_code == 5
    assert len(store.runs()) == 2
    assert not list(store.path.parent.glob("*.run-*"))


def test_a_process_that_holds_the_run_is_named(model, tmp_path):
    """The same with two processes and the command: the first is stopped while its model computes."""
    log, db = tmp_path / "first", tmp_path / "s.duckdb"
    words = ["run", "--model", model, "--tasks", "mmlu", "--data", "sample", "--db", db, "--batch-tokens", 128]
    holder = nursery().start(log, *words)

    def computes() -> bool:
        if not log.exists():
            return False
        os.kill(holder, signal.SIGSTOP)
        while Path(f"/proc/{holder}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass
        if log.read_text().endswith("start\n"):  # not in the store, which it would keep from all
            return True
        os.kill(holder, signal.SIGCONT)
        return False

    assert nursery().until(computes)
    try:
        code, _, errors = cli(*words)
    finally:
        os.kill(holder, signal.SIGCONT)
    assert code == 5, errors
    assert f"process {holder}" in errors
    assert "Traceback" not in errors
    assert nursery().wait() == 0


def test_seconds_add_up_over_sessions(model, store):
    def fault(number: int) -> None:
        if number == 1:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        run(options(model, store), make=scripted(Scripted(2, fault=fault)))
    (before,) = store.runs()
    assert before.totals["sessions"] == 1
    assert before.totals["tokens"]["asked"] > 0
    after = run(options(model, store), make=scripted(Scripted(2))).run
    assert after.totals["sessions"] == 2
    for kind, spent in before.totals["seconds"].items():
        assert after.totals["seconds"][kind] >= spent
    assert after.totals["seconds"]["total"] > before.totals["seconds"]["total"]


def test_ctrl_c_says_how_much_is_stored(model, store):
    def fault(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=f"6 of {ITEMS} answers are stored; the same command goes on"):
        run(options(model, store), make=scripted(Scripted(3, fault=fault)))
    assert run(options(model, store), make=scripted(Scripted(3))).resumed == 6


def test_ctrl_c_inside_the_store_waits_for_its_end(model, store, monkeypatch):
    """It strikes in the middle of a batch's transaction: the batch is stored, and then the run stops."""
    from harness.results import answers

    add, struck = answers._add, []

    def strike(connection: Any, *rest: Any) -> None:
        if not struck:
            struck.append(1)
            signal.raise_signal(signal.SIGINT)
            connection.execute("SELECT count(*) FROM range(2000), range(1000)")  # where DuckDB looks for it
        add(connection, *rest)

    monkeypatch.setattr(answers, "_add", strike)
    with pytest.raises(KeyboardInterrupt, match=f"4 of {ITEMS} answers"):
        run(options(model, store), make=scripted())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run(options(model, store), make=scripted()).resumed == 4


def test_ctrl_c_before_the_first_question(model, store):
    def make(plan: Plan) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="Nothing was stored"):
        run(options(model, store), make=make)
    assert not store.exists()


def test_a_model_that_does_not_load_leaves_no_run(model, store):
    def make(plan: Plan) -> Any:
        raise ModelError("it does not load")

    with pytest.raises(ModelError):
        run(options(model, store), make=make)
    assert not store.exists()
    assert [p.name for p in store.path.parent.iterdir() if not p.name.endswith((".lock", ".turn"))] == []


class Forgetful(Scripted):
    """Leaves the last request out."""

    def answer(self, requests: Sequence[Request], done: Any = ()) -> Iterator[list[tuple[int, Response]]]:
        for batch in super().answer(requests, done):
            yield [(n, response) for n, response in batch if n != len(requests) - 1]


def test_a_missing_answer_is_no_score(model, store):
    with pytest.raises(IncompleteError, match=f"{ITEMS - 1} of {ITEMS} samples") as caught:
        run(options(model, store), make=scripted(Forgetful(3)))
    assert caught.value.exit_code == 7
    (found,) = store.runs()
    assert found.status == "running"
    assert store.scores(found.id) == []
    assert run(options(model, store), make=scripted(Scripted(3))).resumed == ITEMS - 1


def test_thinking_is_kept_in_the_answer_and_not_scored(model, store):
    passage = "<think>It is 5. No.</think>\n\n"
    settings = options(model, store, tasks="drop", strip_thinking=True)
    result = run(settings, make=scripted(Scripted(say=lambda request: passage + "the answer")))
    assert {r.text for r in store.responses(result.run.id, "drop")} == {passage + "the answer"}
    assert {s.answer for s in store.samples(result.run.id, "drop")} == {"the answer"}


@pytest.mark.parametrize("tasks", ["drop", "humaneval", "bbh"])
def test_a_thought_that_never_ends_scores_nothing_and_is_counted(model, store, tasks):
    warnings = {"drop": 2, "humaneval": 2, "bbh": 2}
    settings = options(model, store, tasks=tasks, strip_thinking=True, chat=True, limit=2)
    thinks = Scripted(say=lambda request: "<think>So the answer is (A). It is 5.\n```python\ndef f(): pass\n```")
    thinks.warnings_of = lambda text: (UNFINISHED,)
    result = run(settings, make=scripted(thinks))
    samples = store.samples(result.run.id, tasks)
    assert {value for s in samples for value in s.metrics.values()} == {0.0}
    assert all(s.note.startswith(f"no answer: {UNFINISHED}") for s in samples)
    assert [w for w in result.run.warnings if w.startswith(f"{tasks}: {len(samples)} answers: {UNFINISHED}")]
    assert len(samples) >= warnings[tasks]


def test_thoughts_that_are_scored_are_said_and_how_to_leave_them_out(model, store):
    thinks = Scripted(say=lambda request: "<think>a")
    thinks.warnings_of = lambda text: (SCORED,)
    (warning,) = [
        w for w in run(options(model, store, tasks="drop"), make=scripted(thinks)).run.warnings if SCORED in w
    ]
    assert "--strip-thinking" in warning
    assert warning.startswith("drop: 2 answers: ")


def test_notes_are_recorded_once_and_named_once(model, store, tmp_path):
    for name in ("humaneval", "drop"):
        shutil.copytree(SAMPLE / name, tmp_path / "rows" / name)
    (tmp_path / "rows/drop/drop_dataset_train.json").unlink(missing_ok=True)
    settings = options(model, store, tasks="humaneval,drop", data=str(tmp_path / "rows"), max_new_tokens=9)
    found = run(settings, make=scripted()).run
    assert len(set(found.warnings)) == len(found.warnings)
    assert not [w for w in found.warnings if w.startswith(("drop: drop:", "humaneval: humaneval:"))]
    assert [w for w in found.warnings if w.startswith("drop: ") and "no train split" in w]
    assert "drop: at most 9 new tokens instead of 64" in found.warnings
    assert [w for w in found.warnings if w.startswith("a part of the items only")]


# with the real backend


def test_a_model_without_a_chat_template_is_refused(tmp_path, store):
    folder = make_model(tmp_path / "plain")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": None}))
    with pytest.raises(UsageError, match="has no chat template"):
        run(options(folder, store, chat=True))
    assert not store.exists()


def test_chat_and_system_are_recorded(model, store):
    result = run(options(model, store, chat=True, system="Be brief.", limit=1))
    assert store.tasks(result.run.id)[0].chat
    assert result.run.config["system"] == "Be brief."
    assert result.run.identity != run(options(model, store, chat=True, limit=1)).run.identity


def test_an_adapter_is_measured_end_to_end(model, store, tmp_path):
    """Other answers than its base's, the base's digest recorded, and a warning where the adapter names none."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model)
    peft = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    peft.save_pretrained(tmp_path / "adapter")
    settings = options(tmp_path / "adapter", store, base=str(model), tasks="mmlu,drop", max_new_tokens=8)
    result = run(settings)
    alone = run(options(model, store, tasks="mmlu,drop", max_new_tokens=8))
    assert result.run.base_digest == alone.run.model_digest
    assert result.run.model_digest != alone.run.model_digest
    assert [w for w in result.run.warnings if "does not record which base" in w]
    logprobs = [[r.logprobs for r in store.responses(one.run.id, "mmlu")] for one in (result, alone)]
    assert logprobs[0] != logprobs[1]
    assert not run(settings, make=never).computed


def test_the_shared_prompt_is_computed_once(model, store):
    result: Result = run(options(model, store, tasks=f"mmlu:{MMLU[0]}", limit=6))
    tokens = result.run.totals["tokens"]
    assert tokens["asked"] == tokens["computed"] + tokens["reused"]
    assert tokens["reused"] > tokens["computed"]
    assert result.run.config["backend_details"]["batch_tokens"] > 0
    assert result.run.config["window"] == 4096
