"""Runs a contract suite on a part that is broken on purpose: pytest, in this process."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from types import ModuleType

import pytest


class _Reports:
    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.passed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        if report.failed:
            self.failed.add(report.nodeid.rpartition("::")[2])


class _Suite:
    """Gives pytest the suite as if it stood in a module of its own."""

    def __init__(self, suite: type, only: str = "") -> None:
        self.suite, self.only = suite, only

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector:
        module = ModuleType("suite_of_a_broken_part")
        module.TestSuite = type("TestSuite", (self.suite,), {"__module__": module.__name__})  # type: ignore[attr-defined]
        node = pytest.Module.from_parent(parent, path=file_path)
        node.__dict__["_obj"] = module
        return node

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.only:
            items[:] = [item for item in items if item.name == self.only]


def failures(suite: type) -> set[str]:
    """The names of the tests of a suite that fail."""
    reports = _reports(_Suite(suite))
    assert reports.passed + len(reports.failed) > 3
    return reports.failed


def fails(suite: type, test: str) -> bool:
    """Whether a test of a suite fails; the others are not run."""
    reports = _reports(_Suite(suite, test))
    assert reports.passed or reports.failed
    return test in reports.failed


def _reports(suite: _Suite) -> _Reports:
    reports = _Reports()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        stand_in = Path(folder) / "suite.contract"  # no Python file, which pytest would import by itself
        stand_in.touch()
        without = [word for plugin in ("cacheprovider", "xdist", "timeout") for word in ("-p", f"no:{plugin}")]
        words = ["-q", *without, "--noconftest", "--rootdir", folder, "-c", "/dev/null", str(stand_in)]
        code = pytest.main(words, plugins=[reports, suite])
    assert code in (0, 1), code
    return reports
