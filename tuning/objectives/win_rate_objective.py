"""`win-rate:JUDGE@N` as an objective: 1 - the share of games that the adapter's answers win against the base's own.

N prompts of the set (the same ones for every trial), answered by both with FastChat's temperatures and judged in both
orders; a tie is half a win, and so is a game whose two orders disagree. JUDGE is a model at `--judge-url`, or a judge
that needs no server (`reference`, or a plug-in's). The word that a study keeps ends in the prompts' digest, so that
other prompts make another study.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, UsageError
from harness.progress import Progress
from harness.progress.named import Named
from tuning.types import TrialError

if TYPE_CHECKING:
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome
    from tuning.store import Store
    from tuning.types import Measured, Surroundings

LENGTH = 256  # new tokens of an answer
JUDGING = 1024  # of a verdict with its reasons
_FORM = re.compile(r"win-rate:(.+)@([1-9]\d*)(?:#[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class WinRate:
    judge: str
    count: int

    @staticmethod
    def of(text: str) -> WinRate:
        match = _FORM.fullmatch(text)
        if not match:
            raise UsageError(f"A win-rate objective is written win-rate:JUDGE@N (prompts), not {text!r}.")
        return WinRate(match[1], int(match[2]))

    @property
    def word(self) -> str:
        return f"win-rate:{self.judge}@{self.count}"

    def kept(self, prompts: str | None) -> str:
        """The word as a study keeps it."""
        from data.prompts import load

        return f"{self.word}#{load(prompts).digest[:8]}"

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """TrialError where the adapter cannot answer; a judge that fails stops the study, which goes on later."""
        from judges.answers.answering import answer
        from judges.answers.options import AnswerOptions
        from judges.judging.pairs import contest
        from judges.judging.session import reliable
        from tuning.store import Store

        # an engine's start for each trial would take longer than the answers
        common: dict[str, Any] = {
            "prompts": where.prompts,
            "sample": self.count,
            "max_new_tokens": LENGTH,
            "db": where.db,
            "device": where.device,
            "backend": "transformers",
            "add_bos": where.add_bos,
        }
        # a base that has no chat template of its own is asked in alpaca
        of_base = "auto" if where.template == "chat" else where.template
        with Named(where.progress, self.word) as progress:
            base = answer(AnswerOptions(model=where.model, template=of_base, **common), progress).answers
            adapter = measured.trained.adapter
            name = f"{adapter.parent.name} {adapter.name}"
            own: dict[str, Any] = {"base": where.model, "name": name, "template": where.template}
            try:
                made = answer(AnswerOptions(model=str(adapter), **own, **common), progress).answers
            except ModelError as error:
                raise TrialError(f"its answers: {error}") from error
            store = Store(where.db)
            compared = contest(store, [made.id], base.id)
            outcome = self._judged(store, compared, where.judge_url, progress)
        reliable([outcome])
        return 1 - _share(store, outcome.judge.id, made.id, base.id)

    def _judged(self, store: Store, compared: Contest, judge_url: str, progress: Progress) -> Outcome:
        from harness.backends.endpoint.client import Remote
        from judges.judging import installed, model_judge, session
        from judges.judging import prompts as judging_prompts

        if installed.has(self.judge):
            return installed.judge(store, compared, self.judge, None, progress)
        spec = model_judge.Spec(self.judge, judging_prompts.ours(), None, 0.0, JUDGING)
        with store.lease(spec.id()[:16], f"Judging by {self.judge}"):
            return session.judge(
                store, model_judge.plan(store, compared, spec, None), Remote(base_url=judge_url), None, None, progress
            )


def _share(store: Store, judge: str, made: str, base: str) -> float:
    from judges.ranking.games import games

    played = games(store.comparisons([judge], [made, base]), store.judges())
    scores = [game.score if game.first == made else 1 - game.score for game in played if game.score is not None]
    if not scores:
        raise UsageError("The judge has nothing to say on these prompts: `reference` needs prompts with references.")
    return sum(scores) / len(scores)
