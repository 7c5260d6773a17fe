"""The rows of a benchmark from any source, in the one shape that its own file declares (`data/row_spec.py`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data import cache as row_cache
from data import folder_rows, hub_rows, rows, sources
from data.folder_rows import Files
from data.row_spec import HubSet, RowSpec
from data.rows import Content, Row
from data.sources import WHAT_TO_DO, DataError, Source


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Rows by split, and what prompts come with them, by group. `notes` are warnings that belong on the run."""

    name: str
    source: str  # "folder:PATH", "hub:ID@COMMIT" or "sample"
    digest: str  # sha256 over rows and prompts, the same whatever format they came in
    splits: dict[str, list[Row]]
    prompts: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cached:
    """One benchmark in the cache. `size` in bytes."""

    name: str
    source: str
    rows: dict[str, int]
    digest: str
    size: int


def load(spec: RowSpec, source: str | Path | None = None, cache: Path | None = None) -> Benchmark:
    """Rows of a benchmark, from the cache where it holds them.

    `source`: a folder; "sample"; `None` or "hub" for the pinned hub data set; "hub:ID[@REVISION]". A folder's
    rows are read again when a file's size or time changed. A branch or tag is resolved when first loaded and
    stays at that commit until `refill`. A cache that cannot be written costs a note and nothing else.
    Raises DataError."""
    where = sources.resolve(source)
    if where.kind == "sample":
        content = spec.read(_files(spec, spec.sample or where.folder))
        _check(spec, content)
        return _benchmark(spec, "sample", content)
    origin, made_from = _origin(spec, where)
    entry = row_cache.entry(cache, spec.name, origin)
    kept = row_cache.read(entry, spec.name, made_from)
    if kept is not None:
        manifest, content = kept
        return Benchmark(spec.name, manifest.source, manifest.digest, content.splits, content.prompts, content.notes)
    made = _make(spec, where)
    try:
        _keep(entry, spec, made, made_from)
    except OSError as error:
        note = f"{spec.name}: rows are not cached, {entry} cannot be written ({error})"
        return replace(made, notes=(*made.notes, note))
    return made


def refill(spec: RowSpec, source: str | Path | None, cache: Path | None = None) -> Benchmark:
    """Reads the source again, whatever the cache holds, and puts it there. Raises DataError."""
    where = sources.resolve(source)
    if where.kind == "sample":
        raise DataError("the bundled sample is read where it lies and needs no import. Use it with --data sample.")
    origin, made_from = _origin(spec, where)
    made = _make(spec, where)
    entry = row_cache.entry(cache, spec.name, origin)
    try:
        _keep(entry, spec, made, made_from)
    except OSError as error:
        raise DataError(f"{entry} cannot be written ({error}). Set HARNESS_HOME to a folder that can.") from error
    return made


def status(cache: Path | None = None) -> list[Cached]:
    """What the cache holds, by name."""
    return [
        Cached(
            manifest.name,
            manifest.source,
            {split: part["rows"] for split, part in manifest.splits.items()},
            manifest.digest,
            sum(part["bytes"] for part in manifest.splits.values()) + (place / "manifest.json").stat().st_size,
        )
        for place, manifest in row_cache.entries(cache)
    ]


def _files(spec: RowSpec, folder: Path) -> Files:
    return folder_rows.find(spec.name, folder, spec.find, spec.looked_for, spec.archive_folders)


def _hub(spec: RowSpec, where: Source) -> tuple[HubSet, str, str]:
    """(how it is read, the data set's id, the revision asked for)."""
    if spec.hub is None:
        raise DataError(f"{spec.name} is read from no hub data set. {WHAT_TO_DO}")
    if where.repository:
        return spec.hub, where.repository, where.revision
    return spec.hub, spec.hub.repository, spec.hub.revision


def _origin(spec: RowSpec, where: Source) -> tuple[str, dict[str, Any]]:
    """What names the cache entry, and what must be the same for the entry to count."""
    version = {"version": spec.version} if spec.version else {}
    if where.kind == "folder":
        files = [path for paths in _files(spec, where.folder).values() for path in paths]
        # Taken before the files are read: one that changes meanwhile makes the entry stale, and not wrong.
        try:
            stamps = [[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error
        return f"folder:{where.folder}", {"files": stamps, **version}
    hub, repository, revision = _hub(spec, where)
    made_from = {"repository": repository, "revision": revision, "prompts": hub.made_with(), **version}
    return f"hub:{repository}@{revision}", made_from


def _make(spec: RowSpec, where: Source) -> Benchmark:
    if where.kind == "folder":
        content = spec.read(_files(spec, where.folder))
        source = f"folder:{where.folder}"
    else:
        hub, *wanted = _hub(spec, where)
        repository = hub_rows.resolve(*wanted)
        content = hub.read(repository)
        source = f"hub:{repository.id}@{repository.revision}"
    _check(spec, content)
    notes = (*content.notes, *rows.size_note(spec.name, len(content.splits["test"]), spec.published))
    return _benchmark(spec, source, replace(content, notes=notes))


def _check(spec: RowSpec, content: Content) -> None:
    """That a reader keeps what its benchmark declares: what does not fit would be lost in the cache."""
    if "test" not in content.splits or not set(content.splits) <= set(spec.splits):
        has = ", ".join(content.splits) or "none"
        raise DataError(f"{spec.name}: its splits are {', '.join(spec.splits)}, and its reader gave {has}.")
    columns = list(spec.columns)
    for split, part in content.splits.items():
        for index, row in enumerate(part):
            if list(row) != columns:
                raise DataError(
                    f"{spec.name}, {split} row {index}: its reader gave {', '.join(row)}, and its columns are "
                    f"{', '.join(columns)}."
                )


def _benchmark(spec: RowSpec, source: str, content: Content) -> Benchmark:
    digest = rows.digest(spec.name, content)
    return Benchmark(spec.name, source, digest, content.splits, content.prompts, content.notes)


def _keep(entry: Path, spec: RowSpec, made: Benchmark, made_from: dict[str, Any]) -> None:
    manifest = row_cache.Manifest(made.name, made.source, made_from, made.digest, made.prompts, made.notes, {})
    row_cache.write(entry, manifest, Content(made.splits, made.prompts, made.notes), spec.columns)
