"""The contract of a command (an entry point of `harness.commands`): a Typer app or a function."""

from __future__ import annotations

import contextlib
import io
from typing import Any, ClassVar

from harness.testing.registered import Registered


class CommandContract(Registered):
    """A subclass sets

    registered  the command's name; it is called as `harness NAME`
    command     what the entry point names
    words       words after the name with which it ends well (default: none are tried)"""

    kind = "commands"
    command: ClassVar[Any]
    words: ClassVar[tuple[str, ...] | None] = None

    @property
    def part(self) -> Any:
        return type(self).command

    def test_it_is_listed_with_a_line(self) -> None:
        code, out, _ = called("--help")
        assert code == 0
        (line,) = [line.strip("│ ") for line in out.splitlines() if line.strip("│ ").split(" ")[0] == self.registered]
        assert len(line.split()) > 2, f"{self.registered} says nothing of itself"
        assert "cannot be loaded" not in line

    def test_it_explains_itself(self) -> None:
        code, out, errors = called(self.registered, "--help")
        assert (code, errors) == (0, "")
        assert "Usage: harness" in out

    def test_a_word_that_it_does_not_know_is_refused(self) -> None:
        code, out, errors = called(self.registered, "--no-such-option")
        assert code == 2, errors
        assert "Traceback" not in out + errors

    def test_it_does_its_work(self) -> None:
        if self.words is not None:
            code, _, errors = called(self.registered, *self.words)
            assert code == 0, errors


def called(*words: str) -> tuple[int, str, str]:
    """`harness WORDS` in this process: exit code, standard output, standard error."""
    import os

    from harness.cli.main import run_command

    out, errors = io.StringIO(), io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "200"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = run_command(list(words))
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return code, out.getvalue(), errors.getvalue()
