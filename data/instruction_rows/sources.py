"""Where instruction rows come from: Alpaca and Dolly from the hub, a folder or the sample, and files of one's own.

    alpaca   a JSON list of instruction, input, output (tatsu-lab/stanford_alpaca)
    dolly    JSON lines of instruction, context, response (databricks-dolly-15k), or of prompt, answer where the
             Alpaca template stands in the prompt already; the paper's `###eos_token###` is taken off
    a file   `data.records` reads it, `shapes.py` finds its shape

A folder of the two holds `alpaca/` and `dolly/` with such files, or the files themselves (`alpaca*.json`,
`dolly*.jsonl`). Any other folder with files of rows in it stands for these files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data import hub_rows, records, sources
from data.instruction_rows import columns, shapes
from data.instructions import Instruction
from data.records import Record
from data.sources import WHAT_TO_DO, DataError, Source

SETS = ("alpaca", "dolly")
HUB = {  # no commit of these is pinned by a published evaluation: "main" is resolved and nothing else is assumed
    "alpaca": ("tatsu-lab/alpaca", "main"),
    "dolly": ("databricks/databricks-dolly-15k", "main"),
}
_PATTERNS = {"alpaca": "*.json", "dolly": "*.jsonl"}


@dataclass(frozen=True, slots=True)
class Rows:
    """`sources` are the rows' sources, one for each name that was asked for, in that order. A file's is its name,
    with as many of its folders as tell two of one name apart."""

    rows: tuple[Instruction, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]  # a line on each file: belongs on the study


@dataclass(slots=True)
class _Places:
    """What --data names: files, and places of Alpaca and Dolly. `beside`: folders of files that hold one of the two as
    well, which is read where a mix names it."""

    files: list[Path] = field(default_factory=list)
    sets: list[Source] = field(default_factory=list)
    beside: list[Source] = field(default_factory=list)


def load(
    source: str | Path | None = None, names: Sequence[str] | None = None, declared: Mapping[str, str] | None = None
) -> Rows:
    """The rows of each named source, one after the other, in the order of their files.

    `source` as everywhere (`data.sources.resolve`): a folder, "sample", "hub" or None; or files, or several of all
    these with commas between them. `names`: alpaca, dolly, and files, by name or path; None is all that `source` has.
    Alpaca and Dolly are the hub's where `source` names no place of theirs. `declared`: the columns of a file by
    meaning (`columns.MEANINGS`), where it has all of them.

    DataError names the file and the line of what is odd, a column of text that would not be read among it. No row is
    left out or changed, but for conversations without an answer, line ends, the end mark, and an input of nothing but
    spaces, which is none."""
    places = _places(source)
    if names is None:
        asked: list[str | Path] = [*places.files, *(SETS if places.sets else ())]
    else:
        asked = [name if name in SETS else _file(name, places.files) for name in dict.fromkeys(names)]
    files = [one for one in asked if isinstance(one, Path)]
    if len(set(files)) < len(files):
        raise DataError(f"two names of {', '.join(map(str, names or ()))} are one file. Name it once.")
    labels = _labels(files)
    own = {path: records.read(path) for path in files}
    about = _those_with(declared or {}, own)

    rows: list[Instruction] = []
    read = {*files, *_of_sets(asked, places.beside)}
    notes = [f"{path.name} has no share in the mix and is left out." for path in places.files if path not in read]
    for one in asked:
        if isinstance(one, Path):
            its_rows, note = shapes.rows_of(one, labels[one], own[one], (declared or {}) if one in about else {})
            rows += its_rows
            notes.append(note)
        else:
            rows += _set(one, next(iter([*places.sets, *places.beside]), Source("hub")))
    return Rows(tuple(rows), tuple(labels[one] if isinstance(one, Path) else one for one in asked), tuple(notes))


def is_a_name(name: str) -> bool:
    """Can a mix name it? Whether a file is there, loading tells."""
    return name in SETS or records.is_named_as_rows(Path(name))


def _places(source: str | Path | None) -> _Places:
    places = _Places()
    for part in _parts(source):
        path = Path(part or "").expanduser()
        if part is not None and (path.is_file() or (records.is_named_as_rows(path) and not path.is_dir())):
            places.files.append(records.existing(path))
            continue
        where = sources.resolve(part)
        own = _files_of_rows(where.folder) if where.kind == "folder" else []
        held = [name for name in SETS if where.kind == "folder" and _files(name, where.folder)]
        if not own or len(held) == len(SETS):
            places.sets.append(where)
        else:
            places.files += own
            places.beside += [where] if held else []
    if len(places.sets) > 1:
        raise DataError(f"{source} names {len(places.sets)} places of Alpaca and Dolly. Name one, and any files.")
    places.files = list(dict.fromkeys(places.files))
    return places


def _parts(source: str | Path | None) -> list[str | Path | None]:
    if not isinstance(source, str) or "," not in source or Path(source).expanduser().exists():
        return [source]
    return [part.strip() for part in source.split(",") if part.strip()]


def _files_of_rows(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir())
    return [path for path in inside if path.is_file() and path.name[0] != "." and records.is_named_as_rows(path)]


def _file(name: str, given: Sequence[Path]) -> Path:
    """The file that a mix names: one that --data names, by the end of its path, or any other."""
    parts = Path(name).parts
    meant = [path for path in given if path.parts[-len(parts) :] == parts]
    if len(meant) > 1:
        raise DataError(f"{name} is any of {', '.join(map(str, meant))}. Name it by more of its path.")
    if meant:
        return meant[0]
    if not Path(name).expanduser().is_file():
        known = [*SETS, *dict.fromkeys(path.name for path in given)]
        raise DataError(f"{name} is no source of rows: there are {', '.join(known)}.{sources.near(name, known)}")
    return records.existing(Path(name).expanduser())


def _of_sets(asked: Sequence[str | Path], folders: Sequence[Source]) -> Iterator[Path]:
    """The files that are read as Alpaca or Dolly."""
    for name in asked:
        if isinstance(name, str):
            for where in folders:
                yield from _files(name, where.folder)


def _labels(files: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of paths that tell the files apart. Where files lie is no part of a study's identity."""
    most = max((len(path.parts) for path in files), default=0)
    for length in range(1, most + 1):
        labels = {path: "/".join(path.parts[-length:]) for path in files}
        if len(set(labels.values())) == len(labels):
            return labels
    return {}


def _those_with(declared: Mapping[str, str], files: Mapping[Path, Sequence[Record]]) -> set[Path]:
    """The files that have all the columns of --columns. DataError where it is about none."""
    if not declared:
        return set()
    about = {path for path, rows in files.items() if set(shapes.columns_of(rows)) >= set(declared.values())}
    if not about:
        if not files:
            raise DataError("--columns names columns of a file of your own, and --data names no such file.")
        there = list(dict.fromkeys(column for rows in files.values() for column in shapes.columns_of(rows)))
        missing = next((column for column in declared.values() if column not in there), "")
        more = f" There is no column {missing}.{sources.near(missing, there)}" if missing else ""
        raise DataError(
            f"{', '.join(map(str, files))}: no file has all the columns that --columns names "
            f"({', '.join(declared.values())}).{more} There are {', '.join(there)}."
        )
    return about


def _set(name: str, where: Source) -> Iterator[Instruction]:
    """Alpaca or Dolly."""
    is_dolly = name == "dolly"
    if where.kind == "hub":
        id_, revision = (where.repository, where.revision) if where.repository else HUB[name]
        repository = hub_rows.resolve(id_, revision)
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
