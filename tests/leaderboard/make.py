"""Stores with answers to rate, and a server on them."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from judges.store.rows import AnswerRow, AnswerSetRow, PromptSetRow, QuestionRow
from leaderboard.app import server, server_settings
from tests import forkserver
from tuning.store import Store

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
ANSWER = """There are two ways.

1. **Walk** along the river, which takes *an hour*.
2. Take the bus:

```python
def bus(stop):
    return "number 7" if stop == "mill" else None
```

I would walk: the way is shaded, and `bus("mill")` comes once an hour."""


def answered(path: Path, models: Mapping[str, Sequence[str]], questions: Sequence[str] = ()) -> Store:
    """A store in which each model has given these answers, one a question."""
    store = Store(path)
    count = len(next(iter(models.values())))
    texts = questions or [f"Question {n}: how does one get from the mill to the bridge?" for n in range(count)]
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
    prompts = PromptSetRow(digest, "made", "sample")
    rows = [QuestionRow(digest, f"q{n}", n, "generic", (text,)) for n, text in enumerate(texts)]
    for name, answers in models.items():
        own = uuid.uuid4().hex
        store.create_answers(AnswerSetRow(own, own, name, "finished", digest, name, NOW), prompts, rows)
        store.record_answers(own, [AnswerRow(own, f"q{n}", 1, text) for n, text in enumerate(answers)])
    return store


def three(path: Path, questions: int = 12) -> Store:
    """Three models whose answers are easily told apart."""
    return answered(
        path,
        {
            f"secret-model-{name}": [f"{ANSWER}\n\nAnswer {n} in the {style} style." for n in range(questions)]
            for name, style in (("alpha", "first"), ("beta", "second"), ("gamma", "third"))
        },
    )


class Serving:
    """A server as `harness rate` starts it, for one test."""

    def __init__(self, told: server_settings.Settings, port: int | None = None) -> None:
        self.port = port or free_port()
        self.told = told
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        environment = {**server_settings.environment(self.told), "PYTHONPATH": str(ROOT)}
        _, *command = server.command("127.0.0.1", self.port)
        self.child = forkserver.Process(command, stdin=forkserver.PIPE, stdout=forkserver.DEVNULL, env=environment)
        server._until_up(self.child, "127.0.0.1", self.port)  # type: ignore[arg-type]

    def kill(self) -> None:
        """As a power cut would."""
        self.child.kill()
        self.child.wait()
        if self.child.stdin:
            self.child.stdin.close()


@contextlib.contextmanager
def serving(told: server_settings.Settings) -> Iterator[Serving]:
    made = Serving(told)
    try:
        yield made
    finally:
        made.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
