"""Files that appear together or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

from harness.errors import UsageError


class Batch:
    """`with Batch(folder) as batch`: write to `batch.new("name")`; at the end all take their names, and on
    an error none does. UsageError for a name that is taken, or a folder that cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        self._waiting: dict[Path, Path] = {}
        self._made: list[Path] = []

    def __enter__(self) -> Batch:
        return self

    def new(self, name: str) -> Path:
        """A temporary file beside where `name`, a path inside the folder, will stand."""
        final = self.folder / name
        if final.exists():
            raise UsageError(f"{final} exists already. Name another folder, or move it away.")
        try:
            for parent in reversed([final.parent, *final.parent.parents]):
                if not parent.exists():
                    parent.mkdir()
                    self._made.append(parent)
            descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=final.parent)
        except OSError as error:
            raise UsageError(f"Cannot write to {final.parent}: {error.strerror}. Name another folder.") from error
        os.close(descriptor)
        os.chmod(temporary, 0o644)
        self._waiting[final] = Path(temporary)
        return self._waiting[final]

    @property
    def content(self) -> dict[Path, Path]:
        """What was written so far: where each file will stand, and where it stands until the end."""
        return dict(self._waiting)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for final, temporary in self._waiting.items():
                os.replace(temporary, final)
            self.written = list(self._waiting)
            return
        for temporary in self._waiting.values():
            temporary.unlink(missing_ok=True)
        for folder in reversed(self._made):
            if not any(folder.iterdir()):
                folder.rmdir()
        if isinstance(error, OSError):
            raise UsageError(f"Cannot write to {self.folder}: {error.strerror}. Nothing was left there.") from error
