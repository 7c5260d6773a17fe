"""docs/published.md says what the committed figures say."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from bench.published.__main__ import page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_made_from_the_figures() -> None:
    figures = json.loads((DOCS / "results" / "published.json").read_text(encoding="utf-8"))
    assert (DOCS / "published.md").read_text(encoding="utf-8") == page(figures)
    changed = copy.deepcopy(figures)
    changed[0]["ours"] += 1
    assert page(changed) != page(figures)


def test_a_score_that_is_far_from_the_published_one_is_explained_or_said_not_to_be() -> None:
    figures = json.loads((DOCS / "results" / "published.json").read_text(encoding="utf-8"))[:1]
    few, near = copy.deepcopy(figures), copy.deepcopy(figures)
    few[0] |= {"ours": few[0]["published"] + 8, "low": few[0]["published"] - 2, "high": few[0]["published"] + 18}
    near[0] |= {"ours": near[0]["published"] + 1}
    far = copy.deepcopy(few)
    far[0]["low"] = far[0]["published"] + 1
    assert "so few items cannot tell the two apart" in page(few)
    assert "this is not explained" in page(far)
    assert "points from" not in page(near)
