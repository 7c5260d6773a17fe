"""A judge's errors are asked again by the same command, and its verdicts never."""

from __future__ import annotations

from typing import Any

import pytest

from judges.judging.model_judge import MOST_ASKED
from judges.store import Store
from tests.harness.servers import serving
from tests.judges.judging.test_judge import PRICES, judged, store_of

CONTENTS: dict[str, Any] = {
    "thought": {"content": None, "reasoning_content": "My verdict: [[A]]"},
    "null": None,
    "parts": {"content": [{"type": "image_url", "image_url": {}}]},
    "refusal": {"content": None, "refusal": "no"},
    "unclear": {"content": "I cannot say."},
}


def answering(message: Any):
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return lambda path, body: {"choices": choices, "usage": usage}


@pytest.mark.parametrize("kind", CONTENTS)
def test_errors_are_asked_again_once_the_server_is_well(tmp_path, kind):
    store = store_of(tmp_path)
    with serving(answering(CONTENTS[kind])) as server:
        code, outcome, errors = judged(store, server)
        assert (code, outcome["verdicts"], len(server.asked)) == (8, {"error": 12}, 12), errors
        assert "again" in errors
    if kind == "thought":
        assert all("reasoning_content" in row.text and "[[A]]" in row.text for row in store.comparisons())
        assert all("reasoning_content" in reason for reason in outcome["errors"])
    with serving(answering({"content": "My verdict: [[A]]"})) as server:
        code, outcome, errors = judged(store, server)
        assert (code, outcome["verdicts"], outcome["before"], len(server.asked)) == (0, {"first": 12}, 0, 12), errors
        assert "12 are errors of before" in errors
        code, outcome, _ = judged(store, server)
        assert (code, outcome["before"], len(server.asked)) == (0, 12, 12)
    assert {(row.verdict, row.error) for row in store.comparisons()} == {("first", "")}


@pytest.mark.parametrize(("kind", "most"), [("unclear", MOST_ASKED), ("thought", 5)])
def test_a_judge_whose_own_text_is_unclear_is_asked_a_few_times_in_all(tmp_path, kind, most):
    store = store_of(tmp_path)
    with serving(answering(CONTENTS[kind])) as server:
        for session in range(1, 6):
            assert judged(store, server)[:2] != (0, {})
            assert len(server.asked) == 12 * min(session, most)
    assert len(store.comparisons()) == 12


def test_what_errors_cost_stays_in_the_account(tmp_path):
    store = store_of(tmp_path)
    once = 12 * (10 * 2 + 5 * 8) / 1e6
    with serving(answering(CONTENTS["thought"])) as server:
        assert judged(store, server, *PRICES)[1]["cost"] == pytest.approx(once)
        assert judged(store, server, *PRICES)[1]["cost"] == pytest.approx(2 * once)
    with serving(answering({"content": "[[B]]"})) as server:
        outcome = judged(store, server, *PRICES)[1]
    assert outcome["cost"] == pytest.approx(3 * once)
    assert outcome["tokens_in"] == 3 * 12 * 10


def test_a_merge_takes_the_verdict_that_was_given_elsewhere(tmp_path):
    store = store_of(tmp_path)
    with serving(answering(CONTENTS["null"])) as server:
        judged(store, server)
    other = Store(tmp_path / "elsewhere.duckdb")
    other.merge(store.path)
    with serving(answering({"content": "[[C]]"})) as server:
        judged(other, server)
    store.merge(other.path)
    other.merge(store.path)
    for each in (store, other):
        assert [row.verdict for row in each.comparisons()] == ["tie"] * 12
