"""The parts of a whole: as rows, on a terminal around the tasks, and as lines of a log."""

from __future__ import annotations

import io

from rich.console import Console

from harness.progress.log import Log
from harness.progress.outline import OutlineEntry, outline_rows
from harness.progress.terminal import Terminal
from tests.harness.progress.clock import Clock


def stages(trials: int) -> tuple[OutlineEntry, ...]:
    searches = (OutlineEntry("nomad", 6, 6, "trials"), OutlineEntry("random", trials, 6, "trials"))
    return (
        OutlineEntry("search", sum(part.is_done for part in searches), 2, "searches", searches),
        OutlineEntry("finalists"),
        OutlineEntry("report"),
    )


def test_the_part_under_way_is_opened_and_no_other():
    assert [row.text for row in outline_rows(stages(2))] == [
        "▸ search     1 of 2 searches",
        "  ✓ nomad   6 of 6 trials",
        "  ▸ random  2 of 6 trials",
        "· finalists",
        "· report",
    ]
    assert [row.text for row in outline_rows(stages(6))] == [
        "✓ search     2 of 2 searches",
        "▸ finalists",
        "· report",
    ]


def test_many_parts_are_counted():
    parts = tuple(OutlineEntry(f"model {n}", int(n < 5), 1) for n in range(20))
    rows = [row.text for row in outline_rows([OutlineEntry("runs", 5, 20, "runs", parts)])]
    assert rows[:3] == ["▸ runs  5 of 20 runs", "  ✓ 5 more are done", "  ▸ model 5   0 of 1"]
    assert rows[-1] == "  · 7 more are left"
    assert len(rows) == 11


def test_tasks_stand_under_their_part_on_a_terminal():
    out = io.StringIO()
    console = Console(file=out, width=80, height=30, force_terminal=True, color_system=None)
    terminal = Terminal(console, Clock())
    terminal.outline(stages(2))
    terminal.update("random: trial 3 (rank 8, alpha 16)", 4, 9, unit="steps")
    console.print(terminal)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    at = lines.index("  ▸ random  2 of 6 trials")
    assert lines[at + 1] == "    random: trial 3 (rank 8, alpha 16)"
    assert "4 of 9 steps" in lines[at + 2]
    assert lines[at + 3] == "· finalists"
    terminal.outline(())
    terminal.end("random: trial 3 (rank 8, alpha 16)")
    out.truncate(0)
    console.print(terminal)
    assert "finalists" not in out.getvalue()


def test_a_log_has_a_line_where_a_part_comes_further():
    lines: list[str] = []
    log = Log(lines.append, Clock())
    for trials in (2, 2, 3, 6):
        log.outline(stages(trials))
    log.outline(())
    assert lines == ["search: 1 of 2 searches, then finalists, report\n", "finalists: to do, then report\n"]
