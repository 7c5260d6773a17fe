"""What people are asked in a whole study: a rating plan over its answers. It waits for nobody."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judges.store.rows import RatingPlanRow
    from tuning.pipeline.whole_study import WholeStudy


def plan_name(study: WholeStudy) -> str:
    return f"{study.file.name}-people"


def command(study: WholeStudy) -> str:
    """What serves the rating page. Where others than people at this machine shall come in, `--invite` makes links."""
    return shlex.join(["harness", "rate", "--plan", plan_name(study), "--db", study.file.tune.db])


def make(study: WholeStudy, answers: Sequence[str]) -> RatingPlanRow:
    """The plan over these answer sets, by name; the one that is stored where it is there."""
    from judges.people.votes import make_plan

    asked = study.file.people
    assert asked is not None  # the stage is left out without the table
    return make_plan(
        study.store,
        [study.store.resolve_answers(name) for name in answers],
        plan_name(study),
        asked.ratings,
        asked.each,
        asked.sample,
        "telling" if asked.telling else "even",
    )


def votes(study: WholeStudy) -> tuple[int, int]:
    """Votes that are in, and those that are wanted; (0, 0) before there is a plan."""
    plan = next((plan for plan in study.store.plans() if plan.name == plan_name(study)), None)
    if plan is None:
        return 0, 0
    pairs = len(list(combinations(plan.answer_sets, 2))) * len(plan.config["questions"])
    return sum(vote.verdict != "skip" for vote in study.store.votes(plan.id)), pairs * plan.ratings


def sentence(study: WholeStudy) -> str:
    """How many votes are in, and how more are made."""
    done, wanted = votes(study)
    return f"{done:,} of {wanted:,} votes of people are in; the rating page: {command(study)}"
