"""What every suite begins with: the part is found by its name."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest


class Registered:
    """`kind` is an entry-point group without "harness."; `registered` the name that the part is registered under, or ""
    where it is not registered (it is then not looked up); `part` what the registry gives for it."""

    kind: ClassVar[str]
    registered: ClassVar[str] = ""

    @property
    def part(self) -> Any:
        return type(self).make  # type: ignore[attr-defined]

    def test_the_registry_gives_the_part_for_its_name(self) -> None:
        from harness import registry

        if not self.registered:
            pytest.skip("the suite was given no name that the part is registered under")
        assert self.registered in registry.names(self.kind)
        assert registry.load(self.kind, self.registered) == self.part
        package = registry.plugins(self.kind).get(self.registered)
        wrong = [
            problem for problem in registry.problems() if (problem.package, problem.name) == (package, self.registered)
        ]
        assert not wrong, wrong
