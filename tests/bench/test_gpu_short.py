"""The script for a GPU that is lent for minutes, as far as a CPU goes: pieces, record, and its steps in small."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_short import __main__ as script
from bench.gpu_short import attention, operations, pieces, scoring, steps, study, training
from bench.record import Record, step
from data.sources import DataError

MINUTES = 15  # for which a machine is lent, and of which its start takes some
SHAPE = {
    "vocab_size": 1280,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "one.json").write_bytes(bytes(range(256)) * 40)
    return {"model.gguf": folder / "one.json", "rows": folder}


def test_pieces_are_joined_to_what_was_cut(tmp_path: Path, contents: dict[str, Path]) -> None:
    folder = pieces.pack(contents, tmp_path / "pieces", 200)
    cut = sorted(folder.iterdir())
    assert len(cut) > 2
    assert max(piece.stat().st_size for piece in cut if piece.name != pieces.INDEX) == 200
    digest = pieces.unpack(folder, tmp_path / "out")
    assert (tmp_path / "out" / "model.gguf").read_bytes() == contents["model.gguf"].read_bytes()
    assert (tmp_path / "out" / "rows" / "one.json").is_file()
    cut[0].unlink()
    assert pieces.unpack(folder, tmp_path / "out") == digest  # it is there already
    with pytest.raises(DataError, match=f"lacks {cut[0].name}"):
        pieces.unpack(folder, tmp_path / "again")


def test_a_piece_that_was_changed_is_refused_and_leaves_nothing(tmp_path: Path, contents: dict[str, Path]) -> None:
    folder = pieces.pack(contents, tmp_path / "pieces", 200)
    (folder / "01").write_bytes(b"x" * 200)
    with pytest.raises(DataError, match="SHA-256"):
        pieces.unpack(folder, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pieces", "rows"]
    with pytest.raises(DataError, match="cut makes it"):
        pieces.unpack(tmp_path / "elsewhere", tmp_path / "out")


def test_attention_by_both_ways_gives_the_same() -> None:
    """On a CPU the fused kernels are others than on a GPU, and the numbers the same."""
    lines = list(attention.figures("cpu", 32, 1, 1))
    assert [(line["dtype"], line["part"]) for line in lines] == [
        (dtype, part) for dtype in operations.DTYPES for part in ("shared prompt", "own tokens")
    ]
    assert all(line["is_fused"] for line in lines)
    for line in lines:
        assert 0 < line["largest_difference"] < (1e-4 if line["dtype"] == "float32" else 0.05)


def test_all_limits_leave_time_for_the_start_of_the_machine() -> None:
    assert sum(step.limit for step in steps.STEPS.values()) <= (MINUTES - 5) * 60


def test_a_step_that_takes_too_long_ends_and_its_lines_are_known() -> None:
    lines: list[str] = []
    sleeping = "print('{\"a\": 1}', flush=True)\nwhile True: pass"
    ended = step([sys.executable, "-S", "-c", sleeping], 3.0, lines.append)
    assert ended["ended_after"] == 3.0
    assert ended["exit_code"] != 0
    assert lines == ['{"a": 1}\n']


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three steps: the first tells its figures and ends well, the second breaks, the third lacks a package."""
    monkeypatch.setattr(steps, "machine", lambda steps: {"device": "a card"})
    commands = {
        "peak": 'print(\'{"dtype": "bfloat16", "peak_operations_per_second": 8.0}\')',
        "mmlu": 'print(\'{"dtype": "bfloat16", "operations_per_second": 2.0}\'); raise SystemExit(\'no memory\')',
    }
    monkeypatch.setattr(steps, "command_of", lambda name: [sys.executable, "-S", "-c", commands[name]])
    named = {name: steps.Step(60, (), operations.figures) for name in commands}
    return {**named, "study": steps.Step(60, ("no_such_package_as_this",), operations.figures)}


def test_what_is_measured_is_written_and_not_measured_again(tmp_path: Path, three: dict[str, Any]) -> None:
    out = tmp_path / "gpu.json"
    steps.measure(Record(out), three)
    known = json.loads(out.read_text("utf-8"))
    assert known["machine"] == {"device": "a card"}
    assert known["mmlu"]["figures"] == [{"dtype": "bfloat16", "operations_per_second": 2.0, "share_of_peak": 0.25}]
    assert known["mmlu"]["failed"] == "no memory\n"
    assert known["study"] == {"left_out": "this machine lacks no_such_package_as_this"}
    marked = Record(out)
    marked.note("peak", {**known["peak"], "seconds": -1})
    steps.measure(marked, three)
    again = json.loads(out.read_text("utf-8"))
    assert again["peak"]["seconds"] == -1  # it had ended well
    assert again["mmlu"]["seconds"] >= 0


def test_what_was_told_is_written_before_the_step_ends(tmp_path: Path, three: dict[str, Any]) -> None:
    seen: list[Any] = []

    class Watched(Record):
        def note(self, name: str, figures: dict[str, Any]) -> None:
            super().note(name, figures)
            seen.append(json.loads(self.out.read_text("utf-8"))[name])

    steps.measure(Watched(tmp_path / "gpu.json"), {"peak": three["peak"]})
    assert [sorted(record) for record in seen[1:]] == [["figures"], ["command", "exit_code", "figures", "seconds"]]


def test_what_lacks_is_said_before_anything_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(script, "SCRIPT", ("no_such_package_as_this",))
    with pytest.raises(SystemExit, match="lacks no_such_package_as_this"):
        script.main(str(tmp_path / "gpu.json"))
    assert not (tmp_path / "gpu.json").exists()


def test_peaks_are_of_each_dtype() -> None:
    peaks = list(operations.figures("cpu", 32, 2))
    assert [peak["dtype"] for peak in peaks] == list(operations.DTYPES)
    assert all(peak["peak_operations_per_second"] > 0 for peak in peaks)


@pytest.mark.full
def test_the_contract_suite_is_kept_on_a_device() -> None:
    from bench.gpu_short import contract

    (found,) = contract.figures("cpu")
    assert found["passed"] > 10
    assert "failed" not in found
    (wrong,) = contract.figures("no-such-device")
    assert wrong["failed"] > 10


def test_mmlu_through_the_backend_is_held_against_plain_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [group[:3] for group in scoring.questions("sample", ("commerce", "nature"))]
    speed, compared = scoring.figures("tiny", groups, "float32", "cpu", 2)
    assert (speed["questions"], compared["compared"], speed["warnings"]) == (6, 4, [])
    assert 0 < speed["computed_tokens"] < speed["prompt_tokens"]
    assert 0 < compared["largest_difference"] < 1e-4
    assert compared["other_letters"] == 0
    plain = scoring.plain_logprobs
    monkeypatch.setattr(scoring, "plain_logprobs", lambda *of: [values[::-1] for values in plain(*of)])
    _, wrong = scoring.figures("tiny", groups, "float32", "cpu", 2)
    assert wrong["largest_difference"] > 1e-3
    assert wrong["other_letters"] > 0


def test_training_alone_and_packed_of_a_shape_with_random_weights() -> None:
    rows = training.splits("sample", 20, 4, None)
    one, many = training.figures("tiny", rows, 2, SHAPE, "cpu", "float32", (4,))
    linear = 4 * (32 + 32) + 3 * (32 + 48)
    assert (one["trials"], many["trials"]) == ("2 alone", "2 packed")
    assert one["adapter_weights"] == 4 * linear
    assert one["weights"] == 4 * 32 * 32 + 3 * 32 * 48 + 3 * 32 + 1280 * 32
    assert many["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert min(run["step_tokens_per_second"] for run in (one, many)) > 0
    assert min(run["operations_per_second"] for run in (one, many)) > 0


@pytest.mark.full
def test_trials_of_the_real_study_on_rows_at_hand(tmp_path: Path) -> None:
    rows = {"mix": "", "sizes": "24,8,8", "dtype": "float32"}
    (found,) = study.figures("tiny", "sample", tmp_path / "gpu.duckdb", "cpu", 4, **rows)
    assert (found["optimizer"], found["trials"], found["failed"]) == ("nomad", 4, 0)
    assert found["best_validation_loss"] > 0
    assert found["train_tokens_per_second"] > 0
