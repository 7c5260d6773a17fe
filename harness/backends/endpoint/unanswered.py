"""Replies of a server in which there is no answer (replies.py says why) on their way into a run.

One such reply is an empty answer with a warning. Where none of the replies has an answer, the server or the limit of
tokens is to blame, and the run must not end with a score: so empty ones are held back until there is an answer.
"""

from __future__ import annotations

from harness.backends.calls import Answers
from harness.backends.endpoint.replies import ReplyText
from harness.errors import ModelError
from harness.types import Response

ENOUGH = 32  # replies without an answer, and none with one: no more are asked for


def missing_of(reply: ReplyText) -> str:
    """Why there is no answer in a reply, or ""."""
    return reply.missing or ("" if reply.text.strip() else "the reply is empty")


def response(reply: ReplyText, text: str, stopped: bool) -> Response:
    """A reply as a response; `text` is cut at the stops."""
    missing = missing_of(reply)
    warnings: tuple[str, ...] = (f"no answer: {missing}",) if missing else ()
    if reply.filtered and not missing:
        warnings = ("the server's filter cut the answer short (finish_reason content_filter)",)
    return Response(
        text=text,
        finish="stop" if stopped else "length",
        asked=reply.asked or 0,
        reused=reply.reused,
        generated=reply.generated or 0,
        warnings=warnings,
    )


class Unanswered:
    """Holds replies without an answer back until one has come. `answered`: some are stored already."""

    def __init__(self, answered: bool) -> None:
        self._answered = answered
        self._held: Answers = []

    def take(self, index: int, answer: Response, missing: str) -> Answers:
        """What may be passed on now. ModelError after ENOUGH replies of which none has an answer."""
        self._answered = self._answered or not missing
        self._held.append((index, answer))
        if self._answered:
            passed, self._held = self._held, []
            return passed
        if len(self._held) >= ENOUGH:
            self.end()
        return []

    def end(self) -> None:
        """ModelError where no reply had an answer."""
        if self._held:
            reasons = sorted({warning for _, held in self._held for warning in held.warnings})
            raise ModelError(
                f"None of the server's {len(self._held)} replies holds an answer: {'; '.join(reasons[:3])}. Nothing of "
                "them is stored. Where it is thoughts that use the tokens up, give more with --max-new-tokens; else "
                "look at the server's reasoning parser."
            )
