"""A benchmark is one file and a line that registers it: run, data, show, compare and the board need no more."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.sources import SAMPLE, DataError
from harness import registry
from harness.tasks import declared
from harness.tasks.mmlu import Mmlu
from leaderboard.ranking import board
from tests.harness.runs import ROOT, cli, json_of
from tests.harness.tasks.capitals import Capitals

ROWS = [
    ("Europe", "France", "Paris"),
    ("Europe", "Spain", "Madrid"),
    ("Asia", "Japan", "Tokyo"),
    ("Asia", "Iraq", "Baghdad"),
]


def _forget() -> None:
    registry._entries.cache_clear()
    registry._parts.cache_clear()
    declared.defaults.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that registers `capitals`, and one that registers a task which cannot be imported. The rows' folder."""
    for package, line in (
        ("atlas", "capitals = tests.harness.tasks.capitals:Capitals.load"),
        ("broken", "ruins = no_such_module:load"),
        ("plain", "bare = tests.harness.tasks.test_fifth_benchmark:bare"),
    ):
        info = tmp_path / f"site/{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[harness.tasks]\n{line}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "rows/capitals"
    folder.mkdir(parents=True)
    lines = [json.dumps(dict(zip(("continent", "country", "capital"), row, strict=True))) for row in ROWS]
    (folder / "capitals.jsonl").write_text("\n".join(lines))
    _forget()
    yield tmp_path / "rows"
    monkeypatch.undo()
    _forget()


def bare(data: str | None, protocol: str, shots: int | None, chat: bool) -> None:
    """A task without rows of its own."""


def test_it_is_run_kept_shown_and_compared(installed: Path, tmp_path: Path) -> None:
    (taken,) = json_of("data", "import", "capitals", installed)["imported"]
    assert (taken["name"], taken["rows"]) == ("capitals", {"test": 4})
    assert taken["notes"] == ["capitals: 4 test rows here; the published benchmark has 195"]
    (kept,) = json_of("data", "status")["benchmarks"]
    assert (kept["name"], kept["digest"]) == ("capitals", taken["digest"])

    common = ["run", "--model", "tiny", "--tasks", "capitals:Asia,capitals:Europe", "--data", installed]
    store = ["--db", tmp_path / "store.duckdb"]
    runs = [json_of(*common, *store, "--dtype", dtype) for dtype in ("float32", "bfloat16")]
    for run in runs:
        (task,) = run["tasks"]
        assert (task["task"], task["data_digest"]) == ("capitals", taken["digest"])
        assert {score["group"] for score in run["scores"]} == {"all", "Asia", "Europe"}
        assert any("195" in warning for warning in run["warnings"])
    code, shown, errors = cli("show", runs[0]["run"], *store)
    assert (code, errors) == (0, "")
    assert "capitals" in shown
    compared = json_of("compare", runs[0]["run"], runs[1]["run"], *store)
    assert "capitals" in json.dumps(compared)
    code, _, errors = cli("run", "--model", "tiny", "--tasks", "capitals:Africa", "--data", installed, *store)
    assert code == 2
    assert "capitals has no group 'Africa'" in errors


def test_what_is_asked_by_default_and_shown_first_is_ours(installed: Path) -> None:
    """Installing a package changes nobody's `harness run`."""
    assert declared.defaults() == ("mmlu", "bbh", "drop", "humaneval")
    assert sorted(("lm_eval:x", "capitals", "drop", "mmlu"), key=board._place) == [
        "mmlu",
        "drop",
        "capitals",
        "lm_eval:x",
    ]


def test_rows_that_tasks_declare(installed: Path) -> None:
    """A broken package is passed over, and a task without rows is said to have none."""
    assert list(declared.with_rows()) == [*declared.defaults(), "capitals"]
    assert declared.rows_of("capitals") is Capitals.rows
    assert declared.rows_of("mmlu") is Mmlu.rows
    with pytest.raises(DataError, match=r"no benchmark 'mmul'. Did you mean mmlu\? There are mmlu, .*, capitals\."):
        declared.rows_of("mmul")
    with pytest.raises(DataError, match="bare has no rows to take in"):
        declared.rows_of("bare")


def test_all_rows_of_a_folder_that_lacks_another_packages(installed: Path) -> None:
    code, out, errors = cli("data", "import", "all", SAMPLE)
    assert code == 0, errors
    assert "humaneval" in out
    assert "note: capitals (from atlas) is left out: no capitals in" in errors
    code, _, errors = cli("data", "import", "all", installed)
    assert code == 3
    assert "no mmlu in" in errors


def test_a_row_that_is_not_as_declared_names_its_line(installed: Path) -> None:
    (installed / "capitals/capitals.jsonl").write_text('{"continent": "Asia", "country": "Japan"}')
    code, _, errors = cli("data", "import", "capitals", installed)
    assert code == 3
    assert "capitals.jsonl, line 1: capital missing" in errors


def test_no_other_file_names_a_benchmark() -> None:
    """What another file needs to know of one is declared by its own. Only an option's help may name one; the embedded
    model and its sample are made in the benchmarks' shapes, and a contract suite draws pages of a made-up run."""
    own = {f"harness/tasks/{name}.py" for name in declared.defaults()}
    made = ("data/sample/", "data/tiny/", "leaderboard/testing.py")
    naming = set()
    for package in ("data", "harness", "judges", "tuning", "leaderboard"):
        for file in (ROOT / package).rglob("*.py"):
            path = str(file.relative_to(ROOT))
            if path not in own and not path.startswith(made) and any(map(_NAMES.search, _code(file))):
                naming.add(path)
    assert not naming


_NAMES = re.compile(r"mmlu|bbh|humaneval|big.?bench|\btasks\.drop|drop_dataset|(?-i:\bDROP\b)", re.IGNORECASE)


def _code(file: Path) -> Iterator[str]:
    """Names and texts of a file, without its comments, docstrings and help."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for_people = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    } | {
        id(part)
        for node in ast.walk(tree)
        if (isinstance(node, ast.keyword) and node.arg in ("help", "description"))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "option")
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in for_people:
            yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, documented[1:]):
            yield node.name
