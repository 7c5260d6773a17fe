"""Prompt sets, answers, comparisons, votes: stored once, undone and never lost, merged, removed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.errors import StoreError, UsageError
from judges.store import Store
from judges.store.comparisons import comparison_id
from judges.store.rows import (
    AnswerRow,
    AnswerSetRow,
    AssignmentRow,
    ComparisonRow,
    JudgeRow,
    PromptSetRow,
    QuestionRow,
    RatingPlanRow,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B = "a" * 32, "b" * 32
PROMPTS = PromptSetRow("d" * 64, "asked", "sample", ("a note",))
QUESTIONS = [
    QuestionRow(PROMPTS.digest, "1", 0, "math", ("two?", "and \ud800 then?"), ("2", "3")),
    QuestionRow(PROMPTS.digest, "2", 1, "writing", ("write\0",)),
]
ADA = JudgeRow("ada", "person", "Ada", NOW, token="t" * 64)
MODEL = JudgeRow("m" * 64, "model", "judge", NOW, "judge", {"temperature": 0})
PLAN = RatingPlanRow("plan", "first", PROMPTS.digest, (A, B), 2, NOW, config={"order": "telling"})
ASSIGNED = AssignmentRow("as", "plan", "ada", "1", A, B, 0, NOW)
VOTE = ComparisonRow("v1", "ada", "1", 0, A, B, "first", NOW, note="good", assignment="as")


def answer_set(name: str, /, **changes) -> AnswerSetRow:
    row = AnswerSetRow(
        id=name * 32,
        identity=f"identity {name}",
        name=name,
        status="running",
        prompt_set=PROMPTS.digest,
        model=f"models/{name}",
        created=NOW + timedelta(seconds=ord(name)),
        model_digest="5" * 64,
        template="chat",
        seed=2**62,
        config={"temperatures": {"math": 0.0}},
        warnings=("careful",),
    )
    return replace(row, **changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return filled(tmp_path / "here's a store.duckdb")


def filled(path: Path, names: str = "ab") -> Store:
    store = Store(path)
    for name in names:
        store.create_answers(answer_set(name), PROMPTS, QUESTIONS)
        store.record_answers(name * 32, [AnswerRow(name * 32, q, 1, f"{name} on {q}\0") for q in "12"])
    store.save_judge(ADA)
    store.save_judge(MODEL)
    return store


def planned(store: Store) -> Store:
    store.save_plan(PLAN)
    store.assign("plan", lambda assigned, votes: [ASSIGNED])
    return store


def test_rows_come_back_as_they_were(store):
    planned(store)
    assert store.prompt_sets() == [PROMPTS]
    assert store.questions(PROMPTS.digest) == QUESTIONS
    assert store.answer_sets() == [answer_set("b"), answer_set("a")]
    assert [row.text for row in store.answers_of(A)] == ["a on 1\0", "a on 2\0"]
    assert store.judges() == [ADA, MODEL]
    assert store.judges("person") == [ADA]
    assert store.plans() == [PLAN]
    assert store.assignments("plan") == [ASSIGNED]
    row = ComparisonRow("c", MODEL.id, "1", 1, A, B, "tie", NOW, 1, "t\0\ud800", "n", "e", "r", 2**40, 3, 0.25, 1.5)
    assert store.record_comparisons([row]) == 1
    assert store.comparisons() == [row]


def test_an_answer_is_kept_once(store):
    store.record_answers(A, [AnswerRow(A, "1", 1, "other"), AnswerRow(A, "1", 2, "second turn")])
    assert [(row.question, row.turn, row.text) for row in store.answers_of(A)] == [
        ("1", 1, "a on 1\0"),
        ("1", 2, "second turn"),
        ("2", 1, "a on 2\0"),
    ]
    with pytest.raises(ValueError, match="twice"):
        store.record_answers(A, [AnswerRow(A, "2", 2, "x"), AnswerRow(A, "2", 2, "y")])
    with pytest.raises(ValueError, match="another set"):
        store.record_answers(A, [AnswerRow(B, "2", 2, "x")])
    with pytest.raises(StoreError, match="no answers"):
        store.record_answers("x", [AnswerRow("x", "2", 2, "x")])
    with pytest.raises(StoreError, match="already"):
        store.create_answers(answer_set("a"), PROMPTS, QUESTIONS)


def test_answers_are_found_by_id_name_and_beginning(store):
    store.update_answers(A, status="finished", finished=NOW)
    assert store.resolve_answers(A).status == "finished"
    assert store.resolve_answers("a").id == store.resolve_answers("aaaa").id == A
    assert store.find_answers("identity a") == store.resolve_answers(A)
    newer = answer_set("c", name="a", identity="identity a")
    store.create_answers(newer, PROMPTS, QUESTIONS)
    assert store.resolve_answers("a") == newer  # the same thing made afresh
    store.create_answers(answer_set("e", name="a"), PROMPTS, QUESTIONS)
    with pytest.raises(UsageError, match="means several"):
        store.resolve_answers("a")
    with pytest.raises(UsageError, match="no answers of 'nobody'"):
        store.resolve_answers("nobody")
    with pytest.raises(UsageError, match="no answers of 'b'"):
        store.resolve_answers("b", "another prompt set")


def test_nothing_is_judged_twice(store):
    key = comparison_id(MODEL.id, "1", 1, A, B)
    assert key == comparison_id(MODEL.id, "1", 1, A, B, 0)
    others = [("x", "1", 1, A, B), (MODEL.id, "2", 1, A, B), (MODEL.id, "1", 2, A, B), (MODEL.id, "1", 1, B, A)]
    assert len({key, *(comparison_id(*each) for each in others), comparison_id(MODEL.id, "1", 1, A, B, 1)}) == 6
    first = ComparisonRow(key, MODEL.id, "1", 1, A, B, "first", NOW, text="kept")
    assert store.record_comparisons([first]) == 1
    assert store.record_comparisons([replace(first, verdict="second", text="lost")]) == 0
    assert store.comparisons() == [first]
    assert store.comparisons(judges=["x"]) == []
    assert store.comparisons(answer_sets=[A]) == []
    assert store.comparisons([MODEL.id], [A, B]) == [first]


def test_what_a_session_may_have_spent_stays_known(store):
    session = store.open_session(MODEL.id)
    row = ComparisonRow("c", MODEL.id, "1", 1, A, B, "tie", NOW, cost=0.5)
    store.record_comparisons([row], session, lost=0.25, reserved=1.0)
    assert store.unaccounted(MODEL.id) == 1.25
    store.save_session(session, 0.25, 0.0)
    store.save_session(store.open_session(MODEL.id), 0.0, 2.0)
    assert store.unaccounted(MODEL.id) == 2.25
    assert store.unaccounted("x") == 0.0
    with pytest.raises(StoreError, match="no judge's session"):
        store.record_comparisons([replace(row, id="d")], "x")
    assert len(store.comparisons()) == 1  # one transaction


def test_a_vote_sent_twice_is_stored_once(store):
    planned(store)
    assert store.vote(VOTE) == VOTE
    assert store.vote(replace(VOTE, verdict="second")) == VOTE
    assert store.vote(replace(VOTE, id="v2", verdict="second")) == VOTE  # another tab: the pair has its vote
    assert store.votes("plan") == [VOTE]


def test_ten_at_once_store_one_vote(store):
    planned(store)
    votes = [replace(VOTE, id=f"v{n}") for n in range(10)]
    got: list[ComparisonRow] = []
    threads = [threading.Thread(target=lambda vote=vote: got.append(store.vote(vote))) for vote in votes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.votes("plan", superseded=True)) == 1
    assert {vote.id for vote in got} == {store.votes("plan")[0].id}


def test_an_undone_vote_stays_and_counts_no_more(store):
    planned(store)
    store.vote(VOTE)
    undone = store.undo("v1", "ada")
    assert undone.superseded is not None
    assert store.undo("v1", "ada") == undone
    assert store.votes("plan") == store.comparisons() == []
    assert store.votes("plan", superseded=True) == store.comparisons(superseded=True) == [undone]
    assert store.vote(VOTE) == undone  # its key is spent: it comes late, and does not come back to life
    again = replace(VOTE, id="v2", verdict="tie")
    assert store.vote(again) == again
    assert store.votes("plan") == [again]


def test_votes_of_others_and_on_nothing_are_refused(store):
    planned(store)
    with pytest.raises(StoreError, match="not handed"):
        store.vote(replace(VOTE, judge="eve"))
    with pytest.raises(StoreError, match="not handed"):
        store.vote(replace(VOTE, assignment="x"))
    with pytest.raises(ValueError, match="another pair"):
        store.vote(replace(VOTE, first=B, second=A))
    store.vote(VOTE)
    with pytest.raises(StoreError, match="no such vote"):
        store.undo("v1", "eve")
    assert store.votes("plan") == [VOTE]


def test_pairs_are_handed_out_one_person_after_the_other(store):
    planned(store)
    seen: list[int] = []

    def hand(number: int) -> None:
        def choose(assigned, votes):
            seen.append(len(assigned))
            return [replace(ASSIGNED, id=f"n{number}", judge=f"rater {number}")]

        store.assign("plan", choose)

    threads = [threading.Thread(target=hand, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(seen) == list(range(1, 9))
    with pytest.raises(ValueError, match="twice"):
        store.assign("plan", lambda assigned, votes: [replace(ASSIGNED, id="x", first=B, second=A)])
    assert len(store.assignments("plan")) == 9
    assert store.assignments("plan", "ada") == [ASSIGNED]


def test_tokens_open_until_they_are_revoked(store):
    assert store.judge_of_token("t" * 64) == ADA
    assert store.judge_of_token("") is None  # the model has none
    store.revoke("ada")
    found = store.judge_of_token("t" * 64)
    assert found is not None
    assert found.revoked is not None
    store.revoke("ada")
    assert store.judge_of_token("t" * 64) == found
    with pytest.raises(StoreError, match="no judge"):
        store.revoke("x")


def everything(store: Store) -> list[object]:
    return [
        store.prompt_sets(),
        store.questions(PROMPTS.digest),
        store.answer_sets(),
        [store.answers_of(each.id) for each in store.answer_sets()],
        store.judges(),
        store.comparisons(superseded=True),
        store.plans(),
        store.assignments("plan"),
    ]


def test_merge_brings_everything_once(store, tmp_path):
    planned(store).vote(VOTE)
    store.record_comparisons([ComparisonRow("c", MODEL.id, "1", 1, A, B, "tie", NOW)])
    here = filled(tmp_path / "here.duckdb", "a")
    counts = here.merge(store.path)
    assert (counts["answer_sets"], counts["answers"], counts["comparisons"]) == (1, 2, 2)
    assert everything(here) == everything(store)
    again = here.merge(store.path)
    assert {name: count for name, count in again.items() if count} == {}
    store.undo("v1", "ada")
    store.revoke("ada")
    store.save_plan(replace(PLAN, closed=NOW))
    store.update_answers(A, status="finished")
    store.record_answers(A, [AnswerRow(A, "1", 2, "more")])
    here.merge(store.path)
    assert everything(here) == everything(store)


def test_removed_answers_take_their_comparisons_with_them(store):
    planned(store).vote(VOTE)
    store.create_answers(answer_set("c"), PROMPTS, QUESTIONS)
    kept = ComparisonRow("k", MODEL.id, "1", 1, B, "c" * 32, "tie", NOW)
    store.record_comparisons([kept])
    before = everything(store)
    store.gc()
    assert everything(store) == before
    with pytest.raises(StoreError, match="no answers"):
        store.remove_answers([A, "x"])
    assert everything(store) == before
    counts = store.remove_answers([A])
    assert (counts["answer_sets"], counts["answers"], counts["comparisons"]) == (1, 2, 1)
    assert store.comparisons(superseded=True) == [kept]
    assert store.plans() == store.assignments("plan") == []
    assert store.judges() == [ADA, MODEL]
    store.remove_answers([B, "c" * 32])
    assert store.prompt_sets() == store.questions(PROMPTS.digest) == []


def test_rm_takes_answers_where_it_is_told_to(store, capsys):
    from harness.cli.main import run_command

    assert run_command(["rm", "a", "--db", str(store.path), "--yes"]) == 2  # there is no run of that name
    assert run_command(["rm", "a", "--answers", "--db", str(store.path), "--yes"]) == 0
    assert "2 answers, 0 comparisons" in capsys.readouterr().out
    assert [each.name for each in store.answer_sets()] == ["b"]
