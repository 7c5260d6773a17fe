"""Every command of the documentation is read as the program reads it; those of the README and the guides are run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from tests import forked_python, forkserver
from tests.docs.blocks import ROOT, Block, blocks, commands, guides, pages
from tests.docs.command_lines import parse
from tests.docs.folder import adapter, fill

SHELL = ("sh", "bash", "console", "shell")
OTHERS = {"echo", ".", "ray", "vllm", "sbatch", "git"}  # programs that a block which is not run may call
PLACEHOLDER = "…"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("docs")
    fill(made)
    return made


def problem(words: list[str]) -> str:
    """What is wrong with a command, in a sentence; "" where nothing is."""
    program = words[0].removeprefix(".venv/bin/")
    if program == "harness":
        import typer

        try:
            parse([word for word in words[1:] if word != PLACEHOLDER])
        except (UsageError, typer.TyperException) as error:
            return str(error)
        return ""
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return "".join(f"The Makefile has no target {word}. " for word in words[1:] if word not in targets)
    if program in ("python", "python3"):
        module = words[2] if words[1:2] == ["-m"] else "sys"
        return "" if importlib.util.find_spec(module) else f"There is no module {module}."
    if program == "pip":
        return "" if words[1:2] == ["install"] else "pip has another command here."
    return "" if program in OTHERS else f"Nothing here can check the program {program}."


def test_every_command_can_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found, count = [], 0
    for page in pages():
        for block in blocks(page):
            for words in commands(block.text) if block.language in SHELL else ():
                count += 1
                if sentence := problem(words):
                    found.append(f"{block.page}:{block.line}: {' '.join(words)}: {sentence}")
    assert not found, "\n".join(found)
    assert count > 100


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("harness run --modle tiny", "--modle"),
        ("harness tune --model tiny --data sample --budget many", "many"),
        ("harness tune --model tiny --optimizer nomat", "nomat"),
        ("harness rum --model tiny", "rum"),
        ("harness tune topp first", "topp"),
        ("harness compare base", "b"),
        ("X=1 harness show --jsn > out.json", "--jsn"),
        ("sbatch --wrap 'harness study rune mine.toml'", "rune"),
        ("true && harness gate --candidate a", "baseline"),
        ("make demos", "demos"),
        ("python -m bench.nothing", "bench.nothing"),
        ("curl http://somewhere", "curl"),
    ],
)
def test_a_wrong_command_is_found(line: str, part: str) -> None:
    found = [sentence for words in commands(line) if words != ["true"] and (sentence := problem(words))]
    assert len(found) == 1
    assert part in found[0]


def test_blocks_are_found_with_reason_title_and_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# P\n\n```sh\nharness show \\\n  --json   # all\n```\n\n"
        "<!-- not run: needs a GPU -->\n```sh\nharness doctor\n```\n\n"
        'Text.\n\n```toml title="mine.toml"\nname = "x"\n```\n',
        encoding="utf-8",
    )
    first, second, third = blocks(page)
    assert (first.line, first.not_run, list(commands(first.text))) == (3, "", [["harness", "show", "--json"]])
    assert (second.line, second.not_run) == (9, "needs a GPU")
    assert (third.language, third.title, third.text) == ("toml", "mine.toml", 'name = "x"\n')


def test_what_is_not_run_says_why() -> None:
    reasons = {block.not_run for page in guides() for block in blocks(page) if block.not_run}
    assert reasons
    assert all(reason.startswith(("needs ", "it serves ", "it sets up ")) for reason in reasons), reasons


def script(page: Path, folder: Path) -> str:
    """What a shell carries out of a page: its commands and Python, in order. Files with a title are written first."""
    parts = ["set -eu"]
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif not block.not_run and block.language in SHELL:
            parts.append(_announced(block, block.text))
        elif not block.not_run and block.language == "python":
            (folder / f"block-{block.line}.py").write_text(block.text, encoding="utf-8")
            parts.append(_announced(block, f"python block-{block.line}.py"))
    return "\n".join(parts)


def _announced(block: Block, text: str) -> str:
    return f"echo '--- {block.page}:{block.line}'\n{text}"


@pytest.mark.full
@pytest.mark.parametrize("page", guides(), ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """In a real shell, in a folder that has what the page names; `harness` and `python` are this checkout's."""
    fill(tmp_path)
    adapter(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    forked = f'exec "{sys.executable}" -I -S "{forked_python.__file__}" "{forkserver.address()}"'
    for name, words in (("harness", '-P -m harness "$@"'), ("python", '"$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{forked} {words}\n")
        (programs / name).chmod(0o755)
    own = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    done = subprocess.run(
        ["bash", "-c", script(page, tmp_path)],
        cwd=tmp_path,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Traceback" not in done.stdout
