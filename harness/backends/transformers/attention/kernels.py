"""Products of attention that give their log-sum-exp too, so that parts of it can be merged.

Where torch has a fused kernel for a device it is used, if it agrees there with the plain product; the plain product is
right everywhere, and takes a mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.compat import fused_attention

if TYPE_CHECKING:
    import torch

FUSED_ROWS = 16  # queries of a key head that a fused kernel on a CPU pays for
# how far a fused kernel may be from the plain product in float32, of numbers up to 5 or so
AGREEMENT, AGREEMENT_HALF = 1e-4, 3e-2


@dataclass(frozen=True, slots=True)
class Form:
    """How a layer attends: scores are products of queries and keys times `scale`."""

    scale: float
    window: int | None = None  # tokens back, the token itself among them; None for all
    cap: float | None = None  # scores go into cap * tanh(score / cap) (Gemma 2)
    sinks: torch.Tensor | None = None  # [heads] scores of one more key each, whose value is zero (gpt-oss)

    def sink(self, out: torch.Tensor, lse: torch.Tensor) -> None:
        """The sinks' share is taken from out [heads, n, d], in place; lse [heads, n] is without them."""
        import torch

        if self.sinks is not None:
            out.mul_(torch.sigmoid(lse - self.sinks.float()[:, None]).unsqueeze(-1).to(out.dtype))


def attend_plain(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    visible: torch.Tensor | None = None,
    cap: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [..., n, d], k and v [..., m, d], visible [..., n, m] or None for all: (out [..., n, d], its
    log-sum-exp [..., n] in float32). A row that sees nothing gives zeros and -inf."""
    import torch

    scores = torch.matmul(q, k.transpose(-1, -2)).float() * scale
    if cap is not None:
        scores = cap * torch.tanh(scores / cap)
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    lse = torch.logsumexp(scores, dim=-1)
    weights = torch.exp(scores - lse.masked_fill(lse == float("-inf"), 0.0).unsqueeze(-1))
    return torch.matmul(weights.to(v.dtype), v), lse


def attend_all(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, cap: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every query sees every key. q [heads, n, d], k and v [kv_heads, m, d]."""
    heads, n, d = q.shape
    kv = k.shape[0]
    group = heads // kv
    # the heads of one key head go below each other, token by token: no copy of keys
    folded = q.transpose(0, 1).reshape(n, kv, group, d).transpose(0, 1).reshape(kv, n * group, d)
    pays = cap is None and (q.device.type != "cpu" or n * group >= FUSED_ROWS)
    if pays and is_fused(q.device.type, q.dtype, d):
        out, lse = fused_attention(folded[None], k[None], v[None], scale, False)
        out, lse = out[0], lse[0]
    else:
        out, lse = _in_parts(folded, k, v, scale, cap)
    out = out.reshape(kv, n, group, d).transpose(1, 2).reshape(heads, n, d)
    return out, lse.reshape(kv, n, group).transpose(1, 2).reshape(heads, n)


def _in_parts(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, cap: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """attend_plain of some queries at a time: the scores of all would not fit."""
    import torch

    parts = [attend_plain(part, k, v, scale, cap=cap) for part in q.split(4096, dim=1)]
    if len(parts) == 1:
        return parts[0]
    return torch.cat([out for out, _ in parts], dim=1), torch.cat([lse for _, lse in parts], dim=1)


def attend_ancestor(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    form: Form,
    positions: torch.Tensor,
    last: int,
    start: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """As attend_all, as far back as the window reaches. `positions` [n] of the queries, `last` of these, `start` of the
    keys, which all come before the queries."""
    import torch

    scale, window, cap = form.scale, form.window, form.cap
    if window is None or last - start < window:
        return attend_all(q, k, v, scale, cap)
    count = k.shape[1]
    some = max(0, count + 1 - window)  # the first key that any query may see
    every = last + 1 - window - start  # the first that all of them see
    if every < count:
        out, lse = attend_all(q, k[:, every:], v[:, every:], scale, cap)
    if some >= min(every, count):
        return (out, lse) if every < count else (torch.zeros_like(q), q.new_full(q.shape[:2], float("-inf")).float())
    band = slice(some, min(every, count))
    places = torch.arange(start + band.start, start + band.stop, device=q.device)
    visible = positions[:, None] - places[None, :] < window
    repeat = q.shape[0] // k.shape[0]
    keys, values = _repeated(k[:, band], repeat), _repeated(v[:, band], repeat)
    partly, partly_lse = attend_plain(q, keys, values, scale, visible, cap)
    if every >= count:
        return partly, partly_lse
    merge(out, lse, partly, partly_lse)
    return out, lse


def attend_self(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, form: Form) -> tuple[torch.Tensor, torch.Tensor]:
    """Causal attention inside each segment. q [segments, heads, L, d], k and v [segments, kv_heads, L, d]."""
    import torch

    repeat = q.shape[1] // k.shape[1]
    k, v = _repeated(k, repeat), _repeated(v, repeat)
    length = q.shape[2]
    window = form.window
    if form.cap is None and (window is None or length <= window) and is_fused(q.device.type, q.dtype, q.shape[-1]):
        return fused_attention(q, k, v, form.scale, True)
    at = torch.arange(length, device=q.device)
    distance = at[:, None] - at[None, :]
    visible = (distance >= 0) if window is None else (distance >= 0) & (distance < window)
    return attend_plain(q, k, v, form.scale, visible, form.cap)


def _repeated(x: torch.Tensor, times: int) -> torch.Tensor:
    """Each key head as often as query heads use it, [..., kv_heads x times, m, d]; a view where it can be one."""
    return x if times == 1 else x.unsqueeze(-3).expand(*x.shape[:-2], times, *x.shape[-2:]).flatten(-4, -3)


def merge(out: torch.Tensor, lse: torch.Tensor, more: torch.Tensor, more_lse: torch.Tensor) -> None:
    """Merge attention over further keys into `out` [heads, n, d] and `lse` [heads, n], in place."""
    import torch

    share = torch.sigmoid(more_lse - lse)  # exp(more_lse) of exp(lse) + exp(more_lse)
    out.lerp_(more, share.unsqueeze(-1).to(out.dtype))
    torch.logaddexp(lse, more_lse, out=lse)


def add_ancestors(
    out: torch.Tensor,
    lse: torch.Tensor,
    q: torch.Tensor,
    form: Form,
    positions: torch.Tensor,
    spans: Iterable[tuple[tuple[torch.Tensor, torch.Tensor], int, int, int, int]],
) -> None:
    """What is left of attention that `out` [heads, n, d] and `lse` [heads, n] hold of the queries' own part, in place.
    `spans`: of each ancestor its keys and values [kv_heads, m, d], from and to which query it is seen, the last
    position among these, and where the ancestor starts."""
    for (k, v), lo, hi, last, start in spans:
        more, more_lse = attend_ancestor(q[:, lo:hi], k, v, form, positions[lo:hi], last, start)
        merge(out[:, lo:hi], lse[:, lo:hi], more, more_lse)
    form.sink(out, lse)


@lru_cache
def is_fused(device: str, dtype: torch.dtype, width: int) -> bool:
    """Whether torch's fused attention of this kind of device takes this type and width of heads and agrees with the
    plain product. Tried once, on a few numbers."""
    if device not in ("cpu", "cuda"):
        return False
    import torch

    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, n, width, generator=generator).to(device, dtype) for n in (37, 53, 53))
    causal = torch.ones(37, 37, dtype=torch.bool, device=device).tril()
    scale = width**-0.5
    allowed = AGREEMENT_HALF if dtype.itemsize == 2 else AGREEMENT
    for keys, visible in ((53, None), (37, causal)):
        k, v = k[:, :, :keys], v[:, :, :keys]
        try:
            fused = fused_attention(q, k, v, scale, visible is not None)
        except (RuntimeError, NotImplementedError):  # a kernel that lacks this type or width
            return False
        plain = attend_plain(q.float(), k.float(), v.float(), scale, visible)
        if not all((a - b).abs().max().item() <= allowed for a, b in zip(fused, plain, strict=True)):
            return False
    return True
