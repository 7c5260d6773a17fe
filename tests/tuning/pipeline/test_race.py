"""The race of the finalists within a whole study: what is refused, what the board says of who was out, and resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UsageError
from harness.evaluation.sampling.compare_sampled import Drawn
from harness.progress import SILENT
from harness.stats.drawing import Place, drawn, units
from tests.models import make_model
from tests.tuning.pipeline.boards import board, configuration
from tests.tuning.pipeline.test_session import FILE
from tuning.pipeline import race, session
from tuning.pipeline.measured import Board
from tuning.pipeline.report import race_sentences
from tuning.pipeline.study_file import read
from tuning.pipeline.verdict import verdict
from tuning.pipeline.whole_study import WholeStudy
from tuning.store import Store

BAD, MIDDLE, GOOD = {"mmlu": 0.3}, {"mmlu": 0.6}, {"mmlu": 0.8}
OUT = {"base": 100, "common": 150}


def stopped(whole: Board, out: dict[str, int]) -> Board:
    """The same, where some have read no more than the first items of the random order."""
    (task,) = whole.tasks
    places = {item: Place(item, "", "") for item in whole.items[task]}
    order = Drawn(drawn(units(list(places.values()), macro=False), 0), places, 0)
    configurations = []
    for c in whole.configurations:
        known = {unit.items[0] for unit in order.units[: out.get(c.title)]}
        kept = np.asarray([item in known for item in whole.items[task]])
        configurations.append(replace(c, values={task: np.where(kept, c.values[task], np.nan)}))
    return replace(whole, configurations=tuple(configurations), orders={task: order})


@pytest.fixture(scope="module")
def whole() -> Board:
    return board(
        [
            configuration("base", None, BAD, seeds=1),
            configuration("common", 1.3, BAD),
            configuration("nomad trial 7", 1.0, GOOD),
            configuration("random trial 3", 1.2, MIDDLE),
        ]
    )


def test_who_was_out_takes_no_items_from_the_others(whole: Board) -> None:
    raced = stopped(whole, OUT)
    _, _, first, second = whole.configurations
    base, common, best, other = raced.configurations
    assert raced.difference("mmlu", best, other) == whole.difference("mmlu", first, second)
    assert raced.score(best, "mmlu") == whole.score(first, "mmlu")
    assert (raced.items_read(base, "mmlu"), raced.items_read(best, "mmlu")) == (100, 400)
    for one, all_of_it in zip((base, common), whole.configurations[:2], strict=True):
        value, low, high = raced.score(one, "mmlu")
        assert 0 <= low < whole.score(all_of_it, "mmlu").value < high
        assert value == raced.mean(one, "mmlu") == pytest.approx(np.nanmean(one.values["mmlu"]))
    read = ~np.isnan(base.values["mmlu"]).any(axis=0)
    (value, low, high), _ = raced.difference("mmlu", base, common)
    means = [c.values["mmlu"][:, read].mean() for c in (base, common)]
    assert value == pytest.approx(means[1] - means[0]), "on the items that both have read"
    assert low < 0 < high


def test_the_verdict_of_a_race(whole: Board) -> None:
    """What whole runs tell apart by far is told apart, with the whole interval inside the wider one."""
    outcomes = [verdict(one) for one in (whole, stopped(whole, OUT))]
    (of_whole, of_race) = ({one.a.title: one for one in outcome.against_rivals} for outcome in outcomes)
    assert of_race.keys() == of_whole.keys() == {"base", "common"}
    for title, one in of_race.items():
        assert one.word == of_whole[title].word == "better"
        assert one.low < of_whole[title].difference < one.high
        assert one.high - one.low > of_whole[title].high - of_whole[title].low
    assert [rule.choices for rule in outcomes[1].rules if rule.name == "a slice of mmlu"] == [("nomad trial 7",) * 2]
    assert next(rule for rule in outcomes[1].rules if rule.name == "always common").over_loss[2] < 0


def test_who_was_out_when_is_said(whole: Board) -> None:
    assert race_sentences(stopped(whole, OUT)) == [
        "mmlu: measured on all 400 items: nomad trial 7, random trial 3. Out of the race: base after 100, common after "
        f"150. {100 * (100 + 3 * 150 + 6 * 400) / (10 * 400):.0f}% of all answers were read."
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("max-tokens = 96", "objective = 'validation,benchmark:mmlu@2'"),
            "mmlu cannot be raced: the search of random",
        ),
        (("[[benchmarks]]\n", "[[benchmarks]]\nuntil = 'items=3'\n"), "until is for single runs"),
    ],
)
def test_what_cannot_be_raced_is_refused_before_the_search(
    change: tuple[str, str], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace("worst = 0\n", "worst = 0\nrace = true\n").replace(*change), "utf-8")
    with pytest.raises(UsageError, match=sentence):
        session.run(read(path, {"db": str(tmp_path / "s.duckdb")}), SILENT)
    assert not (tmp_path / "s.duckdb").exists()


@pytest.mark.parametrize("template", ["chat", "plain"])
def test_a_base_that_is_asked_in_another_way_than_its_adapters_is_not_raced(template: str, tmp_path: Path) -> None:
    """Rows in a file's chat template make adapters that chat, of a base that has no template."""
    model = make_model(tmp_path / "bare")
    (model / "chat_template.jinja").rename(tmp_path / "chat.jinja")
    words = str(tmp_path / "chat.jinja") if template == "chat" else template
    given = f"model = '{model}'\ntemplate = '{words}'\n"
    path = tmp_path / "study.toml"
    text = FILE.replace("worst = 0\n", "worst = 0\nrace = true\n").replace('model = "tiny"\n', given)
    path.write_text(text, "utf-8")
    study = WholeStudy(read(path, {"db": str(tmp_path / "s.duckdb")}))
    if template == "plain":
        race.check(study)
        return
    with pytest.raises(UsageError, match=r"race: .* the adapters: in a chat template; the base: without one"):
        race.check(study)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_study_races_its_finalists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More items than the first look: whoever is in part is out, somebody is whole, and nothing is left to do. Where
    the race is taken from the file, the same runs go on to the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.stats.race.FIRST", 20)
    monkeypatch.setattr("harness.stats.race.GROWTH", 10)
    path = tmp_path / "study.toml"
    text = FILE[: FILE.index("[audit]")].replace("limit = 2\n", "limit = 6\n").replace("seeds = 2\n", "seeds = 1\n")
    path.write_text(text.replace("worst = 0\n", "worst = 0\nrace = true\n"), "utf-8")
    db = str(tmp_path / "s.duckdb")
    result = session.run(read(path, {"db": db}), SILENT)
    assert all(state.is_done for state in result.states)
    assert result.verdict is not None
    made = result.verdict.board
    runs = Store(db).runs()
    assert {run.status for run in runs} <= {"finished", "sampled"}
    counts = [made.items_read(c, "mmlu") for c in made.configurations]
    assert max(counts) == len(made.items["mmlu"])
    report = json.loads((tmp_path / "report-whole" / "report.json").read_text("utf-8"))
    (section,) = [one for one in report["sections"] if one["title"] == "Race of the finalists"]
    assert section["sentences"] == race_sentences(made)
    again = session.run(read(path, {"db": db}), SILENT)
    assert again.verdict is not None
    assert again.verdict.sentences == result.verdict.sentences
    assert {run.id: run.totals for run in Store(db).runs()} == {run.id: run.totals for run in runs}, "nothing is asked"
    path.write_text(text, "utf-8")
    measured = session.run(read(path, {"db": db}), SILENT)
    assert measured.verdict is not None
    assert {run.status for run in Store(db).runs()} == {"finished"}
