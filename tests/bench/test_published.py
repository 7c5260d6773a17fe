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
