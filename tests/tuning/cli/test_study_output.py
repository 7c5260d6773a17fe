"""What `harness study` prints, on a terminal of 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from tuning.cli.study_output import print_plan, print_table
from tuning.pipeline.report import Table

CELL = "45.1 [40.0, 50.2]"
TASKS = ("mmlu", "bbh", "drop", "humaneval")


def lines(print_: object, *arguments: object) -> list[str]:
    out = io.StringIO()
    print_(Console(file=out, width=80), *arguments)  # type: ignore[operator]
    return out.getvalue().splitlines()


def test_a_table_that_is_too_wide_is_a_list() -> None:
    """No line is broken, and every figure stands behind its column's name."""
    rows = tuple((name, "1.2345", *[CELL] * 4) for name in ("nomad (900 validation rows) trial 17", "[red]base"))
    shown = lines(print_table, Table("Configurations", ("configuration", "validation loss", *TASKS), rows))
    assert all(len(line) <= 80 for line in shown)
    assert shown[0] == "Configurations"
    assert shown[1] == "nomad (900 validation rows) trial 17"
    assert "[red]base" in shown
    for figure in ("validation loss 1.2345", *(f"{task} {CELL}" for task in TASKS)):
        assert sum(figure in line for line in shown) == 2


def test_a_table_that_fits_is_a_table() -> None:
    shown = lines(print_table, Table("Configurations", ("configuration", "mmlu"), (("base", CELL), ("common", CELL))))
    assert any("base" in line and CELL in line for line in shown)


def test_a_plan_fits_and_says_what_is_not_estimated() -> None:
    seconds = {"low": 60.0, "expected": 90.0, "high": 120.0}
    stages = [
        {
            "stage": "search",
            "counts": ["3 searches of 20 trials: " + "many words " * 12],
            "seconds": seconds,
            "why": "",
        },
        {"stage": "answers", "counts": ["9 models"], "seconds": None, "why": "how long answers get is not known"},
    ]
    document = {"study": "s", "model": "m", "stages": stages, "seconds": seconds, "notes": ["a note"]}
    shown = lines(print_plan, document)
    assert all(len(line) <= 80 for line in shown)
    assert shown[1].startswith("search   3 searches")
    assert shown[2].startswith("         many")
    assert any("time not estimated: how long answers get" in line for line in shown)
    assert any(line.startswith("together") and line.endswith("without what is not estimated") for line in shown)


def test_long_names_stand_one_after_the_other() -> None:
    tasks = tuple(f"{task} (instructeval, {shots} shots)" for task in TASKS for shots in (0, 5))
    shown = lines(print_table, Table("Configurations", ("configuration", "loss", *tasks), (("base", "", *[CELL] * 8),)))
    assert all(len(line) <= 80 for line in shown)
    assert all(sum(f"{task} {CELL}" in line for line in shown) == 1 for task in tasks)
    assert len(shown) <= 2 + len(tasks)
