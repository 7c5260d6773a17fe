"""What two runs' prompts differ in that does not keep them from being compared, but belongs beside the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.prompting import chat_templates

if TYPE_CHECKING:
    from harness.results import RunRow


def prompt_notes(runs: Sequence[RunRow]) -> list[str]:
    """Warnings on runs that are compared: their chat templates' dates, templates, and BOS."""
    return [note for note in (_dates(runs), _differing(runs, "chat_template"), _differing(runs, "add_bos")) if note]


def _dates(runs: Sequence[RunRow]) -> str:
    """A date is recorded where the template asks for one (None where it does not). Runs from before have no record,
    and their templates, where they can be read still, wrote the day and hour of the run."""
    fixed = [run for run in runs if run.config.get("date")]
    floating = [run for run in runs if run.config.get("chat") and "date" not in run.config]
    floating = [run for run in floating if fixed or _reads_clock(run)]
    if floating:
        return (
            f"{_named(floating)}: measured before the date in prompts was fixed, so the chat template may have written "
            "the day of the run. --fresh measures with a fixed one."
        )
    if len({run.config["date"] for run in fixed}) > 1:
        dates = ", ".join(f"{run.config['date']} in {_named([run])}" for run in fixed)
        return f"The chat templates were given different dates: {dates}."
    return ""


def _differing(runs: Sequence[RunRow], option: str) -> str:
    values = [run.config.get(option) or None for run in runs]
    if len(set(values)) < 2:
        return ""
    shown = ", ".join(f"{value or 'none'} in {_named([run])}" for value, run in zip(values, runs, strict=True))
    return f"The prompts differ by --{option.replace('_', '-')}: {shown}."


def _reads_clock(run: RunRow) -> bool:
    folder = Path(str(run.config.get("tokenizer") or run.config.get("model") or run.model))
    templates = chat_templates.read(folder).values() if folder.is_dir() else ()
    return any(map(chat_templates.reads_clock, templates))


def _named(runs: Sequence[RunRow]) -> str:
    return ", ".join(f"{run.name} ({run.id[:12]})" for run in runs)
