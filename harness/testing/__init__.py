"""Contract suites: what a part must do to work with the rest. A package that adds one calls its suite in its own
tests (pytest, with the assertions that stand here):

    from harness.testing import TaskContract

    class TestCapitals(TaskContract):
        make = Capitals.load       # what the entry point names
        registered = "capitals"    # and under which name

and has a test for every sentence of the contract. The suites:

    harness.testing       TaskContract, BackendContract, GraderContract, CommandContract, TrackedContract
    tuning.testing        OptimizerContract, ObjectiveContract
    judges.testing        JudgeContract
    leaderboard.testing   PageContract

The contracts themselves are the Protocols in `harness/types.py`, `tuning/types.py` and `judges/types.py`. Each suite's
docstring says which attributes a subclass sets and which of them have defaults. pytest is needed; nothing of the
product imports these modules."""

import pytest

# before the suites are imported, so that a failed assertion shows its values
pytest.register_assert_rewrite(
    "harness.testing.registered",
    "harness.testing.tasks",
    "harness.testing.backends",
    "harness.testing.answers",
    "harness.testing.commands",
    "harness.testing.graders",
    "harness.testing.tracked",
)

from harness.testing.backends import BackendContract  # noqa: E402
from harness.testing.commands import CommandContract  # noqa: E402
from harness.testing.graders import GraderContract  # noqa: E402
from harness.testing.tasks import TaskContract  # noqa: E402
from harness.testing.tracked import TrackedContract  # noqa: E402

__all__ = ["BackendContract", "CommandContract", "GraderContract", "TaskContract", "TrackedContract"]
