"""What --until says."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.options import RunOptions
from harness.options.until import UntilGate, UntilItems, UntilWidth, items_text, read_until


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("width=2", UntilWidth(2.0)),
        ("width=.5", UntilWidth(0.5)),
        ("items=400", UntilItems(400)),
        ("items=mmlu:400,file:a.jsonl:30", UntilItems({"mmlu": 400, "file:a.jsonl": 30})),
        ("gate=base", UntilGate("base", 1.0)),
        ("gate=base,max-drop=0", UntilGate("base", 0.0)),
        ("gate=a,b=c,max-drop=2.5", UntilGate("a,b=c", 2.5)),
    ],
)
def test_it_is_read(text, meant):
    assert read_until(text) == meant
    assert RunOptions(model="tiny", until=text).until == text


@pytest.mark.parametrize(
    "text",
    [
        "width",
        "width=0",
        "width=100",
        "width=nan",
        "width=1e1",
        "items=0",
        "items=-1",
        "items=²",
        "items=mmlu:400,drop",
        "items=mmlu:0",
        "items=:5",
        "gate=",
        "gate=a,max-drop=x",
        "gate=,max-drop=1",
        "gate=a,max-drop=101",
        "decided",
        " width=2",
    ],
)
def test_what_says_no_end_is_refused(text):
    with pytest.raises(UsageError, match=r"^until=.*: it must be width=2 \(points of a hundred\), gate=RUN,max-drop=1"):
        RunOptions(model="tiny", until=text)


def test_what_says_so_many_items_by_task_is_read_again():
    assert read_until(items_text({"mmlu": 3, "drop": 40})) == UntilItems({"mmlu": 3, "drop": 40})
