"""The manifest of files that were written together: the size and SHA-256 of each, in `manifest_NAME.json` beside them.

The manifest has a digest of its own, and its text follows from what it says. So a byte that was altered later shows,
in any of the files or in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.exchange.files import Batch

PATTERN = "manifest_*.json"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it was written, or not what the samples say."""

    file: str
    what: str


def seal(batch: Batch, name: str, folder: str = "") -> None:
    """Write the manifest of all that the batch holds below `folder`, a path inside the batch's own."""
    home = batch.folder / folder
    files = {
        final.relative_to(home).as_posix(): _entry(waiting.read_bytes())
        for final, waiting in batch.content.items()
        if final.is_relative_to(home)
    }
    path = PurePosixPath(folder) / f"manifest_{name}.json"
    batch.new(str(path)).write_text(_text(files), "utf-8")


def files_of(manifest: Path) -> list[Path]:
    """The files that a manifest names; none where it cannot be read."""
    try:
        return [manifest.parent / name for name in json.loads(manifest.read_text("utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def check(manifest: Path) -> list[Difference]:
    """What differs from the manifest: files that are altered or gone, or the manifest itself."""
    try:
        written = manifest.read_bytes()
        files = json.loads(written)["files"]
        if _text(files).encode() != written:
            raise ValueError
        named = {_inside(manifest.parent, name): (name, dict(entry)) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [Difference(manifest.name, "is not as it was written: its own digest does not fit")]
    differences = []
    for path, (name, entry) in named.items():
        try:
            content = path.read_bytes()
        except OSError:
            differences.append(Difference(name, "is not there"))
            continue
        found = _entry(content)
        if found != entry:
            sizes = f"{found['bytes']:,} bytes, {entry.get('bytes'):,} in the manifest; " * (
                found["bytes"] != entry.get("bytes")
            )
            what = (
                f"is altered: {sizes}SHA-256 {found['sha256'][:12]}…, {str(entry.get('sha256'))[:12]}… in the manifest"
            )
            differences.append(Difference(name, what))
    return differences


def _entry(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _text(files: Mapping[str, Any]) -> str:
    plain = json.dumps(files, sort_keys=True)
    document = {"digest": hashlib.sha256(plain.encode()).hexdigest(), "files": files}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _inside(folder: Path, name: str) -> Path:
    """ValueError for a name that leads out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
    return folder / path
