"""What this machine has, what it lacks, and how to get it. Every check is really tried, and none can stop the rest."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.errors import HarnessError, MissingError

_ROOM = 500_000_000  # bytes; a store, a cache and a few reports

OPTIONAL = {
    "bitsandbytes": ("--load-in-4bit on an NVIDIA GPU", "pip install bitsandbytes"),
    "sentencepiece": ("models whose tokenizer is only a tokenizer.model", "pip install sentencepiece"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    ok: bool
    detail: str
    needed: bool = False  # `harness run` on the product's own benchmarks cannot do without it
    remedy: str = ""  # what to do where it is not ok


def examine() -> list[Finding]:
    """All findings, in the order they are shown."""
    findings: list[Finding] = []
    for check in (_python, _packages, _torch, _sandbox, _embedded, _store, _rows, _hub, _plugins, _disk):
        try:
            findings += check()
        except HarnessError as error:
            findings.append(Finding(check.__name__.strip("_"), False, str(error), needed=True))
        except Exception as error:  # a broken library may raise anything, and that is what is to be shown
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            findings.append(Finding(check.__name__.strip("_"), False, reason, needed=True))
    return findings


def fit(findings: list[Finding]) -> bool:
    """Whether the main job can run."""
    return all(finding.ok for finding in findings if finding.needed)


def _python() -> Iterator[Finding]:
    detail = f"{sys.version.split()[0]} in {sys.prefix}"
    yield Finding("python", sys.version_info >= (3, 11), detail, True, "Install Python 3.11 or later.")


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in metadata.requires("lora-harness") or []]
    for want in wanted:
        if want.marker is None or want.marker.evaluate({"extra": ""}):
            version = _version(want.name)
            ok = version is not None and want.specifier.contains(version, prereleases=True)
            remedy = f'pip install "{want.name}{want.specifier}"'
            yield Finding(want.name, ok, _version_line(version, str(want.specifier)), True, remedy)
    for name, (purpose, remedy) in OPTIONAL.items():
        version = _version(name)
        yield Finding(name, version is not None, version or f"not installed; it is for {purpose}", False, remedy)


def _version_line(version: str | None, wanted: str) -> str:
    return f"not installed; {wanted} is needed" if version is None else f"{version} ({wanted})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _torch() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        device = "cuda: " + ", ".join(f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards)
    elif torch.backends.mps.is_available():
        device = "mps"
    else:
        device = f"cpu, {torch.get_num_threads()} threads"
    finite = bool(torch.isfinite(torch.ones(8, 8) @ torch.ones(8, 8)).all())
    yield Finding("device", finite, device, True, "Install torch again: https://pytorch.org/get-started/locally")


def _sandbox() -> Iterator[Finding]:
    from harness.sandbox.runner import Sandbox

    try:
        Sandbox().close()  # runs a program in one
    except MissingError as error:
        yield Finding("sandbox", False, str(error), True, "Without it tasks that run programs are refused.")
    else:
        yield Finding("sandbox", True, "bubblewrap runs and holds", True)


def _embedded() -> Iterator[Finding]:
    from harness.models.checkpoint import resolve

    yield Finding("tiny", True, f"the embedded model, digest {resolve('tiny').digest[:12]}")


def _store() -> Iterator[Finding]:
    path = Path(os.environ.get("HARNESS_DB", "harness.duckdb")).expanduser().absolute()
    remedy = "Set HARNESS_DB to a file in a folder where you may write."
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        yield Finding("store", False, f"{path} cannot be read and written", True, remedy)
        return
    problem = _unwritable(path.parent)
    yield Finding("store", not problem, problem or str(path), True, remedy)


def _rows() -> Iterator[Finding]:
    from data import benchmarks, cache

    home = cache.folder(None)
    if problem := _unwritable(_nearest(home)):
        yield Finding("data", False, problem, True, "Set HARNESS_HOME to a folder where you may write.")
        return
    names = ", ".join(sorted({one.name for one in benchmarks.status()})) or "nothing yet"
    yield Finding("data", True, f"{home}: {names}")


def _hub() -> Iterator[Finding]:
    from huggingface_hub import constants

    line = "offline (HF_HUB_OFFLINE)" if constants.HF_HUB_OFFLINE else "allowed"
    yield Finding("hub", True, f"downloads {line}; kept in {constants.HF_HUB_CACHE}")


def _plugins() -> Iterator[Finding]:
    """What other packages add, and what of it is broken: every part is imported."""
    from harness import registry

    parts: dict[str, list[str]] = {}
    unused: list[Finding] = []
    for kind, (word, _, why) in registry.KINDS.items():
        for name, package in registry.plugins(kind).items():
            parts.setdefault(package, []).append(f"{word} {name}")
            if why:
                unused.append(Finding(f"plug-in {package}", False, f"Its {word} {name} is not used: {why}."))
    for package, words in sorted(parts.items()):
        version = _version(package)
        yield Finding(f"plug-in {package}", True, f"{version or 'no version'} adds {', '.join(words)}")
    yield from unused
    for problem in registry.problems():
        yield Finding(f"plug-in {problem.package}", False, problem.reason)


def _disk() -> Iterator[Finding]:
    from huggingface_hub import constants

    from data import cache

    for name, folder in (("here", Path.cwd()), ("cache", cache.folder(None)), ("hub", Path(constants.HF_HUB_CACHE))):
        place = _nearest(folder)
        free = shutil.disk_usage(place).free
        yield Finding(f"disk {name}", free > _ROOM, f"{free / 1e9:.1f} GB free in {place}", True, "Free some space.")


def _nearest(folder: Path) -> Path:
    """The folder, or the first of its parents that is there."""
    folder = folder.expanduser().absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into the folder; '' where a trial file could."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"trial")
    except OSError as error:
        return f"cannot write into {folder}: {error.strerror}"
    return ""
