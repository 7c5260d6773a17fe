"""Child processes of a search find the fakes: they start with -P, and so without the folder they start in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.cli.test_bad_input import small_disk as small_disk
from tests.tuning.child import ROOT


@pytest.fixture(autouse=True, scope="session")
def _fakes_in_children() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield
