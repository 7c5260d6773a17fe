"""Trials on a Ray cluster: an actor a worker, each with a base loaded once.

Only the driver writes to the store and to the study's folder: an actor trains in a temporary folder of its node and
sends the adapter's files back. The base has to be found on every node as it is given (a path that all share, a hub
id, or tiny); the rows travel with the job. A node that goes takes its trial along, which is trained once
more elsewhere; where the cluster has no room for as many workers any more, the study goes on with fewer.
"""

from __future__ import annotations

import logging
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import signals
from harness.errors import MissingError
from harness.options import OptionError
from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import (
    Batch,
    Job,
    Local,
    NoRoomError,
    OnPhase,
    OnProgress,
    Reply,
    Setup,
    Worker,
    WorkerDiedError,
    cannot_begin,
)
from tuning.types import Phase, Step

ROOM = 60.0  # seconds that a worker may wait for a node with room; a cluster that grows by itself needs them
LOOK = 1.0  # seconds between two looks for how far a worker is
Message = tuple[Job | None, Step | Phase]  # without a job: of a base that is loaded before any
Sent = tuple[list[Reply], list[Message], list[dict[str, bytes]]]  # with the files of each adapter


class _Remote:
    """The actor's side."""

    def __init__(self, setup: Setup) -> None:
        self._local = Local(setup)
        self._messages: list[Message] = []
        self._lock = threading.Lock()

    def begun(self) -> None:
        """Answered once the actor is there."""

    def begin(self) -> Reply:
        return self._local.begin(lambda phase: self._tell(None, phase))

    def messages(self) -> list[Message]:
        """What is new; asked beside `begin` and `run`."""
        with self._lock:
            messages, self._messages = self._messages, []
        return messages

    def _tell(self, job: Job | None, news: Step | Phase) -> None:
        """Every step is kept, and the last phase of each job."""
        with self._lock:
            if isinstance(news, Phase):
                self._messages = [(of, old) for of, old in self._messages if of != job or isinstance(old, Step)]
            self._messages.append((job, news))

    def run(self, jobs: Batch) -> Sent:
        replies: list[Reply] = []
        files: list[dict[str, bytes]] = []
        with tempfile.TemporaryDirectory() as folder:
            here = {replace(job, to=Path(folder) / str(place)): job for place, job in enumerate(jobs)}
            local = self._local.run(list(here), lambda job, news: self._tell(here[job], news))
            for job, reply in zip(jobs, local, strict=True):
                if reply.trained is None:
                    replies.append(reply)
                    files.append({})
                    continue
                files.append({p.name: p.read_bytes() for p in reply.trained.adapter.iterdir() if p.is_file()})
                replies.append(replace(reply, trained=replace(reply.trained, adapter=job.to)))
        return replies, self.messages(), files


class RayWorker:
    """The driver's side of one actor. NoRoomError where no node has room for it, MissingError where it cannot begin."""

    def __init__(self, setup: Setup, resources: dict[str, Any]) -> None:
        import ray

        actor: Any = ray.remote(**resources)(_Remote)
        self._actor = actor.remote(setup)
        begun = self._actor.begun.remote()
        if not ray.wait([begun], timeout=ROOM)[0]:
            self.close()
            raise NoRoomError(f"The cluster has had no room for a further worker for {ROOM:.0f} s.")
        try:
            ray.get(begun)
        except ray.exceptions.RayError as error:
            raise cannot_begin(f"{type(error).__name__} ({_last_line(error)})") from error

    def begin(self, on_phase: OnPhase) -> Reply:
        def on_progress(_: Job | None, news: Step | Phase) -> None:
            if isinstance(news, Phase):
                on_phase(news)

        reply: Reply = self._awaited(self._actor.begin.remote(), on_progress)
        return reply

    def run(self, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
        def on_message(job: Job | None, news: Step | Phase) -> None:
            if job is not None:
                on_progress(job, news)

        replies, messages, files = self._awaited(self._actor.run.remote(jobs), on_message)
        for message in messages:
            on_message(*message)
        for job, content in zip(jobs, files, strict=True):
            if content:
                _write(job.to, content)
        return list(replies)

    def _awaited(self, asked: Any, on_message: Callable[[Job | None, Step | Phase], None]) -> Any:
        """What was asked for; meanwhile what the actor tells."""
        import ray

        while not ray.wait([asked], timeout=LOOK)[0]:
            for message in self._answer(self._actor.messages.remote()):
                on_message(*message)
        return self._answer(asked)

    def _answer(self, asked: Any) -> Any:
        import ray

        try:
            return ray.get(asked)
        except ray.exceptions.RayError as error:
            raise WorkerDiedError(f"{type(error).__name__} on the cluster") from error

    def close(self) -> None:
        import ray

        ray.kill(self._actor)


def ray_pool(setup: Setup, address: str, parallel: int, device: str) -> WorkerPool:
    """`parallel` actors on the cluster at the address ("auto" finds the one of this machine)."""
    try:
        import ray
    except ImportError:
        raise MissingError("A Ray cluster needs the package ray: pip install 'lora-harness[cluster]'.") from None
    _answers(address)
    try:
        ray.init(address=address, ignore_reinit_error=True, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError("ray", address, f": there is no Ray cluster: {' '.join(str(error).split())[:200]}") from error
    signals.again()  # Ray's own handler of SIGTERM would end us without a word
    resources = {"num_gpus": 1} if device.startswith("cuda") else {"num_cpus": 1}

    def make(_: int) -> Worker:
        return RayWorker(setup, {**resources, "max_restarts": 0, "max_concurrency": 2})

    return WorkerPool(make, parallel)


def _answers(address: str) -> None:
    """OptionError where nobody listens: Ray would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise OptionError("ray", address, " must be HOST:PORT, or auto for the cluster of this machine.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:  # a port above 65535
        reason = getattr(error, "strerror", "") or error
        raise OptionError("ray", address, f": there is no Ray cluster: {reason}.") from None


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no reason given"


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """The adapter appears whole or not at all."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = folder.with_name(f"{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for name, content in files.items():
        (half / name).write_bytes(content)
    half.rename(folder)
