"""What an answer looks like, apart from what it says: length and formatting, as covariates of a ranking.

A covariate of a game is (a - b) / (a + b), as in the style control of Chatbot Arena (Li, Angelopoulos and Chiang 2024):
twice the headings count the same in a short answer and a long one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

STYLE = ("length", "headings", "lists", "bold", "code")  # characters, then counts of Markdown

_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s")
_BOLD = re.compile(r"\*\*(?=[^\s*])[^*\n]*(?<=\S)\*\*|(?<!\w)__(?=[^\s_])[^_\n]*(?<=\S)__(?!\w)")
_RULE = re.compile(r"\s*(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$")
_FENCE = re.compile(r"(?:\s|>|[-*+]\s|\d{1,9}[.)]\s)*(`{3,}|~{3,})(.*)$")
_TICKS = re.compile("`+")


def look(text: str) -> tuple[int, ...]:
    """One number for each of STYLE. What stands in code is no heading, no list and not bold."""
    headings = items = bold = code = 0
    for line, fence in _outside_code(text):
        if fence:
            code += 1
            items += bool(_ITEM.match(line))  # a fence may begin a list's item
            continue
        if _RULE.match(line):
            continue
        headings += bool(_HEADING.match(line))
        items += bool(_ITEM.match(line))
        bold += len(_BOLD.findall(_without_spans(line)))
    return len(text), headings, items, bold, code


def _outside_code(text: str) -> Iterator[tuple[str, bool]]:
    """(line, is it a fence) for each line that is not in a code block, fenced or indented (CommonMark 4.4, 4.5)."""
    fence = ""  # the one that is open
    listed, indented, blank_before = False, False, True
    for line in text.expandtabs(4).splitlines():
        match = _FENCE.match(line)
        if fence:
            if match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip():
                fence = ""
                yield line, True
            continue
        blank = not line.strip()
        deep = line.startswith("    ") and not blank
        indented = (deep and not listed and (blank_before or indented)) or (blank and indented)
        if not indented:
            if match and not (match[1][0] == "`" and "`" in match[2]):
                fence = match[1]
            yield line, bool(fence)
            if _ITEM.match(line):
                listed = True
            elif not blank and not line.startswith(" ") and blank_before:
                listed = False
        blank_before = blank


def _without_spans(line: str) -> str:
    """A line without its code spans: from a run of backticks to the next one as long."""
    runs = list(_TICKS.finditer(line))
    later: dict[int, list[int]] = {}
    for place in range(len(runs) - 1, -1, -1):
        later.setdefault(len(runs[place][0]), []).append(place)
    kept, end, place = [], 0, 0
    while place < len(runs):
        same = later[len(runs[place][0])]
        while same and same[-1] <= place:
            same.pop()
        if not same:
            place += 1
            continue
        closing = same[-1]
        kept.append(line[end : runs[place].start()])
        end, place = runs[closing].end(), closing + 1
    return "".join([*kept, line[end:]])


def difference(a: Sequence[int], b: Sequence[int]) -> tuple[float, ...]:
    """Of two looks, one number in [-1, 1] for each of STYLE; 0 where neither has any."""
    return tuple((x - y) / (x + y) if x + y else 0.0 for x, y in zip(a, b, strict=True))
