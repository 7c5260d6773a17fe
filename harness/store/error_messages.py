"""What an error of DuckDB, or of the system, says of a store."""

from __future__ import annotations

from pathlib import Path

_CAUSES = (
    (
        ("No space left", "Disk quota", "File too large"),
        "The disk is full: {path} cannot grow. All that was stored before is whole; free some space and go on.",
    ),
    (("not a valid DuckDB",), "{path} is not a DuckDB file: choose another with --db."),
    (("Corrupt database file",), "{path} is damaged ({error}). Go on with a copy of it, or choose another with --db."),
    (
        ("Could not set lock", "Conflicting lock", "already attached"),
        "Another program has {path} open past this one's lock: close it there and try again.",
    ),
    (("Read-only file system", "Permission denied", "read-only mode"), "The store {path} is read-only here."),
    (("newer version of DuckDB", "storage version"), "{path} was written by another DuckDB than the one installed."),
)


def sentence(error: Exception, path: Path) -> str:
    """For people: what is the matter with the store at `path`, after an error of DuckDB or of the system."""
    text = str(error)
    first = text.splitlines()[0] if text else type(error).__name__
    for signs, template in _CAUSES:
        if any(sign in text for sign in signs):
            return template.format(path=path, error=first)
    return f"The store {path} failed: {first}"
