"""`lm_eval:<name>`: any task of lm-evaluation-harness, built and scored by lm-eval, answered by our backends.

Source: lm-evaluation-harness 0.4.13. Shots are drawn with its command line's seeds, prompts and metrics are
its own. Its documents are `Item`s, its instances our requests (see `lm_eval_prompts`), and its aggregations
make the scores (see `lm_eval_metrics`).
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evaluation.no_answer import NOT_A_NUMBER, REASONS, why_no_choice, why_none
from harness.tasks.lm_eval_bridge import loading, metrics, prompts
from harness.tasks.lm_eval_bridge.groups import Aggregate, aggregate_of
from harness.tasks.lm_eval_bridge.scoring_version import SCORING, version_end
from harness.types import Item, Request, Response, Sample, Score

# Of a task's configuration, what does not make the score, or has its own place in the record (the rows, by digest).
LEFT_OUT = {"task_alias", "tag", "dataset_kwargs", "should_decontaminate", "doc_to_decontamination_query", "metadata"}


def load_lm_eval(
    name: str, include_path: str | Path | None = None, shots: int | None = None, chat: bool = False
) -> tuple[list[LmEvalTask], list[Aggregate]]:
    """The lm-eval task `name`, or all tasks of a group or tag of that name, each a `types.Task`; and the group's own
    figures with those of the groups inside it, where they have any.

    `include_path` is a folder with a user's own YAML files. Raises UsageError for a name that lm-eval does
    not know, a YAML file that it cannot use, and a task that runs code written by a model; DataError where
    the rows cannot be had."""
    with loading.quiet(), loading.seeded():
        manager = loading.manager_of(name, loading.own_folder(include_path))
        loading.refuse_unsafe(name, manager)
        loaded, groups = loading.load(name, manager)
        tasks = {own: LmEvalTask(task, name, shots, chat) for own, task in loaded.items()}
        return list(tasks.values()), [aggregate_of(group, tasks) for group in groups if group.has_aggregation]


class LmEvalTask:
    """One lm-eval task as a `types.Task`. Documents with repeats ask each generation several times."""

    protocol = "standard"
    slow_scoring = False

    def __init__(self, task: Any, group: str, shots: int | None, chat: bool) -> None:
        config = task.config
        self._task, self._chat = task, chat
        self._docs = list(task.eval_docs)
        self.warnings: list[str] = []
        self.shots = self._set_shots(shots)
        self.name = f"lm_eval:{config.task}"
        self.version = f"{task.VERSION}{version_end()}"
        self.metric = _first_metric(task)
        self.data_source = "lm_eval:" + ":".join(filter(None, (config.dataset_path, config.dataset_name)))
        self.data_digest = digest(self._docs)
        self.settings: Mapping[str, Any] = {
            **{name: _plain(v) for name, v in vars(config).items() if v is not None and name not in LEFT_OUT},
            "higher_is_better": dict(task.higher_is_better()),
            "fewshot_seed": loading.OTHER_SEED,
            "scoring": SCORING,
            "fewshot_digest": digest(getattr(getattr(task, "sampler", None), "df", [])) if self.shots else "",
            **({"lm_eval_group": group} if group != config.task else {}),
        }
        self._warn(config.generation_kwargs or {})
        self._planned = tuple(self.warnings)

    def _set_shots(self, shots: int | None) -> int:
        """As lm-eval does: a task that fixes no shots keeps them off."""
        own = self._task.config.num_fewshot
        if shots is not None and own == 0 and shots != 0:
            self.warnings.append(
                f"{self._task.config.task} fixes 0 shots in its configuration; {shots} are not applied"
            )
        elif shots is not None:
            own = shots
        self._task.set_config("num_fewshot", own or 0)
        return own or 0

    def _warn(self, generation: Mapping[str, Any]) -> None:
        dropped = sorted(set(generation) - prompts.APPLIED - {"max_new_tokens", "max_tokens", "max_completion_tokens"})
        if dropped:
            self.warnings.append(f"generation settings that are not applied: {', '.join(dropped)}")
        if self._chat and self._task.config.gen_prefix:
            self.warnings.append("the task's gen_prefix stands at the end of the user's message, not in the answer")

    @functools.cached_property
    def _plan(self) -> list[tuple[list[Any], list[tuple[Request, list[int]]]]]:
        """Per document, lm-eval's instances and our requests for them."""
        task = self._task
        with loading.quiet(), loading.seeded():
            task.set_fewshot_seed(loading.OTHER_SEED)
            texts = prompts.contexts(task, self._docs, self.shots, self._chat)
            shared = (
                prompts.find_shared(task, self._docs[0], texts, self.shots, self._chat) if texts else prompts.Shared()
            )
            made = [prompts.instances(task, doc, i, texts[i], self._chat) for i, doc in enumerate(self._docs)]
        return [(one, list(prompts.requests(one, shared))) for one in made]

    def items(self) -> list[Item]:
        name = self._task.config.task
        return [Item(str(i), name, json.loads(_canonical(doc))) for i, doc in enumerate(self._docs)]

    def requests(self, item: Item) -> list[Request]:
        return [request for request, _ in self._plan[int(item.id)][1]]

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        """lm-eval's filters and `process_results`; the answer is what its first filter leaves."""
        doc = self._docs[int(item.id)]
        if reason := why_none(responses):
            return self._unanswered(item, reason)
        instances = prompts.answered(*self._plan[int(item.id)], responses)
        if self._task.OUTPUT_TYPE == "multiple_choice" and (reason := self._why_no_choice(doc, instances)):
            return self._unanswered(item, reason)
        values: dict[str, Any] = {}
        for ensemble in self._task._filters:
            ensemble.apply(instances)
            results = self._task.process_results(doc, [one.filtered_resps[ensemble.name] for one in instances])
            values |= {metrics.key(metric, ensemble.name): v for metric, v in results.items() if metric != "bypass"}
        answer, numbers = metrics.pack(self._answer(doc, instances), values, {m: self._aggregation(m) for m in values})
        return Sample(item, numbers, answer, self._expected(doc))

    def _why_no_choice(self, doc: Any, instances: Sequence[Any]) -> str:
        """Why no option is the likeliest; "" where one is. With mutual information, the options stand twice, the
        second time without the question: subtracting -inf there would give no number."""
        logprobs = [instance.resps[0][0] for instance in instances]
        options = len(self._task.doc_to_choice(doc))
        if not all(map(math.isfinite, logprobs[options:])) and len(logprobs) == 2 * options:
            return NOT_A_NUMBER
        return why_no_choice(logprobs[:options] if len(logprobs) == 2 * options else logprobs)

    def _unanswered(self, item: Item, reason: str) -> Sample:
        """Not right, where a metric knows right and wrong; no value for other metrics."""
        worse = dict(self._task.higher_is_better())
        numbers = {
            metrics.key(metric, ensemble.name): 0.0
            for ensemble in self._task._filters
            for metric, aggregate in self._task.aggregation().items()
            if metrics.worst_is_0(metric, aggregate, worse)
        }
        return Sample(item, numbers, "", self._expected(self._docs[int(item.id)]), reason)

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        """One score a metric, with group "all". There is none where it would be no number, or where an answer has no
        value for it: `warnings` then says so."""
        self.warnings = list(self._planned)  # another run of the task may have added its own
        columns: dict[str, list[tuple[str, Any]]] = {}
        for sample in sorted(samples, key=lambda s: int(s.item.id)):
            for metric, value in metrics.unpack(sample)[1].items():
                columns.setdefault(metric, []).append((sample.item.id, value))
        unanswered = [sample for sample in samples if sample.note in REASONS]
        scores = []
        for metric in dict.fromkeys([*columns, *(self.declared() if unanswered else ())]):
            missing = sum(metric not in sample.metrics for sample in unanswered)
            if missing:
                self._no_figure(metric, missing, len(samples))
                continue
            ids, values = zip(*columns[metric], strict=True)
            made = metrics.score(metric, self._aggregation(metric), values, ids)
            if made:
                scores.append(made)
            else:
                self._no_figure(metric, sum(not metrics.finite(value) for value in values), len(samples))
        return scores

    @property
    def is_bounded(self) -> bool:
        """Whether its first metric is known to be a mean of values from 0 to 1."""
        name = self.metric.partition(",")[0]
        return metrics.worst_is_0(name, self._aggregation(name), dict(self._task.higher_is_better()))

    def declared(self) -> list[str]:
        """Its metrics, as scores name them."""
        names = [name for name in self._task.aggregation() if name != "bypass"]
        return [metrics.key(name, ensemble.name) for ensemble in self._task._filters for name in names]

    def _no_figure(self, metric: str, count: int, total: int) -> None:
        why = f"{count} of {total} answers have no number for it" if count else "it is not a number"
        if (note := f"no figure for {metric}: {why}") not in self.warnings:
            self.warnings.append(note)

    def _aggregation(self, metric: str) -> Callable[[list[Any]], Any]:
        """lm-eval's own; the mean for a metric that the task does not declare. One function of the YAML may
        return several metrics under other names: they have its aggregation (here, where all share one)."""
        from lm_eval.api.metrics import mean

        declared = self._task.aggregation()
        name = metric.split(",")[0]
        if name in declared:
            return declared[name]
        alike = set(declared.values())
        return alike.pop() if len(alike) == 1 and not callable(self._task.config.process_results) else mean

    def _answer(self, doc: Any, instances: Sequence[Any]) -> str:
        kind, first = self._task.OUTPUT_TYPE, next(iter(self._task._filters)).name
        filtered = [one.filtered_resps[first] for one in instances]
        if kind == "multiple_choice":
            choices = self._task.doc_to_choice(doc)
            best = max(range(len(choices)), key=lambda i: filtered[i][0])
            return str(choices[best])
        if kind == "generate_until":
            return (
                filtered[0]
                if isinstance(filtered[0], str)
                else json.dumps(filtered[0], ensure_ascii=False, default=str)
            )
        if kind == "loglikelihood" and filtered[0][1]:
            return str(instances[0].args[1])
        return ""

    def _expected(self, doc: Any) -> str:
        """The option's text where the target is an index; a rolling task's target is the document itself."""
        task = self._task
        if task.OUTPUT_TYPE == "loglikelihood_rolling":
            return ""
        target = task.doc_to_text(doc) if getattr(task, "multiple_input", 0) else task.doc_to_target(doc)
        if task.config.doc_to_choice is not None:
            choices = task.doc_to_choice(doc)
            known = [
                str(choices[t]) for t in (target if isinstance(target, list) else [target]) if _indexes(t, choices)
            ]
            if known:
                return " | ".join(known)
        return str(target)


def _indexes(target: Any, choices: Sequence[Any]) -> bool:
    return isinstance(target, int) and 0 <= target < len(choices)


def _first_metric(task: Any) -> str:
    declared = [name for name in task.aggregation() if name != "bypass"]
    return metrics.key(declared[0] if declared else "bypass", next(iter(task._filters)).name)


def _canonical(doc: Any) -> str:
    return json.dumps(doc, sort_keys=True, ensure_ascii=False, default=_json_value)


def _json_value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def digest(docs: Sequence[Any]) -> str:
    """sha256, hex, over documents in order."""
    total = hashlib.sha256()
    for doc in docs:
        total.update(_canonical(doc).encode() + b"\n")
    return total.hexdigest()


def _plain(value: Any) -> Any:
    """A setting as JSON: the same on every machine, so a function is its source and never its address."""
    if isinstance(value, functools.partial):
        return [_plain(value.func), _plain(value.args), _plain(value.keywords)]
    if callable(value):
        try:
            return inspect.getsource(value)
        except (TypeError, OSError):
            return getattr(value, "__qualname__", type(value).__name__)
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(v) for name in value.__dataclass_fields__ if (v := getattr(value, name)) is not None}
    if isinstance(value, Mapping):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
