"""Parts by entry points: ours, those of other packages, and those that are broken."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness import doctor, registry, tasks
from harness.errors import MissingError, UsageError
from harness.results import Store
from tests.harness.plugged import PARTS, forget, install, install_one_of_each
from tests.harness.results import make
from tests.harness.runs import cli, json_of

OURS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind) if name not in registry.plugins(kind)]


@pytest.mark.parametrize(("kind", "name"), OURS)
def test_each_of_ours_is_there(kind: str, name: str) -> None:
    assert registry.load(kind, name) is not None


def test_ours_come_first_and_each_in_its_own_order(plugged: Path) -> None:
    assert registry.names("tasks") == ["bbh", "drop", "humaneval", "mmlu", "capitals"]
    assert registry.names("tasks", ("mmlu", "none")) == ["mmlu", "bbh", "drop", "humaneval", "capitals"]
    assert registry.plugins("tasks") == {"capitals": "lora-plugin"}
    assert registry.names("backends") == ["endpoint", "transformers", "vllm", "same"]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_what_there_is_not_is_said_with_what_plugins_add(kind: str, plugged: Path) -> None:
    (name,) = PARTS[kind]
    with pytest.raises(UsageError) as caught:
        registry.load(kind, f"{name}x")
    assert f"There is no {registry.KINDS[kind].word} '{name}x'. Did you mean {name}?" in str(caught.value)
    assert f"{name} (from lora-plugin)" in str(caught.value)
    assert set(registry.names(kind)) <= set(str(caught.value).replace(",", "").replace(".", "").split())


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["run", "--model", "tiny", "--tasks", "capitols"], "capitals (from lora-plugin), lm_eval:NAME"),
        (["run", "--model", "tiny", "--tasks", ","], "capitals (from lora-plugin)"),
        (
            ["run", "--model", "tiny", "--data", "sample", "--tasks", "drop", "--limit", "1", "--backend", "sane"],
            "must be one of auto, endpoint, transformers, vllm, same",
        ),
        (
            ["tune", "--model", "tiny", "--data", "sample", "--optimizer", "corned"],
            "random, list, corner. Did you mean corner?",
        ),
        (["tune", "--model", "tiny", "--data", "sample", "--objective", "stops"], "steps (from lora-plugin)"),
        (["tune", "--model", "tiny", "--data", "sample", "--constraint", "stops<=1"], "steps (from lora-plugin)"),
    ],
)
def test_commands_list_what_plugins_add(words: list[str], listed: str, plugged: Path, tmp_path: Path) -> None:
    code, _, errors = cli(*words, "--db", tmp_path / "s.duckdb")
    assert code == 2
    assert listed in errors


IMPORTED = """
import sys
from harness import registry
before = set(sys.modules)
for kind in registry.KINDS:
    assert registry.plugins(kind), kind
    assert registry.listed(kind)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_names_import_nothing(tmp_path: Path) -> None:
    install_one_of_each(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) - set(sys.stdlib_module_names)


# what is used of a plug-in


def test_a_task_and_a_backend_are_run(plugged: Path, tmp_path: Path) -> None:
    words = ("run", "--model", "tiny", "--tasks", "capitals:europe,capitals:rest", "--backend", "same")
    code, out, errors = cli(*words, "--db", tmp_path / "s.duckdb")
    assert code == 0, errors
    assert "capitals" in out
    assert "only three countries" in out + errors
    assert "made by a plug-in" in out + errors
    code, _, errors = cli("run", "--model", "tiny", "--tasks", "capitals:europa", "--db", tmp_path / "s.duckdb")
    assert code == 2
    assert "capitals has no group 'europa'. Did you mean europe?" in errors


def test_a_task_of_ours_and_a_plugins_are_loaded_together(plugged: Path) -> None:
    selected = tasks.load("capitals,mmlu:nature", "sample")
    assert [(each.task.name, each.groups) for each in selected] == [("capitals", ()), ("mmlu", ("nature",))]


def test_what_a_plugin_gives_is_tracked(plugged: Path, tmp_path: Path) -> None:
    from harness.exchange.tracked import tracked

    make.stored(Store(tmp_path / "s.duckdb"), status="finished", name="mine")
    assert [one.name for one in tracked(tmp_path / "s.duckdb", ["rose"])] == ["a rose"]
    assert [one.name for one in tracked(tmp_path / "s.duckdb", [])] == ["mine", "a rose"]


def test_what_a_plugin_knows_is_exported(plugged: Path, tmp_path: Path) -> None:
    make.stored(Store(tmp_path / "s.duckdb"), status="finished", name="mine")
    document = json_of("export", "rose", tmp_path / "out", "--db", tmp_path / "s.duckdb")
    assert document == {"herbarium": "rose", "files": [str(tmp_path / "out" / "rose.txt")]}
    code, _, errors = cli("export", "tulip", tmp_path / "out", "--db", tmp_path / "s.duckdb")
    assert code == 2
    assert "There is no run 'tulip'" in errors


def test_what_a_plugin_knows_is_shown(plugged: Path, tmp_path: Path) -> None:
    assert json_of("run", "--model", "tiny", "--tasks", "capitals", "--backend", "same", "--db", tmp_path / "s.duckdb")
    assert "a rose is shown" in cli("show", "rose", "--db", tmp_path / "s.duckdb")[1]
    assert json_of("show", "rose", "--db", tmp_path / "s.duckdb") == {"flower": "rose"}
    code, _, errors = cli("show", "tulip", "--db", tmp_path / "s.duckdb")
    assert code == 2
    assert "There is no run 'tulip'" in errors


# what is broken

BROKEN = {
    "no module": {"tasks": {"broken": "no_such_module_at_all:Task"}},
    "no attribute": {"backends": {"broken": "plugged_task:nothing"}},
    "an error on import": {"objectives": {"broken": "plugged_raises:Objective"}},
    "an exit on import": {"judges": {"broken": "plugged_exits:Judge"}},
    "no optimizer": {"optimizers": {"broken": "plugged_task:Capitals"}},
    "no page": {"pages": {"broken": "plugged_task:CITIES"}},
    "not to be called": {"tasks": {"broken": "plugged_task:CITIES"}},
    "no object's name": {"commands": {"broken": "what is this"}},
}


def break_it(place: Path, parts: dict[str, dict[str, str]]) -> None:
    (place / "plugged_raises.py").write_text("raise ZeroDivisionError('one line\\nand another')\n")
    (place / "plugged_exits.py").write_text("import sys\nsys.exit('I do not like it here')\n")
    install(place, "broken-plugin", parts)
    forget()


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_part_is_a_sentence_and_breaks_no_other(how: str, plugged: Path) -> None:
    break_it(plugged, BROKEN[how])
    ((kind, _),) = BROKEN[how].items()
    with pytest.raises(MissingError) as caught:
        registry.load(kind, "broken")
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert f"The {registry.KINDS[kind].word} broken is a plug-in of the package broken-plugin" in sentence
    assert "Update or remove that package." in sentence
    assert [(each.package, each.name, each.reason) for each in registry.problems()] == [
        ("broken-plugin", "broken", sentence)
    ]
    for other in registry.KINDS:
        (name,) = PARTS[other]
        assert registry.load(other, name) is not None
        assert "broken" in registry.names(kind)


def test_the_doctor_says_what_is_added_and_what_is_broken(plugged: Path) -> None:
    break_it(plugged, BROKEN["no module"])
    findings = list(doctor._plugins())
    found = {(one.name, one.ok): one.detail for one in findings}
    assert found["plug-in lora-plugin", True] == "1.0 adds " + ", ".join(
        f"{registry.KINDS[kind].word} {name}" for kind, parts in PARTS.items() for name in parts
    )
    assert found["plug-in lora-plugin", False].startswith("Its schema greetings is not used: the version of a store is")
    assert "no_such_module_at_all" in found["plug-in broken-plugin", False]
    assert doctor.fit(list(doctor._plugins()))  # the four benchmarks need none of it


def test_no_plugin_takes_the_place_of_ours_or_of_another(plugged: Path) -> None:
    install(plugged, "second-plugin", {"tasks": {"mmlu": "plugged_task:Capitals.load", "capitals": "nothing:at_all"}})
    forget()
    assert registry.load("tasks", "mmlu").__self__.__name__ == "Mmlu"
    assert registry.load("tasks", "capitals").__self__.__name__ == "Capitals"
    assert {(each.package, each.name) for each in registry.problems()} == {
        ("second-plugin", "mmlu"),
        ("second-plugin", "capitals"),
    }
    errors = {each.name: each.reason for each in registry.problems()}
    assert errors["mmlu"] == "lora-harness has a task of this name too, which is used."
    assert errors["capitals"] == "lora-plugin has a task of this name too, which is used."


@pytest.mark.parametrize("name", ["two words", "a,b", "a:b", "../up", "-x", "été"])
def test_names_that_nobody_can_write_are_left_out(name: str, plugged: Path) -> None:
    install(plugged, "second-plugin", {"pages": {name: "plugged_page:PAGE"}})
    forget()
    (problem,) = registry.problems()
    assert (problem.package, problem.name) == ("second-plugin", name)
    assert name not in registry.names("pages")


@pytest.mark.parametrize("content", [b"[harness.tasks]\nno sense\n", b"[harness.tasks]\n\xff\xfe = \xff\n"])
def test_a_package_whose_list_cannot_be_read_is_left_out(content: bytes, plugged: Path) -> None:
    (install(plugged, "second-plugin", {}) / "entry_points.txt").write_bytes(content)
    forget()
    (problem,) = registry.problems()
    assert (problem.package, problem.name) == ("second-plugin", "")
    assert "cannot be read" in problem.reason
    assert "capitals" in registry.names("tasks")
    assert "mmlu" in registry.names("tasks")


def test_a_package_without_a_name_is_one(plugged: Path) -> None:
    info = install(plugged, "second-plugin", {"tasks": {"nameless": "plugged_task:Capitals.load"}})
    (info / "METADATA").unlink()
    forget()
    assert registry.plugins("tasks")["nameless"] == "a package without a name"
    assert registry.problems() == []


def test_a_copy_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(metadata, "entry_points", lambda: metadata.EntryPoints(()))
    try:
        code, _, errors = cli("run", "--model", "tiny")
    finally:
        forget()
    assert code == 6
    assert "pip install" in errors
