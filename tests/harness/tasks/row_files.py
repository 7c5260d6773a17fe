"""Small upstream files for the tests of readers, and reading them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from data import folder_rows
from data.row_spec import RowSpec
from data.rows import Content
from data.sources import DataError


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(spec: RowSpec, root: Path) -> Content:
    return spec.read(folder_rows.find(spec.name, root, spec.find, spec.looked_for, spec.archive_folders))


def rows_or_a_data_error(spec: RowSpec, files: dict[str, bytes]) -> None:
    """No parser shows a traceback of its own, whatever the files hold."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            put(Path(folder) / name, content)
        try:
            assert read(spec, Path(folder)).splits["test"]
        except DataError as error:
            assert folder in str(error)  # noqa: PT017 - rows or an error are both right
