"""Where rows come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import benchmarks, sources
from data.sources import DataError
from tests.data.specs import SPECS
from tests.harness.tasks.row_files import put


def test_what_a_source_means(tmp_path: Path) -> None:
    assert sources.resolve(None) == sources.resolve("hub") == sources.Source("hub")
    assert sources.resolve("hub:a/b@v1") == sources.Source("hub", repository="a/b", revision="v1")
    assert sources.resolve("hub:a/b").revision == "main"
    assert sources.resolve("sample").folder == sources.SAMPLE
    assert sources.resolve(str(tmp_path)) == sources.resolve(tmp_path) == sources.Source("folder", folder=tmp_path)


@pytest.mark.parametrize("source", ["hub:", "hub:@main"])
def test_a_hub_without_a_name(source: str) -> None:
    with pytest.raises(DataError, match="names no hub data set"):
        sources.resolve(source)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    with pytest.raises(
        DataError, match=r"no such folder: .*benchmarsk.* Did you mean .*/benchmarks\? .*--data"
    ) as raised:
        sources.resolve(tmp_path / "benchmarsk" / "mmlu")
    assert raised.value.exit_code == 3
    with pytest.raises(DataError, match=r"is a file.*takes the folder"):
        sources.resolve(put(tmp_path / "file.json", "{}"))


@pytest.mark.parametrize("name", SPECS)
def test_a_folder_without_the_benchmark_says_what_was_looked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as raised:
        benchmarks.load(SPECS[name], tmp_path, tmp_path / "cache")
    assert SPECS[name].looked_for in str(raised.value)
    assert str(tmp_path) in str(raised.value)
