"""Our commands keep the public contract; the suite finds one that is not listed, or does not explain itself."""

from __future__ import annotations

from typing import Any

import pytest

from harness import registry
from harness.cli import main
from harness.testing import CommandContract
from tests.harness.testing.broken import fails


@pytest.mark.parametrize("name", main.COMMANDS)
def test_our_commands_keep_it(name: str) -> None:
    suite = type("Contract", (CommandContract,), {"registered": name, "command": registry.load("commands", name)})()
    for test in (
        suite.test_the_registry_gives_the_part_for_its_name,
        suite.test_it_is_listed_with_a_line,
        suite.test_it_explains_itself,
        suite.test_a_word_that_it_does_not_know_is_refused,
    ):
        test()


class TestDoctor(CommandContract):
    registered = "doctor"
    command = registry.load("commands", "doctor")
    words = ("--json",)


def _silent() -> None: ...


def _raises() -> None:
    """Divide by nothing at all."""
    _ = 1 / 0


BROKEN: dict[Any, str] = {
    _silent: "test_it_is_listed_with_a_line",
    _raises: "test_it_does_its_work",
}


@pytest.mark.parametrize("command", BROKEN, ids=lambda command: command.__name__)
def test_a_broken_command_fails(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load, names = registry.load, registry.names
    monkeypatch.setattr(registry, "load", lambda kind, name: command if name == "broken" else load(kind, name))
    monkeypatch.setattr(registry, "names", lambda kind, first=(): [*names(kind, first), "broken"])
    suite = type(
        "Contract", (CommandContract,), {"registered": "broken", "command": staticmethod(command), "words": ()}
    )
    assert fails(suite, BROKEN[command])
