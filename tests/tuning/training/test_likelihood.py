"""Validation loss: the same for every batch size, padded and packed; as transformers has it, row by row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.instructions import Instruction, prompt_of
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.loading import load_model, load_tokenizer
from harness.prompting.row_tokens import Tokens, encode
from tests.models import make_model
from tests.tuning.models import instruction_rows, small_splits
from tuning.training import encoded, output_loss
from tuning.training import likelihood as likelihood_module
from tuning.training.encoded import batch, by_length
from tuning.training.likelihood import likelihood
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings
from tuning.types import TrialError

SIZES = (1, 4, 20)


@pytest.fixture(scope="module", params=["llama", "gpt2", "mistral"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The attention window of this Mistral is 48: longer rows must be cut off alike."""
    return resolve(str(make_model(tmp_path_factory.mktemp(request.param) / "model", request.param)))


def test_equal_for_every_batch_size_padded_and_packed(base: Checkpoint) -> None:
    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows(), 512)
    computed = {(size, packed): likelihood(model, rows, size, packed)[0] for size in SIZES for packed in (False, True)}
    reference = computed[1, False]
    assert len(reference.rows) == len(rows)
    for key, other in computed.items():
        assert other.tokens == reference.tokens, key
        assert other.mean == pytest.approx(reference.mean, abs=1e-6), key
        for (nats, tokens), (expected, count) in zip(other.rows, reference.rows, strict=True):
            assert tokens == count
            assert nats / tokens == pytest.approx(expected / count, abs=5e-6), key
    assert sum(nats for nats, _ in reference.rows) == pytest.approx(reference.total)


def test_a_mean_of_batch_means_would_not_be_equal(base: Checkpoint) -> None:
    """The check above can fail: this is what trainers report."""
    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows(), 512)

    def mean_of_means(size: int) -> float:
        parts = [likelihood(model, rows[at : at + size])[0].mean for at in range(0, len(rows), size)]
        return sum(parts) / len(parts)

    assert abs(mean_of_means(4) - mean_of_means(20)) > 1e-4


def test_as_transformers_has_it(base: Checkpoint) -> None:
    import torch

    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows()[:6], 512)
    for row, (nats, tokens) in zip(rows, likelihood(model, rows)[0].rows, strict=True):
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[0, : row.spans[0][0]] = -100
        with torch.no_grad():
            expected = model(input_ids=ids, labels=labels).loss.item()
        assert nats / tokens == pytest.approx(expected, abs=1e-5)


def test_the_model_is_left_without_hooks(base: Checkpoint) -> None:
    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows()[:3], 512)
    likelihood(model, rows)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_memory_that_runs_out_is_met_with_fewer_rows(base: Checkpoint) -> None:
    import torch

    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows()[:20], 512)
    expected, seen = likelihood(model, rows, 1)[0], []

    def limit(module: object, given: object, named: dict) -> None:
        seen.append(len(named["input_ids"]))
        if seen[-1] > 3:
            torch.empty(2**60)  # which no allocator gives

    hook = model.register_forward_pre_hook(limit, with_kwargs=True)
    computed, tokens, _ = likelihood(model, rows, 16)
    hook.remove()
    assert max(seen) > 3
    assert computed.total == pytest.approx(expected.total, abs=1e-3)
    assert [nats for nats, _ in computed.rows] == pytest.approx([nats for nats, _ in expected.rows], abs=1e-3)
    assert tokens == sum(len(row.ids) for row in rows)


def test_memory_too_small_for_one_row_fails_the_trial(base: Checkpoint) -> None:
    model = load_model(base)
    rows, _ = encode(load_tokenizer(base), instruction_rows()[:2], 512)

    def none_left(*_: object) -> None:
        raise MemoryError

    hook = model.register_forward_pre_hook(none_left)
    with pytest.raises(TrialError, match=r"out of memory at 1 row a pass.*load_in_4bit"):
        likelihood(model, rows)
    hook.remove()


# rows as tokens


def test_a_row_is_its_prompt_its_response_and_the_end(base: Checkpoint) -> None:
    tokenizer = load_tokenizer(base)
    for row in instruction_rows()[:9]:
        ((tokens,), warnings) = encode(tokenizer, [row], 512)
        assert tokenizer.decode(tokens.ids[tokens.spans[0][0] :]) == f" {row.output}</s>"
        assert list(tokens.ids[: tokens.spans[0][0]]) == tokenizer(prompt_of(row))["input_ids"]
        assert not warnings


@pytest.mark.parametrize("kind", ["sentencepiece", "llama3"])
def test_one_bos_and_no_second_space(kind: str) -> None:
    from tests.models import make_tokenizer

    tokenizer = make_tokenizer(kind)
    ((tokens,), _) = encode(tokenizer, [Instruction("alpaca", "Go", "", "yes it is")], 512)
    assert tokens.ids.count(tokenizer.bos_token_id) == 1
    assert tokens.ids[-1] == tokenizer.eos_token_id
    assert (
        list(tokens.ids[: tokens.spans[0][0]]) == tokenizer(prompt_of(Instruction("alpaca", "Go", "", "")))["input_ids"]
    )
    whole = tokenizer.decode(tokens.ids, skip_special_tokens=True)
    assert whole.endswith("### Response: yes it is")


def test_long_rows_are_cut_with_a_warning(base: Checkpoint) -> None:
    tokenizer = load_tokenizer(base)
    long = Instruction("alpaca", "Go", "", "stone " * 300)
    prompt_only = Instruction("alpaca", "stone " * 300, "", "Go")
    encoded, warnings = encode(tokenizer, [long, prompt_only, instruction_rows()[0]], 128)
    assert [len(row.ids) for row in encoded[:2]] == [128, 128]
    assert [row.responses > 0 for row in encoded] == [True, False, True]
    assert warnings == [
        "2 of 3 rows are longer than 128 tokens and are cut there.",
        "Of 1 of 3 rows no response token is left; they count for nothing.",
    ]
    computed, _, _ = likelihood(load_model(base), encoded)
    assert computed.rows[1] == (0.0, 0)


def test_batches_hold_each_row_once_and_little_padding() -> None:
    rows = [Tokens(tuple(range(n)), ((1, n),)) for n in (2 + at * 7 % 50 for at in range(40))] + [Tokens((1, 2), ())]
    chunks = by_length(rows, 8)
    assert sorted(at for chunk in chunks for at in chunk) == list(range(40))
    made = [batch([rows[at] for at in chunk], False, "cpu") for chunk in chunks]
    assert sum(one.padding for one in made) < 0.1 * sum(one.tokens for one in made)
    assert all(len(chunk) <= 8 for chunk in chunks)
    assert [len(chunk) for chunk in by_length(rows, 8, 0.0)] == [8] * 5
    assert batch([rows[at] for at in chunks[0]], True, "cpu").padding == 0


def test_rows_that_say_nothing_are_no_part_to_evaluate(base: Checkpoint) -> None:
    import dataclasses

    from harness.errors import UsageError

    trainer = Trainer(base, dataclasses.replace(small_splits(), test=()))
    with pytest.raises(UsageError, match="no test rows"):
        trainer.evaluate(None, "test")


def test_rows_that_see_each_other_are_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the positions of packed rows away, as an architecture that does not read them would."""
    folder = resolve(str(make_model(tmp_path / "model")))
    real = encoded.batch

    def without_positions(rows: list[Tokens], packed: bool, device: str) -> encoded.Batch:
        return replace(real(rows, packed, device), positions=None)

    trainer = Trainer(folder, small_splits(), TrainSettings(packed_rows=True))
    assert trainer._packed_rows
    assert not any("padded" in warning for warning in trainer.warnings)
    monkeypatch.setattr(likelihood_module, "batch", without_positions)
    other = Trainer(folder, small_splits(), TrainSettings(packed_rows=True))
    assert not other._packed_rows
    assert any(warning.startswith("Rows are padded") for warning in other.warnings)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_in_blocks_as_from_all_logits_with_its_gradients(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    model = load_model(resolve(str(make_model(tmp_path / kind, kind)))).requires_grad_(False)
    rows, _ = encode(load_tokenizer(resolve(str(tmp_path / kind))), instruction_rows()[:6], 512)
    made = batch(rows, False, "cpu")
    shift = torch.zeros(model.get_input_embeddings().weight.shape[1], requires_grad=True)
    hook = model.get_input_embeddings().register_forward_hook(lambda module, given, out: out + shift)
    computed = {}
    for positions, numbers in ((7, 7 * 50), (1024, 2**24)):  # 7 positions and 50 words at once, and all
        monkeypatch.setattr(output_loss, "POSITIONS", positions)
        monkeypatch.setattr(output_loss, "CPU_LOGITS", numbers)
        losses = likelihood_module.response_nll(model, made)
        assert likelihood_module._IN_BLOCKS[model.get_output_embeddings()]
        computed[numbers] = losses, torch.autograd.grad((losses * torch.arange(len(losses))).sum(), shift)[0]
    losses = likelihood_module._of_logits(model, made)
    expected = losses, torch.autograd.grad((losses * torch.arange(len(losses))).sum(), shift)[0]
    hook.remove()
    for blocks in computed.values():
        torch.testing.assert_close(blocks[0], expected[0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(blocks[1], expected[1], rtol=1e-3, atol=1e-3 * float(expected[1].abs().max()))


@pytest.mark.parametrize("change", ["logits are capped", "none are refused"])
def test_logits_that_are_changed_are_the_models_own(change: str, base: Checkpoint) -> None:
    import torch

    model = load_model(base).requires_grad_(False)
    rows, _ = encode(load_tokenizer(base), instruction_rows()[:4], 512)

    def changed(module: Any, given: Any, out: Any) -> Any:
        if change == "none are refused" and not out.logits.numel():
            raise IndexError("no logits")
        out.logits = out.logits / 2
        return out

    plain = likelihood_module.response_nll(model, batch(rows, False, "cpu"))
    del likelihood_module._IN_BLOCKS[model.get_output_embeddings()]
    model.register_forward_hook(changed)
    capped = likelihood_module.response_nll(model, batch(rows, False, "cpu"))
    assert not likelihood_module._IN_BLOCKS[model.get_output_embeddings()]
    assert not torch.allclose(plain, capped, rtol=1e-3)
