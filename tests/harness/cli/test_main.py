"""The command itself: its help and its price, plug-ins, exit codes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.cli.main import COMMANDS
from tests.harness.runs import child, cli

HEAVY = ("torch", "transformers", "duckdb", "numpy", "pyarrow", "scipy", "lm_eval", "datasets", "streamlit", "peft")
PACKAGES = ("harness", "judges", "tuning", "leaderboard")
TWO_COMMANDS = '''
import typer

app = typer.Typer(help="A small application.")


@app.command()
def greet(name: str, loud: bool = False) -> None:
    """Say hello."""


@app.command()
def leave(name: str) -> None:
    """Say goodbye."""


app()
'''


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Processor time of a command: other work on the machine moves it little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_costs_little_more_than_a_small_applications(tmp_path):
    (tmp_path / "small.py").write_text(TWO_COMMANDS)
    # bytecode as after an installation: pip compiles what it installs
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPYCACHEPREFIX": str(tmp_path)
    }
    ours, small = [], []
    for _ in range(8):
        small.append(seconds([sys.executable, "-P", str(tmp_path / "small.py"), "--help"], env))
        ours.append(seconds([sys.executable, "-P", "-m", "harness", "--help"], env))
    assert min(ours[1:]) <= 1.5 * min(small[1:]), (ours, small)  # the least is the least disturbed


IMPORTED = """
import json, sys
from harness.cli.main import run_command
found = {}
for words in json.loads(sys.argv[1]):
    assert run_command(words) == 0
    found[" ".join(words)] = sorted(sys.modules)
json.dump(found, sys.stderr)
"""


def imported(*commands: list[str], cwd: Path | None = None) -> dict[str, set[str]]:
    """The packages there are after each of these commands, run one after the other in a child."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTED, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return {words: set(modules) for words, modules in json.loads(done.stderr).items()}


def test_help_imports_nothing_heavy():
    found = imported(["--help"], *([command, "--help"] for command in COMMANDS))
    assert len(found) == 1 + len(COMMANDS)
    assert "typer" in found["--help"]
    ours = {name for name in found["--help"] if ".cli." in name and name.partition(".")[0] in PACKAGES}
    assert ours <= {"harness.cli.main", "harness.signals"}
    for words, modules in found.items():
        assert not {name.partition(".")[0] for name in modules} & set(HEAVY), words


def test_help_imports_option_models_only_where_they_are_shown():
    without = [[command, "--help"] for command in COMMANDS if command not in ("run", "answer", "judge", "tune")]
    for words, modules in imported(["--help"], *without).items():
        assert not {name for name in modules if name.startswith("harness.options")}, words
    assert "harness.options" in imported(["run", "--help"])["run --help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_says_what_the_command_says(command):
    import typer

    line = COMMANDS[command]
    what = registry.load("commands", command)
    text = what.info.help if isinstance(what, typer.Typer) else what.__doc__
    assert text
    first = " ".join(text.split("\n\n")[0].split())
    assert line == first.split(". ")[0].rstrip(".") + "."


def test_help_lists_all_commands():
    code, out, _ = cli("--help")
    assert code == 0
    for name, line in COMMANDS.items():
        assert f"{name} " in out
        assert line.split(",")[0] in out


OPTIONS = """model base revision tasks protocol shots backend limit data db name tag seed device dtype load-in-4bit
batch-tokens chat system repeats temperature top-p max-new-tokens fresh include-path json"""


def test_options_of_a_run_are_those_of_the_design():
    code, out, _ = cli("run", "--help")
    assert code == 0
    for option in OPTIONS.split():
        assert f"--{option} " in out, option


def test_the_version():
    from harness import __version__

    assert cli("--version") == (0, f"lora-harness {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "Did you mean run?"),
        (["run"], "--model"),
        (["run", "--model", "m", "--limt", "3"], "--limit"),
        (["run", "--model", "m", "--limit", "three"], "--limit three must be a whole number"),
        (["samples", "r", "--page", "0"], "page"),
    ],
)
def test_usage_errors_name_the_near_word(words, said):
    code, out, errors = cli(*words)
    assert (code, out) == (2, "")
    assert said in errors
    assert "Traceback" not in errors


def test_no_arguments_show_the_help():
    code, out, errors = cli()
    assert code in (0, 2)
    assert "Commands" in out + errors


def test_a_defect_of_ours_is_called_one(monkeypatch):
    from harness.evaluation import configurations

    def broken(*_: object) -> None:
        raise ZeroDivisionError("what")

    monkeypatch.setattr(configurations, "resolve", broken)
    code, out, errors = cli("show", "r")
    assert (code, out) == (1, "")
    assert "ZeroDivisionError" in errors
    assert "defect of the program" in errors


def test_ctrl_c_is_130_with_a_sentence(monkeypatch):
    from harness.evaluation import configurations

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(configurations, "resolve", stopped)
    assert cli("show", "r") == (130, "", "harness: Stopped.\n")


@pytest.mark.parametrize("words", [["--help"], ["show", "--json"]])
def test_a_closed_pipe_is_no_error(words, tmp_path):
    """`harness … | head -0`: the reader is gone before anything is written."""
    from harness.results import Store
    from tests.harness.results import make

    make.stored(Store(tmp_path / "s.duckdb"))
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "HARNESS_DB": str(tmp_path / "s.duckdb")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "harness", *words],
        stdout=writing,
        stderr=-1,
        text=True,
        env=environment,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# plug-ins


def beside_ours(folder: Path) -> dict[str, str]:
    """An environment in which the folder is a place of installed packages too."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture
def plugins(tmp_path) -> dict[str, str]:
    """An installed package with three commands: a good one, a broken one, and one that takes the name of ours."""
    (tmp_path / "plugged.py").write_text(
        "import typer\napp = typer.Typer(help='Propose hyperparameters.')\n"
        "@app.command()\ndef start(n: int = 1) -> None:\n    print('started', n)\n"
        "@app.command()\ndef stop() -> None:\n    print('stopped')\n"
        "def one(word: str) -> None:\n    '''Say one word.'''\n    print(word)\n"
    )
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[harness.commands]\nplug = plugged:app\nsay = plugged:one\nbroken = no_such_module:app\nrun = plugged:app\n"
    )
    return beside_ours(tmp_path)


def test_plugins_bring_commands(plugins):
    listed = child("--help", env=plugins)
    assert listed.returncode == 0, listed.stderr
    assert "plug" in listed.stdout
    assert "Propose hyperparameters." in listed.stdout
    assert "Say one word." in listed.stdout
    assert listed.stdout.count("│ run ") == 1
    started = child("plug", "start", "--n", "3", env=plugins)
    assert (started.returncode, started.stdout) == (0, "started 3\n")
    assert child("say", "hello", env=plugins).stdout == "hello\n"
    assert "--model" in child("run", "--help", env=plugins).stdout  # ours


def test_a_broken_plugin_takes_nothing_down(plugins):
    listed = child("--help", env=plugins)
    assert "broken" in listed.stdout
    assert "cannot be loaded" in listed.stdout
    called = child("broken", "--some", "thing", env=plugins)
    assert called.returncode == 6
    assert "no_such_module" in called.stderr
    assert "Traceback" not in called.stderr


# a folder with the same names as our packages

POISON = "raise RuntimeError('the folder that the command runs in was imported')\n"


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("poisoned")
    for name in ("data", "tests", "harness", "tuning", "judges", "leaderboard", "store", "tasks"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(POISON)
    for name in ("types.py", "typer.py", "duckdb.py", "torch.py", "statistics.py", "run.py", "cli.py"):
        (folder / name).write_text(POISON)
    return folder


def test_help_from_a_folder_with_our_names(poisoned):
    done = child("--help", cwd=poisoned)
    assert done.returncode == 0, done.stderr
    assert len(imported(*([command, "--help"] for command in COMMANDS), cwd=poisoned)) == len(COMMANDS)


def test_the_script_from_a_folder_with_our_names(poisoned):
    script = shutil.which("harness", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the console script is not installed beside this interpreter")
    done = subprocess.run([script, "doctor", "--json"], cwd=poisoned, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 6), done.stderr
    assert "was imported" not in done.stdout + done.stderr
