"""Rows kept as Parquet, so that a second look costs milliseconds.

An entry is a folder: one Parquet file a split, named by its own sha256, and `manifest.json`, which is written
last and renamed into place. An entry without a whole manifest, of another schema, made from files that have
changed since, or with a file whose bytes are not those of the manifest does not count and is made again.
Several processes may write one entry: each rename is atomic, and a manifest names only whole files.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.row_spec import INTEGER, NUMBER, REPEATED_TEXT, TEXT, Kind
from data.rows import Content, Row

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 1
_ABANDONED_S = 3600  # a temporary file older than this belongs to no living writer


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str
    source: str  # "folder:…" or "hub:…@commit"
    made_from: Mapping[str, Any]  # what must be the same for the entry to count
    digest: str
    prompts: dict[str, str]
    notes: tuple[str, ...]
    splits: dict[str, dict[str, Any]]  # by split: file, sha256, rows, bytes


def folder(cache: Path | None) -> Path:
    """Where rows are kept: `cache`, or $HARNESS_HOME/data, or ~/.cache/lora-harness/data."""
    if cache is not None:
        return cache
    home = os.environ.get("HARNESS_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "lora-harness") / "data"


def entry(cache: Path | None, name: str, origin: str) -> Path:
    """The folder of one benchmark from one place (a path, or a data set at a revision)."""
    return folder(cache) / f"{name}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"


def read(entry: Path, name: str, made_from: Mapping[str, Any]) -> tuple[Manifest, Content] | None:
    """The rows of an entry, or None if it does not count (see above)."""
    manifest = read_manifest(entry)
    if manifest is None or manifest.name != name or manifest.made_from != made_from:
        return None
    splits: dict[str, list[Row]] = {}
    for split, part in manifest.splits.items():
        try:
            raw = (entry / part["file"]).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(raw).hexdigest() != part["sha256"]:
            return None
        splits[split] = _rows(raw)
    return manifest, Content(splits, manifest.prompts, manifest.notes)


def write(entry: Path, manifest: Manifest, content: Content, columns: Mapping[str, Kind]) -> None:
    """`columns` are those of the rows of every split. Raises OSError where the folder cannot be written; what was
    begun is taken away again."""
    entry.mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, Any]] = {}
    for split, rows in content.splits.items():
        raw = _parquet(columns, rows)
        sha = hashlib.sha256(raw).hexdigest()
        parts[split] = {"file": f"{split}-{sha[:16]}.parquet", "sha256": sha, "rows": len(rows), "bytes": len(raw)}
        put(entry / parts[split]["file"], raw)
    body = {
        "schema": SCHEMA_VERSION,
        "name": manifest.name,
        "source": manifest.source,
        "made_from": manifest.made_from,
        "digest": manifest.digest,
        "notes": list(manifest.notes),
        "splits": parts,
        "prompts": manifest.prompts,
    }
    put(entry / "manifest.json", json.dumps({**body, "seal": _seal(body)}, indent=1).encode())
    _sweep(entry, {"manifest.json", *(part["file"] for part in parts.values())})


def read_manifest(entry: Path) -> Manifest | None:
    """None where there is none, where it is not whole, or where it is of another schema."""
    try:
        body = json.loads((entry / "manifest.json").read_bytes())
        seal = body.pop("seal")
        if seal != _seal(body) or body.pop("schema") != SCHEMA_VERSION:
            return None
        return Manifest(**{**body, "notes": tuple(body["notes"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def entries(cache: Path | None) -> Iterator[tuple[Path, Manifest]]:
    """Every entry that counts, in the order of its name."""
    home = folder(cache)
    for place in sorted(home.iterdir()) if home.is_dir() else ():
        manifest = read_manifest(place)
        if manifest is not None:
            yield place, manifest


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def put(path: Path, raw: bytes) -> None:
    """The file is whole, or as it was. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sweep(entry: Path, keep: set[str]) -> None:
    """Takes away what earlier manifests named and what killed writers left. A reader or writer whose file goes
    this way finds it missing and makes the entry again."""
    for path in entry.iterdir():
        with contextlib.suppress(OSError):
            writing = path.name.startswith(".writing-") and time.time() - path.stat().st_mtime < _ABANDONED_S
            if path.name not in keep and not writing:
                path.unlink()


def _arrow(kind: Kind) -> pyarrow.DataType:
    import pyarrow as pa

    if isinstance(kind, list):
        return pa.list_(_arrow(kind[0]))
    if isinstance(kind, Mapping):
        return pa.struct([(key, _arrow(inner)) for key, inner in kind.items()])
    plain = {TEXT: pa.string(), INTEGER: pa.int64(), NUMBER: pa.float64()}
    return pa.dictionary(pa.int32(), pa.string()) if kind == REPEATED_TEXT else plain[kind]


def _parquet(columns: Mapping[str, Kind], rows: list[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    schema = pa.schema({key: _arrow(kind) for key, kind in columns.items()})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _rows(raw: bytes) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Not pq.read_table, which imports pandas, and no thread pool for a file of this size.
    table = pq.ParquetFile(pa.BufferReader(raw)).read(use_threads=False)
    collecting = gc.isenabled()
    gc.disable()  # a million new lists and none of them garbage: collecting took ten times as long as making them
    try:
        columns = [_values(column) for column in table.columns]
        return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]
    finally:
        if collecting:
            gc.enable()


def _values(column: pyarrow.ChunkedArray) -> list[Any]:
    """By column: twice as fast as `Table.to_pylist`. A repeated text (a passage) is one string and not many."""
    if not hasattr(column.type, "index_type"):
        return column.to_pylist()
    values: list[Any] = []
    for chunk in column.chunks:
        words = chunk.dictionary.to_pylist()
        values += [words[index] for index in chunk.indices.to_pylist()]
    return values
