"""No score is made of what is not a number, or of an option without tokens, in any task."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.evaluation import no_answer
from harness.evaluation.no_answer import ALL_IMPOSSIBLE, NO_TOKENS, NOT_A_NUMBER, REASONS
from harness.tasks.bbh import Bbh
from harness.tasks.drop import Drop
from harness.tasks.humaneval import Humaneval
from harness.tasks.lm_eval_bridge import metrics
from harness.tasks.lm_eval_bridge.tasks import LmEvalTask, load_lm_eval
from harness.tasks.mmlu import Mmlu
from harness.types import Choice, Generate, Loglikelihood, Response, Sample
from tests.harness.exchange import lm_eval_samples as own

BROKEN = (math.nan, math.inf)
DELIMITERS = ("", " ", "\n")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LmEvalTask]]:
    """One of each output type, and target delimiters of each kind. No test here looks at a bootstrap's ends: 100 draws
    of it, not 1,000."""
    folder = own.write_tasks(tmp_path_factory.mktemp("tasks"))
    for number, delimiter in enumerate(DELIMITERS):
        text = (folder / "own_choice.yaml").read_text().replace("own_choice", f"own_choice_{number}")
        (folder / f"own_choice_{number}.yaml").write_text(f"{text}\ntarget_delimiter: {json.dumps(delimiter)}\n")
    names = [*own.TASKS, *(f"own_choice_{number}" for number in range(len(DELIMITERS)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "MAX_WORK", 0)
        patch.setattr(metrics, "MAX_TEXT_WORK", 0)
        yield {name: load_lm_eval(name, folder)[0][0] for name in names}


def sound(request: Any, draw: Any) -> Response:
    if isinstance(request, Generate):
        return Response(text="a river.", finish="stop")
    count = len(request.options) if isinstance(request, Choice | Loglikelihood) else 1
    values = [-1.0 - draw(st.integers(0, 40)) / 4 for _ in range(count)]
    return Response(logprobs=tuple(values), greedy=tuple(value > -2 for value in values))


def broken(request: Any, draw: Any) -> tuple[Response, str]:
    """A response that no score can be made of, and why."""
    if isinstance(request, Generate):
        return Response(text="", warnings=(NOT_A_NUMBER,)), NOT_A_NUMBER
    response = sound(request, draw)
    at = draw(st.integers(0, len(response.logprobs) - 1))
    values = list(response.logprobs)
    values[at] = draw(st.sampled_from(BROKEN))
    if draw(st.booleans()) and isinstance(request, Choice):
        values[at] = math.nan
        return Response(logprobs=tuple(values), greedy=response.greedy, warnings=(NO_TOKENS,)), NO_TOKENS
    return Response(logprobs=tuple(values), greedy=(True,) * len(values)), NOT_A_NUMBER


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_lm_eval_tasks_of_every_kind(tasks: dict[str, LmEvalTask], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(tasks)))
    task = tasks[name]
    items = task.items()[: data.draw(st.integers(1, 5))]
    samples: list[Sample] = []
    bad = 0
    for item in items:
        asked = task.requests(item)
        responses = [sound(request, data.draw) for request in asked]
        reason = ""
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(asked) - 1))
            responses[at], reason = broken(asked[at], data.draw)
            bad += 1
        sample = task.score(item, responses)
        assert sample.note == reason
        assert all(math.isfinite(value) for value in sample.metrics.values())
        if reason:
            assert not any(sample.metrics.values())
            assert sample.answer == ""
        samples.append(sample)
    before = list(task.warnings)
    try:
        scores = task.summarize(samples)
        said = [warning for warning in task.warnings if warning not in before]
    finally:
        task.warnings[:] = before
    right = {metric: [s.metrics.get(metric, math.nan) for s in samples] for s in samples for metric in s.metrics}
    for score in scores:
        assert math.isfinite(score.value)
        if bad:  # a mean over all items, in which what is broken is not right
            assert score.n == len(items)
            assert score.value == pytest.approx(sum(right[score.metric]) / len(items))
    for metric in task.declared():
        assert (metric in {score.metric for score in scores}) != any(f"for {metric}:" in warning for warning in said)
    told = no_answer.summary(task.name, [s.note for s in samples], "float16")
    assert sum(int(sentence.split(": ")[1].split(" of ")[0]) for sentence in told) == bad
    assert all("--dtype bfloat16" in sentence for sentence in told if NOT_A_NUMBER in sentence)


NATIVE = {  # the headline of each, in both protocols
    ("mmlu", "standard"): "acc",
    ("mmlu", "instructeval"): "acc",
    ("bbh", "standard"): "exact_match",
    ("bbh", "instructeval"): "starts_with",
    ("drop", "standard"): "f1",
    ("drop", "instructeval"): "starts_with",
    ("humaneval", "standard"): "pass@1",
}
RIGHT = {"mmlu": "A", "bbh": "So the answer is No.", "drop": "No", "humaneval": "    return 1"}


@cache
def native(kind: str, protocol: str) -> Any:
    """A task of ten items, all alike, that has its shots."""

    def rows(splits: dict[str, Any], prompts: dict[str, str] | None = None) -> Any:
        return SimpleNamespace(name=kind, source="folder:x", digest="d", splits=splits, prompts=prompts or {}, notes=())

    if kind == "mmlu":
        row = {"subject": "s", "question": "q", "choices": list("wxyz"), "answer": 0}
        return Mmlu(rows({"dev": [row] * 5, "test": [row] * 10}), protocol)
    if kind == "bbh":
        test = [{"task": "navigate", "input": "q", "target": "No"}] * 13
        return Bbh(rows({"test": test}, {"navigate": "Do."}), protocol, shots=0)
    if kind == "humaneval":
        row = {
            "prompt": "def f():\n    '''One.'''\n",
            "entry_point": "f",
            "canonical_solution": "",
            "test": "def check(f):\n    assert f() == 1\n",
        }
        return Humaneval(rows({"test": [{**row, "task_id": f"{n}"} for n in range(10)]}))
    answer = {"number": "", "spans": ["No"], "date": {"day": "", "month": "", "year": ""}}
    questions: list[dict[str, Any]] = [
        {"passage_id": f"p{n}", "query_id": f"q{n}", "passage": f"{n}", "question": "q", "answers": [answer]}
        for n in range(13)
    ]
    return Drop(rows({"test": questions, "train": questions[:3]}), protocol)


def right(kind: str, request: Any) -> Response:
    if isinstance(request, Generate):
        text = "No" if kind == "bbh" and not request.stop else RIGHT[kind]
        return Response(text=text, finish="stop")
    return Response(logprobs=(-1.0, -2.0, -3.0, -4.0), greedy=(True, False, False, False))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_native_tasks(data: st.DataObject) -> None:
    """Some of the items are broken, at random places: the mean is over all, and these alone are not right."""
    kind, protocol = data.draw(st.sampled_from(list(NATIVE)))
    metric, task = NATIVE[kind, protocol], native(kind, protocol)
    items = task.items()[:10]
    at_least = 9 if kind == "humaneval" else 0  # each of the others runs a program
    bad = data.draw(st.sets(st.integers(0, len(items) - 1), min_size=at_least))
    samples = []
    for place, item in enumerate(items):
        response, reason = right(kind, task.requests(item)[0]), ""
        if place in bad:
            response, reason = broken(task.requests(item)[0], data.draw)
        sample = task.score(item, [response])
        assert set(sample.metrics.values()) == ({0.0} if reason else set(sample.metrics.values()))
        assert sample.metrics[metric] == (not reason)
        assert not reason or sample.note == reason
        samples.append(sample)
    scores = {(score.group, score.metric): score for score in task.summarize(samples)}
    assert all(math.isfinite(score.value) for score in scores.values())
    headline = scores["all", metric]
    assert (headline.n, headline.value) == (len(items), pytest.approx(1 - len(bad) / len(items)))
    sentences = no_answer.summary(task.name, [sample.note for sample in samples], "float32")
    assert sum(int(sentence.split(": ")[1].split(" of ")[0]) for sentence in sentences) == len(bad)


def test_impossible_options_are_values_and_all_of_them_no_answer(tasks: dict[str, LmEvalTask]) -> None:
    task = tasks["own_choice"]
    item = task.items()[0]
    for best in range(4):
        values = tuple(-3.0 if i == best else -math.inf for i in range(4))
        sample = task.score(item, [Response(logprobs=values, greedy=(False,) * 4)])
        assert (sample.metrics["acc"], sample.note) == (float(best == item.row["label"]), "")
    sample = task.score(item, [Response(logprobs=(-math.inf,) * 4, greedy=(False,) * 4)])
    assert (sample.metrics["acc"], sample.note) == (0.0, ALL_IMPOSSIBLE)
    task = tasks["own_random_shots"]  # mutual information: -1 - -inf is no number
    item = task.items()[0]
    twice = [Response(logprobs=values, greedy=(False,) * 2) for values in ((-1.0, -2.0), (-math.inf, -1.0))]
    assert task.score(item, twice).note == NOT_A_NUMBER
    task = tasks["own_loglikelihood"]
    sample = task.score(task.items()[0], [Response(logprobs=(-math.inf,), greedy=(False,))])
    assert (sample.metrics, sample.note) == ({"acc": 0.0}, "")
    assert [score.metric for score in task.summarize([sample])] == ["acc"]  # its perplexity is infinite
    assert "no figure for perplexity: 1 of 1 answers have no number for it" in task.warnings


def test_a_figure_beyond_all_numbers_is_none() -> None:
    from lm_eval.api.metrics import perplexity

    assert metrics.score("perplexity", perplexity, [-1e6, -1e6], ["0", "1"]) is None


def test_a_run_says_how_many_and_why(tmp_path: Path) -> None:
    """A model whose numbers overflow at long prompts: right where they do not, not right where they do."""
    import torch
    import transformers

    from harness.evaluation.planning import Options
    from harness.evaluation.run import run
    from tests.models import make_model

    folder = make_model(tmp_path / "model", arch="gpt2", window=128)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.transformer.wpe.weight[40:] = 1e30
        model.transformer.wpe.weight[40:, ::2] = -3e38
    model.save_pretrained(folder)
    rows = [
        {"c": "Short", "y": 0},
        {"c": "Short too", "y": 1},
        *({"c": "Long " * 60 + str(i), "y": 0} for i in range(3)),
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    common = f"dataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/rows.json}}}}\ntest_split: test\n"
    (tmp_path / "weigh.yaml").write_text(
        f"task: weigh\n{common}output_type: multiple_choice\ndoc_to_text: '{{{{c}}}}'\ndoc_to_choice: [one, two]\n"
        "doc_to_target: '{{y}}'\nmetric_list: [{metric: acc}, {metric: mcc}]\nmetadata: {version: 1}\n"
    )
    (tmp_path / "say.yaml").write_text(
        f"task: say\n{common}output_type: generate_until\ndoc_to_text: '{{{{c}}}}'\ndoc_to_target: ''\n"
        "generation_kwargs: {until: ['.'], max_gen_toks: 4}\n"
        "metric_list: [{metric: exact_match}, {metric: bleu}]\nmetadata: {version: 1}\n"
    )
    db = str(tmp_path / "db.duckdb")
    for task, metric in (("weigh", "acc"), ("say", "exact_match")):
        made = run(Options(model=str(folder), tasks=f"lm_eval:{task}", db=db, include_path=str(tmp_path), device="cpu"))
        scores = {score.metric: score for score in made.scores}
        assert scores[metric].n == 5
        assert scores[metric].value <= 0.4
        (sentence,) = [w for w in made.run.warnings if NOT_A_NUMBER in w]
        assert sentence.startswith(f"lm_eval:{task}: 3 of 5 answers count as not right: ")
        other = "mcc" if task == "weigh" else "bleu"
        assert f"lm_eval:{task}: no figure for {other}: 3 of 5 answers have no number for it" in made.run.warnings
        assert other not in scores


def test_reasons_are_told_apart() -> None:
    assert len(set(REASONS)) == 3
    assert no_answer.why_none([Response(logprobs=(-1.0, -math.inf))]) == ""
    assert no_answer.why_none([Response(logprobs=(-1.0,)), Response(logprobs=(math.nan,))]) == NOT_A_NUMBER
    assert no_answer.summary("t", ["", "wrong"], "float32") == []
