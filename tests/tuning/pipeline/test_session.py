"""A whole study from its file to its verdict, on the embedded model: stages, resume, report."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from harness.progress import SILENT, Progress
from harness.progress.outline import Part
from tuning.pipeline import session
from tuning.pipeline.study_file import StudyFile, read

FILE = """
name = "whole"
model = "tiny"
data = "sample"
sizes = "24,8,8"
budget = 5
max-tokens = 96
no-rungs = true
[set]
epochs = 1
[searches]
optimizers = ["random"]
[finalists]
seeds = 2
worst = 0
[[benchmarks]]
tasks = "mmlu"
data = "sample"
limit = 2
[answers]
prompts = "sample"
sample = 3
max-new-tokens = 4
[judges]
judge = ["reference"]
"""


class Outlines(Progress):
    """The stages that were under way, in order."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def outline(self, parts: Sequence[Part]) -> None:
        under_way = [part.name for part in parts if not part.is_done][:1]
        self.begun += [name for name in under_way if name not in self.begun]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> StudyFile:
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "study.toml"
    path.write_text(FILE, "utf-8")
    return read(path, {"db": str(folder / "h.duckdb")})


def test_from_the_file_to_the_verdict(file: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.path.parent)
    assert [(state.name, state.done, state.total) for state in session.status(file)] == [
        ("search", 0, 1),
        ("finalists", 0, 0),
        ("benchmarks", 0, 0),
        ("answers", 0, 0),
        ("judges", 0, 0),
    ]
    first = session.run(file, SILENT, "finalists")
    assert first.verdict is None
    assert [state.is_done for state in first.states] == [True, True, False, False, False]
    second = Outlines()
    result = session.run(file, second)
    assert second.begun == ["benchmarks", "answers", "judges"], "what is done is not done again"
    assert all(state.is_done for state in result.states)
    assert result.verdict is not None
    assert result.verdict.sentences[0].startswith("Chosen by validation loss: ")
    titles = [c.title for c in result.verdict.board.configurations]
    assert titles[0] == "base"
    assert {"paper-default", "peft-default", "common"} <= set(titles)
    for configuration in result.verdict.board.configurations:
        assert configuration.values["mmlu"].shape[0] == (1 if configuration.is_base else 2)
    report = json.loads((file.path.parent / "report-whole" / "report.json").read_text("utf-8"))
    assert report["verdict"] == result.verdict.sentences
    assert [table["title"] for table in report["tables"]][-1] == "Preference, by judges"
    third = Outlines()
    again = session.run(file, third)
    assert third.begun == [], "nothing is left to do"
    assert again.verdict is not None
    assert again.verdict.sentences == result.verdict.sentences
