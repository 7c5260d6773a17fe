"""An item, what a run answered to it and how that was read and scored, as HTML; or two runs' answers side by side. All
that a model or a benchmark wrote is text; programs are coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from leaderboard.html import markup, sanitize

LONGEST = 20_000  # characters of a prompt or a response

Sample = Mapping[str, Any]  # as Store.page gives it


def card(sides: Sequence[tuple[str, Sample]]) -> str:
    """One item; `sides` are what a run is called ("" where there is but one) and its sample."""
    row = sides[0][1]
    repeat = f" · answer {row['repeat'] + 1}" if row["repeat"] else ""
    expected = f' · expected <b class="mono">{markup.text(row["expected"], 300)}</b>' if row["expected"] else ""
    place = f"{markup.text(row['item'], 120)}{repeat} · {markup.text(row['group'], 120)}"
    asked: Sequence[Mapping[str, Any]] = next((s["responses"] for _, s in sides if s["responses"]), ())
    shown = "".join(_side(name, sample) for name, sample in sides)
    head = f'<div class="flip-head">{place}{expected}</div>'
    prompt = _prompt(asked, _program(row))
    if len(sides) == 1:  # beside its prompt
        return (
            f'<article class="flip">{head}<div class="two solo"><div class="side">{prompt}</div>{shown}</div></article>'
        )
    return f'<article class="flip">{head}{prompt}<div class="two">{shown}</div></article>'


def _program(sample: Sample) -> bool:
    """Whether prompt and answer are a program: its tests decide (pass@k)."""
    return str(sample["metric"]).startswith("pass@")


def _prompt(responses: Sequence[Mapping[str, Any]], program: bool) -> str:
    """The item's own part; what it shares with others (instructions, examples) opens on demand."""
    if not responses:
        return ""
    shared = ""
    if first := responses[0]["shared"]:
        shared = (
            f"<details><summary>shared prompt, {len(first):,} characters</summary>"
            f'<pre class="prompt" dir="auto">{markup.text(first, LONGEST)}</pre></details>'
        )
    own = list(dict.fromkeys(each["own"] for each in responses))
    return shared + "".join(f'<pre class="prompt" dir="auto">{_text(text, program)}</pre>' for text in own[:8])


def _side(name: str, sample: Sample) -> str:
    value = sample["metrics"].get(sample["metric"])
    right = value is not None and value >= 1
    mark = '<span class="mark good">right</span>' if right else '<span class="mark bad">wrong</span>'
    graded = any(value not in (0, 1) for value in sample["metrics"].values())
    scores = " · ".join(f"{key} {number:.3g}" for key, number in sample["metrics"].items()) if graded else ""
    read, ran = "", ""
    if sample["answer"] and _program(sample):
        ran = f"<details><summary>the program that ran</summary><pre>{code(sample['answer'])}</pre></details>"
    elif sample["answer"]:
        read = f'read as <b class="mono">{markup.text(sample["answer"], 300)}</b>'
    under = f'<div class="read">{" · ".join(filter(None, (read, markup.text(scores, 300))))}</div>{ran}'
    note = (
        f'<pre class="{"remark-line" if right else "failure"}" dir="auto">{markup.text(sample["note"], 4000)}</pre>'
        if sample["note"]
        else ""
    )
    body = "".join(_response(each, _program(sample)) for each in sample["responses"])
    who = f'<div class="who">{mark}{markup.text(name, 80)}</div>'
    return f'<div class="side">{who}{body or _UNANSWERED}{under}{note}</div>'


_UNANSWERED = '<p class="none">The response is not in the store.</p>'


def _response(response: Mapping[str, Any], program: bool) -> str:
    """Generated text, or each option with its log-probability; and what went not as it should."""
    warned = "".join(f'<div class="warned">{markup.text(word, 500)}</div>' for word in response["warnings"])
    if response["finish"] == "length":
        warned += '<div class="warned">The answer was cut at its greatest length.</div>'
    if response["text"] or response["kind"] == "generate":
        text = _text(response["text"], program) or '<span class="none">(empty)</span>'
        return f'<pre class="response" dir="auto">{text}</pre>{warned}'
    named = response["options"] or [""] * len(response["logprobs"])
    best = max(response["logprobs"], default=0.0)
    rows = ""
    for option, logprob in zip(named, response["logprobs"], strict=True):
        kind = ' class="best"' if logprob == best else ""
        rows += f'<tr{kind}><td class="mono">{markup.text(option, 200)}</td><td class="n">{logprob:.3f}</td></tr>'
    return f'<table class="options">{rows}</table>{warned}'


def _text(text: str, program: bool) -> str:
    return code(text) if program else markup.text(text, LONGEST)


@lru_cache(maxsize=256)
def code(text: str) -> str:
    """Python with its words in colours (classes of look.css); text that is no Python stays text."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    shown = sanitize.visible(text)
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    # HtmlFormatter escapes what it is given
    return highlight(shown, PythonLexer(stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True)) if shown else ""
