"""What pages read: through the store's door, once for all browsers, and never while something is drawn.

    rows = read(report.leaderboard)                  # report.leaderboard(store), kept until the file changes
    flips = settled(find_flips, run_a, run_b)        # find_flips(store, run_a, run_b), kept for good
    live(lambda: read(progress, run))                # a page's first line: draw it again when this is another value

While others write, reading has the store a twentieth of the time: the file is looked at again after a second, or after
twenty times as long as reads had the store since, a quarter of a minute at most. All browsers see one state meanwhile.

A function takes the store first, and gives plain data; all browsers share it, so nobody changes it. What it is given
besides is hashable. It is a module's function or a method of Store (`read(Store.runs)`), not a lambda: results are kept
by its name. Errors are not kept."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from tuning.store import Store

Result = TypeVar("Result")
Given = ParamSpec("Given")
Stamp = tuple[tuple[int, int, int], ...]

EVERY = 2.0  # seconds between two questions of a browser whether the page has changed
LEAST, LONGEST = 1.0, 15.0  # seconds between two looks at the file
SHARE = 0.05  # of the time may readers have the store, while others write
MOST = 256  # results kept


def store() -> Store:
    """The one that the server was told of."""
    from leaderboard.app import server_settings

    return _store(server_settings.current().db)


@lru_cache(maxsize=4)
def _store(path: str) -> Store:
    from tuning.store import Store

    return Store(path)


def stamp() -> Stamp:
    """(inode, modified in ns, bytes) of the file and of its log, at the last look; (0, 0, 0) of one that is not there.
    Two equal stamps are one content."""
    the_store = store()
    with _looking:
        look = _looks.get(the_store.path)
        if look is None or look.over():
            look = _looks[the_store.path] = _Look(the_store)
        return look.stamp


class _Look:
    """A look at the file."""

    def __init__(self, the_store: Store) -> None:
        path = the_store.path
        self.stamp: Stamp = tuple(map(_stamp, (path, path.with_name(path.name + ".wal"))))
        self._store, self._read_before = the_store, the_store.reading
        self._at = monotonic()

    def over(self) -> bool:
        read = self._store.reading - self._read_before
        return monotonic() - self._at >= min(LONGEST, max(LEAST, read / SHARE))


_looks: dict[os.PathLike[str], _Look] = {}
_looking = threading.Lock()


def _stamp(path: os.PathLike[str]) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_size


def read(function: Callable[Concatenate[Store, Given], Result], *args: Given.args, **named: Given.kwargs) -> Result:
    """`function(store, …)`, kept as long as the file does not change."""
    return _by_stamp.get(stamp(), function, args, named)


def settled(function: Callable[Concatenate[Store, Given], Result], *args: Given.args, **named: Given.kwargs) -> Result:
    """Likewise, and kept when the file changes: for what is a function of finished runs or studies, by their ids."""
    return _for_good.get(stamp()[0][:1], function, args, named)


def live(shown: Callable[[], Hashable] = stamp, every: float = EVERY) -> None:
    """Draw the page again when `shown()` gives another value than now; it is asked after the file has changed, at most
    every `every` seconds, and should be quick (a cached read). A page calls this once, first: what changes while
    it is drawn is seen then."""
    import streamlit as st

    from harness.errors import HarnessError

    def seen() -> Hashable:
        try:
            return shown()
        except HarnessError as error:
            return str(error)

    then = [stamp(), seen()]

    def watch() -> None:
        now = stamp()
        if now != then[0]:
            then[0] = now
            if seen() != then[1]:
                st.rerun()

    st.fragment(watch, run_every=every)()


class _Kept:
    """The newest results by key; whoever asks for one that is being made waits for it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._results: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version: Hashable, function: Callable[..., Any], args: Any, named: dict[str, Any]) -> Any:
        the_store = store()
        if "<" in function.__qualname__:  # two closures of one name would share a result
            raise ValueError(f"{function.__qualname__} is not a module's function or a method")
        key = (str(the_store.path), version, function.__module__, function.__qualname__, args, *sorted(named.items()))
        with self._lock:
            result = self._results.get(key)
            mine = result is None
            if result is None:
                result = self._results[key] = Future()
                while len(self._results) > self.most:
                    self._results.popitem(last=False)
            self._results.move_to_end(key)
        if mine:
            try:
                result.set_result(function(the_store, *args, **named))
            except BaseException as error:
                with self._lock:
                    self._results.pop(key, None)
                result.set_exception(error)
        return result.result()


_by_stamp, _for_good = _Kept(MOST), _Kept(MOST)
