"""Prices, the estimate, and an account that many threads spend from."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from judges.judging.cost import Budget, Prices, SpentError, estimate, prices, worst_tokens

RATES = Prices(1.0, 2.0)


class Disk:
    """What a killed session leaves."""

    def __init__(self) -> None:
        self.lost = self.reserved = 0.0

    def __call__(self, lost: float, reserved: float) -> None:
        self.lost, self.reserved = lost, reserved


def test_a_limit_needs_both_prices():
    assert prices(None, None, None) is None
    assert prices(1, 2, 3) == Prices(1, 2)
    for given_ in ((None, None, 1.0), (1.0, None, 1.0), (None, 1.0, None)):
        with pytest.raises(
            UsageError, match=r"=1\.0: a cost needs both of the judge's prices, `price_in` and `price_out`"
        ):
            prices(*given_)
    for wrong in ((-1.0, 1.0, None), (1.0, float("nan"), None), (1.0, 1.0, float("inf"))):
        with pytest.raises(UsageError, match=" must be a number from 0 up"):
            prices(*wrong)


@settings(deadline=None)
@given(st.text())
def test_no_tokenizer_makes_more_tokens_than_the_worst_case(text):
    from tests.models import make_tokenizer

    assert len(make_tokenizer("bytes").encode(text)) <= worst_tokens([{"content": text}])


def test_the_estimate():
    found = estimate([1064, 1064], 100, Prices(2.0, 4.0))
    assert found.requests == 2
    assert found.tokens_in < 2128
    assert found.most == pytest.approx((2128 * 2 + 200 * 4) / 1e6)
    assert found.cost is not None
    assert found.cost <= found.most
    assert estimate([10], 100, None).cost is None


def test_nothing_is_sent_that_might_pass_the_limit():
    budget = Budget(RATES, 10.0, 3.0, Disk())
    budget.begin(6.0)
    budget.settle(1.0)()
    assert budget.total == 4.0
    budget.begin(6.0)
    budget.fail()
    assert (budget.total, budget.lost) == (10.0, 6.0)
    with pytest.raises(SpentError, match="max_cost = 10 is reached: 10 is spent"):
        budget.begin(0.5)
    assert budget.total == 10.0


def test_what_the_server_refused_costs_nothing_and_an_attempt_that_broke_off_its_worst():
    budget = Budget(RATES, 10.0, 0.0, Disk())
    budget.begin(4.0)
    budget.release()
    assert budget.total == 0.0
    budget.begin(4.0)
    budget.begin(4.0)  # the attempt before brought nothing
    budget.settle(1.0)()
    assert (budget.lost, budget.total) == (4.0, 5.0)


def test_a_thread_waits_for_what_others_may_give_back():
    budget = Budget(RATES, 10.0, 0.0, Disk())
    budget.begin(8.0)
    begun = threading.Event()

    def other() -> None:
        budget.begin(8.0)
        begun.set()
        budget.settle(1.0)()

    thread = threading.Thread(target=other)
    thread.start()
    assert not begun.wait(0.05)
    budget.settle(1.0)()
    thread.join(10)
    assert begun.is_set()
    assert budget.total == 2.0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.sampled_from("skf")), min_size=1, max_size=40),
    st.floats(0.5, 8),
)
def test_ten_threads_never_pass_the_limit_and_the_disk_always_knows_enough(attempts, limit):
    disk = Disk()
    budget = Budget(RATES, limit, 0.0, disk)
    truth, lock = [0.0], threading.Lock()
    waiting = list(attempts)

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                worst, part, end = waiting.pop()
            try:
                budget.begin(worst)
            except SpentError:
                return
            with budget.account() as (lost, reserved):
                under_way = budget.total - budget._kept - lost
                assert reserved >= under_way - 1e-9
                assert budget.total <= limit + 1e-9
            if end == "s":
                with lock:
                    truth[0] += worst * part
                budget.settle(worst * part)()
            elif end == "k":
                budget.release()
            else:
                with lock:
                    truth[0] += worst
                budget.fail()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert truth[0] == pytest.approx(budget.total)
    assert budget.total <= limit + 1e-9
    budget.close()
    assert disk.reserved == 0.0
    assert disk.lost == pytest.approx(budget.lost)
