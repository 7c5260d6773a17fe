"""Contract suites of what a search is made of: see `harness.testing`, which says how they are called. pytest is needed.

class TestHalton(OptimizerContract):
    make = Halton
    registered = "halton"
"""

import pytest

# before the suites are imported, so that a failed assertion shows its values
pytest.register_assert_rewrite("tuning.testing.optimizers", "tuning.testing.objectives")

from tuning.testing.objectives import ObjectiveContract, slower, training  # noqa: E402
from tuning.testing.optimizers import OptimizerContract  # noqa: E402

__all__ = ["ObjectiveContract", "OptimizerContract", "slower", "training"]
