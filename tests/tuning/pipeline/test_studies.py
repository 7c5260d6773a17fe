"""The study files that come with the program, to their ends: the small model, the sample, a hundredth of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.progress import SILENT
from tuning.pipeline import session
from tuning.pipeline.smaller import on_sample, scaled
from tuning.pipeline.stages import stages_of
from tuning.pipeline.study_file import StudyFile, read

STUDIES = Path(__file__).resolve().parents[3] / "studies"
STAGES = {
    "paper": ["search", "finalists", "benchmarks", "answers", "people"],
    "beyond": ["search", "finalists", "benchmarks", "audit", "answers", "judges", "people"],
    "one-gpu": ["search", "finalists", "benchmarks", "answers", "judges"],
    "real": ["search", "finalists", "benchmarks", "audit", "answers", "judges", "people"],
}
LEFT_OUT = {
    "paper": [],
    "beyond": ["Judges at a server"],
    "one-gpu": ["Judges at a server"],
    "real": ["lm_eval:published_piqa", "lm_eval:published_hellaswag"],
}


def small(name: str, folder: Path) -> StudyFile:
    changes = {"model": "tiny", "data": "sample", "db": str(folder / "s.duckdb")}
    return scaled(on_sample(read(STUDIES / f"{name}.toml", changes)), 0.01)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", STAGES)
def test_stage_by_stage_to_the_verdict(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = small(name, tmp_path)
    assert [stage.name for stage in stages_of(file)] == STAGES[name]
    assert [any(word in note for note in file.notes) for word in LEFT_OUT[name]] == [True] * len(LEFT_OUT[name])
    for at, stage in enumerate(STAGES[name]):
        result = session.run(file, SILENT, stage)
        known = [state.is_done for state in result.states]
        assert all(known[: at + 1]) or stage == "people"
        assert not any(known[at + 1 :]), f"{stage} is the last"
    assert result.verdict is not None
    assert result.verdict.sentences[0].startswith("Chosen by validation loss: ")
    report = json.loads((tmp_path / f"report-{name}-0.01" / "report.json").read_text("utf-8"))
    titles = [table["title"] for table in report["tables"]]
    assert titles[0] == "Configurations"
    assert ("Preference, by judges" in titles) == ("judges" in STAGES[name])
    if name == "paper":
        assert {"mmlu", "mmlu (instructeval)"} <= set(result.verdict.board.tasks)
    if name == "beyond":
        rules = {rule.name for rule in result.verdict.rules}
        assert "several objectives (nsga2 seed 0, by validation,benchmark:mmlu@1)" in rules
        assert "validation loss (tpe seed 0, 30 validation rows)" in rules
        of_section = {section["title"]: " ".join(section["sentences"]) for section in report["sections"]}
        assert "are on the front" in of_section["Several objectives"]
        assert "by 30 rows it chooses" in of_section["A larger validation part"]
        assert "compared with" in of_section["Contamination of the benchmarks"]
