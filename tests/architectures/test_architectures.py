"""The contract of every architecture of docs/models.md, and that the page says what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architectures import table
from tests.architectures.contract import Row, row_of
from tests.architectures.models import ARCHITECTURES, Architecture


def held_against_the_page(row: Row, record_property) -> None:
    figures = "".join(f"{step} {distance:8.1e}  " for step, distance in row.distances.items())
    record_property("table", f"{row.architecture:18}{row.path:8}{figures}")
    assert table.line(row) in table.PAGE.read_text(encoding="utf-8").splitlines()


# One of each kind that our code tells apart: plain, windows of attention, Conv1D, fused products, one head of keys for
# all, positions by ALiBi, experts. The others are in `make test-full`, with the whole contract of all.
KINDS = ("Llama", "Gemma 3", "GPT-2", "Phi-3", "Falcon", "MPT", "Qwen3-MoE")


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if str(a) in KINDS], ids=str)
def test_an_architecture_runs_trains_and_merges(architecture: Architecture, tmp_path: Path, record_property) -> None:
    held_against_the_page(row_of(tmp_path, architecture, whole=False), record_property)


@pytest.mark.full
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_the_whole_contract(architecture: Architecture, tmp_path: Path, record_property) -> None:
    held_against_the_page(row_of(tmp_path, architecture, whole=True), record_property)


def test_the_kinds_are_architectures() -> None:
    assert set(KINDS) <= {str(a) for a in ARCHITECTURES}


def test_the_page_has_each_architecture_once() -> None:
    names = [line.split(" | ")[0].removeprefix("| ") for line in table.lines_of_page()]
    assert names == [str(architecture) for architecture in ARCHITECTURES]
