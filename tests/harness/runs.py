"""Runs for the tests: the command line in this process and in a child, a scripted backend, and what must be equal."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import io
import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.sources import SAMPLE
from harness.results import Store
from harness.types import BackendInfo, Choice, Generate, Loglikelihood, Prompt, Request, Response, Rolling

ROOT = Path(__file__).resolve().parents[2]
# the groups of the bundled sample
MMLU = sorted(path.stem.removesuffix("_test") for path in (SAMPLE / "mmlu/test").glob("*.csv"))
BBH = sorted(path.stem for path in (SAMPLE / "bbh").glob("*.json"))


def cli(*words: object, width: int = 200) -> tuple[int, str, str]:
    """`harness WORDS` in this process: exit code, standard output, standard error."""
    from harness.cli.main import run_command

    out, errors = io.BytesIO(), io.BytesIO()
    stdout, stderr = (io.TextIOWrapper(raw, encoding="utf-8", write_through=True) for raw in (out, errors))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        patch.setenv("COLUMNS", str(width))
        code = run_command([str(word) for word in words])
    return code, out.getvalue().decode(), errors.getvalue().decode()


def json_of(*words: object) -> Any:
    """The one document on standard output; the command must succeed."""
    code, out, errors = cli(*words, "--json")
    assert code == 0, errors
    return json.loads(out)


def child(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """`harness WORDS` as people start it, to its end."""
    command = [sys.executable, "-P", "-m", "harness", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


# a process that has the heavy imports behind it and forks: seconds saved with every session


class Nursery:
    """Forks a `harness` for each command line. Each logs `began`, then `start` when the backend goes to work on a
    batch, `batch` when it has it, `end` when there are no more."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "tests.harness.runs"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        # unbuffered: what `select` does not see must not lie in a buffer
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, bufsize=0, env=environment)
        self.running = 0
        atexit.register(self.close)

    def close(self) -> None:
        self.end()
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.running, signal.SIGKILL)

    def start(self, log: Path, *words: object, rows: int = 64, file_size: int = resource.RLIM_INFINITY) -> int:
        """The child's id. Its standard output and error go to `log` with the endings .out and .err.

        `rows`: how many answers are generated together; `file_size`: bytes that a file may have."""
        job = {
            "words": [str(word) for word in words],
            "log": str(log),
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "rows": rows,
            "file_size": file_size,
        }
        assert self.process.stdin
        assert self.process.stdout
        if self.running:  # a test that failed left it
            self.end()
            self.wait()
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.running = int(self.process.stdout.readline())
        return self.running

    def ended(self, seconds: float) -> bool:
        """Whether it has ended; waits so long."""
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def wait(self) -> int:
        """The exit code, or minus the signal."""
        assert self.process.stdout
        code = int(self.process.stdout.readline())
        self.running = 0
        return code

    def run(self, log: Path, *words: object, **limits: int) -> int:
        self.start(log, *words, **limits)
        return self.wait()

    def until(self, happened: Callable[[], bool], seconds: float = 60) -> bool:
        """Wait for it; False when the child has ended before."""
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, "it does not happen"
            if self.ended(0.002):
                return False
        return True


@functools.cache
def nursery() -> Nursery:
    return Nursery()


def lines(log: Path, word: str) -> int:
    return log.read_text().split().count(word) if log.exists() else 0


def _nurse() -> None:
    from harness.models import loading

    with loading._lean_imports():
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    import datasets  # noqa: F401
    import duckdb  # noqa: F401
    from transformers.models.llama import modeling_llama  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _session(job)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _session(job: dict[str, Any]) -> None:
    from harness import backends
    from harness.cli import main as cli

    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, ending in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(job["log"] + ending, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    real = backends.make

    def make(*needed: Any) -> tuple[Logged, list[str]]:
        backend, warnings = real(*needed)
        vars(backend)["rows_together"] = job["rows"]
        return Logged(backend, log), warnings

    resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"], job["file_size"]))
    backends.make = make  # type: ignore[assignment]
    code = 70
    try:
        os.write(log, b"began\n")
        code = cli.run_command(job["words"])
    except KeyboardInterrupt:  # it had ended already
        code = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Logged:
    """A backend that says when it begins and ends a batch."""

    def __init__(self, backend: Any, log: int) -> None:
        self.backend, self.log, self.info = backend, log, backend.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def switch(self, *needed: Any) -> tuple[Logged, list[str]]:
        backend, warnings = self.backend.switch(*needed)
        return Logged(backend, self.log), warnings

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        batches = self.backend.answer(requests, done)
        while True:
            os.write(self.log, b"start\n")
            batch = next(batches, None)
            os.write(self.log, b"end\n" if batch is None else b"batch\n")
            if batch is None:
                return
            yield batch


class Scripted:
    """A backend without a model. Answers come from the request alone; `say` makes the text of a generation.

    `fault` is called before each batch with its number, to raise."""

    def __init__(
        self,
        batch: int = 4,
        say: Callable[[Generate], str] | None = None,
        fault: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.info = BackendInfo("scripted", "none", "float32", 4096)
        self.warnings: list[str] = []
        self.batch, self.say, self.fault = batch, say or self._words, fault
        self.answered = 0  # batches
        self.warnings_of: Callable[[str], tuple[str, ...]] = lambda text: ()

    @staticmethod
    def _words(request: Generate) -> str:
        return f"the answer is {_number(request) % 7}."

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        for at in range(0, len(requests), self.batch):
            which = [n for n in range(at, min(at + self.batch, len(requests))) if n not in done]
            if which:
                self.fault(self.answered)
                self.answered += 1
                yield [(n, self._one(requests[n])) for n in which]

    def close(self) -> None:
        """There is nothing to give back."""

    def _one(self, request: Request) -> Response:
        asked = len(_prompt(request)) // 4
        if isinstance(request, Generate):
            text = self.say(request)
            return Response(
                text=text,
                tokens=tuple(map(ord, text)),
                finish="stop",
                asked=asked,
                generated=len(text),
                warnings=self.warnings_of(text),
            )
        count = len(request.options) if isinstance(request, Choice) else 1
        values = tuple(-1.0 - (_number(request) >> n) % 5 for n in range(count))
        return Response(logprobs=values, greedy=(False,) * count, asked=asked)


def _prompt(request: Request) -> str:
    if isinstance(request, Rolling):
        return request.text
    assert isinstance(request, Choice | Loglikelihood | Generate)
    prompt: Prompt = request.prompt
    return prompt.shared + prompt.own


def _number(request: Request) -> int:
    seed = request.sampling.seed if isinstance(request, Generate) and request.sampling.temperature else 0
    return int.from_bytes(hashlib.sha256(f"{seed}\0{_prompt(request)}".encode()).digest()[:4], "big")


# what "identical to an unbroken run" means

ALWAYS = (
    "kind",
    "shared",
    "own",
    "options",
    "text",
    "tokens",
    "finish",
    "greedy",
    "asked",
    "reused",
    "generated",
    "warnings",
)


def assert_same(one: Store, other: Store, name: str, status: str = "finished") -> None:
    """The runs of this name in two stores: keys, prompts, texts, token ids, scores equal; log-probabilities to 1e-5."""
    a, b = one.resolve(name), other.resolve(name)
    assert (a.identity, a.status, b.status) == (b.identity, status, status)
    assert a.warnings == b.warnings
    assert a.totals["tokens"] == b.totals["tokens"]
    tasks = [t.task for t in one.tasks(a.id)]
    assert tasks == [t.task for t in other.tasks(b.id)]
    for task in tasks:
        left, right = one.responses(a.id, task), other.responses(b.id, task)
        assert left
        assert [(r.item, r.repeat, r.part) for r in left] == [(r.item, r.repeat, r.part) for r in right]
        assert len({(r.item, r.repeat, r.part) for r in left}) == len(left)
        for x, y in zip(left, right, strict=True):
            assert [getattr(x, field) for field in ALWAYS] == [getattr(y, field) for field in ALWAYS]
            assert len(x.logprobs) == len(y.logprobs)
            assert all(abs(p - q) <= 1e-5 for p, q in zip(x.logprobs, y.logprobs, strict=True))
        for p, q in zip(one.samples(a.id, task), other.samples(b.id, task), strict=True):
            assert replace(p, run="", metrics={}, answer="") == replace(q, run="", metrics={}, answer="")
            # lm-eval's own values stand in an answer, some made of log-probabilities; texts were compared above
            assert NUMBER.sub("#", p.answer) == NUMBER.sub("#", q.answer)
            assert [*map(float, NUMBER.findall(p.answer))] == approx([*map(float, NUMBER.findall(q.answer))])
            assert dict(p.metrics) == approx(dict(q.metrics))
    left_scores, right_scores = one.scores(a.id), other.scores(b.id)
    for s, t in zip(left_scores, right_scores, strict=True):
        assert (s.task, s.group, s.protocol, s.metric, s.n, s.method) == (
            t.task,
            t.group,
            t.protocol,
            t.metric,
            t.n,
            t.method,
        )
        assert (s.value, s.low, s.high) == approx((t.value, t.low, t.high))
    assert left_scores


NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def approx(expected: Any) -> Any:
    """Right and wrong are exact by far; a Brier score is made of log-probabilities, and as close as they are."""
    return pytest.approx(expected, rel=0, abs=1e-5, nan_ok=True)


if __name__ == "__main__":
    _nurse()
