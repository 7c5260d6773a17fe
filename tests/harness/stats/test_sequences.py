import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.drawing import Unit, drawn
from harness.stats.sequences import MeanSequence

RNG = np.random.default_rng(5)
WEIGHTS = RNG.uniform(0.2, 3.0, 60)
VALUES = RNG.beta(2, 1, 60)
KNOWN = np.clip(VALUES + RNG.normal(0, 0.1, 60), 0, 1)


def after(n: int, **settings: object) -> MeanSequence:
    sequence = MeanSequence(WEIGHTS.tolist(), **settings)  # type: ignore[arg-type]
    sequence.add(VALUES[:n].tolist())
    return sequence


@pytest.mark.parametrize("known", [None, KNOWN.tolist()])
def test_the_interval_only_narrows_and_closes_at_the_last_unit(known: list[float] | None) -> None:
    whole = float(WEIGHTS @ (VALUES - (0 if known is None else KNOWN)) / WEIGHTS.sum())
    before = after(0, known=known).interval()
    for n in range(3, 61, 3):
        now = after(n, known=known).interval()
        assert before.low - 1e-6 <= now.low <= now.value <= now.high <= before.high + 1e-6
        before = now
    assert (before.low, before.value, before.high) == pytest.approx((whole, whole, whole))


def test_looking_changes_nothing() -> None:
    looked = after(0)
    for start in range(0, 40, 5):
        looked.add(VALUES[start : start + 5].tolist())
        looked.interval()
        looked.above(0.5)
    assert looked.interval() == after(40).interval()


def test_before_anything_is_drawn_the_ends_are_what_values_can_be() -> None:
    assert after(0).interval() == (0.5, 0.0, 1.0)
    known = after(0, known=KNOWN.tolist()).interval()
    mean = float(WEIGHTS @ KNOWN / WEIGHTS.sum())
    assert (known.low, known.high) == pytest.approx((-mean, 1 - mean))


def test_what_is_left_can_add_no_more_than_its_weight() -> None:
    sequence = MeanSequence([1.0] * 10)
    sequence.add([1.0] * 9)
    assert sequence.interval().low == pytest.approx(0.9)
    assert sequence.interval().high == pytest.approx(1.0)
    assert sequence.above(0.89)
    assert not sequence.above(0.95)
    assert not sequence.below(0.95)
    assert sequence.below(1.01)


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
def test_the_ends_are_where_one_sided_statements_at_half_of_alpha_begin(alpha: float) -> None:
    sequence = after(45)
    _, low, high = sequence.interval(alpha)
    assert sequence.above(low - 1e-5, alpha / 2)
    assert not sequence.above(low + 1e-5, alpha / 2)
    assert sequence.below(high + 1e-5, alpha / 2)
    assert not sequence.below(high - 1e-5, alpha / 2)


def test_the_same_values_from_the_other_side_give_the_same_interval() -> None:
    sequence = MeanSequence(WEIGHTS.tolist(), known=(1 - KNOWN).tolist())
    sequence.add((1 - VALUES[:40]).tolist())
    value, low, high = after(40, known=KNOWN.tolist()).interval()
    assert sequence.interval() == pytest.approx((-value, -high, -low), abs=1e-6)


def test_a_scale_of_values_is_no_more_than_a_scale() -> None:
    scaled = MeanSequence(WEIGHTS.tolist(), low=1, high=11)
    scaled.add((1 + 10 * VALUES[:40]).tolist())
    assert scaled.interval() == pytest.approx([1 + 10 * end for end in after(40).interval()], abs=1e-5)


def test_a_baseline_that_tells_much_makes_the_interval_narrow() -> None:
    plain, beside = after(40).interval(), after(40, known=KNOWN.tolist()).interval()
    assert beside.high - beside.low < 0.95 * (plain.high - plain.low)


def test_the_estimate_of_equal_weights_is_the_mean_of_what_was_drawn() -> None:
    sequence = MeanSequence([2.0] * 9)
    sequence.add([0.0, 0.5, 1.0, 1.0])
    assert sequence.estimate == pytest.approx(0.625)
    assert sequence.n == 4
    assert sequence.remaining == 5


def test_rounding_takes_no_estimate_beyond_what_is_possible() -> None:
    for n in range(3, 60):
        sequence = MeanSequence((1 / WEIGHTS[:n]).tolist())
        sequence.add([1.0] * n)
        assert sequence.estimate <= 1


def test_the_estimate_weighs_units_over_their_chance_to_be_drawn() -> None:
    """Heavy units are drawn sooner: were that not weighed, an estimate would lean to them."""
    made = [Unit(str(n), (str(n),), (1.0,), 0.04 if n < 20 else 0.005) for n in range(60)]
    value = {unit.key: float(unit.weight > 0.01) for unit in made}
    estimates, leaning = [], []
    for seed in range(400):
        order = drawn(made, seed)
        sequence = MeanSequence([unit.weight for unit in order])
        values = [value[unit.key] for unit in order[:30]]
        sequence.add(values)
        estimates.append(sequence.estimate)
        leaning.append(np.average(values, weights=[unit.weight for unit in order[:30]]))
    error = float(np.std(estimates)) / 20
    assert abs(float(np.mean(estimates)) - 0.8) < 3 * error + 0.002 < abs(float(np.mean(leaning)) - 0.8)


def test_rates_are_of_the_draws_and_weights_of_the_mean() -> None:
    """Drawn for one mean, asked for another: the interval has the other at its end."""
    order = drawn([Unit(str(n), (str(n),), (1.0,), weight) for n, weight in enumerate(WEIGHTS)], 0)
    values = [float(VALUES[int(unit.key)]) for unit in order]
    sequence = MeanSequence([1.0] * 60, rates=[unit.weight for unit in order])
    sequence.add(values[:50])
    assert sequence.interval().low <= VALUES.mean() <= sequence.interval().high
    assert sequence.interval().low > MeanSequence([1.0] * 60).interval().low
    sequence.add(values[50:])
    assert sequence.interval() == pytest.approx([VALUES.mean()] * 3)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("known", [None, [0.9, 0.1, 0.5, 1.0, 0.2]])
@pytest.mark.parametrize("rates", [None, [1.0, 2.0, 0.5, 1.0, 3.0]])
def test_were_the_mean_the_true_one_no_bet_gains_or_loses_on_average(
    side: int, known: list[float] | None, rates: list[float] | None
) -> None:
    """Over all orders, each with the chance that the drawing gives it: that alone makes the sequence right."""
    values, weights = [1.0, 0.0, 0.7, 0.9, 0.0], [1.0, 2.0, 1.5, 0.5, 1.0]
    drawn_at = rates or weights
    truth = math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights)
    average = np.zeros(4)
    for order in itertools.permutations(range(5)):
        chance, left = 1.0, math.fsum(drawn_at)
        for unit in order:
            chance *= drawn_at[unit] / left
            left -= drawn_at[unit]
        sequence = MeanSequence(
            [weights[unit] for unit in order],
            known=known and [known[unit] for unit in order],
            rates=rates and [rates[unit] for unit in order],
        )
        sequence.add([values[unit] for unit in order[:4]])
        average += chance * sequence._bets(side, 0.05).course(side * truth)
    assert average == pytest.approx(np.ones(4))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 1)), min_size=1, max_size=25),
    st.integers(0, 25),
    st.booleans(),
)
def test_any_values_give_an_interval_inside_what_is_possible(
    rows: list[tuple[float, float, float]], n: int, known: bool
) -> None:
    values, other, weights = map(list, zip(*rows, strict=True))
    sequence = MeanSequence(weights, known=other if known else None)
    sequence.add(values[: min(n, len(values))])
    value, low, high = sequence.interval()
    whole = math.fsum(weights)
    shift = math.fsum(w * k for w, k in zip(weights, other, strict=True)) / whole if known else 0.0
    seen = math.fsum(w * v for w, v in zip(weights[:n], values[:n], strict=True)) / whole
    least, most = seen - shift, seen + math.fsum(weights[n:]) / whole - shift
    assert least - 1e-9 <= low <= value <= high <= most + 1e-9


@pytest.mark.parametrize(
    ("attempt", "complaint"),
    [
        (lambda: MeanSequence([]), "above zero"),
        (lambda: MeanSequence([1, 0]), "above zero"),
        (lambda: MeanSequence([1], low=1, high=1), "no mean"),
        (lambda: MeanSequence([1, 1], known=[0]), "2 units need"),
        (lambda: MeanSequence([1, 1], rates=[1]), "2 rates"),
        (lambda: MeanSequence([1, 1]).add([2]), "from 0 to 1"),
        (lambda: MeanSequence([1, 1]).add([math.nan]), "from 0 to 1"),
        (lambda: MeanSequence([1, 1]).add([1, 1, 1]), "3 values are more than the 2"),
        (lambda: after(3).interval(0), "alpha"),
        (lambda: after(0).estimate, "nothing was drawn"),
    ],
)
def test_what_makes_no_sequence_is_refused(attempt: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        attempt()  # type: ignore[operator]
