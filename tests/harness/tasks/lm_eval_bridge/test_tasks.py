"""Our answers to lm-eval's tasks give lm-eval's own figures."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from data.sources import DataError
from harness.errors import UsageError
from harness.tasks.lm_eval_bridge import metrics
from harness.tasks.lm_eval_bridge.tasks import LmEvalTask, load_lm_eval
from harness.types import Choice, Generate, Item, Loglikelihood, Response, Rolling, Sample, Score
from tests.harness.exchange import lm_eval_samples as own
from tests.models import make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return own.write_tasks(tmp_path_factory.mktemp("own_tasks"))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "m", window=256)


@pytest.fixture(scope="module")
def reference(folder, model) -> dict[str, Any]:
    """lm-eval's own results and samples with its `hf` model."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    lm = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=4)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return lm_eval.simple_evaluate(lm, tasks=list(own.TASKS), task_manager=manager, bootstrap_iters=0, log_samples=True)


def one(name: str, folder: Path, **options: Any):
    (task,), _ = load_lm_eval(name, folder, **options)
    return task


@pytest.fixture(scope="module")
def tasks(folder) -> dict[str, LmEvalTask]:
    return {name: one(name, folder) for name in own.TASKS}


def test_a_first_metric_is_bounded_where_it_counts_what_is_right(tasks):
    """Of others a part of the documents bounds nothing."""
    assert tasks["own_choice"].is_bounded
    assert not tasks["own_rolling"].is_bounded


@pytest.fixture(scope="module")
def samples(tasks, model) -> dict[str, list[Sample]]:
    import transformers

    from harness.backends.transformers.backend import TransformersLM

    loaded = transformers.AutoModelForCausalLM.from_pretrained(model)
    backend = TransformersLM(loaded, transformers.AutoTokenizer.from_pretrained(model))
    return {name: own.answered(task, backend) for name, task in tasks.items()}


@pytest.fixture(scope="module")
def scores(tasks, samples) -> dict[str, list[Score]]:
    return {name: task.summarize(samples[name]) for name, task in tasks.items()}


@pytest.mark.parametrize("name", own.TASKS)
def test_figures_are_lm_evals(name, tasks, samples, scores, reference):
    expected = {
        metrics.key(*metric.split(",")): value
        for metric, value in reference["results"][name].items()
        if "," in metric and "_stderr" not in metric
    }
    found = {score.metric: score for score in scores[name]}
    assert set(found) == set(expected)
    for metric, value in expected.items():
        assert found[metric].value == pytest.approx(value, rel=1e-4, abs=1e-4), metric
        assert found[metric].low <= found[metric].value <= found[metric].high
        assert (found[metric].group, found[metric].n) == ("all", len(samples[name]))
    assert tasks[name].metric in found
    ours = {sample.item.id: metrics.unpack(sample)[1] for sample in samples[name]}
    for line in reference["samples"][name]:
        for metric in line["metrics"]:
            value = ours[str(line["doc_id"])][metrics.key(metric, line["filter"])]
            assert flat(value) == pytest.approx(flat(line[metric]), rel=1e-4, abs=1e-4)


def flat(value: Any) -> list[float]:
    """The numbers in a value, texts as their hash."""
    if isinstance(value, str):
        return [float(hash(value) % 1000)]
    return [x for part in value for x in flat(part)] if hasattr(value, "__len__") else [float(value)]


@pytest.mark.parametrize("name", own.TASKS)
def test_prompts_are_lm_evals(name, tasks, reference):
    task = tasks[name]
    lines = {line["doc_id"]: line for line in reference["samples"][name]}
    for item in task.items():
        asked, arguments = task.requests(item), lines[int(item.id)]["arguments"]
        if isinstance(asked[0], Generate):
            assert {request.prompt.shared + request.prompt.own for request in asked} == {arguments[0][0]}
            assert list(asked[0].stop) == arguments[0][1]["until"][: len(asked[0].stop)]
        elif isinstance(asked[0], Rolling):
            assert [request.text for request in asked] == [arguments[0][0]]
        else:
            assert own.loglikelihoods(asked) == [tuple(pair) for pair in arguments]


def test_kinds_of_requests(tasks):
    kinds = {name: [type(request) for request in task.requests(task.items()[0])] for name, task in tasks.items()}
    assert kinds == {
        "own_choice": [Choice],
        "own_random_shots": [Choice, Choice],  # the second is without context: mutual information
        "own_contexts": [Loglikelihood] * 4,
        "own_loglikelihood": [Loglikelihood],
        "own_rolling": [Rolling],
        "own_generate": [Generate],
        "own_repeats": [Generate] * 3,
    }


def test_responses_by_hand(tasks):
    task = tasks["own_loglikelihood"]
    for said in (True, False):
        scored = task.score(task.items()[0], [Response(logprobs=(-1.5,), greedy=(said,))])
        assert scored.metrics == {"acc": float(said)}
        expected = {"perplexity": -1.5, "acc": float(said)}
        assert metrics.unpack(scored) == (scored.expected if said else "", expected)
    task = tasks["own_choice"]
    for item in task.items():
        for best in range(4):
            logprobs = tuple(-1.0 if i == best else -50.0 for i in range(4))
            scored = task.score(item, [Response(logprobs=logprobs, greedy=(False,) * 4)])
            right = best == item.row["label"]
            assert (scored.metrics["acc"], metrics.unpack(scored)[0] == scored.expected) == (float(right), right)
    task = tasks["own_repeats"]
    scored = task.score(task.items()[0], [Response("abc"), Response("ab"), Response("abcdef")])
    assert scored.metrics == {"even,all": 0.0}
    assert metrics.unpack(scored)[1] == {"even,all": 0.0, "longest,all": 6}


@pytest.mark.parametrize("name", ["own_choice", "own_rolling", "own_generate", "own_repeats"])
def test_scores_can_be_made_again_from_the_store(name, folder, samples, scores):
    """After a resume only samples are there: a new task object, answers and numbers, in any order."""
    stored = [Sample(s.item, dict(s.metrics), s.answer, s.expected, s.note) for s in samples[name]]
    random.Random(3).shuffle(stored)
    assert one(name, folder).summarize(stored) == scores[name]


def test_fixed_shots_are_shared_and_cut(tasks, folder):
    task = tasks["own_choice"]
    prompts = [task.requests(item)[0].prompt for item in task.items()]
    assert len({prompt.shared for prompt in prompts}) == 1
    shared, cuts = prompts[0].shared, prompts[0].cuts
    assert all(prompt.cuts == cuts for prompt in prompts)
    for k, cut in enumerate(cuts):
        fewer = one("own_choice", folder, shots=k)
        first = fewer.requests(fewer.items()[0])[0].prompt
        assert first.shared + first.own == shared[:cut] + prompts[0].own
    assert len(cuts) == task.shots == 2


def test_shots_drawn_for_each_document_are_not_shared(tasks):
    task = tasks["own_random_shots"]
    assert {task.requests(item)[0].prompt.shared for item in task.items()} == {""}


def test_what_is_recorded(tasks, folder):
    task = tasks["own_choice"]
    assert task.name == "lm_eval:own_choice"
    assert task.protocol == "standard"
    assert task.version.startswith("2.0+lm_eval-0.4.13")
    assert task.data_source == "lm_eval:json"
    assert task.settings["fewshot_seed"] == 1234
    assert task.settings["num_fewshot"] == 2
    assert json.loads(json.dumps(task.settings)) == task.settings
    assert str(folder) not in json.dumps(task.settings)
    assert "def lengths" in json.dumps(tasks["own_repeats"].settings)


def test_the_data_digest_follows_the_rows(tasks, tmp_path):
    digest = tasks["own_choice"].data_digest
    assert one("own_choice", own.write_tasks(tmp_path)).data_digest == digest
    changed = (tmp_path / "test.jsonl").read_text().replace("number 7?", "number 8?", 1)
    (tmp_path / "test.jsonl").write_text(changed)
    assert one("own_choice", tmp_path).data_digest != digest


def test_a_group_and_a_tag_are_their_tasks(folder):
    group, aggregates = load_lm_eval("own_group", folder)
    assert aggregates == []  # it asks for no figure of its own
    assert [task.name for task in group] == ["lm_eval:own_choice", "lm_eval:own_rolling"]
    assert {task.settings["lm_eval_group"] for task in group} == {"own_group"}
    assert {task.name for task in load_lm_eval("own_tag", folder)[0]} == {f"lm_eval:{name}" for name in own.TASKS}


def test_sampling_settings(tmp_path):
    own.write_tasks(tmp_path)
    text = (tmp_path / "own_repeats.yaml").read_text()
    kwargs = "{until: '.', max_new_tokens: 9, do_sample: true, temperature: 0.5, top_p: 0.9, top_k: 40}"
    (tmp_path / "own_repeats.yaml").write_text(text.replace('{until: ["."], max_gen_toks: 6}', kwargs))
    task = one("own_repeats", tmp_path)
    asked = task.requests(task.items()[0])
    assert [(r.sampling.temperature, r.sampling.top_p, r.sampling.seed) for r in asked] == [
        (0.5, 0.9, seed) for seed in range(3)
    ]
    assert (asked[0].max_tokens, asked[0].stop) == (9, (".",))
    assert task.warnings == ["generation settings that are not applied: top_k"]


def test_shots_that_a_task_forbids(tmp_path):
    own.write_tasks(tmp_path)
    path = tmp_path / "own_contexts.yaml"
    path.write_text(path.read_text() + "num_fewshot: 0\n")
    task = one("own_contexts", tmp_path, shots=5)
    assert task.shots == 0
    assert "5 are not applied" in task.warnings[0]


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="Did you mean own_choice"):
        load_lm_eval("own_choise", folder)
    for name in ("humaneval", "mbpp_instruct"):
        with pytest.raises(UsageError, match="native task `humaneval`"):
            load_lm_eval(name)
    with pytest.raises(DataError, match="--include-path"):
        load_lm_eval("arc_easy")
    with pytest.raises(UsageError, match="must be a folder"):
        load_lm_eval("own_choice", tmp_path / "missing")
    (tmp_path / "unsafe.yaml").write_text("task: own_unsafe\nunsafe_code: true\ndataset_path: json\n")
    (tmp_path / "inner.yaml").write_text("group: own_inner\ntask: [own_unsafe]\n")
    (tmp_path / "outer.yaml").write_text("group: own_outer\ntask: [{group: own_inner}]\n")
    with pytest.raises(UsageError, match="'own_unsafe' runs code"):
        load_lm_eval("own_outer", tmp_path)


def test_a_broken_yaml_is_named(tmp_path):
    (tmp_path / "bad.yaml").write_text("task: [own_bad\n")
    with pytest.raises(UsageError, match=r"bad\.yaml could not be read"):
        load_lm_eval("own_bad", tmp_path)
    (tmp_path / "worse.yaml").write_text(
        "task: own_worse\noutput_type: nonsense\n" + own.COMMON.format(folder=own.write_tasks(tmp_path))
    )
    with pytest.raises(UsageError, match="nonsense"):
        load_lm_eval("own_worse", tmp_path)


def test_the_users_random_numbers_are_left_alone(folder):
    random.seed(5)
    expected = random.Random(5).random()
    task = one("own_random_shots", folder)
    task.requests(task.items()[0])
    assert random.random() == expected


@pytest.mark.parametrize("name", own.TASKS)
def test_a_samples_metric_averages_to_the_score(name, samples, scores):
    """Otherwise a comparison of two runs would compare something else than their scores."""
    figures = {score.metric: score.value for score in scores[name]}
    columns = defaultdict(list)
    for one_sample in samples[name]:
        for metric, value in one_sample.metrics.items():
            columns[metric].append(value)
    for metric, column in columns.items():
        assert sum(column) / len(column) == pytest.approx(figures[metric])


def sample(answer: str, values: dict[str, Any]) -> Sample:
    from lm_eval.api.metrics import mean

    packed, numbers = metrics.pack(answer, values, {"acc": mean})
    return Sample(Item("0", "g", {}), numbers, packed)


def test_values_that_are_no_numbers_come_back():
    values = {"acc": 1.0, "bleu": [["a reference"], "a guess"], "pair": [-3.25, 7], "gap": math.inf}
    for answer in ("plain", metrics.PACKED + '"a model may write this", "values": {}}', ""):
        assert metrics.unpack(sample(answer, values)) == (answer, values)
        assert metrics.unpack(sample(answer, {"acc": 1.0})) == (answer, {"acc": 1.0})
    assert sample("plain", {"acc": 1.0}).answer == "plain"


def test_an_interval_of_a_figure_that_is_no_mean():
    from lm_eval.api.metrics import mean, weighted_perplexity

    draw = random.Random(1)
    pairs = [[-draw.uniform(5, 15), 4] for _ in range(60)]
    ids = [str(i) for i in range(60)]
    score = metrics.score("word_perplexity", weighted_perplexity, pairs, ids)
    assert score is not None
    assert score.method == "bootstrap"
    assert score.low < score.value < score.high
    assert metrics.score("word_perplexity", weighted_perplexity, pairs, ids) == score
    alone = metrics.score("word_perplexity", weighted_perplexity, pairs[:1], ids[:1])
    assert alone is not None
    assert (alone.low, alone.high) == (-math.inf, math.inf)
    twice = metrics.score("acc", mean, [1.0, 0.0, 1.0, 1.0], ["0", "0", "1", "1"])
    assert twice is not None
    assert (twice.n, twice.method) == (2, "clustered")


def test_an_aggregation_that_fails_says_which():
    from lm_eval.api.metrics import f1_score

    with pytest.raises(UsageError, match="metric 'f1'"):
        metrics.score("f1", f1_score, [[0, 2], [1, 1], [2, 0]], ["0", "1", "2"])
