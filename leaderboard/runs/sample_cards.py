"""An item, what a run answered to it and how that was read and scored; or two runs' answers side by side. HTML of
templates/sample_cards.html; programs are coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from leaderboard.html.templates import macros, text, visible

if TYPE_CHECKING:
    from markupsafe import Markup

LONGEST = 20_000  # characters of a prompt or a response
PROMPTS = 8  # of an item that are shown

Sample = Mapping[str, Any]  # as Store.page gives it


class _Side(NamedTuple):
    name: str
    right: bool
    read: str  # the answer that was read from the response
    ran: Markup | None  # the program that ran
    scores: str
    note: str
    responses: list[_Response]


class _Response(NamedTuple):
    """Generated text, or each option with its log-probability; and what went not as it should."""

    text: Markup | None
    options: list[tuple[str, str, bool]]  # (option, log-probability, whether it is the best)
    warnings: list[str]


def card(sides: Sequence[tuple[str, Sample]]) -> Markup:
    """One item; `sides` are what a run is called ("" where there is but one) and its sample."""
    row = sides[0][1]
    asked: Sequence[Mapping[str, Any]] = next((s["responses"] for _, s in sides if s["responses"]), ())
    own = dict.fromkeys(response["own"] for response in asked)
    return macros("sample_cards").card(
        row,
        asked[0]["shared"] if asked else "",
        [_text(prompt, _program(row)) for prompt in list(own)[:PROMPTS]],
        [_side(name, sample) for name, sample in sides],
        LONGEST,
    )


def _program(sample: Sample) -> bool:
    """Whether prompt and answer are a program: its tests decide (pass@k)."""
    return str(sample["metric"]).startswith("pass@")


def _side(name: str, sample: Sample) -> _Side:
    value, program, answer = sample["metrics"].get(sample["metric"]), _program(sample), sample["answer"]
    graded = any(value not in (0, 1) for value in sample["metrics"].values())
    return _Side(
        name,
        value is not None and value >= 1,
        "" if program else answer,
        code(answer) if program and answer else None,
        " · ".join(f"{key} {number:.3g}" for key, number in sample["metrics"].items()) if graded else "",
        sample["note"],
        [_response(response, program) for response in sample["responses"]],
    )


def _response(response: Mapping[str, Any], program: bool) -> _Response:
    warnings = list(response["warnings"])
    if response["finish"] == "length":
        warnings.append("The answer was cut at its greatest length.")
    if response["text"] or response["kind"] == "generate":
        return _Response(_text(response["text"], program), [], warnings)
    named = response["options"] or [""] * len(response["logprobs"])
    best = max(response["logprobs"], default=0.0)
    options = [
        (option, f"{logprob:.3f}", logprob == best) for option, logprob in zip(named, response["logprobs"], strict=True)
    ]
    return _Response(None, options, warnings)


def _text(words: str, program: bool) -> Markup:
    return code(words) if program else text(words, LONGEST)


@lru_cache(maxsize=256)
def code(program: str) -> Markup:
    """Python with its words in colours (classes of theme.css); text that is no Python stays text."""
    from markupsafe import Markup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    shown = visible(program)
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    # HtmlFormatter escapes what it is given
    return Markup(highlight(shown, lexer, HtmlFormatter(nowrap=True)) if shown else "")
