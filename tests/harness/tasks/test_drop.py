"""DROP: F1 and EM equal lm-eval's, prompts with fixed shots, and what is read where lm-eval stops too early."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from harness.errors import UsageError
from harness.tasks.drop import Drop, single_answers, spans
from harness.tasks.span_f1 import best, exact_match_and_f1, normalize
from harness.types import Generate, Item, Response
from tests.harness.tasks.lm_eval_bridge import lm_eval_local as reference

Row = dict[str, Any]


def answer(number: str = "", spans: tuple[str, ...] = (), day: str = "", month: str = "", year: str = "") -> Row:
    return {"number": number, "spans": list(spans), "date": {"day": day, "month": month, "year": year}}


def row(passage: int, question: int, *answers: Row) -> Row:
    ids = {"passage_id": f"p{passage}", "query_id": f"q{passage}-{question}"}
    return {**ids, "passage": f"Passage {passage}.", "question": f"What {question}?", "answers": list(answers)}


def small(*test: Row, train: list[Row] | None = None) -> Any:
    splits = {"test": list(test) or [row(p, q, answer(number=f"{p}{q}")) for p in range(5) for q in range(2)]}
    if train is not None:
        splits["train"] = train
    return SimpleNamespace(name="drop", source="folder:x", digest="d", splits=splits, prompts={}, notes=())


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Any:
    return benchmarks.load(Drop.rows, str(shared_data))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """lm-eval's scoring of DROP."""
    return importlib.import_module("lm_eval.tasks.drop.utils")


def ask(task: Drop, item: Item) -> Generate:
    (request,) = task.requests(item)
    assert isinstance(request, Generate)
    return request


def text(task: Drop, item: Item) -> str:
    prompt = ask(task, item).prompt
    return prompt.shared + prompt.own


# The metric. Words that its rules treat differently: numbers of many kinds, articles, punctuation, hyphens.

VOCABULARY = (
    "a an the The one 1 1.0 12.5 12.5% $5 12,000 -3 3rd 1e3 1_000 nan inf infinity ½ ٣ yard yards 17-yard U.S. O'Neil "
    "well-known Ünïted ΣΑΣ and , . - % a.m. theme than 85. 7-6 (2nd) “quote” \t \n"
)
WORDS = st.sampled_from(VOCABULARY.split(" "))  # at single spaces: a tab and a line end are words too
PHRASES = st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=12)
SPANS = st.lists(PHRASES, min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(predicted=SPANS, gold=SPANS)
def test_exact_match_and_f1_equal_lm_eval(theirs: Any, predicted: list[str], gold: list[str]) -> None:
    assert exact_match_and_f1(predicted, gold) == tuple(theirs.get_metrics(predicted, gold))


@settings(deadline=None)
@given(st.text(max_size=60) | PHRASES)
def test_normalisation_equals_lm_eval(theirs: Any, words: str) -> None:
    assert normalize(words) == theirs._normalize(words)


def test_pairs_made_from_real_answers_equal_lm_eval(theirs: Any, real: Any) -> None:
    """Each real answer against mangled real answers: words dropped, doubled, swapped, joined and split."""
    golds = [spans(answer) for row in real.splits["test"] for answer in row["answers"]]
    source = random.Random(7)
    nonzero = 0
    for number in range(5_000):
        gold = golds[number % len(golds)] + (source.choice(golds) if number % 3 == 0 else ())
        words = " ".join(source.sample([*gold, *source.choice(golds)], 2)).split()
        said = [" ".join(source.choices(words, k=source.randint(1, 4))) for _ in range(source.randint(1, 3))]
        ours = exact_match_and_f1(said, gold)
        assert ours == tuple(theirs.get_metrics(said, gold))
        nonzero += ours[1] > 0
    assert nonzero > 1_000


@settings(deadline=None)
@given(predicted=PHRASES, golds=st.lists(SPANS, min_size=1, max_size=3))
def test_the_best_over_answers_equals_lm_eval(theirs: Any, predicted: str, golds: list[list[str]]) -> None:
    expected = theirs.process_results({"answers": golds}, [predicted])
    assert best((predicted,), golds) == (expected["em"], expected["f1"])


@settings(deadline=None)
@given(predicted=SPANS, gold=SPANS)
def test_an_exact_match_has_full_f1(predicted: list[str], gold: list[str]) -> None:
    """Of distinct spans: the official rule compares sets, and F1 pairs spans that stand there twice."""
    exact, f1 = exact_match_and_f1(predicted, gold)
    assert 0 <= f1 <= 1
    if exact and len({normalize(span) for span in gold}) == len(gold):
        assert f1 == 1


@pytest.mark.parametrize(
    ("said", "gold", "em", "f1"),
    [
        (["the Denver Broncos"], ["Broncos"], 0, 0.67),
        (["12,000"], ["12000"], 1, 1),
        (["85"], ["85.0"], 1, 1),
        (["10 yards"], ["10"], 0, 0.67),
        (["12 yards"], ["10 yards"], 0, 0),  # a number that does not match
        (["Asia", "Europe"], ["Europe", "Asia"], 1, 1),
        (["Asia"], ["Europe", "Asia"], 0, 0.5),
        (["12.5%"], ["12.5"], 0, 0),  # the official rule: the point is lost with the percent sign
    ],
)
def test_known_scores(said: list[str], gold: list[str], em: float, f1: float) -> None:
    assert exact_match_and_f1(said, gold) == (em, f1)


def test_rounding_is_numpys(theirs: Any) -> None:
    """0.325 in floats: Python rounds it up, numpy down."""
    said, gold = ["w x y z", "b c d e f g h"], ["w", "b"]
    assert exact_match_and_f1(said, gold) == tuple(theirs.get_metrics(said, gold))


# What is read of a response


def score(said: str, *answers: Row) -> dict[str, float]:
    task = Drop(small(*(row(p, 0, answer(number="1")) for p in range(3)), row(3, 0, *answers)))
    return dict(task.score(task.items()[0], [Response(text=said)]).metrics)


def test_decimal_numbers_survive_where_lm_eval_stops_at_the_point() -> None:
    for said in (" 12.5", "12.5.", " 12.5. "):
        right = {"f1": 1.0, "em": 1.0, "f1_lm_eval": 0.0, "em_lm_eval": 0.0}
        assert score(said, answer(number="12.5")) == right
    flattered = {"f1": 0.0, "em": 0.0, "f1_lm_eval": 1.0, "em_lm_eval": 1.0}
    assert score("12.9", answer(number="12")) == flattered
    assert score("85. The city", answer(number="85"))["em_lm_eval"] == 1
    assert score("U.S.", answer(spans=("U.S.",)))["em"] == 1


def test_several_spans_are_read_as_the_shots_write_them() -> None:
    both = answer(spans=("Asia", "Europe"))
    assert score("Europe, Asia", both) == {"f1": 1.0, "em": 1.0, "f1_lm_eval": 0.33, "em_lm_eval": 0.0}
    assert score("Asia, Africa", both)["em"] == 0
    assert score("Asia", both) == {"f1": 0.5, "em": 0.0, "f1_lm_eval": 0.5, "em_lm_eval": 0.0}
    # A single span is never taken apart, and a number is no list.
    assert score("Houston, Texas", answer(spans=("Houston, Texas",)))["em"] == 1
    assert score("3, 4", answer(number="3"))["f1"] == score("3, 4", answer(number="3"))["f1_lm_eval"]


@settings(deadline=None)
@given(said=PHRASES, golds=st.lists(SPANS, min_size=1, max_size=3))
def test_lm_evals_metric_is_lm_evals_on_the_text_before_its_stop(
    theirs: Any, said: str, golds: list[list[str]]
) -> None:
    answers = [answer(spans=tuple(gold)) for gold in golds]
    expected = theirs.process_results({"answers": [tuple(gold) for gold in golds]}, [said.split(".")[0]])
    found = score(said, *answers)
    assert (found["em_lm_eval"], found["f1_lm_eval"]) == (expected["em"], expected["f1"])


def test_validated_answers_count_and_blank_ones_do_not() -> None:
    assert score("7", answer(number="6"), answer(number="7"))["em"] == 1
    assert score("", answer(), answer(number="7")) == {"f1": 0, "em": 0, "f1_lm_eval": 0, "em_lm_eval": 0}
    assert score("5 May 1990", answer(day="5", month="May", year="1990"))["em"] == 1
    task = Drop(small())
    sample = task.score(task.items()[0], [Response(text=" 99. ")])
    assert (sample.answer, sample.expected) == ("99", "01")


def test_gold_answers_equal_lm_evals(theirs: Any, real: Any, shared_data: Path) -> None:
    docs = reference.lm_eval_drop_task(shared_data).eval_docs
    assert len(docs) == len(real.splits["test"]) == 50
    for mine, doc in zip(real.splits["test"], docs, strict=True):
        assert {spans(answer) for answer in mine["answers"]} == {tuple(gold) for gold in doc["answers"]}


# Prompts


def test_zero_shot_prompts_are_lm_evals_own(shared_data: Path, real: Any) -> None:
    task = Drop(real, shots=0)
    theirs = reference.lm_eval_drop_task(shared_data)
    prompts = dict(zip((doc["id"] for doc in theirs.eval_docs), reference.contexts(theirs), strict=True))
    assert len(task.items()) == 47
    for item in task.items():
        assert text(task, item) == prompts[item.id]
        assert item.cluster == item.row["passage_id"]


def test_prompts_with_shots_are_rendered_as_lm_eval_does(shared_data: Path, real: Any) -> None:
    """lm-eval's own target joins the keys of an answer, so its template is replaced by the answer's text."""
    rows = reference.drop_rows(shared_data)
    shots = [
        {
            "passage": row["passage"],
            "question": row["question"],
            "said": row["answer"]["number"] or row["answer"]["spans"][0],
        }
        for row in rows[:3]
    ]
    changes = {
        "num_fewshot": 3,
        "target_delimiter": " ",
        "fewshot_config": {"sampler": "first_n", "samples": shots, "doc_to_target": "{{said}}"},
    }
    theirs = reference.lm_eval_drop_task(shared_data, **changes)
    prompts = dict(zip((doc["id"] for doc in theirs.eval_docs), reference.contexts(theirs), strict=True))
    task = Drop(real)
    for item in task.items():
        assert text(task, item) == prompts[item.id]
    request = ask(task, task.items()[0])
    assert (request.stop, request.max_tokens, request.prompt.cap) == (("\n",), 64, None)


def test_lm_evals_own_shots_would_show_the_keys_of_the_answer(shared_data: Path) -> None:
    """The reason for a target of our own; if lm-eval mends it, docs/protocols.md must say so."""
    rules = {"num_fewshot": 1, "fewshot_split": "validation", "fewshot_config": {"sampler": "first_n"}}
    prompt = reference.contexts(reference.lm_eval_drop_task(shared_data, **rules))[1]
    assert "?number,date,spans\n\n" in prompt


def test_without_train_three_dev_rows_stand_in_and_are_recorded(real: Any) -> None:
    task = Drop(real)
    ids = ["drop-sample-1", "drop-sample-2", "drop-sample-3"]
    assert task.settings["shot_ids"] == task.settings["excluded_ids"] == ids
    assert not {item.id for item in task.items()} & set(ids)
    assert len(task.items()) == 47
    *notes, warning = task.warnings
    assert notes == list(real.notes)
    assert all(one in warning for one in ids)
    fewer = Drop(real, shots=1)
    assert fewer.settings["shot_ids"] == ids[:1]
    assert [item.id for item in fewer.items()] == [item.id for item in task.items()]


def test_the_stand_ins_are_about_three_passages() -> None:
    task = Drop(small())
    assert task.settings["shot_ids"] == ["q0-0", "q1-0", "q2-0"]
    assert [item.id for item in task.items()][:4] == ["q0-1", "q1-1", "q2-1", "q3-0"]


def test_with_train_its_first_three_are_the_shots() -> None:
    train = [row(90, q, answer(spans=("Asia", "Europe")), answer(number="4")) for q in range(4)]
    task = Drop(small(train=train))
    assert len(task.items()) == 10
    assert task.settings["shot_ids"] == ["q90-0", "q90-1", "q90-2"]
    assert task.settings["excluded_ids"] == []
    assert not task.warnings
    prompt = ask(task, task.items()[0]).prompt
    shot = "Passage 90. What 0? Asia, Europe\n\n"
    assert prompt.shared.startswith(shot)
    assert prompt.cuts[:2] == (0, len(shot))
    assert prompt.own == "Passage 0. What 0?"
    assert Drop(small(train=train), shots=4).shots == 4
    with pytest.raises(UsageError, match="the train split has 4"):
        Drop(small(train=train), shots=5)
    with pytest.raises(UsageError, match=r"missing train split\) has 3"):
        Drop(small(), shots=4)


# instruct-eval


def test_instructeval_takes_single_answers_and_no_passage_of_a_shot(real: Any) -> None:
    task = Drop(real, "instructeval")
    rows = [row for row in real.splits["test"] if len(set(single_answers(row))) == 1]
    random.seed(0)
    shots = random.sample(rows, k=3)
    assert task.settings["shot_ids"] == [row["query_id"] for row in shots]
    passages = {row["passage"] for row in shots}
    kept = [row for row in rows if row["passage"] not in passages]
    assert [item.id for item in task.items()] == [row["query_id"] for row in kept]
    assert len(kept) + len(task.settings["excluded_ids"]) == len(rows)
    head = "".join(f"{r['passage'].strip()} {r['question'].strip()}\nAnswer: {single_answers(r)[0]}\n\n" for r in shots)
    for item, row_ in zip(task.items(), kept, strict=True):
        assert text(task, item) == f"{head}{row_['passage'].strip()} {row_['question'].strip()}\nAnswer:"
        request = ask(task, item)
        assert (request.max_tokens, request.stop, request.prompt.cap) == (8, (), 2048)


@pytest.mark.parametrize(
    ("answers", "texts"),
    [
        ([answer(number="3"), answer(number="4"), answer(number="4")], ["4", "4"]),  # the validators, not the author
        ([answer(number="3")], ["3"]),
        ([answer(spans=("x",)), answer(spans=(" Asia ", "Europe"))], ["Asia", "Europe"]),
        ([answer(spans=("x",)), answer(month="May", year="1990")], ["May 1990"]),
        ([answer(spans=("x",)), answer(number="3", spans=("Asia",))], []),
        ([answer(spans=("x",)), answer(number="3", year="1990")], []),
    ],
)
def test_single_answers_are_read_as_the_hubs_builder_does(answers: list[Row], texts: list[str]) -> None:
    assert single_answers(row(0, 0, *answers)) == texts


def test_instructeval_drops_several_answers_and_scores_starts_with() -> None:
    data = [row(p, q, answer(spans=("x",)), answer(number=f"{p}{q}")) for p in range(6) for q in range(2)]
    data += [row(7, 0, answer(spans=("Asia", "Europe"))), row(8, 0, answer(spans=("A",)), answer(spans=("B",)))]
    task = Drop(small(*data), "instructeval")
    assert len(task.items()) in (6, 8)  # two or three passages lost, by which rows were drawn
    assert {item.cluster for item in task.items()}.isdisjoint(
        {"p7", *(i[:2].replace("q", "p") for i in task.settings["shot_ids"])}
    )
    item = next(item for item in task.items() if item.cluster != "p8")
    label = item.row["answers"][1]["number"]
    for said, right in ((f" {label}", 1), (f"{label}9", 1), (f"about {label}", 0), ("", 0)):
        assert task.score(item, [Response(text=said)]).metrics == {"starts_with": right}
    assert task.metric == "starts_with"
    with pytest.raises(UsageError, match=r"drawn at seed 0\) has 3"):
        Drop(small(*data), "instructeval", shots=4)


def test_summary_is_overall_and_clustered_by_passage() -> None:
    task = Drop(small())
    samples = [task.score(item, [Response(text=item.row["answers"][0]["number"])]) for item in task.items()]
    found = {score.metric: score for score in task.summarize(samples)}
    assert set(found) == {"f1", "em", "f1_lm_eval", "em_lm_eval"}
    assert {score.group for score in found.values()} == {"all"}
    assert found["f1"].method == "clustered"
    assert (found["f1"].value, found["f1"].n) == (1, 7)
