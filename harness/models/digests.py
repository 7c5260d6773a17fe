"""sha256 of large files, remembered by path, size and modification time.

One small file an entry, replaced in one step: any number of processes may share the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.cache import folder

_SETTLED = 2.0  # seconds; a file younger than this may change again without its time showing it


def file_digests(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file, in order; several large files are read at once."""
    if len(paths) < 2:
        return [_digest(path) for path in paths]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(_digest, paths))


def _digest(path: Path) -> str:
    path = path.resolve()
    seen = path.stat()
    key = {"path": str(path), "size": seen.st_size, "mtime_ns": seen.st_mtime_ns}
    entry = folder(None).parent / "digests" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    try:
        known = json.loads(entry.read_text("utf-8"))
        if {name: known.get(name) for name in key} == key:
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # not there, or not ours: compute
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    after = path.stat()
    unchanged = (after.st_size, after.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    if unchanged and time.time() - seen.st_mtime > _SETTLED:
        _remember(entry, {**key, "sha256": digest})
    return digest


def _remember(entry: Path, content: dict[str, object]) -> None:
    """A cache that cannot be written costs time, not the run."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=entry.parent, suffix=".tmp")
    except OSError:
        return
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(temporary, entry)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
