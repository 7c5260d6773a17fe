"""What benchmarks' readers of upstream folders share: where files are looked for, and text and JSON out of them.

The folder is one that holds a folder for each benchmark, or a benchmark's own upstream folder. Anything odd is a
`DataError` that names the file and the line.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data.sources import WHAT_TO_DO, DataError

Files = dict[str, tuple[Path, ...]]  # by split, and "prompts"


def find(
    name: str, root: Path, pick: Callable[[Path], Files | None], looked_for: str, archives: Iterable[str] = ()
) -> Files:
    """The files that `pick` finds in the first of these folders: NAME/, what upstream's archives unpack to in it,
    NAME/data/, the folder itself, data/, and the archives' folders there. DataError where it finds none."""
    own = root / name
    folders = [own, *(own / word for word in archives), own / "data"]
    folders += [root, root / "data", *(root / word for word in archives)]
    try:
        folders = [folder for folder in folders if folder.is_dir()]
        for folder in folders:
            if files := pick(folder):
                return files
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error
    tried = ", ".join(map(str, folders))
    raise DataError(f"no {name} in {root}: looked for {looked_for} in {tried}. {WHAT_TO_DO}")


def glob(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Sorted, without hidden files (some archives leave one beside each file)."""
    return tuple(sorted(path for path in folder.glob(pattern) if not path.name.startswith(".")))


def load_text(path: Path) -> str:
    """A file as UTF-8 text, unpacked where it ends with .gz or .zst. DataError where that cannot be had."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        elif path.suffix == ".zst":
            import pyarrow

            raw = pyarrow.input_stream(io.BytesIO(raw), compression="zstd").read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text ({error.reason}). Save the file as UTF-8.") from error


def parse_json(source: str, where: str) -> Any:
    """DataError, saying `where`, for what is not JSON or names one key twice in an object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise DataError(f"{where}: {twice!r} stands twice in one object. Remove one of the two.")
        return mapping

    try:
        return json.loads(source, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON ({error}).") from error
    except RecursionError:
        raise DataError(f"{where}: not valid JSON: it is nested too deeply.") from None
