"""Export to MLflow: a run for each run and study, and a child of its study for each trial."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.errors import MissingError, UsageError
from harness.exchange.tracked import CONTENT, KEY, Logged, Tracked

EXPERIMENT = "lora-harness"
PARENT = "mlflow.parentRunId"
_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED"}
_PARAMS, _METRICS = 100, 1000  # that one request may hold


@dataclass(slots=True)
class MlflowTracker:
    """`uri`: of a server, or what else MLflow takes for one. Runs stand in the experiment "lora-harness"."""

    uri: str
    _client: Any = None
    _experiment: str = ""
    _logged: Logged = field(default_factory=Logged)

    def log(self, tracked: Sequence[Tracked]) -> Logged:
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise MissingError("MLflow is not installed: pip install 'lora-harness[tracking]'.") from error
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own default is minutes of silence
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # standard output is ours
        self._logged = Logged()
        try:
            self._client = MlflowClient(tracking_uri=self.uri)
            known = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT)
            for one in tracked:
                parent = self._one(one, None)
                for child in one.children:
                    self._one(child, parent)
        except MlflowException as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"MLflow at {self.uri} does not take this ({reason}). What was written before stays, and the same "
                "command goes on."
            ) from error
        return self._logged

    def _one(self, one: Tracked, parent: str | None) -> str:
        """The id of its run there. The digest of the content is written last: what was broken off is gone on with."""
        where = f"tags.`{KEY}` = '{one.key}'"
        found = self._client.search_runs([self._experiment], filter_string=where, max_results=1)
        if found and found[0].data.tags.get(CONTENT) == one.content:
            self._logged.same.append(one.name)
            return str(found[0].info.run_id)
        tags = {_name(name): value for name, value in one.tags.items()}
        if found:
            run = found[0]
            self._logged.changed.append(one.name)
        else:
            first = {KEY: one.key, **({PARENT: parent} if parent else {})}
            run = self._client.create_run(
                self._experiment, start_time=_milliseconds(one.started), tags=first, run_name=one.name
            )
            self._logged.new.append(one.name)
        self._fill(run, one, tags)
        return str(run.info.run_id)

    def _fill(self, run: Any, one: Tracked, tags: Mapping[str, str]) -> None:
        from mlflow.entities import Metric as MlflowMetric
        from mlflow.entities import Param, RunTag

        identifier = run.info.run_id
        params = [Param(_name(name), value) for name, value in one.params.items() if _name(name) not in run.data.params]
        there = {
            (name, point.step)
            for name in run.data.metrics
            for point in self._client.get_metric_history(identifier, name)
        }
        moment = _milliseconds(one.ended or one.started)
        points = [
            MlflowMetric(_name(point.name), point.value, moment, point.step)
            for point in one.metrics
            if (_name(point.name), point.step) not in there
        ]
        for part in _parts(params, _PARAMS):
            self._client.log_batch(identifier, params=part)
        for part in _parts(points, _METRICS):
            self._client.log_batch(identifier, metrics=part)
        for part in _parts([RunTag(name, value) for name, value in tags.items()], _PARAMS):
            self._client.log_batch(identifier, tags=part)
        ended = _milliseconds(one.ended) if one.ended else None
        if one.status == "running":
            self._client.update_run(identifier, status=_STATUS[one.status])
        else:
            self._client.set_terminated(identifier, _STATUS[one.status], ended)
        self._client.set_tag(identifier, CONTENT, one.content)


def _name(name: str) -> str:
    """A name that MLflow takes: letters, digits, and _ - . / and spaces."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))[:250]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[at : at + size] for at in range(0, len(rows), size))
