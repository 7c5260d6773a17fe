"""The steps, and how they are measured: each in a process of its own with its own limit of time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.gpu import SHAPE_7B, card
from bench.gpu_short import attention, operations, pieces, scoring, study, training
from bench.gpu_short.packages import MODELS, STUDY, TRAINING, absent
from bench.record import Record, step
from harness import registry


@dataclass(frozen=True, slots=True)
class Step:
    limit: int  # seconds
    packages: tuple[str, ...]  # that it cannot do without, by the names they are imported by
    figures: Callable[[], Iterator[dict[str, Any]]]


def _peak() -> Iterator[dict[str, Any]]:
    yield from operations.figures()
    yield from attention.figures()


def _contract() -> Iterator[dict[str, Any]]:
    from bench.gpu_short import contract  # takes pytest

    yield from contract.figures()


def _scoring() -> Iterator[dict[str, Any]]:
    groups = scoring.questions(pieces.HOME / pieces.BENCHMARKS)
    for dtype in operations.DTYPES:
        yield from scoring.figures(pieces.HOME / pieces.MODEL, groups, dtype)


def _small() -> Iterator[dict[str, Any]]:
    rows = training.splits(pieces.HOME / pieces.ROWS, 256)
    yield from training.figures(str(pieces.HOME / pieces.MODEL), rows, trials=4)


def _large() -> Iterator[dict[str, Any]]:
    rows = training.splits(pieces.HOME / pieces.ROWS, 64)
    yield from training.figures("tiny", rows, trials=2, shape=SHAPE_7B)


def _study() -> Iterator[dict[str, Any]]:
    home = pieces.HOME
    yield from study.figures(home / pieces.MODEL, home / pieces.ROWS, home / "study.duckdb")


STEPS = {
    "pieces": Step(70, (*MODELS, "tqdm"), pieces.figures),
    "peak": Step(20, ("torch",), _peak),
    "contract": Step(50, (*MODELS, "pytest"), _contract),
    "mmlu": Step(90, MODELS, _scoring),
    "training, 270M": Step(80, TRAINING, _small),
    "training, 7B-shaped": Step(160, TRAINING, _large),
    "study": Step(130, STUDY, _study),
}


def measure(record: Record, steps: dict[str, Step]) -> None:
    """All steps that the record has not, in order."""
    present, known = machine(steps), record.figures.get("machine", {})
    if known and known["device"] != present["device"]:
        raise SystemExit(f"bench.gpu_short: {record.out} has figures of {known['device']}. Name another file.")
    record.note("machine", present)
    for name, each in steps.items():
        if record.figures.get(name, {}).get("exit_code") == 0:
            continue
        if lacking := absent(each.packages):
            record.note(name, {"left_out": f"this machine lacks {', '.join(lacking)}"})
            continue
        lines: list[dict[str, Any]] = []

        def told(line: str, name: str = name, lines: list[dict[str, Any]] = lines) -> None:
            if line.startswith("{") and line.endswith("}\n"):  # a process may be ended within one
                lines.append(with_share(json.loads(line), record.figures.get("peak", {}).get("figures", [])))
                record.note(name, {"figures": lines})

        ended = step(command_of(name), each.limit, told)
        ended.pop("said", None)  # its lines are the figures
        record.note(name, {**ended, "figures": lines})


def command_of(name: str) -> list[str]:
    return [sys.executable, "-m", "bench.gpu_short", name]


def with_share(figures: dict[str, Any], peaks: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures, and what share their operations a second are of the card's peak in their dtype."""
    of_dtype = [p for p in peaks if p["dtype"] == figures.get("dtype")]
    peak = next((p["peak_operations_per_second"] for p in of_dtype if "peak_operations_per_second" in p), None)
    shares = {
        name.replace("operations_per_second", "share_of_peak"): value / peak
        for name, value in figures.items()
        if peak is not None and name.endswith("operations_per_second") and not name.startswith("peak_")
    }
    return {**figures, **shares}


def machine(steps: dict[str, Step]) -> dict[str, Any]:
    """The card, and the packages. SystemExit where there is no GPU, or the project's parts have no names."""
    device = card()
    if "mmlu" not in registry.names("tasks"):
        raise SystemExit(
            "bench.gpu_short: the project is not installed here, so its tasks are not found by name: "
            "pip install --no-deps --no-build-isolation -e ."
        )
    packages = dict.fromkeys(name for one in steps.values() for name in one.packages)
    return {
        **device,
        "packages": {name: _version(name) for name in packages},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
