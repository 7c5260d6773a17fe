"""What people are asked in a whole study: a rating plan over its answers. It waits for nobody."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuning.pipeline.configurations import chosen_by_loss, is_default, title
from tuning.store.rows import BASE

if TYPE_CHECKING:
    from judges.store.rows import RatingPlanRow
    from tuning.pipeline.whole_study import WholeStudy


def plan_name(study: WholeStudy) -> str:
    return f"{study.file.name}-people"


def command(study: WholeStudy) -> str:
    """What serves the rating page. Where others than people at this machine shall come in, `--invite` makes links."""
    return shlex.join(["harness", "rate", "--plan", plan_name(study), "--db", study.file.tune.db])


def make(study: WholeStudy) -> RatingPlanRow:
    """The plan over the answer sets that people are asked about; the one that is stored where it is there."""
    from judges.choosing.rounds import share_of
    from judges.people.votes import make_plan

    asked = study.file.people
    assert asked is not None  # the stage is left out without the table
    finalists = study.finalists()
    if asked.models == "chosen":
        chosen = chosen_by_loss(finalists, study.plans[0].study.data_digest)
        finalists = [one for one in finalists if one is chosen or one.trial == BASE or is_default(one)]
    searches = study.finished()
    names = [f"{study.file.name} {title(finalist, searches)}" for finalist in finalists]
    return make_plan(
        study.store,
        [study.store.resolve_answers(name) for name in names],
        plan_name(study),
        asked.ratings,
        asked.each,
        asked.sample,
        share_of(asked.pairs, asked.votes),
    )


def votes(study: WholeStudy) -> tuple[int, int]:
    """Votes that are in, and those that are wanted; (0, 0) before there is a plan."""
    from judges.people.votes import votes_wanted

    plan = next((plan for plan in study.store.plans() if plan.name == plan_name(study)), None)
    if plan is None:
        return 0, 0
    return sum(vote.verdict != "skip" for vote in study.store.votes(plan.id)), votes_wanted(plan)


def sentence(study: WholeStudy) -> str:
    """How many votes are in, and how more are made."""
    done, wanted = votes(study)
    return f"{done:,} of {wanted:,} votes of people are in; the rating page: {command(study)}"
