"""Judges that need no server: a plug-in's, as `harness judge` uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from judges.judging import installed
from judges.judging.pairs import contest
from tests.harness.plugged import forget, install
from tests.harness.runs import cli, json_of
from tests.judges.make import answered

ANSWERS = {
    "long": lambda n, turn: "" if n == 0 else "x" * (2 * n),
    "short": lambda n, turn: "" if n == 0 else "x" * min(2 * n, 6),
}


def test_it_judges_each_pair_in_both_orders(plugged: Path, tmp_path: Path) -> None:
    store = answered(tmp_path / "s.duckdb", ANSWERS)
    words = ("judge", "long", "short", "--judge", "longest", "--db", store.path)
    (outcome,) = json_of(*words)["judges"]
    assert (outcome["name"], outcome["kind"], outcome["asked"], outcome["before"]) == ("longest", "program", 10, 0)
    assert outcome["verdicts"] == {"tie": 6, "first": 2, "second": 2}
    (judge,) = store.judges()
    assert judge.config == {"unit": "characters", "version": "1", "references": "the prompt set's"}
    assert {row.text for row in store.comparisons() if row.verdict == "first"} == {"8 and 6", "10 and 6"}
    assert json_of(*words)["judges"][0]["before"] == 10
    code, out, said = cli(*words)
    assert code == 0, said
    assert "2 pairs cannot be judged by longest." in out


def test_another_version_or_config_is_another_judge(plugged: Path, tmp_path: Path) -> None:
    store = answered(tmp_path / "s.duckdb", ANSWERS)
    (plugged / "plugged_others.py").write_text(
        "from plugged_judge import Longest\n"
        "class Newer(Longest):\n    version = '2'\n"
        "class Other(Longest):\n    config = {'unit': 'bytes'}\n"
    )
    install(plugged, "second-plugin", {"judges": {"newer": "plugged_others:Newer", "other": "plugged_others:Other"}})
    forget()
    ids = {
        installed.judge(store, contest(store, ["long", "short"]), name).judge.id
        for name in ("longest", "newer", "other")
    }
    assert len(ids) == 3


def test_the_reference_judge_is_the_one_that_stores_have(tmp_path: Path) -> None:
    """The id that it had before there were plug-ins."""
    store = answered(tmp_path / "s.duckdb", ANSWERS, reference=lambda n: ["Answer: 1"])
    found = contest(store, ["long", "short"])
    row = installed.judge(store, found, "reference").judge
    assert (row.id[:16], row.kind) == ("afbc0a4a04a518b2", "reference")
    assert row.config == {"version": "1", "references": "the prompt set's"}


@pytest.mark.parametrize("name", ["gpt-5", "Reference", "long/est"])
def test_any_other_name_is_a_models(name: str, plugged: Path) -> None:
    assert not installed.has(name)
