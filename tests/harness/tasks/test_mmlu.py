"""MMLU: the prompts of lm-eval and of instruct-eval to the byte, the letters, and what is wrong."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from harness.errors import UsageError
from harness.evaluation.no_answer import ALL_IMPOSSIBLE
from harness.tasks.mmlu import CATEGORIES, Mmlu
from harness.types import Choice, Generate, Item, Response
from tests.harness.tasks.lm_eval_bridge import lm_eval_local as reference


def rows(subject: str, count: int) -> list[dict[str, Any]]:
    return [
        {"subject": subject, "question": f" Why {i}? ", "choices": ["None", "", "N/A", f"{i}"], "answer": i % 4}
        for i in range(count)
    ]


def small(dev: int = 5) -> Any:
    splits = {
        "dev": rows("college_physics", dev) + rows("anatomy", dev),
        "test": rows("college_physics", 3) + rows("anatomy", 1),
    }
    return SimpleNamespace(name="mmlu", source="folder:x", digest="d", splits=splits, prompts={}, notes=())


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Any:
    return benchmarks.load(Mmlu.rows, str(shared_data))


def text(task: Mmlu, item: Item) -> str:
    (request,) = task.requests(item)
    assert isinstance(request, Choice | Generate)
    return request.prompt.shared + request.prompt.own


def test_all_prompts_equal_lm_eval(shared_data: Path, real: Any) -> None:
    task = Mmlu(real)
    ours: dict[str, list[str]] = {}
    shared: dict[str, set[str]] = {}
    for item in task.items():
        (request,) = task.requests(item)
        assert isinstance(request, Choice)
        assert request.options == (" A", " B", " C", " D")
        assert request.prompt.cap is None
        ours.setdefault(item.group, []).append(text(task, item))
        shared.setdefault(item.group, set()).add(request.prompt.shared)
    assert sum(map(len, ours.values())) == 14_042
    assert all(len(texts) == 1 for texts in shared.values())
    subjects = reference.mmlu_subjects(shared_data)
    assert list(ours) == subjects
    assert len(subjects) == 57
    for subject in subjects:
        assert ours[subject] == reference.contexts(reference.lm_eval_mmlu_task(shared_data, subject)), subject


def test_fewer_shots_are_the_cuts_of_the_shared_prompt(shared_data: Path, real: Any) -> None:
    full = Mmlu(real)
    item = next(item for item in full.items() if item.group == "anatomy")
    (request,) = full.requests(item)
    assert isinstance(request, Choice)
    theirs = reference.lm_eval_mmlu_task(shared_data, "anatomy")
    ends = (*request.prompt.cuts, len(request.prompt.shared))
    assert len(ends) == 6
    assert list(ends) == sorted(ends)
    for shots, end in enumerate(ends):
        theirs.config.num_fewshot = shots
        expected = reference.contexts(theirs)[0]
        assert request.prompt.shared[:end] + request.prompt.own == expected
        fewer = Mmlu(real, shots=shots)
        assert text(fewer, item) == expected
        assert fewer.shots == shots


def test_instructeval_prompts_as_pandas_gives_them(shared_data: Path, real: Any) -> None:
    """instruct-eval reads the files through pandas, to which "None" is a missing value: 10 prompts differ, no more."""
    pandas = pytest.importorskip("pandas")
    task = Mmlu(real, "instructeval")
    ours: dict[str, list[str]] = {}
    for item in task.items():
        (request,) = task.requests(item)
        assert isinstance(request, Generate)
        assert (request.max_tokens, request.stop, request.prompt.cap) == (2, (), 2048)
        ours.setdefault(item.group, []).append(text(task, item))
    differing = 0
    for subject in reference.mmlu_subjects(shared_data):
        dev, test = (pandas.read_csv(shared_data / f"mmlu/{split}/{subject}_{split}.csv") for split in ("dev", "test"))
        ask = lambda row: "".join(f"{lead}{row.iloc[i]}" for i, lead in enumerate(("", *LEADS))) + "\nAnswer:"  # noqa: E731
        head = f"The following are multiple choice questions (with answers) about  {' '.join(subject.split('_'))}.\n\n"
        head += "".join(f"{ask(row)} {'ABCD'[row.iloc[5]]}\n\n" for _, row in dev.iterrows())
        theirs = [head + ask(row) for _, row in test.iterrows()]
        assert len(theirs) == len(ours[subject])
        for mine, other in zip(ours[subject], theirs, strict=True):
            differing += mine != other
            assert mine == other or mine.replace(". None", ". nan") == other
    assert differing == 10


LEADS = ("\nA. ", "\nB. ", "\nC. ", "\nD. ")


def test_the_letter_and_its_score_equal_lm_eval(shared_data: Path, real: Any) -> None:
    """Ties too: of equal values lm-eval takes the first."""
    task = Mmlu(real)
    theirs = reference.lm_eval_mmlu_task(shared_data, "virology")
    items = [item for item in task.items() if item.group == "virology"]
    for number, (item, doc) in enumerate(zip(items, theirs.eval_docs, strict=True)):
        values = tuple(-float((number // 4**place) % 4) for place in range(4))
        sample = task.score(item, [Response(logprobs=values, greedy=(False,) * 4)])
        assert sample.metrics["acc"] == theirs.process_results(doc, [(value, False) for value in values])["acc"]
        assert sample.expected == "ABCD"[doc["answer"]]
        assert sample.metrics["acc"] == float(sample.answer == sample.expected)


@settings(deadline=None)
@given(st.lists(st.floats(max_value=0, allow_nan=False), min_size=4, max_size=4))
def test_the_answer_is_numpys_argmax(values: list[float]) -> None:
    import numpy as np

    task = Mmlu(small())
    sample = task.score(task.items()[0], [Response(logprobs=tuple(values))])
    if max(values) == -math.inf:  # numpy would take the first; no option is likelier than another here
        assert (sample.metrics, sample.answer) == ({"acc": 0.0}, "")
        assert sample.note == ALL_IMPOSSIBLE
        return
    assert sample.answer == "ABCD"[int(np.argmax(values))]


def test_a_broken_log_probability_is_wrong_and_said_so() -> None:
    task = Mmlu(small())
    sample = task.score(task.items()[0], [Response(logprobs=(math.nan, -1.0, -2.0, -3.0))])
    assert sample.metrics == {"acc": 0.0}
    assert "not a number" in sample.note


@pytest.mark.parametrize(
    ("said", "right"),
    [(" B", 1), ("B", 1), ("\n B.", 1), ("Both", 1), ("b", 0), (" (B", 0), ("A", 0), ("", 0), ("The", 0)],
)
def test_instructeval_is_starts_with(said: str, right: int) -> None:
    task = Mmlu(small(), "instructeval")
    item = task.items()[1]
    assert "ABCD"[item.row["answer"]] == "B"
    assert task.score(item, [Response(text=said)]).metrics == {"acc": right}


def test_text_of_a_small_prompt() -> None:
    item = Mmlu(small(), shots=1).items()[1]
    assert text(Mmlu(small(), shots=1), item) == (
        "The following are multiple choice questions (with answers) about college physics.\n\n"
        "Why 0?\nA. None\nB. \nC. N/A\nD. 0\nAnswer: A\n\n"
        "Why 1?\nA. None\nB. \nC. N/A\nD. 1\nAnswer:"
    )
    assert text(Mmlu(small(), "instructeval", shots=0), item) == (
        "The following are multiple choice questions (with answers) about  college physics.\n\n"
        " Why 1? \nA. None\nB. \nC. N/A\nD. 1\nAnswer:"
    )


def test_a_chat_model_is_asked_for_the_bare_letter() -> None:
    """lm-eval drops its delimiter when it applies a chat template."""
    task = Mmlu(small(), chat=True)
    (request,) = task.requests(task.items()[0])
    assert isinstance(request, Choice)
    assert request.options == ("A", "B", "C", "D")
    assert task.settings == {"options": ["A", "B", "C", "D"]}


@pytest.mark.parametrize("protocol", ["standard", "instructeval"])
@pytest.mark.parametrize("shots", [-1, 6])
def test_shots_that_are_not_there(protocol: str, shots: int) -> None:
    with pytest.raises(UsageError, match="the dev split of college_physics has 5"):
        Mmlu(small(), protocol, shots)


def test_too_few_dev_rows_for_the_protocol() -> None:
    with pytest.raises(UsageError, match=r"^shots=5: the protocol of mmlu shows 5.*has 2.*from 0 to 2"):
        Mmlu(small(dev=2))
    assert Mmlu(small(dev=2), shots=2).shots == 2


def test_a_protocol_with_a_typo() -> None:
    with pytest.raises(UsageError, match=r"Did you mean instructeval\?"):
        Mmlu(small(), "instruct-eval")


def test_categories_are_those_of_the_protocols_source() -> None:
    import lm_eval.tasks
    import yaml

    folder = Path(lm_eval.tasks.__file__).parent / "mmlu/default"
    theirs = {}
    for path in folder.glob("mmlu_*.yaml"):
        settings = yaml.safe_load(path.read_text())
        theirs[settings["dataset_name"]] = settings["tag"].removeprefix("mmlu_").removesuffix("_tasks")
    assert {subject: name.lower().replace(" ", "_") for subject, name in CATEGORIES["standard"].items()} == theirs
    assert {s for s in theirs if CATEGORIES["standard"][s] != CATEGORIES["instructeval"][s]} == {"anatomy"}


def test_summary_has_subjects_categories_micro_and_macro() -> None:
    task = Mmlu(small())
    samples = [
        task.score(item, [Response(logprobs=tuple(0.0 if i == wanted else -1.0 for i in range(4)))])
        for item, wanted in zip(task.items(), (0, 1, 3, 0), strict=True)  # three of physics: two right; anatomy: right
    ]
    found = {(score.group, score.metric): score for score in task.summarize(samples)}
    assert found["all", "acc"].value == pytest.approx(3 / 4)
    assert found["all", "acc_macro"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found["college_physics", "acc"].value == pytest.approx(2 / 3)
    assert found["category:STEM", "acc"].n == 4  # lm-eval counts anatomy there
    hendrycks = {(score.group, score.metric): score.n for score in Mmlu(small(), "instructeval").summarize(samples)}
    assert hendrycks["category:STEM", "acc"] == 3
    assert hendrycks["category:other", "acc"] == 1


def test_what_is_recorded_of_the_data() -> None:
    task = Mmlu(small(), "instructeval")
    assert (task.data_source, task.data_digest) == ("folder:x", "d")
    assert task.settings == {"max_tokens": 2, "stop": [], "prompt_cap": 2048}


def test_ids_are_unique_and_stable() -> None:
    ids = [item.id for item in Mmlu(small()).items()]
    assert ids == ["college_physics/0", "college_physics/1", "college_physics/2", "anatomy/0"]
    assert ids == [item.id for item in Mmlu(small(), "instructeval", shots=2).items()]
