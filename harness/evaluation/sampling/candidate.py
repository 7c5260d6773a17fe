"""A gate's candidate, measured as its baseline was: the same questions, asked in the same way, of another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.results import RunRow

# of the baseline's run or of its model alone; all else is asked and computed in the same way
ITS_OWN = {"model", "base", "revision", "served_name", "base_name", "tokenizer", "name", "tags", "fresh", "until", "db"}


def candidate_options(
    baseline: RunRow, model: str, base: str | None, max_drop: float | None, tasks: Sequence[str] | None, db: str
) -> RunOptions:
    """What `harness run` takes to measure `model` (an adapter, with its `base`) as the run `baseline` was measured: as
    far as a gate needs that allows a drop of `max_drop` points, or whole where it is None. `tasks`: only these.

    UsageError where the baseline's questions cannot be asked again, or it has not these tasks."""
    from harness.options import RunOptions

    called = f"{baseline.name} ({baseline.id[:12]})"
    asked = {
        name: value
        for name, value in baseline.config.items()
        if name in RunOptions.model_fields and name not in ITS_OWN and value is not None
    }
    if not asked.get("tasks"):
        raise UsageError(
            f"The run {called} does not say by which --tasks its questions are asked again (it is imported, or made"
            " from Python objects). Measure the candidate with `harness run`, and name it with --candidate."
        )
    if tasks:
        parts = str(asked["tasks"]).split(",")
        kept = [part for part in parts if any(part == task or part.startswith(f"{task}:") for task in tasks)]
        if not kept:
            raise UsageError(f"The run {called} was asked {asked['tasks']}, and none of it is {', '.join(tasks)}.")
        asked["tasks"] = ",".join(kept)
    until = {} if max_drop is None else {"until": f"gate={baseline.id},max-drop={max_drop:g}"}
    return RunOptions(**{**asked, "model": model, "base": base, "db": db, **until})
