"""What a terminal shows, at widths that people have."""

from __future__ import annotations

import io

import pytest

from harness.progress.terminal import Terminal
from tests.harness.progress.clock import Clock

LONG = "trial 123 (30% of the rows, rank 128, alpha 256.5, lr 0.0001234)"


def drawn(terminal: Terminal, width: int = 80, height: int = 24) -> list[str]:
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(terminal, end="")
    return [line.rstrip() for line in out.getvalue().splitlines()]


def searching() -> tuple[Terminal, Clock]:
    from rich.console import Console

    clock = Clock()
    terminal = Terminal(Console(file=io.StringIO()), clock)
    terminal.update("trials", 2, 6, detail="best 1.2345 (trial 2)", left="about 9 to 15 min left")
    for _ in range(2):
        terminal.update(LONG, 0, 400, phase="training", unit="steps", tokens=0)
    clock.now += 100
    terminal.update(LONG, 112.5, 400, phase="training", unit="steps", detail="loss 1.234", tokens=181_200)
    return terminal, clock


def test_at_eighty_columns():
    terminal, _ = searching()
    assert drawn(terminal) == [
        "trials ━━━━         2 of 6, best 1.2345 (trial 2), about 9 to 15 min left",
        f"{LONG}: training",
        "  ━━━          112 of 400 steps, loss 1.234, 1,812 tokens/s, about 4 min left",
    ]


@pytest.mark.parametrize("width", [20, 40, 79, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(width):
    terminal, _ = searching()
    lines = drawn(terminal, width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)


def test_a_task_is_gone_when_it_has_ended_and_its_result_stands_above():
    from rich.console import Console

    out, clock = io.StringIO(), Clock()
    terminal = Terminal(Console(file=out, width=80), clock)
    with terminal.step("loading [bold]gemma"):
        assert drawn(terminal)[0].startswith("loading [bold]gemma")
    assert drawn(terminal) == []
    terminal.end(LONG, "loss 1.2 in 3 s")
    assert out.getvalue() == f"{LONG}: loss 1.2 in 3 s\n"


def test_where_the_screen_is_full_finished_tasks_go_first():
    from rich.console import Console

    terminal = Terminal(Console(file=io.StringIO()), Clock())
    for number in range(30):
        terminal.update(f"task {number}", 5 if number != 3 else 1, 5)
    lines = drawn(terminal, height=10)
    assert len(lines) == 9
    assert lines[0].startswith("task 3 ")
    assert lines[-1].startswith("task 29")
