"""Export to trackio: a run for each run and study, and for each trial one in the group of its study."""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import MissingError, UsageError
from harness.exchange.tracked import CONTENT, KEY, Logged, Tracked


@dataclass(frozen=True, slots=True)
class TrackioTracker:
    """`project`: of trackio on this machine."""

    project: str

    def log(self, tracked: Sequence[Tracked]) -> Logged:
        try:
            import trackio
        except ImportError as error:
            raise MissingError("trackio is not installed: pip install 'lora-harness[tracking]'.") from error
        logged = Logged()
        with contextlib.redirect_stdout(sys.stderr):  # it says where it writes, and standard output is ours
            known = self._known()
            for one in tracked:
                for part, group in [(one, None), *((child, _run_name(one)) for child in one.children)]:
                    before = known.get(part.key)
                    if before is not None and (before.config or {}).get(CONTENT) == part.content:
                        logged.same.append(part.name)
                        continue
                    if before is not None:
                        before.delete()
                    try:
                        self._write(trackio, part, group)
                    except ValueError as error:  # of a project's name
                        raise UsageError(f"trackio does not take this: {error}") from error
                    (logged.new if before is None else logged.changed).append(part.name)
        return logged

    def _known(self) -> dict[str, Any]:
        """The runs of the project that an export made, by key."""
        import trackio

        try:
            runs = list(trackio.Api().runs(self.project))
        except ValueError:  # there is no such project yet
            return {}
        return {key: run for run in runs if (key := (run.config or {}).get(KEY))}

    def _write(self, trackio: Any, one: Tracked, group: str | None) -> None:
        run = trackio.init(
            project=self.project,
            name=_run_name(one),
            group=group,
            config={**one.params, **one.tags, KEY: one.key, CONTENT: one.content, "status": one.status},
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        by_step: dict[int, dict[str, float]] = defaultdict(dict)
        for point in one.metrics:
            by_step[point.step][point.name] = point.value
        for step in sorted(by_step):
            run.log(by_step[step], step=step)
        trackio.finish()  # and not the run's own: that would be said once more when the program ends


def _run_name(one: Tracked) -> str:
    """Two things of one name stay two."""
    return f"{one.name} ({one.key.partition(':')[2][:8]})" if "/" not in one.key else one.name
