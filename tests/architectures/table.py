"""The table of docs/models.md: `python -m tests.architectures.table` makes every architecture stand the whole contract
(about five minutes) and writes what was found into the page."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.architectures.contract import Row, row_of
from tests.architectures.models import ARCHITECTURES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
HEAD = "| architecture | run | path | train | `auto` takes | paper's presets take | merge | served | resumed | notes |"
_RULE = "|---" * HEAD.count(" | ") + "|---|"


def line(row: Row) -> str:
    """A row of the table. Its `yes` are not looked up: there is no row where a step did not hold."""
    held = "yes"
    cells = (
        row.architecture,
        held,
        row.path,
        held,
        ", ".join(row.auto),
        ", ".join(row.usual),
        held,
        held,
        held,
        "; ".join(row.notes),
    )
    return f"| {' | '.join(cells)} |"


def lines_of_page() -> list[str]:
    """The rows that stand in the page."""
    return _parts()[1].splitlines()[2:]


def _parts() -> tuple[str, str, str]:
    """The page before the table, the table, and what follows."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(HEAD)
    table, _, after = rest.partition("\n\n")
    return before, HEAD + table, after


def main() -> None:
    lines = [HEAD, _RULE]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HARNESS_HOME"] = f"{folder}/home"
        for number, architecture in enumerate(ARCHITECTURES):
            at = Path(folder, str(number))
            at.mkdir()
            row = row_of(at, architecture, whole=True)
            lines.append(line(row))
            print(lines[-1], row.distances, flush=True)
    before, _, after = _parts()
    PAGE.write_text(f"{before}{chr(10).join(lines)}\n\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
