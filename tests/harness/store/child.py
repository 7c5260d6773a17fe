"""Another process at the same store. Each word is a way to use it; `make.child` starts one."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time

from harness.errors import StoreError
from harness.results import Store
from tests.harness.results import make


def write(path: str, run_id: str, start: str, size: str, seconds: str, work: str) -> None:
    """Batches of `size` items until the time is over; 'ack N' when item N and all before it are stored."""
    store, number = Store(path), int(start)
    began = time.monotonic()
    while time.monotonic() - began < float(seconds):
        time.sleep(float(work))  # the model computes
        items = [str(each) for each in range(number, number + int(size))]
        store.record(
            run_id,
            [make.response(run_id, item, text="word " * 40) for item in items],
            [make.sample(run_id, item) for item in items],
        )
        number += int(size)
        print("ack", number - 1, flush=True)
    print("waited", store.waited, time.monotonic() - began, flush=True)


def read(path: str, seconds: str, *run_ids: str) -> None:
    """Look again and again: what was there stays, and a batch is seen whole or not at all."""
    store, looks, before = Store(path), 0, dict.fromkeys(run_ids, 0)
    began = time.monotonic()
    while time.monotonic() - began < float(seconds):
        for run_id in run_ids:
            page = store.page(run_id, wrong=False, limit=20)
            assert all(len(each["responses"]) == 1 for each in page), "a sample without its response"
            scored = len(store.samples(run_id, "mmlu"))
            assert scored >= before[run_id], "rows went"
            before[run_id] = scored
        looks += 1
    print("looks", looks, flush=True)


def loop(path: str, exclusive: str, seconds: str) -> None:
    """Stay in the room all the time, but for the moment of leaving and coming back."""
    store = Store(path)
    print("looping", flush=True)
    for _ in range(int(float(seconds) / 0.03)):
        with store.write() if exclusive == "exclusive" else store.read():
            time.sleep(0.03)


def lease(path: str, run_id: str) -> None:
    with Store(path).lease(run_id):
        print("held", flush=True)
        sys.stdin.read()  # until the other side ends us


def hold(path: str, exclusive: str) -> None:
    """Stay inside the room until our standard input ends."""
    store = Store(path)
    with store.write() if exclusive == "exclusive" else store.read():
        print("held", flush=True)
        sys.stdin.read()


def wait(path: str) -> None:
    """Wait for the store; Ctrl-C ends it."""
    print("waiting", flush=True)
    try:
        with Store(path).write():
            print("got it", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)


def full(path: str, run_id: str, limit: str) -> None:
    """Write until a file may not grow any more, then say what the store said."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    store, number = Store(path), 0
    try:
        while True:
            items = [str(each) for each in range(number, number + 200)]
            # text that does not compress
            store.record(run_id, [make.response(run_id, item, text=os.urandom(1000).hex()) for item in items])
            number += 200
            print("ack", number - 1, flush=True)
    except StoreError as error:
        print("error", error, flush=True)


def nobody(path: str, run_id: str) -> None:
    """As a user who may write neither the file nor its folder: read, then try to write."""
    with tempfile.TemporaryDirectory() as folder:  # the interpreter may be out of that user's reach: import all now
        one = Store(f"{folder}/s.duckdb")
        one.samples(make.stored(one).id, "mmlu")
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    store = Store(path)
    print("samples", len(store.samples(run_id, "mmlu")), flush=True)
    try:
        store.update(run_id, status="finished")
    except StoreError as error:
        print("error", error, flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
