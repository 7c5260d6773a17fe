"""The bound of a figure: the least operations and bytes, and the machine's peaks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as script
from bench import common, real_model, roofline
from tests.models import make_model

PEAKS = {"bench": "roofline", "threads": 2, "operations_per_second": {"float32": 2e9}, "bytes_per_second": 1e9}
LINE = {"bench": "mmlu", "ratio": 4.0, "at_least": 3, "holds": True, "ours": [8.0, 10.0, 12.0], "peer": [40.0]}


def test_what_bounds_is_the_longer_of_computing_and_moving() -> None:
    assert roofline.share({"operations": 4e9, "bytes": 1e9}, PEAKS, 10.0) == pytest.approx(0.2)
    assert roofline.share({"operations": 4e9, "bytes": 5e9}, PEAKS, 10.0) == pytest.approx(0.5)
    assert roofline.share({}, PEAKS, 10.0) is None


def test_the_page_has_peaks_and_shares() -> None:
    page = script.page([PEAKS, {**LINE, "operations": 8e9, "bytes": 1.0}, {**LINE, "bench": "store"}])
    rows = [line for line in page.splitlines() if line.startswith(("| MMLU", "| 50,000"))]
    assert [row.split(" | ")[-1] for row in rows] == ["40% |", " |"]
    assert "on 2 threads, it computed 2 in float32" in page
    assert "copied 1 · 10⁹ bytes a second" in page


def test_what_failed_is_named_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two modules, of which the first fails after its first line, then none does."""
    monkeypatch.setattr(script, "LINES", tmp_path / "lines.jsonl")
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(script, "MODULES", ("store", "mmlu"))
    monkeypatch.setattr(real_model, "OUT", tmp_path / "none")
    monkeypatch.setattr(script, "VLLM", tmp_path / "none")
    line = json.dumps({**LINE, "bench": "store"})
    programs = {
        "store": f"print({line!r}, flush=True); raise SystemExit(3)",
        "mmlu": f"print('words'); print({json.dumps(LINE)!r})",
    }
    measured, begun = script.measured, []

    def small(name: str, command: list[str]) -> bool:
        begun.append(name)
        return measured(name, [command[0], "-c", programs[name]])

    monkeypatch.setattr(script, "measured", small)
    with pytest.raises(SystemExit, match="they failed: store"):
        script.main()
    page = script.PAGE.read_text()
    assert "could be measured: store." in page
    assert "| MMLU" in page
    assert "| 50,000" in page
    assert "words" in capsys.readouterr().out

    programs["store"] = f"print({line!r})"
    script.main()
    assert begun == ["store", "mmlu", "store"]
    page = script.PAGE.read_text()
    assert "could be measured" not in page
    assert page.count("| MMLU") == page.count("| 50,000") == 1
    assert not script.LINES.exists()


def test_what_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module ended, the next was in the middle of its figures, and the last line is cut."""
    monkeypatch.setattr(script, "LINES", tmp_path / "lines.jsonl")
    assert script.keep_ended() == set()
    assert script.measured("store", [sys.executable, "-c", f"print({json.dumps(LINE)!r})"])
    whole = script.LINES.read_text()
    script.LINES.write_text(whole + json.dumps({"module": "mmlu", "line": LINE}) + '\n{"module": "mm')
    assert script.keep_ended() == {"store"}
    assert script.LINES.read_text() == whole
    monkeypatch.setattr(script, "git_revision", lambda folder: "other")
    assert script.keep_ended() == set()
    assert script.LINES.read_text() == ""


def test_what_begins_alike_is_counted_once() -> None:
    sequences = [[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 4], [1, 2, 3, 4, 6]]
    assert sorted(common.distinct_spans(sequences)) == [(0, 4), (2, 3), (4, 4), (4, 5)]
    assert common.distinct_tokens(sequences) == 6


def test_the_least_of_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two prompts that share all but their last tokens, and a text of three tokens after one of them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_model(tmp_path / "m", "llama")
    tokens = AutoTokenizer.from_pretrained(folder)
    prompts = ["They went on until it", "They went on until we"]
    generated = [0, 3]
    responses = [SimpleNamespace(shared=p, own="", generated=g) for p, g in zip(prompts, generated, strict=True)]
    store: Any = SimpleNamespace(responses=lambda run, task: responses)
    monkeypatch.setattr("tuning.store.Store", lambda db: store)
    least = roofline.least(folder, tmp_path / "db", "run", "task")

    model = AutoModelForCausalLM.from_pretrained(folder)
    config = model.config
    inside = sum(p.numel() for name, p in model.model.layers.named_parameters() if p.ndim > 1)
    head = model.lm_head.weight.numel()
    one, other = (tokens(p).input_ids for p in prompts)
    alike = next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    # each token looks at those before it and at itself; of three generated ones two go in again
    looked = [*range(1, len(one) + 1), *range(alike + 1, len(other) + 3)]
    attention = 4 * config.num_hidden_layers * config.hidden_size * sum(looked)
    assert least["operations"] == 2 * (inside * len(looked) + head * (1 + 3)) + attention
    assert least["bytes"] == 4 * (inside + head) * 3


def test_memory_is_copied_at_some_speed() -> None:
    assert 1e8 < roofline.bandwidth(2**20) < 1e13
