"""Rows longer than max_tokens or than the base's positions: cut, counted and said."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.instruction_split import Splits
from data.instructions import Instruction
from harness.backends.limits import positions_of
from harness.errors import UsageError
from harness.models.checkpoint import resolve
from tests.harness.runs import cli, json_of
from tests.models import make_model
from tests.tuning.models import hyper, small_base
from tuning.store import Store
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings


def row(number: int, prompt: int, response: int = 3) -> Instruction:
    """Of about so many tokens beside the template's."""
    return Instruction("alpaca", f"{number}" + " one" * prompt, "", "two " * response + str(number))


def splits(train: list[Instruction], validation: list[Instruction] | None = None) -> Splits:
    return Splits(tuple(train), tuple(validation or [row(n, 3) for n in range(90, 94)]), (), {})


def config(**values: Any) -> Any:
    return SimpleNamespace(**values, to_dict=lambda: values)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"n_positions": 128}, (128, True)),
        ({"n_ctx": 128}, (128, True)),
        ({"max_position_embeddings": 99, "n_ctx": 128}, (99, True)),
        ({"max_seq_len": 64}, (64, True)),
        ({"max_sequence_length": 64}, (64, True)),
        ({"max_position_embeddings": -1}, (None, True)),
        ({"max_position_embeddings": 64, "rope_theta": 1e4}, (64, False)),
        ({"max_position_embeddings": 64, "rope_parameters": {"rope_theta": 1e4}}, (64, False)),
        ({"max_position_embeddings": 64, "rope_scaling": None}, (64, True)),
        ({"max_position_embeddings": 64, "model_type": "jamba"}, (64, False)),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}, (512, True)),
        ({}, (None, True)),
    ],
)
def test_positions_of_a_configuration(values: dict[str, Any], found: tuple[int | None, bool]) -> None:
    assert positions_of(config(**values)) == found
    outer = config(max_position_embeddings=7, get_text_config=lambda: config(**values))
    assert positions_of(outer) == found


def test_rows_are_cut_at_learned_positions_with_a_note(tmp_path: Path) -> None:
    base = resolve(str(make_model(tmp_path / "gpt2", "gpt2", window=128)))
    trainer = Trainer(base, splits([row(1, 5), row(2, 5, 200), row(3, 400)]))
    trained = trainer.train(hyper(batch=2, target_modules=("c_attn",)), 1.0, 0, tmp_path / "a")
    assert trained.warnings == (
        "train: 2 of 3 rows are longer than 128 tokens and are cut there.",
        "train: Of 1 of 3 rows no response token is left; they count for nothing.",
        "train: The base has 128 positions, fewer than max_tokens = 512.",
    )


def test_positions_that_rotate_cut_nothing(tmp_path: Path) -> None:
    base = small_base(tmp_path / "llama", max_position_embeddings=100)
    trainer = Trainer(base, splits([row(1, 5), row(2, 60)], [row(3, 5)]))
    trained = trainer.train(hyper(batch=2), 1.0, 0, tmp_path / "a")
    assert "train: 1 of 2 rows are longer than the 100 positions that the base was made for." in trained.warnings
    assert not any("cut" in warning for warning in trained.warnings)


def test_no_response_left_has_its_reason(tmp_path: Path) -> None:
    llama = small_base(tmp_path / "llama")
    long = [row(n, 300) for n in range(4)]
    said = r"^max_tokens=200: None of 4 train rows .* 200 tokens: their prompts alone fill that\. .* more max_tokens"
    with pytest.raises(UsageError, match=said):
        Trainer(llama, splits(long), TrainSettings(max_tokens=200)).train(hyper(), 1.0, 0, tmp_path / "a")
    pair = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(UsageError, match=said):
        Trainer(llama, splits(long), TrainSettings(max_tokens=200)).train_packed([hyper()] * 2, 1.0, [0, 1], pair)
    gpt2 = resolve(str(make_model(tmp_path / "gpt2", "gpt2", window=128)))
    with pytest.raises(UsageError, match=r"within the 128 positions of the base.* a base with more positions"):
        Trainer(gpt2, splits(long)).train(hyper(target_modules=("c_attn",)), 1.0, 0, tmp_path / "a")


def rows(folder: Path, long: int, short: int) -> Path:
    """Of which `long` have a prompt of more than 200 tokens; no near copies."""
    rng = random.Random(0)
    lengths = [600] * long + [30] * short
    made = [{"instruction": f"{rng.getrandbits(4 * n):0{n}x}", "output": f"two {n}"} for n in lengths]
    folder.mkdir()
    (folder / "alpaca.json").write_text(json.dumps(made))
    return folder


def tune(folder: Path, *words: object) -> list[object]:
    usual = [
        "--model",
        small_base(folder / "base").path,
        "--data",
        folder / "rows",
        "--mix",
        "alpaca=1",
        "--sizes",
        "12,6,6",
    ]
    small = ["--set", "epochs=1", "--max-tokens", 200, "--optimizer", "list", "--budget", 4, "--no-rungs", "--no-merge"]
    return ["tune", *usual, *small, "--db", folder / "s.duckdb", *words]


def test_rows_without_a_response_are_counted_wherever_the_study_is_shown(tmp_path: Path) -> None:
    from tuning.report.documents import view_of

    rows(tmp_path / "rows", 12, 12)
    code, out, _ = cli(*tune(tmp_path, "--name", "s"))
    db = ["--db", tmp_path / "s.duckdb"]
    document = json_of("tune", "show", "s", *db)
    said = [text for text in document["study"]["warnings"] if "no response token is left" in text]
    counted = [int(text.split("Of ")[1].split()[0]) for text in said]
    assert sum(counted) == 12  # over train, validation and test
    assert (code, all(text[:40] in out for text in said)) == (0, True)
    assert all(text[:40] in cli("tune", "show", "s", *db)[1] for text in said)
    assert set(said) <= set(document["trials"][0]["warnings"])
    store = Store(tmp_path / "s.duckdb")
    assert set(said) <= set(view_of(store, store.studies()[0].id).notes)
    cli("tune", "report", "s", tmp_path / "report", *db)
    for name in ("report.html", "report.md"):
        assert "no response token is left" in (tmp_path / "report" / name).read_text()


def test_a_study_without_any_response_ends_with_one_sentence(tmp_path: Path) -> None:
    rows(tmp_path / "rows", 24, 0)
    code, _, errors = cli(*tune(tmp_path))
    assert code == 2
    assert "None of" in errors
    assert "--max-tokens 200" in errors
    assert not Store(tmp_path / "s.duckdb").exists()  # refused before the store has anything of it
