"""What every test shares: no hub, and the real data where it is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.wheel import installed as installed
from tests.wheel import poisoned as poisoned
from tests.wheel import wheel as wheel

if TYPE_CHECKING:
    from tuning.pipeline.study_file import StudyFile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Under `make test &` and `nohup` they are inherited as ignored, and children of tests would inherit that in turn.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real benchmark files beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real benchmark data is not there ({folder}); the bundled sample is tested instead")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches and the store of a test never touch the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_HOME", str(tmp_path_factory.getbasetemp() / "harness-home"))
        patch.delenv("HARNESS_DB", raising=False)
        yield


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> StudyFile:
    """The file of a whole study whose store has all that a number may come from (tests/tuning/trace/filled.py). Tests
    that change the store copy it."""
    from tests.tuning.trace.filled import filled

    return filled(tmp_path_factory.mktemp("whole-study"))


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of installed packages, with one part of each kind of a package that is whole (tests/harness/plugged.py).
    What a test puts there counts from `forget` on."""
    from tests.harness import plugged

    folder = tmp_path / "site"
    plugged.install_one_of_each(folder)
    monkeypatch.syspath_prepend(str(folder))
    plugged.forget()
    yield folder
    monkeypatch.undo()
    plugged.forget()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tables that tests make of what they measured, a row each (`record_property("table", row)`)."""
    rows = [
        str(value)
        for status in ("passed", "failed")
        for report in terminalreporter.stats.get(status, [])
        for name, value in report.user_properties
        if name == "table"
    ]
    if rows:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(sorted(rows)))
