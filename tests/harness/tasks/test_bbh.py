"""BIG-Bench Hard: lm-eval's prompts, requests and scores, and an extraction that loses no right answer."""

from __future__ import annotations

import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data import benchmarks
from harness.errors import UsageError
from harness.tasks.bbh import LM_EVAL_STOPS, THINK, Bbh, lm_eval_answer, lm_eval_exact_match
from harness.tasks.cot_answer import extract, matches
from harness.types import Generate, Item, Response
from tests.harness.tasks.lm_eval_bridge import lm_eval_local as reference

PROMPT = "Sort.\n\nRead with care.\n\nQ: one\nA: Let's think step by step.\nIt is so. So the answer is 1.\n\n" + (
    "Q: two\nA: Let's think step by step. Also so. So the answer is 2.\n"
)


def small(task: str = "word_sorting", targets: tuple[str, ...] = ("a b", "(A)", "No", "7")) -> Any:
    rows = [{"task": task, "input": f"question {i}", "target": target} for i, target in enumerate(targets)]
    return SimpleNamespace(
        name="bbh", source="folder:x", digest="d", splits={"test": rows}, prompts={task: PROMPT}, notes=()
    )


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Any:
    return benchmarks.load(Bbh.rows, str(shared_data))


def ask(task: Bbh, item: Item) -> Generate:
    (request,) = task.requests(item)
    assert isinstance(request, Generate)
    return request


def test_prompts_and_requests_equal_lm_eval(shared_data: Path, real: Any) -> None:
    task = Bbh(real)
    ours: dict[str, list[Generate]] = {}
    for item in task.items():
        ours.setdefault(item.group, []).append(ask(task, item))
    assert sum(map(len, ours.values())) == 6_511
    assert list(ours) == reference.bbh_tasks(shared_data)
    assert len(ours) == 27
    for name, requests in ours.items():
        theirs = [one.args for (one,) in reference.instances(reference.lm_eval_bbh_task(shared_data, name))]
        assert [request.prompt.shared + request.prompt.own for request in requests] == [args[0] for args in theirs]
        assert len({request.prompt.shared for request in requests}) == 1
        for request, (_, wanted) in zip(requests, theirs, strict=True):
            assert list(request.stop) == wanted["until"]
            assert request.max_tokens == wanted["max_gen_toks"]
            assert wanted["do_sample"] is False
            assert request.sampling.temperature == 0


@pytest.mark.parametrize("name", ["snarks", "sports_understanding"])  # two headers; reasoning in the same line
def test_fewer_shots_are_the_cuts_of_the_shared_prompt(shared_data: Path, real: Any, name: str) -> None:
    item = next(item for item in Bbh(real).items() if item.group == name)
    prompt = ask(Bbh(real), item).prompt
    theirs = reference.lm_eval_bbh_task(shared_data, name)
    ends = (*prompt.cuts, len(prompt.shared))
    assert len(ends) == 4
    for shots, end in enumerate(ends):
        theirs.config.num_fewshot = shots
        expected = reference.contexts(theirs)[0]
        assert prompt.shared[:end] + prompt.own == expected
        fewer = ask(Bbh(real, shots=shots), item).prompt
        assert fewer.shared + fewer.own == expected


def test_instructeval_leaves_its_shots_out(shared_data: Path, real: Any) -> None:
    task = Bbh(real, "instructeval")
    assert len(task.items()) == 6_430
    seen = {item.id for item in task.items()}
    for name in reference.bbh_tasks(shared_data):
        rows = reference.bbh_rows(shared_data, name)
        assert f"{name}/2" not in seen
        head = "".join(f"{row['input']}\nAnswer: {row['target']}\n\n" for row in rows[:3])
        for number, item in enumerate((item for item in task.items() if item.group == name), 3):
            request = ask(task, item)
            assert item.id == f"{name}/{number}"
            assert request.prompt.shared + request.prompt.own == f"{head}{rows[number]['input']}\nAnswer:"
            assert (request.max_tokens, request.stop, request.prompt.cap) == (32, (), 2048)
    assert task.metric == "starts_with_macro"


def test_worked_examples_end_in_an_answer_that_both_readings_find(real: Any) -> None:
    for prompt in real.prompts.values():
        for worked in prompt.split("\n\nQ: ")[1:]:
            thought = worked.partition(THINK)[2]
            assert extract(thought) == lm_eval_answer(thought) == thought.rpartition("the answer is ")[2][:-1]


WAYS = (
    "So the answer is {}.",
    "So the answer is {}",
    "So the answer is {}. ",
    "So the answer is {}.\n",
    "so the answer is {} .",
    "So the answer is **{}**.",
    "**So the answer is {}.**",
    "The answer is: {}",
    "The answer is:\n{}\n",
    "**Answer:** {}",
    "the correct answer is `{}`!",
    'We have: so the answer is "{}."',
    "It seems that the answer is 99. No, it is more. So the answer is {}.",
)


def test_right_answers_count_however_they_are_set_out_and_wrong_ones_never(real: Any) -> None:
    """Every target said in every way is right; every other target of the same task, said so, is wrong."""
    targets: dict[str, list[str]] = {}
    for row in real.splits["test"]:
        if row["target"] not in targets.setdefault(row["task"], []):
            targets[row["task"]].append(row["target"])
    tried = 0
    for known in targets.values():
        for target in known:
            for way in WAYS:
                answer = extract(way.format(target))
                assert matches(answer, target), (way, target, answer)
            answer = extract(WAYS[0].format(target))
            for other in known:
                assert matches(answer, other) is (other == target)
                tried += 1
    assert tried > 50_000


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("So the answer is A.", "(A)"),
        ("So the answer is (a)", "(A)"),
        ("So the answer is A) the red one.", "(A)"),
        ("So the answer is (A) The red one is the leftmost.", "(A)"),
        ("So the answer is YES", "Yes"),
        ("So the answer is 1,024.", "1024"),
        ("So the answer is apple, pear, plum.", "apple pear plum"),
        ("So the answer is ] } >.", "] } >"),
        ("The answer is Yes. The answer is not far.\nThe answer is No.", "No"),
    ],
)
def test_answers_that_are_right(text: str, target: str) -> None:
    assert matches(extract(text), target)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("", "No"),
        ("No.", "No"),  # never says what the answer is
        ("So the answer is", "No"),
        ("So the answer is No, or rather Yes.", "No"),
        ("So the answer is (A) or (B).", "(A)"),
        ("So the answer is (A) or B.", "(A)"),
        ("So the answer is A, B.", "(A)"),
        ("So the answer is B) and not (A).", "(A)"),
        ("So the answer is not (A).", "(A)"),
        ("So the answer is A red book.", "(A)"),
        ("So the answer is invalid.", "valid"),
        ("So the answer is 12.", "1"),
        ("So the answer is -7.", "7"),
        ("So the answer is pear apple.", "apple pear"),
        ("So the answer is } ] >.", "] } >"),
        ("The answer is No.\nWait. The answer is Yes.", "No"),
    ],
)
def test_answers_that_are_wrong(text: str, target: str) -> None:
    assert not matches(extract(text), target)


def test_lm_eval_loses_what_the_departure_mends() -> None:
    """What docs/protocols.md says of lm-eval's pattern: it takes one last character from the line."""
    for text in ("So the answer is No. ", "So the answer is No", "so The answer is: No.", "So the answer is **No**."):
        assert matches(extract(text), "No")
        assert not lm_eval_exact_match(text, "No")
    assert lm_eval_exact_match("So the answer is No.", "No")


PIECES = [
    *("the answer is ", "The answer is", " So the answer is ", "the answer is", "(A)", "A", "No", "True", "-7", "] }"),
    *("valid", "[invalid]", "Q", "Q:", "</s>", "\n", "\n\n", ".", ". ", " ", "..", "\r", "\u2028", "\0", "é", "**"),
]
TARGETS = ("No", "(A)", "True", "-7", "] }", "valid", "A", "é", "")


@pytest.fixture(scope="module")
def theirs() -> Any:
    rows = [{"input": "?", "target": target} for target in TARGETS]
    return reference.lm_eval_task("bbh/cot_fewshot/navigate.yaml", {"test": rows})


def check_against_lm_eval(theirs: Any, text: str, target: str) -> None:
    """Through lm-eval's cutting at stops, its filter and its metric."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.utils import postprocess_generated_text

    doc = {"input": "?", "target": target}
    seen = postprocess_generated_text(text, list(LM_EVAL_STOPS), None)
    instance = Instance("generate_until", doc, ("", {}), 0, resps=[seen])
    for chain in theirs._filters:
        chain.apply([instance])
    said = instance.filtered_resps["get-answer"]
    assert lm_eval_answer(text) == said
    assert float(lm_eval_exact_match(text, target)) == theirs.process_results(doc, [said])["exact_match"]


@settings(deadline=None)
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=40),
    target=st.sampled_from(TARGETS),
)
@example(text="So the answer is No\0.", target="No")  # numpy strings end before trailing NULs
def test_exact_match_lm_eval_equals_lm_evals_own(theirs: Any, text: str, target: str) -> None:
    check_against_lm_eval(theirs, text, target)


def test_exact_match_lm_eval_equals_lm_evals_own_on_thousands_of_texts(theirs: Any) -> None:
    source = random.Random(11)
    right = 0
    for _ in range(3_000):
        target = source.choice(TARGETS)
        pieces = [*source.choices(PIECES, k=source.randint(0, 4)), "the answer is ", target, source.choice(PIECES)]
        text = "".join(pieces)
        check_against_lm_eval(theirs, text, target)
        right += lm_eval_exact_match(text, target)
    assert 200 < right < 2_800


def test_both_scores_come_from_one_response() -> None:
    task = Bbh(small(), shots=2)
    item = task.items()[2]
    sample = task.score(item, [Response(text="So the answer is No. ", finish="stop")])
    assert sample.metrics == {"exact_match": 1.0, "exact_match_lm_eval": 0.0}
    assert (sample.answer, sample.expected, sample.note) == ("No", "No", "")
    sample = task.score(item, [Response(text="I think", finish="length", generated=1024)])
    assert sample.metrics == {"exact_match": 0.0, "exact_match_lm_eval": 0.0}
    assert sample.note == "the response never says what the answer is within its 1024 tokens"


def test_a_small_prompt_and_its_shots() -> None:
    task = Bbh(small(), shots=2)
    prompt = ask(task, task.items()[0]).prompt
    think = "A: Let's think step by step.\n"
    examples = [f"Q: one\n{think}It is so. So the answer is 1.\n\n", f"Q: two\n{think}Also so. So the answer is 2.\n\n"]
    head = "Sort.\n\nRead with care.\n\n"
    assert prompt.shared == head + "".join(examples)
    assert prompt.cuts == (len(head), len(head + examples[0]))
    assert prompt.own == f"Q: question 0\n{think}"
    with pytest.raises(UsageError, match=re.escape("the chain-of-thought prompt has 2. Give a number from 0 to 2")):
        Bbh(small())
    with pytest.raises(UsageError, match=r"^shots=4: for bbh"):
        Bbh(small(), "instructeval", shots=4)


def test_instructeval_is_starts_with_and_its_items_do_not_depend_on_shots() -> None:
    for shots in range(4):
        task = Bbh(small(), "instructeval", shots)
        assert [item.id for item in task.items()] == ["word_sorting/3"]
        assert len(ask(task, task.items()[0]).prompt.cuts) == shots
    (item,) = task.items()
    for said, right in ((" 7", 1), ("7.", 1), ("77", 1), ("The answer is 7", 0), ("", 0), ("(7", 0)):
        assert task.score(item, [Response(text=said)]).metrics == {"starts_with": right}


def test_a_chat_model_may_write_paragraphs() -> None:
    task = Bbh(small(), shots=2, chat=True)
    item = task.items()[1]
    request = ask(task, item)
    assert request.stop == ("</s>", "\nQ:")
    assert request.prompt == ask(Bbh(small(), shots=2), item).prompt
    said = "Let me see.\n\nQuiet. So the answer is (A)."
    assert task.score(item, [Response(text=said)]).metrics == {"exact_match": 1.0, "exact_match_lm_eval": 0.0}


def test_summary_has_tasks_micro_and_macro() -> None:
    data = small()
    data.splits["test"] += [{"task": "snarks", "input": "?", "target": "(B)"}]
    data.prompts["snarks"] = PROMPT
    task = Bbh(data, shots=1)
    samples = [task.score(item, [Response(text="So the answer is (B).")]) for item in task.items()]
    found = {(score.group, score.metric): score.value for score in task.summarize(samples)}
    assert found["all", "exact_match"] == pytest.approx(1 / 5)
    assert found["all", "exact_match_macro"] == pytest.approx(1 / 2)
    assert found["snarks", "exact_match_lm_eval"] == 1
    assert found["word_sorting", "exact_match_lm_eval"] == 0
