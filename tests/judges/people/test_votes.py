"""The plan, the order of pairs, votes."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.errors import StoreError, UsageError
from judges.choosing import rounds
from judges.people import raters, votes
from judges.people.votes import Desk
from judges.ranking.rating import Match
from judges.store import Store
from judges.store.rows import JudgeRow, Verdict
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


def rated(store: Store, plan, *desks: Desk) -> int:
    """The desks in turn, to the end; how many votes the plan has then. Alpha wins where it plays, and all else ties."""
    alpha = next(answers.id for answers in store.answer_sets() if answers.name == "secret-model-alpha")
    waiting = list(desks)
    while waiting:
        desk = waiting.pop(0)
        if (pair := desk.pair()) is not None:
            own = desk._mine[pair.id]
            won: Verdict = "first" if own.first == alpha else "second" if own.second == alpha else "tie"
            desk.vote(pair.id, won, uuid.uuid4().hex)
            desk.refill()
            waiting.append(desk)
    return len(store.votes(plan.id))


def test_chosen_pairs_are_a_share_in_rounds_by_the_votes_so_far(tmp_path, monkeypatch):
    store = three(tmp_path / "s.duckdb", questions=8)
    known: list[list[Match]] = []

    def next_round(pool, before, games, share):
        known.append(list(games))
        return rounds.next_round(pool, before, games, share)

    monkeypatch.setattr(votes, "next_round", next_round)
    plan = plan_of(store, share=0.5)
    desk = Desk(store, plan, rater(store))
    assert desk.progress().asked == 12 == votes.votes_wanted(plan)
    assert rated(store, plan, desk) == 12
    chosen = store.chosen_pairs(plan.id)
    assert max(row.round for row in chosen) >= 2
    assert {row.available for row in chosen} == {8}
    units = {(row.first, row.second, prompt) for row in chosen for prompt in row.prompts}
    assert {(*sorted((v.first, v.second)), v.question) for v in store.votes(plan.id)} == units
    assert known[0] == []
    assert [len(games) for games in known[:4]] == [0, 3, 6, 9]
    alpha = next(answers.id for answers in store.answer_sets() if answers.name == "secret-model-alpha")
    assert {game.score for game in known[-1] if game.a == alpha} <= {1.0}
    assert {game.score for game in known[-1] if game.b == alpha} <= {0.0}
    assert {game.score for game in known[-1] if alpha not in (game.a, game.b)} <= {0.5}
    assert Desk(store, plan, rater(store, "Bo")).pair() is None
    assert plan_of(store, share=0.5) == plan


def test_chosen_pairs_with_two_ratings_end_for_one_rater(tmp_path):
    """One rater sees no pair twice; what is left is another's."""
    store = three(tmp_path / "s.duckdb", questions=3)
    plan = plan_of(store, share=0.9, ratings=2)
    assert votes.votes_wanted(plan) == 17
    assert rated(store, plan, Desk(store, plan, rater(store))) == 9
    assert rated(store, plan, Desk(store, plan, rater(store, "Bo"))) == 17


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
