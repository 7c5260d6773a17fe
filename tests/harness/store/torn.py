"""One action on copies of a store, each time killed one change to a file later (tear.c, preloaded).

    python torn.py FOLDER STORE ACTION RUN    STORE's files are copied to FOLDER/N for the N-th change

Prints "N done" or "N killed" a line; the last one was not killed."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path

import duckdb  # noqa: F401 - once, before there are children

from harness.results import Store
from tests.harness.results import make

NAME = "s.duckdb"
BATCH = range(1000, 1030)


def create(store: Store, run: str) -> None:
    store.create(make.run(id=run), [make.task(run)])


def record(store: Store, run: str) -> None:
    items = [str(n) for n in BATCH]
    store.record(run, [make.response(run, item) for item in items], [make.sample(run, item) for item in items])


def gc(store: Store, run: str) -> None:
    store.gc()


def main(folder: str, model: str, action: str, run: str) -> None:
    preloaded = ctypes.CDLL(None)
    number, code = 0, -1
    while code:
        number += 1
        place = Path(folder) / str(number)
        place.mkdir()
        for path in Path(model).parent.glob(f"{NAME}*"):
            shutil.copy(path, place / path.name)
        child = os.fork()
        if not child:
            preloaded.tear_at(number)
            {"create": create, "record": record, "gc": gc}[action](Store(place / NAME), run)
            preloaded.tear_at(-1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(number, "killed" if code else "done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
