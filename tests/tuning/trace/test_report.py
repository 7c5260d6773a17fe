"""Every number of a whole study's report leads through `harness trace` to stored samples, trials and verdicts."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.results import RunRow
from tests.harness.runs import cli, json_of
from tests.tuning.trace.filled import FLIP, GROUPS, METRICS
from tuning.pipeline import report
from tuning.pipeline.measured import board
from tuning.pipeline.smaller import read_smaller
from tuning.pipeline.study_file import StudyFile
from tuning.pipeline.verdict import verdict
from tuning.pipeline.whole_study import WholeStudy
from tuning.store import Store

Document = dict[str, Any]


@pytest.fixture(scope="module")
def folder(whole_study: StudyFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the report."""
    made = tmp_path_factory.mktemp("report")
    study = WholeStudy(read_smaller(whole_study.path, whole_study.changes, None))
    report.write(study, verdict(board(study)), made)
    return made


@pytest.fixture(scope="module")
def everything(folder: Path, whole_study: StudyFile) -> Document:
    document = json_of("trace", folder / "report.html", "--db", whole_study.tune.db)
    assert isinstance(document, dict)
    return document


def links(document: Document) -> Iterator[Document]:
    yield document
    for source in document["sources"]:
        yield from links(source)


def shown(folder: Path) -> dict[str, str]:
    """What the page says, by what it is called; and nothing with a digit is without a name."""
    page = (folder / "report.html").read_text("utf-8")
    named = re.findall(r'<(?:td|li) data-trace="([^"]*)"[^>]*>(.*?)</(?:td|li)>', page)
    rest = re.findall(r"<(?:td|li)>(.*?)</(?:td|li)>", page)
    names = {
        cell
        for table in json.loads((folder / "report.json").read_text("utf-8"))["tables"]
        for row in table["rows"]
        for cell in row[:2]
    }
    assert {html.unescape(cell) for cell in rest if re.search(r"\d", cell)} <= names
    return {html.unescape(name): html.unescape(text) for name, text in named}


def mean(store: Store, run: str, task: str) -> float:
    samples = store.samples(run, task)
    return sum(sample.metrics[METRICS[task]] for sample in samples) / len(samples)


def test_every_number_is_what_the_store_gives(folder: Path, everything: Document, whole_study: StudyFile) -> None:
    numbers = shown(folder)
    assert len(numbers) > 30
    figures = {figure["name"]: figure for figure in everything["figures"]}
    for name, text in numbers.items():
        assert figures[name]["text"] == text, name
        assert figures[name]["agrees"] is True, name
    assert everything["missing"] == []
    store = Store(whole_study.tune.db)
    configurations = {link["name"]: link for link in everything["sources"] if link["kind"] == "configuration"}
    for title, link in configurations.items():
        for task in GROUPS:
            points = [100 * mean(store, run, task) for run in link["facts"]["runs"]]
            written = float(numbers[f"Configurations, {title}, {task}"].partition(" ")[0])
            assert written == pytest.approx(sum(points) / len(points), abs=0.0501)
    trials = {link["facts"]["number"]: link for link in links(everything) if link["kind"] == "trial"}
    losses = {
        number: next(a for a in store.attempts(link["facts"]["study"]) if (a.trial, a.purpose) == (number, "search"))
        for number, link in trials.items()
        if number
    }
    for title in configurations:
        of_trial = [link["facts"]["number"] for link in links(configurations[title]) if link["kind"] == "trial"]
        if of_trial:
            attempt = losses[of_trial[0]]
            loss = attempt.validation_nats / attempt.validation_tokens
            assert numbers[f"Configurations, {title}, validation loss"] == f"{loss:.4f}"
    assert {link["kind"] for link in links(everything)} >= {"samples", "trial", "verdicts", "rows", "base", "program"}


def test_one_number_leads_to_its_own_samples(folder: Path, whole_study: StudyFile) -> None:
    store = Store(whole_study.tune.db)
    document = json_of("trace", folder, "Configurations, common, mmlu", "--db", store.path)
    (figure,) = document["figures"]
    runs = {link["facts"]["run"] for link in links(document) if link["kind"] == "samples"}
    own: list[RunRow] = [run for run in store.runs() if run.name.startswith("whole common seed")]
    assert runs == {run.id for run in own}
    assert {link["facts"]["task"] for link in links(document) if link["kind"] == "samples"} == {"mmlu"}
    points = [100 * mean(store, run, "mmlu") for run in runs]
    assert float(figure["text"].partition(" ")[0]) == pytest.approx(sum(points) / 2, abs=0.0501)


def test_a_sample_that_was_altered_is_found(folder: Path, whole_study: StudyFile, tmp_path: Path) -> None:
    shutil.copy(whole_study.tune.db, tmp_path / "s.duckdb")
    store = Store(tmp_path / "s.duckdb")
    run = next(run for run in store.runs() if run.name == "whole common seed 1")
    with store.write() as connection:
        connection.execute(FLIP, [run.id])
    document = json_of("trace", folder, "Configurations, common, mmlu", "--db", store.path)
    assert document["figures"][0]["agrees"] is False


def test_what_cannot_be_traced_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}", "utf-8")
    for words, said in (
        ([tmp_path], "is no report of"),
        ([folder, "no such number"], "No number of the report is called"),
    ):
        code, _, errors = cli("trace", *words)
        assert code == 2
        assert said in " ".join(errors.split())
