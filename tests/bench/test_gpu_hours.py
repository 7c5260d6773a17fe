"""The hours in docs/scale.md are those that bench.gpu_hours calculates, from figures that other pages measured."""

from __future__ import annotations

from bench import gpu_hours
from tests.docs.blocks import DOCS


def test_the_page_has_the_calculated_hours() -> None:
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert "\n".join(gpu_hours.table()) in page
    assert f"{gpu_hours.RUNGS} times less compute" in (DOCS / "tuning.md").read_text(encoding="utf-8")


def test_hours_are_operations_over_the_share_of_the_peak() -> None:
    least_and_most = gpu_hours.hours(3600 * 312e12)["A100"]
    assert least_and_most == "2.2 to 6.7 h"
    assert gpu_hours.hours(60 * 312e12)["A100"] == "2.2 to 6.7 min"
