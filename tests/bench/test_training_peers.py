"""What is compared with peers of training is the same training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import common
from bench.training import peers, sides
from tests.tuning.models import small_base


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two steps on the bundled sample."""
    base = small_base(tmp_path / "model", num_hidden_layers=1)
    monkeypatch.setattr(common, "model", lambda: base.path)
    monkeypatch.setattr(peers, "ROWS", tmp_path / "none")
    monkeypatch.setattr(peers, "MAX_TOKENS", 300)
    monkeypatch.setattr(peers, "SIZES", {"small": (16, 4)})
    return peers.job("small", 1.0)


@pytest.mark.full
def test_losses_of_each_step_are_those_of_transformers_trainer(job: dict[str, Any]) -> None:
    ours, theirs = sides.ours(job), sides.trainer(job)
    assert len(ours["losses"]) == 2
    assert ours["losses"] == pytest.approx(theirs["losses"], abs=peers.EQUAL)
    job["rows"].reverse()
    assert sides.trainer(job)["losses"] != pytest.approx(theirs["losses"], abs=peers.EQUAL)


@pytest.mark.full
def test_a_packed_pass_has_the_loss_of_its_rows(job: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    rows = job["rows"][:3]
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    total = count = 0.0
    for row in rows:
        ids, labels = (torch.tensor([row[name]]) for name in ("input_ids", "labels"))
        learnt = int((labels != -100).sum())
        with torch.no_grad():
            total += learnt * float(model(input_ids=ids, labels=labels).loss)
        count += learnt
    packed = {
        "input_ids": [[token for row in rows for token in row["input_ids"]]],
        "labels": [[label for row in rows for label in row["labels"]]],
        "position_ids": [[place for row in rows for place in range(len(row["input_ids"]))]],
    }
    assert peers.loss_of(job, packed) == pytest.approx(total / count, abs=peers.EQUAL)
