"""Rows that share their prefixes: likelihoods, gradients and adapters are those of rows alone, and a model that it
would change is not taken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers.attention.hook import UnsupportedError
from harness.backends.transformers.attention.kernels import Form
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.loading import load_model, load_tokenizer
from harness.prompting.row_tokens import Tokens, encode
from tests.models import make_model
from tests.tuning.models import hyper, instruction_rows, small_base, small_splits
from tuning.training import prefix_attention, shared_prefixes, train
from tuning.training.adapters import One, adapted
from tuning.training.likelihood import likelihood, shares
from tuning.training.prefix_attention import sharing_of
from tuning.training.shared_prefixes import passes, shared_batch
from tuning.training.steps import Steps
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module", params=["llama", "mistral", "llama-mha"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The attention window of this Mistral is 48, fewer tokens than a prefix has."""
    return resolve(str(make_model(tmp_path_factory.mktemp(request.param) / "model", request.param)))


def rows_of(base: Checkpoint, count: int = 20) -> list[Tokens]:
    return encode(load_tokenizer(base), instruction_rows()[:count], 512)[0]


def test_likelihoods_are_those_of_rows_alone(base: Checkpoint) -> None:
    model, rows = load_model(base), rows_of(base)
    sharing = shares(model, rows)
    assert sharing is not None
    alone = likelihood(model, rows, 1)[0]
    for size in (3, 32):
        shared, tokens, _ = likelihood(model, rows, size, sharing=sharing)
        assert tokens == sum(len(row.ids) for row in rows)
        for (nats, count), (expected, _) in zip(shared.rows, alone.rows, strict=True):
            assert nats / count == pytest.approx(expected / count, abs=5e-6)
    assert likelihood(model, rows, 4)[0].rows == likelihood(model, rows, 4)[0].rows  # its usual attention is back


def test_gradients_are_those_of_padded_rows(base: Checkpoint) -> None:
    import torch

    model, rows = load_model(base).requires_grad_(False), rows_of(base, 8)
    rows.append(Tokens(tuple(range(20, 40)), ((1, 20),)))  # shares nothing, and learns from its first token on
    rows.append(Tokens(rows[0].ids, ((3, len(rows[0].ids)),)))  # learns what it shares
    sharing = sharing_of(model)
    assert sharing is not None
    computed = []
    with adapted(model, hyper(target_modules=TARGETS), base, 0) as live:
        adapter = One(live)
        for tensor in adapter.holders():
            torch.nn.init.normal_(tensor, std=0.1)
        for steps in (Steps(8, False), Steps(8, False, sharing=sharing), Steps(64, False, sharing=sharing)):
            adapter.clear_gradients()
            computed.append((steps.gradients(live, [rows], steps.micro_batch)[0, :2], adapter.holders()))
            computed[-1] = (computed[-1][0], [tensor.grad.clone() for tensor in adapter.holders()])
    for sums, gradients in computed[1:]:
        torch.testing.assert_close(sums, computed[0][0], rtol=1e-5, atol=1e-6)
        for gradient, expected in zip(gradients, computed[0][1], strict=True):
            assert float((gradient - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_a_beginning_goes_through_once() -> None:
    first, second = tuple(range(100, 130)), tuple(range(200, 240))
    rows = [Tokens((*begin, at, *range(n)), ((35, 36),)) for at, (begin, n) in enumerate([(first, 9), (second, 9)] * 6)]
    (together,) = passes(rows, 32)
    assert sorted(together) == list(range(12))
    made, segments = shared_batch(rows, "cpu")
    assert made.ids.numel() == 30 + 40 + 12 * 10
    assert made.padding == 0
    assert [segment.behind for segment in segments] == [None, 0, None, 2]
    assert made.tokens == 6 * (40 + 50)


def test_passes_hold_so_many_rows_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_prefixes, "TOKENS", 300)
    rows = [Tokens((*range(1, 21), at, *range(3 * at)), ((21, 22),)) for at in range(1, 40)] + [Tokens((5,), ())]
    rows.append(Tokens(tuple(range(300, 700)), ((1, 400),)))
    cut = passes(rows, 7)
    assert sorted(at for part in cut for at in part) == [*range(39), 40]
    assert all(len(part) <= 7 for part in cut)
    sizes = [shared_batch([rows[at] for at in part], "cpu")[0].ids.numel() for part in cut]
    assert all(size <= 300 or len(part) == 1 for size, part in zip(sizes, cut, strict=True))
    assert len(cut) < 16


def test_rows_that_begin_alike_by_little_share_nothing() -> None:
    rows = [Tokens((1, 2, 3, at, *range(50)), ((4, 5),)) for at in range(6)]
    made, segments = shared_batch(rows, "cpu")
    assert made.ids.numel() == 6 * 54
    assert [segment.behind for segment in segments] == [None]


@pytest.mark.parametrize("change", ["rows see each other", "no prefix", "no window"])
def test_attention_that_sees_something_else_is_not_taken(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = resolve(str(make_model(tmp_path / "model", "mistral")))
    model, rows = load_model(base), rows_of(base)
    usual = prefix_attention.PrefixAttention.attend

    def attend(self: Any, layer: int, q: Any, k: Any, v: Any, form: Form) -> Any:
        if change == "no window":
            return usual(self, layer, q, k, v, Form(form.scale))
        together = prefix_attention.PrefixAttention([shared_prefixes.Segment(1, q.shape[1])])
        apart = prefix_attention.PrefixAttention([shared_prefixes.Segment(s.count, s.width) for s in self.segments])
        return usual(together if change == "rows see each other" else apart, layer, q, k, v, form)

    assert shares(model, rows) is not None
    monkeypatch.setattr(prefix_attention.PrefixAttention, "attend", attend)
    assert shares(model, rows) is None


@pytest.mark.parametrize(
    ("arch", "changes"),
    [
        ("gpt2", {}),
        ("llama", {"attention_dropout": 0.1}),
        ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
    ],
)
def test_models_that_draw_or_look_at_lengths_are_not_taken(arch: str, changes: dict[str, Any], tmp_path: Path) -> None:
    base = resolve(str(make_model(tmp_path / "model", arch, **changes)))
    assert shares(load_model(base), rows_of(base)) is None


@pytest.mark.parametrize("other", ["cap", "sinks"])
def test_capped_scores_and_sinks_are_not_computed(other: str) -> None:
    import torch

    q = torch.randn(2, 3, 4)
    attention = prefix_attention.PrefixAttention([shared_prefixes.Segment(1, 3)])
    assert attention.attend(0, q, q, q, Form(0.5)).shape == q.shape
    with pytest.raises(UnsupportedError, match="caps scores or has sinks"):
        attention.attend(0, q, q, q, Form(0.5, **{other: torch.ones(2)}))


def test_a_trial_ends_as_one_of_padded_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, or activations computed again, it is one of padded rows."""
    base, used = small_base(tmp_path / "model"), []
    usual = prefix_attention.PrefixSharing.over

    def over(self: Any, segments: Any, learn: bool = False) -> Any:
        import torch

        used.append(torch.is_grad_enabled())
        return usual(self, segments, learn)

    monkeypatch.setattr(prefix_attention.PrefixSharing, "over", over)
    shared = Trainer(base, small_splits()).train(hyper(), 1.0, 0, tmp_path / "shared")
    assert any(used)
    for settings, dropout in ((TrainSettings(), 0.1), (TrainSettings(gradient_checkpointing=True), 0.0)):
        used.clear()
        Trainer(base, small_splits(), settings).train(hyper(dropout=dropout), 1.0, 0, tmp_path / "other")
        assert used
        assert not any(used)
    monkeypatch.setattr(train, "shares", lambda model, rows: None)
    padded = Trainer(base, small_splits()).train(hyper(), 1.0, 0, tmp_path / "padded")
    assert shared.validation.mean == pytest.approx(padded.validation.mean, abs=1e-5)
    assert shared.train_loss == pytest.approx(padded.train_loss, abs=1e-5)
    counts = (shared.compute.forward, shared.compute.backward, shared.compute.validation)
    assert counts == (padded.compute.forward, padded.compute.backward, padded.compute.validation)
    assert math.isfinite(shared.validation.mean)


def test_a_base_that_is_loaded_again_is_asked_again(tmp_path: Path) -> None:
    trainer = Trainer(small_base(tmp_path / "model"), small_splits())
    first = trainer.evaluate(None)
    trainer.close()
    assert trainer.evaluate(None).rows == first.rows
