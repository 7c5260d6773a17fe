import math

import numpy as np
import pytest

from harness.stats.power import detectable
from harness.stats.sequences import MeanSequence


@pytest.mark.parametrize(("n", "total", "flips"), [(400, 2_000, 0.1), (900, 3_000, 0.2)])
def test_a_mean_that_far_from_the_limit_is_told_about_four_times_in_five(n: int, total: int, flips: float) -> None:
    distance = detectable(n, total, flips)
    rng = np.random.default_rng(2)
    shares = {}
    for far in (distance, distance / 2):
        values = np.zeros(total)
        gained, lost = (round(total * (flips + side * far) / 2) for side in (1, -1))
        values[:gained], values[gained : gained + max(0, lost)] = 1, -1
        count = 0
        for _ in range(100):
            sequence = MeanSequence([1.0] * total, -1.0, 1.0)
            sequence.add(rng.permutation(values)[:n].tolist())
            count += sequence.above(float(values.mean()) - far)
        shares[far] = count / 100
    assert 0.72 <= shares[distance] <= 0.96
    assert shares[distance / 2] < 0.5


def test_more_items_and_less_variance_tell_more() -> None:
    assert detectable(400, 2_000, 0.1) > detectable(800, 2_000, 0.1) > detectable(1_900, 2_000, 0.1) > 0
    assert detectable(400, 2_000, 0.1) > detectable(400, 2_000, 0.05)
    assert detectable(0, 2_000, 0.1) == math.inf
    assert detectable(2_000, 2_000, 0.1) == 0
    with pytest.raises(ValueError, match="no part"):
        detectable(3, 2, 0.1)
