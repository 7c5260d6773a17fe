"""A check of compose.yaml, for `make lint`: python -m tests.house.compose compose.yaml

Each service has an image, a command that `harness` has with options that it knows, and ports on this machine alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

KEYS = {"image", "build", "command", "ports", "volumes", "restart", "environment", "depends_on"}


def problems(document: Any) -> list[str]:
    """One sentence each; [] where all is well."""
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        return ["It has no services."]
    found = []
    for name, service in services.items():
        found += [f"{name} has the key {key}, which is not known here." for key in sorted(service.keys() - KEYS)]
        if not service.get("image"):
            found.append(f"{name} has no image.")
        found += [
            f"{name} opens {port} to other machines: begin it with 127.0.0.1:."
            for port in service.get("ports", ())
            if not str(port).startswith("127.0.0.1:")
        ]
        found += [f"{name}: {reason}" for reason in _command_problems([str(word) for word in service["command"]])]
    return found


def _command_problems(words: list[str]) -> list[str]:
    import typer

    from harness import registry

    if not words or words[0] not in registry.names("commands"):
        return [f"there is no command {' '.join(words[:1])!r}."]
    app = typer.Typer()
    app.command()(registry.load("commands", words[0]))
    command: Any = typer.main.get_command(app)
    options = {option for parameter in command.params for option in parameter.opts}
    return [f"{words[0]} has no option {word}." for word in words if word.startswith("--") and word not in options]


def main(file: str) -> int:
    import yaml

    found = problems(yaml.safe_load(Path(file).read_text(encoding="utf-8")))
    for sentence in found:
        sys.stderr.write(f"{file}: {sentence}\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
