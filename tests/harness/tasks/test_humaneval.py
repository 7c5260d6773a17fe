"""HumanEval: prompts of three settings, what becomes of an answer, and pass@k."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from harness.errors import UsageError
from harness.stats import intervals
from harness.tasks.humaneval import Humaneval, instructeval_body
from harness.types import Item, Response, Sample

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap: apt-get install bubblewrap")

ROW = {
    "task_id": "Own/0",
    "prompt": "from typing import List\n\ndef double(x: int) -> int:\n    return 2 * x\n\n\n"
    'def total(x: List[int]) -> int:\n    """ Twice the sum. """\n',
    "entry_point": "total",
    "canonical_solution": "    return double(sum(x))\n",
    "test": "def check(candidate):\n    assert candidate([]) == 0\n    assert candidate([1, 2]) == double(3)\n",
}


def small() -> Any:
    return SimpleNamespace(
        name="humaneval", source="folder:x", digest="d", splits={"test": [ROW]}, prompts={}, notes=()
    )


@pytest.fixture(scope="module")
def tasks() -> dict[str, Humaneval]:
    return {
        "standard": Humaneval(small()),
        "chat": Humaneval(small(), chat=True),
        "instructeval": Humaneval(small(), protocol="instructeval"),
    }


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Humaneval:
    return Humaneval(benchmarks.load(Humaneval.rows, str(shared_data)))


def score(task: Humaneval, text: str) -> Sample:
    return task.score(task.items()[0], [Response(text=text)])


def test_the_raw_prompt_with_lm_evals_settings(real: Humaneval) -> None:
    import lm_eval
    import yaml

    written = (Path(lm_eval.__file__).parent / "tasks" / "humaneval" / "humaneval.yaml").read_text()
    theirs = yaml.safe_load(written.replace("!function", ""))
    assert theirs["doc_to_text"] == "{{prompt}}"
    items = real.items()
    assert [item.id for item in items] == [f"HumanEval/{n}" for n in range(164)]
    for item in items:
        (request,) = real.requests(item)
        assert request.prompt.shared + request.prompt.own == item.row["prompt"]
        assert list(request.stop) == theirs["generation_kwargs"]["until"]
        assert request.max_tokens == theirs["generation_kwargs"]["max_gen_toks"]
        assert request.sampling.temperature == 0
    assert real.shots == theirs["num_fewshot"]


def test_a_real_completion_is_scored(real: Humaneval) -> None:
    # those whose checks call helpers of the prompt, and one without
    some = [item for item in real.items() if item.id.split("/")[1] in {"0", "32", "38", "50"}]
    answers = [(item, text) for item in some for text in (item.row["canonical_solution"], "    pass\n")]
    with ThreadPoolExecutor(2) as pool:
        samples = list(pool.map(lambda pair: real.score(pair[0], [Response(text=pair[1])]), answers))
    assert [sample.metrics["pass@1"] for sample in samples] == [1.0, 0.0] * 4
    assert samples[0].answer == some[0].row["prompt"] + some[0].row["canonical_solution"]
    assert {sample.note == "passed" for sample in samples[::2]} == {True}


def test_scores_say_why(tasks: dict[str, Humaneval]) -> None:
    task = tasks["standard"]
    assert score(task, ROW["canonical_solution"]).metrics == {"pass@1": 1.0}
    assert score(task, "    return 1\n").note == "failed: AssertionError"
    assert score(task, "    return x[0]\n").note.startswith("error: IndexError")
    assert score(task, "    return 0\n" + "#" * 50_000).answer.endswith("#")
    assert len(score(task, "    return 0\n" + "#" * 50_000).answer) == 20_000


def test_chat_answers(tasks: dict[str, Humaneval]) -> None:
    task = tasks["chat"]
    (request,) = task.requests(task.items()[0])
    assert ROW["prompt"].rstrip() in request.prompt.own
    assert request.stop == ()
    whole = "Here:\n```python\ndef total(x):\n    return 2 * sum(x)\n```\nCall `total`."
    assert score(task, whole).metrics == {"pass@1": 1.0, "pass@1_lm_eval": 0.0}
    body = "```python\n    return double(sum(x))\n```"
    assert score(task, body).metrics["pass@1"] == 1.0
    plain = "    return double(sum(x))\n```"  # what lm-eval's own prompt asks for
    assert score(task, plain).metrics == {"pass@1": 1.0, "pass@1_lm_eval": 1.0}
    assert score(task, "I do not know.").metrics["pass@1"] == 0.0


def test_instructeval(tasks: dict[str, Humaneval]) -> None:
    task = tasks["instructeval"]
    (request,) = task.requests(task.items()[0])
    assert request.prompt.shared + request.prompt.own == (
        "Please complete the following Python code without providing any additional tasks such as testing or "
        "explanations\n" + ROW["prompt"]
    )
    assert (request.max_tokens, request.sampling.temperature, request.stop) == (512, 0.1, ())
    lost = "\n\n   y = sum(x)\n   return double(y)\n\nprint(undefined)"  # a tokenizer took a space of each indent
    assert score(task, lost).metrics == {"pass@1": 1.0}
    assert Humaneval(small(), protocol="instructeval", chat=True).warnings


@pytest.mark.parametrize(
    ("completion", "body"),
    [
        ("", ""),
        ("\n\n    return 1", "    return 1"),
        ("   return 1\n return 2", "    return 1\n  return 2"),
        ("    a = 1\n\n    return a", "    a = 1"),
        ("    a = 1\n   \n    return a", "    a = 1\n    \n    return a"),  # spaces: no blank line
        ("\treturn 1", "\treturn 1"),
    ],
)
def test_instructeval_takes_the_first_paragraph(completion: str, body: str) -> None:
    assert instructeval_body(completion) == body


@settings(max_examples=200, deadline=None)
@given(st.text(" \nab\t", max_size=40))
def test_instructeval_makes_indents_even_and_changes_nothing_else(completion: str) -> None:
    body = instructeval_body(completion)
    assert "\n\n" not in body
    assert not body.startswith("\n")
    assert all((len(line) - len(line.lstrip(" "))) % 2 == 0 for line in body.split("\n"))
    assert instructeval_body(body) == body
    assert "".join(body.split()) == "".join(completion.lstrip("\n").split("\n\n")[0].split())


def samples(counts: list[tuple[int, int]]) -> list[Sample]:
    return [
        Sample(Item(f"p/{number}", "humaneval", {}), {"pass@1": float(attempt < right)})
        for number, (tries, right) in enumerate(counts)
        for attempt in range(tries)
    ]


def test_pass_at_k(tasks: dict[str, Humaneval]) -> None:
    task = tasks["standard"]
    (one,) = task.summarize(samples([(1, 1), (1, 0), (1, 0), (1, 0)]))
    assert (one.group, one.metric, one.value, one.n, one.method) == ("all", "pass@1", 0.25, 4, "wilson")
    counts = [(12, 3), (12, 0), (12, 12)]
    first, tenth = task.summarize(samples(counts))
    assert (first.metric, tenth.metric) == ("pass@1", "pass@10")
    assert first.value == pytest.approx((3 / 12 + 0 + 1) / 3)
    assert tenth.value == pytest.approx(sum(intervals.pass_at_k(n, c, 10) for n, c in counts) / 3)
    assert first.method == tenth.method == "clustered"
    assert first.n == tenth.n == 3
    # a problem that has fewer samples holds k down
    assert [found.metric for found in task.summarize(samples([(12, 3), (9, 0)]))] == ["pass@1"]
    assert [found.metric for found in task.summarize(samples([(100, 3), (100, 0)]))] == [
        "pass@1",
        "pass@10",
        "pass@100",
    ]
    assert task.summarize([]) == []


def test_what_is_recorded_and_refused(tasks: dict[str, Humaneval]) -> None:
    task = tasks["standard"]
    assert (task.data_source, task.data_digest, task.version, task.shots) == ("folder:x", "d", "3", 0)
    assert task.settings != tasks["chat"].settings
    assert Humaneval(small(), shots=0).shots == 0
    with pytest.raises(UsageError, match="no shots"):
        Humaneval(small(), shots=3)
    with pytest.raises(UsageError, match="standard"):
        Humaneval(small(), protocol="standrad")
