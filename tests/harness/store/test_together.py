"""Two runs and a reader on one file: no error, nothing lost or twice, and nobody waits long."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.results import Store
from tests.harness.results import make
from tests.harness.store.test_crash import acknowledged, whole

BATCH = 48
WORK = 1.0  # seconds that a batch takes the model


def together(store: Store, seconds: float) -> list[float]:
    """The part of its time that each writer waited."""
    runs = [make.stored(store, 0) for _ in range(2)]
    writers = [make.child("write", store.path, made.id, 0, BATCH, seconds, WORK) for made in runs]
    reader = make.child("read", store.path, seconds, *(made.id for made in runs))
    shares = []
    for made, writer in zip(runs, writers, strict=True):
        out, errors = writer.communicate()
        assert (writer.returncode, errors) == (0, "")
        assert whole(store, made, BATCH) == acknowledged(out.splitlines()) > 0
        _, waited, took = out.splitlines()[-1].split()
        shares.append(float(waited) / float(took))
        print(f"{out.count('ack')} batches; waited {float(waited):.3f} s of {float(took):.1f} s, {shares[-1]:.1%}")
    out, errors = reader.communicate()
    assert (reader.returncode, errors) == (0, "")
    print("reader:", out.strip())
    assert int(out.split()[1]) >= seconds / 2  # it was not starved either
    return shares


def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    assert max(together(Store(tmp_path / "s.duckdb"), 5)) < 0.15  # few batches: the figure is coarse


@pytest.mark.full
def test_two_writers_and_a_reader_for_a_minute(tmp_path: Path) -> None:
    assert max(together(Store(tmp_path / "s.duckdb"), 60)) < 0.05
