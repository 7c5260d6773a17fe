"""The plan, the order of pairs, votes."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.errors import StoreError, UsageError
from judges.people import raters, votes
from judges.people.votes import Desk
from judges.store import Store
from judges.store.rows import JudgeRow
from tests.leaderboard.make import answered, three


@pytest.fixture
def store(tmp_path) -> Store:
    return three(tmp_path / "s.duckdb", questions=6)


def plan_of(store: Store, **options):
    return votes.make_plan(store, store.answer_sets(), **options)


def rater(store: Store, name: str = "Ada") -> JudgeRow:
    found = raters.named(store, name)
    assert found is not None
    return found


def work(desk: Desk, count: int = 1000, verdict="first") -> int:
    for done in range(count):
        pair = desk.pair()
        if pair is None:
            return done
        desk.vote(pair.id, verdict, uuid.uuid4().hex)
        desk.refill()
    return count


def test_a_rater_sees_every_pair_once(store):
    plan = plan_of(store, sample=4)
    assert work(Desk(store, plan, rater(store))) == 4 * 3
    seen = Counter((v.question, frozenset((v.first, v.second))) for v in store.votes(plan.id))
    assert len(seen) == 12
    assert set(seen.values()) == {1}


def test_sides_are_even_and_not_foreseen(store, monkeypatch):
    plan = plan_of(store, ratings=8, sample=4)
    monkeypatch.setattr(votes, "AHEAD", 12)
    for n in range(8):
        Desk(store, plan, rater(store, f"r{n}"))
    handed = store.assignments(plan.id)
    left = Counter((a.judge, a.first, frozenset((a.first, a.second))) for a in handed)
    assert set(left.values()) == {2}  # four of each two models, two with each on the left
    question = handed[0].question
    first = Counter(a.first < a.second for a in handed if a.question == question)
    assert all(5 <= count <= 19 for count in first.values())  # of 24


def test_raters_share_the_pairs(store):
    plan = plan_of(store, ratings=2, sample=2)
    desks = [Desk(store, plan, rater(store, name)) for name in ("Ada", "Bo", "Cy")]
    for _ in range(6):
        for desk in desks:
            work(desk, 1)
    by_pair = Counter((v.question, frozenset((v.first, v.second))) for v in store.votes(plan.id))
    assert set(by_pair.values()) == {2}
    shares = Counter(v.judge for v in store.votes(plan.id)).values()
    assert sum(shares) == 12
    assert min(shares) >= 3


def test_a_rater_is_asked_for_so_many(store):
    plan = plan_of(store, per_rater=5)
    desk = Desk(store, plan, rater(store))
    assert desk.progress().asked == 5
    assert work(desk) == 5
    assert desk.progress().rated == 5


def test_coming_back(store):
    plan, ada = plan_of(store), rater(store)
    desk = Desk(store, plan, ada)
    work(desk, 3)
    waiting = desk.pair()
    again = Desk(store, plan, rater(store, " ada "))
    assert again.progress().rated == 3
    assert again.pair() == waiting  # with the same sides
    assert again.last == desk.last


def test_undo_and_vote_again(store):
    plan = plan_of(store)
    desk = Desk(store, plan, rater(store))
    work(desk, 2)
    pair = desk.pair()
    desk.vote(pair.id, "second", "one")
    assert desk.undo()
    assert desk.pair() == pair
    assert desk.progress().rated == 2
    desk.vote(pair.id, "tie", "two")
    assert [v.verdict for v in store.votes(plan.id)] == ["first", "first", "tie"]
    assert [v.id for v in store.votes(plan.id, superseded=True) if v.superseded] == ["one"]


def test_undo_all_the_way_also_after_coming_back(store):
    plan, ada = plan_of(store), rater(store)
    work(Desk(store, plan, ada), 2)
    desk = Desk(store, plan, ada)
    assert [desk.undo(), desk.undo(), desk.undo()] == [True, True, False]
    assert store.votes(plan.id) == []


def test_one_key_is_one_vote(store):
    desk = Desk(store, plan_of(store), rater(store))
    pair = desk.pair()
    for _ in range(3):
        desk.vote(pair.id, "first", "key")
    assert len(store.votes(desk.plan.id)) == 1


def test_two_tabs_of_one_rater_make_one_vote(store):
    plan, ada = plan_of(store), rater(store)
    one, other = Desk(store, plan, ada), Desk(store, plan, ada)
    pair = one.pair()
    assert other.pair() == pair
    one.vote(pair.id, "first", "one")
    assert other.vote(pair.id, "second", "two").id == "one"  # and the page says so
    assert other.pair() != pair
    assert [v.verdict for v in store.votes(plan.id)] == ["first"]


def test_a_skipped_pair_is_another_raters(store):
    plan = plan_of(store, sample=1)
    desk = Desk(store, plan, rater(store))
    pair = desk.pair()
    desk.vote(pair.id, "skip", "k")
    work(desk)
    assert desk.progress().skipped == 1
    assert desk.progress().rated == desk.progress().asked == 2
    assert work(Desk(store, plan, rater(store, "Bo"))) == 1


def test_a_pair_that_lies_about_is_handed_on(store, monkeypatch):
    plan = plan_of(store, sample=1)
    Desk(store, plan, rater(store))  # holds all three
    bo = Desk(store, plan, rater(store, "Bo"))
    assert bo.pair() is None
    monkeypatch.setattr(votes, "KEPT", timedelta(0))
    assert bo.pair() is not None


def test_what_is_least_sure_comes_first(tmp_path):
    store = three(tmp_path / "s.duckdb", questions=20)
    plan = plan_of(store, order="telling")
    sets = {each.name: each.id for each in store.answer_sets()}
    clear, open_ = ({sets["secret-model-alpha"], sets[f"secret-model-{name}"]} for name in ("beta", "gamma"))
    desk = Desk(store, plan, rater(store))
    met: Counter[frozenset[str]] = Counter()
    for _ in range(24):
        pair = desk.pair()
        own = next(a for a in store.assignments(plan.id) if a.id == pair.id)
        two = frozenset((own.first, own.second))
        met[two] += 1
        lower_won = two == clear or met[two] % 2 == 0  # always the same, or each in turn
        desk.vote(pair.id, "first" if (own.first < own.second) == lower_won else "second", uuid.uuid4().hex)
        desk.refill()
    asked = Counter(frozenset((v.first, v.second)) for v in store.votes(plan.id))
    assert asked[frozenset(open_)] > asked[frozenset(clear)] + 1


def test_the_pairs_page_side_has_no_names(store):
    desk = Desk(store, plan_of(store), rater(store))
    shown = repr(desk.pair())
    assert "secret" not in shown
    assert not any(each.id in shown for each in store.answer_sets())


def test_somebody_elses_pair_and_a_revoked_rater(store):
    plan = plan_of(store)
    ada, bo = Desk(store, plan, rater(store)), Desk(store, plan, rater(store, "Bo"))
    bo._mine |= ada._mine
    with pytest.raises(StoreError, match="not handed"):
        bo.vote(ada.pair().id, "first", "k")
    raters.revoke(store, "Ada")
    with pytest.raises(StoreError, match="no more"):
        ada.vote(ada.pair().id, "first", "k")
    assert store.votes(plan.id) == []


def test_ten_raters_at_once(store):
    plan = plan_of(store, ratings=3, sample=3)
    failed: list[BaseException] = []

    def sit(n: int) -> None:
        try:
            work(Desk(Store(store.path), plan, rater(store, f"r{n}")))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=sit, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    by_pair = Counter((v.question, frozenset((v.first, v.second))) for v in store.votes(plan.id))
    assert len(by_pair) == 9
    assert set(by_pair.values()) == {3}


def test_a_plan_is_found_again(store):
    plan = plan_of(store, ratings=2, sample=3)
    assert len(plan.config["questions"]) == 3
    assert plan_of(store, ratings=2, sample=3) == plan
    assert plan_of(store, ratings=2, sample=3, seed=1).id != plan.id
    store.save_plan(replace(plan, closed=datetime.now(UTC)))
    assert plan_of(store, ratings=2, sample=3).id != plan.id


def test_plans_that_make_no_sense(store, tmp_path):
    with pytest.raises(UsageError, match="two or more"):
        votes.make_plan(store, store.answer_sets()[:1])
    with pytest.raises(UsageError, match="from 1"):
        plan_of(store, ratings=0)
    other = answered(tmp_path / "o.duckdb", {"a": ["x"], "b": []})
    with pytest.raises(UsageError, match="in common"):
        votes.make_plan(other, other.answer_sets())


def test_a_question_that_one_model_has_not_answered_is_left_out(tmp_path):
    store = answered(tmp_path / "o.duckdb", {"a": ["x", "y"], "b": ["z"]})
    assert plan_of(store).config["questions"] == ["q0"]
