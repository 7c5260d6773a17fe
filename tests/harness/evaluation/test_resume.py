"""The same command again goes on with what is missing: after SIGKILL, after a fault at any commit, for repeats too."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness import backends
from harness.errors import UsageError
from harness.evaluation.planning import Options
from harness.evaluation.run import Result, run
from harness.results import Store
from tests.harness.exchange import lm_eval_samples
from tests.harness.runs import MMLU, Scripted, assert_same, child, cli, lines, nursery
from tests.models import make_model

LM_EVAL = "lm_eval:own_choice,lm_eval:own_generate"
# tasks, and options that keep their runs small; on the real rows, which have more groups, and on the sample
KILLED: dict[str, tuple[str, ...]] = {
    "mmlu": (),
    "bbh": ("--max-new-tokens", "12", "--shots", "1"),
    "drop": ("--max-new-tokens", "12", "--temperature", "0.7"),
    "humaneval": ("--max-new-tokens", "10", "--temperature", "0.9", "--samples", "2"),
    LM_EVAL: (),
}
LIMITS = {"mmlu": (1, 14), "bbh": (1, 9), "drop": (24, 24), "humaneval": (10, 10)}


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_HOME", str(tmp_path_factory.getbasetemp() / "harness-home"))
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "random")


@pytest.fixture
def rows(request) -> str:
    """The real rows, or the bundled sample where they are not there."""
    try:
        return str(request.getfixturevalue("shared_data"))
    except pytest.skip.Exception:
        return "sample"


def kill_and_go_on(
    folder: Path, kills: int, words: list[str], batch_tokens: int, batch_rows: int, status: str = "finished"
) -> None:
    words += ["--batch-tokens", str(batch_tokens)]
    children, chance = nursery(), random.Random(0)
    whole, broken = folder / "whole", folder / "broken"
    assert children.run(whole, *words, "--db", f"{whole}.duckdb", rows=batch_rows) == 0, Path(
        f"{whole}.err"
    ).read_text()
    batches = lines(whole, "batch")
    assert batches >= kills + 2
    killed = started = 0
    for point in sorted(chance.sample(range(1, batches), kills)):
        session = folder / f"session{killed}"
        before = lines_of_sessions(folder, killed, "batch")
        pid = children.start(session, *words, "--db", f"{broken}.duckdb", rows=batch_rows)
        if children.until(partial(reached, session, point - before)):
            children.ended(chance.uniform(0, 0.05))  # on into the next batch, or a commit
        if not children.ended(0):
            os.kill(pid, signal.SIGKILL)
        code = children.wait()
        assert code == -signal.SIGKILL, Path(f"{session}.err").read_text()
        killed += 1
    last = folder / f"session{killed}"
    assert children.run(last, *words, "--db", f"{broken}.duckdb", rows=batch_rows) == 0, Path(f"{last}.err").read_text()
    started = lines_of_sessions(folder, killed + 1, "start") - lines_of_sessions(folder, killed + 1, "end")
    assert batches <= started <= batches + kills  # a batch that was begun twice is one that a kill cost
    assert_same(Store(f"{whole}.duckdb"), Store(f"{broken}.duckdb"), "random", status)
    assert lines(last, "batch") < batches  # the last session had less to do


def reached(session: Path, batches: int) -> bool:
    return lines(session, "batch") >= batches


def lines_of_sessions(folder: Path, sessions: int, word: str) -> int:
    return sum(lines(folder / f"session{number}", word) for number in range(sessions))


def words_for(tasks: str, model: Path, rows: str, folder: Path) -> list[str]:
    words = ["run", "--model", str(model), "--tasks", tasks, *KILLED[tasks]]
    if tasks.startswith("lm_eval:"):
        own = folder / "tasks"
        own.mkdir()
        return [*words, "--include-path", str(lm_eval_samples.write_tasks(own))]
    return [*words, "--data", rows, "--limit", str(LIMITS[tasks][rows == "sample"])]


def batch_tokens(tasks: str, rows: str) -> int:
    """For a dozen batches and more."""
    if tasks != "mmlu":
        return 64
    return 128 if rows == "sample" else 1024


# a task of choices, one whose answers are scored beside the model, and another program's tasks
@pytest.mark.parametrize(
    "tasks", ["mmlu", *(pytest.param(tasks, marks=pytest.mark.full) for tasks in ("humaneval", LM_EVAL))]
)
def test_killed_twice(tasks, model, rows, tmp_path):
    kill_and_go_on(tmp_path, 2, words_for(tasks, model, rows, tmp_path), batch_tokens(tasks, rows) * 4, 4)


@pytest.mark.full
@pytest.mark.parametrize("source", ["real", "sample"])
@pytest.mark.parametrize("tasks", LIMITS)
def test_killed_ten_times(tasks, source, model, request, tmp_path):
    rows = "sample" if source == "sample" else str(request.getfixturevalue("shared_data"))
    kill_and_go_on(tmp_path, 10, words_for(tasks, model, rows, tmp_path), batch_tokens(tasks, rows), 1)


@pytest.mark.full
@pytest.mark.parametrize("kills", [2, 10])
def test_a_sampled_run_killed(kills, tmp_path):
    """It goes on with the same items and stops at the same one."""
    file = tmp_path / "test.jsonl"
    rows = [
        {"question": f"Is {n * 7919 % 1009} even?", "choices": ["yes", "no"], "answer": n * 7919 % 1009 % 2}
        for n in range(400)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["run", "--model", "tiny", "--name", "random", "--tasks", f"file:{file}", "--until", "width=18"]
    kill_and_go_on(tmp_path, kills, words, 256, 16, "sampled")
    one, other = (Store(tmp_path / f"{name}.duckdb").resolve("random") for name in ("whole", "broken"))
    (read,) = one.sampled.values()
    assert one.sampled == other.sampled
    assert 128 < read["items"] < read["of"] == 400


@pytest.mark.full
def test_lm_evals_tasks_killed_ten_times(model, tmp_path):
    kill_and_go_on(tmp_path, 10, words_for(LM_EVAL, model, "", tmp_path), batch_tokens(LM_EVAL, ""), 1)


@pytest.mark.full
def test_the_command_as_people_start_it_is_killed(model, tmp_path):
    """The same without our help: `python -P -m harness`, killed when it has said how far it is."""
    words = ["run", "--model", str(model), "--tasks", "bbh", "--data", "sample", "--max-new-tokens", "4"]
    for _ in range(2):
        broken = [sys.executable, "-P", "-m", "harness", *words, "--db", str(tmp_path / "broken.duckdb")]
        with subprocess.Popen(broken, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            said = [next(process.stderr), next(process.stderr)]
            process.kill()
        assert [line.partition(":")[0] for line in said] == ["bbh", "bbh"]
        assert process.returncode == -signal.SIGKILL
    for name in ("broken", "whole"):
        assert child(*words, "--db", tmp_path / f"{name}.duckdb").returncode == 0
    assert_same(Store(tmp_path / "whole.duckdb"), Store(tmp_path / "broken.duckdb"), "random")


# a fault at every commit


class Crash(BaseException):
    """Not an Exception: nothing may catch it and go on."""


@contextmanager
def crash_at(commit: int, after: bool) -> Iterator[list[int]]:
    """The n-th write of the store (from 1) raises before or after its commit; the dead write nothing more."""
    real, seen = Store.write, [0]

    @contextmanager
    def write(self: Store) -> Iterator[Any]:
        seen[0] += 1
        if commit and (seen[0] > commit or (seen[0] == commit and not after)):
            with real(self) as connection:
                yield connection
                raise Crash  # inside: as if it never was
        with real(self) as connection:
            yield connection
        if commit and seen[0] == commit:
            raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "write", write)
        yield seen


def measure(model: Path, db: Path, tasks: str, **changes: Any) -> Result:
    settings: dict[str, Any] = {"data": "sample", "limit": 1, "tags": ("t",), **changes}
    options = Options(model=str(model), db=str(db), tasks=tasks, **settings)
    return run(options, make=lambda plan: (Scripted(batch=3), []))


def fault_at_every_commit(model: Path, folder: Path, tasks: str, afters: bool) -> None:
    with crash_at(0, after=False) as seen:
        measure(model, folder / "whole.duckdb", tasks)
    whole, commits = Store(folder / "whole.duckdb"), seen[0]
    assert commits >= 7  # create, tag, two batches or more, scores, the session, the end
    # after one commit is before the next: nothing else stays
    for commit, after in [(n, after) for n in range(1, commits + 1) for after in (False, afters or n == commits)]:
        db = folder / f"{commit}{after}.duckdb"
        if db.exists():
            continue
        with crash_at(commit, after), pytest.raises(Crash):
            measure(model, db, tasks)
        result = measure(model, db, tasks)
        assert_same(whole, Store(db), model.name)
        assert result.run.id == Store(db).resolve("t").id
        assert len(Store(db).runs()) == 1


def test_a_fault_at_every_commit(model, tmp_path):
    fault_at_every_commit(model, tmp_path, "mmlu", afters=False)


@pytest.mark.full
def test_a_fault_at_every_commit_of_all_tasks(model, tmp_path):
    fault_at_every_commit(model, tmp_path, "mmlu,bbh,drop,humaneval", afters=True)


def test_a_fault_between_batches_loses_none(model, tmp_path):
    """The backend fails: the answers before are kept, and only those."""
    db = tmp_path / "s.duckdb"

    def fault(number: int) -> None:
        if number == 2:
            raise RuntimeError("the backend fails")

    options = Options(model=str(model), db=str(db), tasks="mmlu", data="sample", limit=4)
    with pytest.raises(RuntimeError, match="the backend fails"):
        run(options, make=lambda plan: (Scripted(batch=3, fault=fault), []))
    store = Store(db)
    (left,) = store.runs()
    assert (left.status, len(store.answered(left.id, "mmlu")), len(store.scored(left.id, "mmlu"))) == ("running", 6, 6)
    backend = Scripted(batch=3)
    result = run(options, make=lambda plan: (backend, []))
    assert (result.run.id, result.resumed, result.computed, backend.answered) == (
        left.id,
        6,
        True,
        -(-(4 * len(MMLU) - 6) // 3),
    )
    assert result.run.totals["sessions"] == 2
    run(options.replace(db=str(tmp_path / "whole.duckdb")), make=lambda plan: (Scripted(3), []))
    assert_same(Store(tmp_path / "whole.duckdb"), store, model.name)


def test_a_run_goes_on_with_the_backend_that_it_began_with(model, tmp_path, monkeypatch):
    """Another one's answers are not put beside its own, whatever `auto` would choose by now."""
    options = Options(model=str(model), db=str(tmp_path / "s.duckdb"), tasks="mmlu", data="sample", limit=4)

    def fault(number: int) -> None:
        if number == 2:
            raise RuntimeError("the backend fails")

    with pytest.raises(RuntimeError, match="the backend fails"):
        run(options, make=lambda plan: (Scripted(batch=3, fault=fault), []))
    made = []

    def make(wanted: str, *_: object) -> tuple[Scripted, list[str]]:
        made.append(wanted)
        return Scripted(batch=3), []

    monkeypatch.setattr(backends, "make", make)
    with pytest.raises(UsageError, match=r'^backend="transformers": .* was begun with scripted, .* with `fresh`\.$'):
        run(options.replace(backend="transformers"))
    assert made == []
    result = run(options)
    assert (made, result.resumed, result.computed) == (["scripted"], 6, True)
    again = run(options.replace(backend="transformers"))  # a finished run answers, and says whose answers these are
    assert (made, again.computed, backends.begun_with(again.run)) == (["scripted"], False, "scripted")
    words = ("--model", model, "--tasks", "mmlu", "--data", "sample", "--limit", 4, "--db", options.db)
    code, out, _ = cli("run", *words, "--backend", "transformers")
    assert code == 0
    assert "This run was finished before, with --backend scripted; --fresh measures again." in out
    assert "This run was finished before; --fresh measures again." in cli("run", *words)[1]


def test_answers_that_were_not_scored_are_scored_on_going_on(model, tmp_path):
    """HumanEval's programs run beside the model: a kill leaves answers without a sample."""
    db = tmp_path / "s.duckdb"
    real = Store.record

    def record(self: Store, run_id: str, responses: Any = (), samples: Any = ()) -> None:
        if samples:
            raise Crash
        real(self, run_id, responses, samples)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "record", record)
        with pytest.raises(Crash):
            measure(model, db, "humaneval", limit=3)
    store = Store(db)
    (left,) = store.runs()
    assert store.scored(left.id, "humaneval") == set()
    answered = len(store.answered(left.id, "humaneval"))
    assert answered > 0
    backend = Scripted(batch=1)
    options = Options(model=str(model), db=str(db), tasks="humaneval", data="sample", limit=3, tags=("t",))
    result = run(options, make=lambda plan: (backend, []))
    assert backend.answered == 3 - answered
    assert len(store.samples(result.run.id, "humaneval")) == 3


# repeats


def test_repeats_are_rows_of_their_own_whatever_the_batches(model, tmp_path):
    """Through the real backend: seeds come from item and repeat, so batches do not move an answer."""
    settings: dict[str, Any] = {
        "tasks": "drop",
        "data": "sample",
        "limit": 4,
        "samples": 3,
        "temperature": 0.8,
        "max_new_tokens": 8,
    }
    texts = []
    for number, batch_tokens in enumerate((None, 64)):
        store = Store(tmp_path / f"{number}.duckdb")
        options = Options(model=str(model), db=str(store.path), batch_tokens=batch_tokens, **settings)
        result = run(options)
        found = store.responses(result.run.id, "drop")
        assert len(found) == 12
        assert {r.repeat for r in found} == {0, 1, 2}
        texts.append({(r.item, r.repeat): r.text for r in found})
        assert len(store.samples(result.run.id, "drop")) == 12
        assert {s.n for s in result.scores} == {4}  # items, not repeats
    assert texts[0] == texts[1]
    by_item = [{texts[0][item, repeat] for repeat in range(3)} for item in {item for item, _ in texts[0]}]
    assert all(len(found) == 3 for found in by_item)  # of a random model: none is alike


def test_alike_repeats_are_not_collapsed(model, tmp_path):
    options = Options(
        model=str(model), db=str(tmp_path / "s.duckdb"), tasks="drop", data="sample", limit=2, samples=3, temperature=1
    )
    result = run(options, make=lambda plan: (Scripted(say=lambda request: "the same"), []))
    store = Store(options.db)
    assert len(store.responses(result.run.id, "drop")) == len(store.samples(result.run.id, "drop")) == 6
