"""Parts of attention, merged, are the whole of it; a fused kernel is used where it agrees with the plain product."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.transformers.attention import kernels
from harness.backends.transformers.attention.kernels import Form, attend_ancestor, attend_plain, is_fused, merge
from harness.backends.transformers.attention.shared import Pass
from harness.backends.transformers.prefix_tree import Segment
from harness.compat import fused_attention

WIDTH, SCALE = 16, 0.25


@pytest.fixture(autouse=True)
def tried_anew() -> Any:
    is_fused.cache_clear()
    yield
    is_fused.cache_clear()


def numbers(*shape: int) -> list[Any]:
    import torch

    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*shape, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("count", [3, 90])
@pytest.mark.parametrize("window", [None, 200, 60, 40, 20, 5])
@pytest.mark.parametrize("cap", [None, 1.5])
def test_an_ancestor_is_seen_as_far_back_as_the_window_reaches(heads, count, window, cap) -> None:
    """The queries stand at two distances behind the keys, as those of two branches do."""
    import torch

    start, keys = 7, 50
    q, k, v = numbers(4, count, WIDTH)[0], *numbers(heads[1], keys, WIDTH)[1:]
    positions = start + keys + torch.arange(count) % 30
    got = attend_ancestor(q, k, v, Form(SCALE, window, cap), positions, int(positions.max()), start)
    distance = positions[:, None] - (start + torch.arange(keys))[None, :]
    visible = distance < (window or 10**6)
    repeat = 4 // heads[1]
    wanted = attend_plain(q, k.repeat_interleave(repeat, 0), v.repeat_interleave(repeat, 0), SCALE, visible, cap)
    for ours, plain in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-5)


def test_merged_parts_are_the_whole() -> None:
    import torch

    q, k, v = numbers(2, 40, WIDTH)
    out, lse = attend_plain(q, k[:, :25], v[:, :25], SCALE)
    merge(out, lse, *attend_plain(q, k[:, 25:], v[:, 25:], SCALE))
    whole, whole_lse = attend_plain(q, k, v, SCALE)
    torch.testing.assert_close(out, whole)
    torch.testing.assert_close(lse, whole_lse)
    before = out.clone()
    merge(out, lse, torch.zeros_like(out), torch.full_like(lse, float("-inf")))  # a part that nothing is seen of
    assert torch.equal(out, before)


def whole_row(q: Any, k: Any, v: Any, form: Form) -> Any:
    """Causal attention of one row [heads, n, d], by softmax over scores and sinks."""
    import torch

    scores = q @ k.repeat_interleave(len(q) // len(k), 0).transpose(1, 2) * form.scale
    if form.cap is not None:
        scores = form.cap * torch.tanh(scores / form.cap)
    at = torch.arange(q.shape[1])
    distance = at[:, None] - at[None, :]
    scores = scores.masked_fill((distance < 0) | (distance >= (form.window or 10**6)), float("-inf"))
    sinks = torch.full((len(q),), float("-inf")) if form.sinks is None else form.sinks
    weights = torch.cat([scores, sinks[:, None, None].expand(-1, q.shape[1], 1)], -1).softmax(-1)[..., :-1]
    return weights @ v.repeat_interleave(len(q) // len(v), 0)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("window", [None, 30])
@pytest.mark.parametrize("cap", [None, 1.5])
@pytest.mark.parametrize("has_sinks", [False, True])
def test_packed_segments_attend_as_whole_rows_do(
    monkeypatch, fused: bool, window: int | None, cap: float | None, has_sinks: bool
) -> None:
    import torch

    form = Form(SCALE, window, cap, torch.tensor([-1.0, 0.5, 2.0, 9.0]) if has_sinks else None)
    if not fused:
        monkeypatch.setattr(kernels, "is_fused", lambda *of: False)
    trunk = Segment([1] * 40, 0, None, None)
    lengths = (9, 10, 12, 70)
    segments = [trunk, *(Segment([2] * n, 40, trunk, None) for n in lengths)]
    q, k, v = numbers(4, sum(len(s.ids) for s in segments), WIDTH)
    k, v = k[:2], v[:2]
    got = Pass(segments, "cpu").attend(0, q, k, v, form)
    at = 40
    for n in lengths:
        row = [*range(40), *range(at, at + n)]
        wanted = whole_row(q[:, row], k[:, row], v[:, row], form)
        torch.testing.assert_close(got[:, row], wanted, atol=1e-5, rtol=1e-5)
        at += n


def test_fused_attention_is_used_on_a_cpu() -> None:
    import torch

    assert is_fused("cpu", torch.float32, 64)
    assert not is_fused("meta", torch.float32, 64)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda out, lse: (out, lse / 0.6931),  # a logarithm of base two
        lambda out, lse: (out * 1.001, lse),
        lambda out, lse: (out, lse * float("nan")),
    ],
)
def test_a_fused_kernel_that_does_not_agree_is_not_used(monkeypatch, wrong: Any) -> None:
    import torch

    monkeypatch.setattr(kernels, "fused_attention", lambda *of: wrong(*fused_attention(*of)))
    assert not is_fused("cpu", torch.float32, 64)


def test_a_kernel_that_lacks_a_type_is_not_used(monkeypatch) -> None:
    import torch

    def lacks(*of: Any) -> None:
        raise RuntimeError("No available kernel")

    monkeypatch.setattr(kernels, "fused_attention", lacks)
    assert not is_fused("cpu", torch.float32, 64)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("causal", [True, False])
def test_the_kernels_of_a_gpu_give_what_is_merged(dtype: str, causal: bool) -> None:
    """By their shapes and types, on the device that has no numbers; the numbers are tried on the GPU, by is_fused."""
    import torch

    q = torch.empty(2, 3, 45, 64, device="meta", dtype=getattr(torch, dtype))
    out, lse = fused_attention(q, q, q, SCALE, causal)
    assert (out.shape, out.dtype) == (q.shape, q.dtype)
    assert (lse.shape, lse.dtype) == (q.shape[:3], torch.float32)
