"""Where instruction rows come from: Alpaca and Dolly from the hub, a folder or the sample, files of one's own, and
other data sets of the hub.

    alpaca   a JSON list of instruction, input, output (tatsu-lab/stanford_alpaca)
    dolly    JSON lines of instruction, context, response (databricks-dolly-15k), or of prompt, answer where the
             Alpaca template stands in the prompt already; the paper's `###eos_token###` is taken off
    a file   `data.records` reads it, `shapes.py` finds its shape
    hub:ID   `hub_sources.py` reads it, `shapes.py` finds its shape

A folder of the two holds `alpaca/` and `dolly/` with such files, or the files themselves (`alpaca*.json`,
`dolly*.jsonl`). Any other folder with files of rows in it stands for these files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data import hub_rows, records, sources
from data.instruction_rows import columns, hub_sources, shapes
from data.instruction_rows.hub_sources import HubSource
from data.instructions import Instruction
from data.records import Record
from data.sources import WHAT_TO_DO, DataError, Source

SETS = ("alpaca", "dolly")
HUB = {  # no commit of these is pinned by a published evaluation: "main" is resolved and nothing else is assumed
    "alpaca": ("tatsu-lab/alpaca", "main"),
    "dolly": ("databricks/databricks-dolly-15k", "main"),
}
_PATTERNS = {"alpaca": "*.json", "dolly": "*.jsonl"}
Origin = Path | HubSource  # a file, or a data set of the hub


@dataclass(frozen=True, slots=True)
class Rows:
    """`sources` are the rows' sources, one for each name that was asked for, in that order. A file's is its name,
    with as many of its folders as tell two of one name apart; a hub data set's is its id, configuration and split."""

    rows: tuple[Instruction, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]  # a line on each file and data set: belongs on the study


@dataclass(slots=True)
class _Places:
    """What --data names: files and hub data sets, and places of Alpaca and Dolly. `beside`: folders of files that hold
    one of the two as well, which is read where a mix names it."""

    origins: list[Origin] = field(default_factory=list)
    sets: list[Source] = field(default_factory=list)
    beside: list[Source] = field(default_factory=list)


def load(
    source: str | Path | None = None, names: Sequence[str] | None = None, declared: Mapping[str, str] | None = None
) -> Rows:
    """The rows of each named source, one after the other, in the order of their files.

    `source` as everywhere (`data.sources.resolve`): a folder, "sample", "hub" or None; or files, hub data sets
    (hub:ID), or several of all these with commas between them. `names`: alpaca, dolly, and files and hub data sets as
    they are called there, or others; None is all that `source` has. Alpaca and Dolly are the hub's where `source` names
    no place of theirs. `declared`: the columns of a file or hub data set by meaning (`columns.MEANINGS`), where it has
    all of them.

    DataError names the file and the line of what is odd, a column of text that would not be read among it. No row is
    left out or changed without a note, but for line ends, the end mark, and an input of nothing but spaces, which is
    none."""
    places = _places(source)
    if names is None:
        asked: list[str | Origin] = [*places.origins, *(SETS if places.sets else ())]
    else:
        asked = [name if name in SETS else _named(name, places.origins) for name in dict.fromkeys(names)]
    origins = [origin for origin in asked if not isinstance(origin, str)]
    labels = _labels(origins)
    if len(set(origins)) < len(origins) or len(set(labels.values())) < len(labels):
        twice = ", ".join(names or map(_label, origins))
        raise DataError(f"two names of {twice} are one source. Name it once.")
    notes = [f"{_label(origin)} has no share in the mix and is left out." for origin in _unread(asked, places)]
    records_of: dict[Origin, list[Record]] = {}
    for origin in origins:
        if isinstance(origin, HubSource):
            records_of[origin], commit = origin.read()
            notes.append(f"{origin.label} is read at commit {commit}.")
        else:
            records_of[origin] = records.read(origin)
    about = _those_with(declared or {}, records_of)

    rows: list[Instruction] = []
    for name in asked:
        if isinstance(name, str):
            rows += _set(name, next(iter([*places.sets, *places.beside]), Source("hub")))
            continue
        columns_of_it = (declared or {}) if name in about else {}
        its_rows, note = shapes.rows_of(_place(name), labels[name], records_of[name], columns_of_it)
        rows += its_rows
        notes.append(note)
    return Rows(tuple(rows), tuple(name if isinstance(name, str) else labels[name] for name in asked), tuple(notes))


def is_a_name(name: str) -> bool:
    """Can a mix name it? Whether a file is there, loading tells."""
    return name in SETS or hub_sources.is_named(name) or records.is_named_as_rows(Path(name))


def _places(source: str | Path | None) -> _Places:
    places = _Places()
    for part in _parts(source):
        if isinstance(part, str) and hub_sources.is_named(part):
            places.origins.append(hub_sources.parse(part))
            continue
        path = Path(part or "").expanduser()
        if part is not None and (path.is_file() or (records.is_named_as_rows(path) and not path.is_dir())):
            places.origins.append(records.existing(path))
            continue
        where = sources.resolve(part)
        own = _files_of_rows(where.folder) if where.kind == "folder" else []
        held = [name for name in SETS if where.kind == "folder" and _files(name, where.folder)]
        if not own or len(held) == len(SETS):
            places.sets.append(where)
        else:
            places.origins += own
            places.beside += [where] if held else []
    if len(places.sets) > 1:
        raise DataError(f"{source} names {len(places.sets)} places of Alpaca and Dolly. Name one, and any files.")
    places.origins = list(dict.fromkeys(places.origins))
    return places


def _parts(source: str | Path | None) -> list[str | Path | None]:
    if not isinstance(source, str) or "," not in source or Path(source).expanduser().exists():
        return [source]
    return [part.strip() for part in source.split(",") if part.strip()]


def _files_of_rows(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir())
    return [path for path in inside if path.is_file() and path.name[0] != "." and records.is_named_as_rows(path)]


def _named(name: str, given: Sequence[Origin]) -> Origin:
    """What a mix names: a file that --data names, by the end of its path, or any other; a hub data set that --data
    names, by its label too, or any other."""
    if hub_sources.is_named(name):
        hub = [origin for origin in given if isinstance(origin, HubSource)]
        return next((origin for origin in hub if origin.label == name), hub_sources.parse(name))
    files = [origin for origin in given if isinstance(origin, Path)]
    parts = Path(name).parts
    meant = [path for path in files if path.parts[-len(parts) :] == parts]
    if len(meant) > 1:
        raise DataError(f"{name} is any of {', '.join(map(str, meant))}. Name it by more of its path.")
    if meant:
        return meant[0]
    if not Path(name).expanduser().is_file():
        known = [*SETS, *dict.fromkeys(map(_label, given))]
        raise DataError(f"{name} is no source of rows: there are {', '.join(known)}.{sources.near(name, known)}")
    return records.existing(Path(name).expanduser())


def _unread(asked: Sequence[str | Origin], places: _Places) -> list[Origin]:
    """What --data names and nothing reads."""
    read = {*asked, *_of_sets(asked, places.beside)}
    return [origin for origin in places.origins if origin not in read]


def _of_sets(asked: Sequence[str | Origin], folders: Sequence[Source]) -> Iterator[Path]:
    """The files that are read as Alpaca or Dolly."""
    for name in asked:
        if isinstance(name, str):
            for where in folders:
                yield from _files(name, where.folder)


def _label(origin: Origin) -> str:
    return origin.name if isinstance(origin, Path) else origin.label


def _place(origin: Origin) -> str:
    """For messages."""
    return str(origin) if isinstance(origin, Path) else origin.label


def _labels(origins: Sequence[Origin]) -> dict[Origin, str]:
    """The shortest ends of paths that tell the files apart. Where files lie is no part of a study's identity."""
    files = [origin for origin in origins if isinstance(origin, Path)]
    labels: dict[Origin, str] = {origin: origin.label for origin in origins if isinstance(origin, HubSource)}
    for length in range(1, max((len(path.parts) for path in files), default=0) + 1):
        ends = {path: "/".join(path.parts[-length:]) for path in files}
        if len(set(ends.values())) == len(ends):
            return labels | dict(ends)
    return labels


def _those_with(declared: Mapping[str, str], records_of: Mapping[Origin, Sequence[Record]]) -> set[Origin]:
    """Those that have all the columns of --columns. DataError where it is about none."""
    if not declared:
        return set()
    columns_of = {origin: shapes.columns_of(rows) for origin, rows in records_of.items()}
    about = {origin for origin, there in columns_of.items() if set(there) >= set(declared.values())}
    if not about:
        if not columns_of:
            raise DataError("--columns names columns of a file or a hub data set, and --data names none.")
        there = list(dict.fromkeys(column for columns_there in columns_of.values() for column in columns_there))
        missing = next((column for column in declared.values() if column not in there), "")
        more = f" There is no column {missing}.{sources.near(missing, there)}" if missing else ""
        raise DataError(
            f"{', '.join(map(_place, columns_of))}: none has all the columns that --columns names "
            f"({', '.join(declared.values())}).{more} There are {', '.join(there)}."
        )
    return about


def _set(name: str, where: Source) -> Iterator[Instruction]:
    """Alpaca or Dolly."""
    is_dolly = name == "dolly"
    if where.kind == "hub":
        repository = hub_rows.resolve(*HUB[name])
        for index, raw in enumerate(repository.rows(None, "train")):
            yield columns.instruction(name, raw, f"hub:{repository.id}, row {index}", is_dolly=is_dolly)[0]
        return
    folder = where.folder / "instructions" if where.kind == "sample" else where.folder
    files = _files(name, folder)
    if not files:
        pattern = _PATTERNS[name]
        raise DataError(f"no {name} in {folder}: looked for {name}/{pattern} and {name}{pattern}. {WHAT_TO_DO}")
    for path in files:
        for record in records.read(path):
            yield columns.instruction(name, record.values, record.where, is_dolly=is_dolly)[0]


def _files(name: str, folder: Path) -> list[Path]:
    pattern = _PATTERNS[name]
    for home, wanted in ((folder / name, pattern), (folder, f"{name}{pattern}")):
        if paths := sorted(path for path in home.glob(wanted) if not path.name.startswith(".")):
            return paths
    return []
