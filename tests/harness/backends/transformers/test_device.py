"""On a GPU no layer waits for a number: what is known before a pass is taken from plain numbers, and what is read of a
pass is read at once.

The device "meta" stands for the GPU: its tensors have shapes and no values, so whatever asks for one (`.item()`,
`.cpu()`, `if tensor`, a mask as an index) raises, as does a tensor that was left on the CPU. transformers itself asks
once at the beginning of a pass whether positions start anew in it; that is not ours to change, and left out here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers.attention import kernels
from harness.backends.transformers.attention.hook import NAME
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.prefix_tree import Row, Segment
from harness.testing.answers import answers, asked
from tests.models import make_model

ASKING = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "nonzero")  # ways to get a number


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With windows of 48 tokens, which the rows below are longer than."""
    return make_model(tmp_path_factory.mktemp("model") / "mistral", "mistral", window=512)


@pytest.fixture(scope="module")
def backend(folder: Path) -> TransformersLM:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made = TransformersLM(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    assert made.warnings == []
    return made


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda positions: None)


@contextmanager
def on_meta(backend: TransformersLM) -> Iterator[None]:
    """The backend's engine with a model of the same shape there."""
    import torch

    engine: Any = backend.engine
    real = engine.model
    with torch.device("meta"):
        engine.model = type(real)(real.config).eval()
    engine.model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        engine.model = real


def tree() -> list[Segment]:
    """A trunk longer than the window, a branch, and leaves of like and of other lengths."""
    trunk = Segment(list(range(300, 370)), 0, None, None)
    branch = Segment(list(range(400, 420)), 70, trunk, None)
    lengths = (5, 6, 7, 40)
    leaves = [
        Segment(list(range(500, 500 + length)), 90, branch, Row(list(range(90 + length)), 2, number))
        for number, length in enumerate(lengths)
    ]
    return [trunk, branch, *leaves]


@pytest.mark.usefixtures("unasked")
def test_prompts_and_tokens_go_through_without_a_wait(backend: TransformersLM) -> None:
    with on_meta(backend):
        segments = tree()
        logits = backend.engine.prefill(segments, keep_rows=True)
        assert (logits.device.type, tuple(logits.shape)) == ("meta", (8, backend.model.config.vocab_size))
        decoder = backend.engine.decode([s for s in segments if s.row is not None])
        for _ in range(2):
            logits = decoder.step([1, 2, 3, 4])
        decoder.keep([0, 2])
        logits = decoder.step([1, 2])
        assert (logits.device.type, logits.shape[0]) == ("meta", 2)


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("wait", [lambda q: q.max().item(), lambda q: q.amax().cpu(), lambda q: q[q > 0]])
def test_a_wait_in_a_layer_is_found(
    backend: TransformersLM, monkeypatch: pytest.MonkeyPatch, wait: Callable[[Any], Any]
) -> None:
    attend = kernels.attend_plain

    def waiting(q: Any, *others: Any, **named: Any) -> Any:
        wait(q)
        return attend(q, *others, **named)

    monkeypatch.setattr(kernels, "attend_plain", waiting)
    with pytest.raises(RuntimeError, match="meta"):
        test_prompts_and_tokens_go_through_without_a_wait(backend)


def test_of_a_pass_everything_is_read_at_once(backend: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of answers with log-probabilities, and of each token of texts."""
    import torch

    wanted = asked(1)
    asks: list[Any] = [wanted.scored, wanted.texts]
    seen: list[str] = []
    passes: list[int] = []
    for name in ASKING:
        usual = getattr(torch.Tensor, name)

        def counted(tensor: Any, *args: Any, usual: Any = usual, name: str = name) -> Any:
            seen.append(name)
            return usual(tensor, *args)

        monkeypatch.setattr(torch.Tensor, name, counted)
    forward = backend.engine._forward

    def passed(*of: Any, **named: Any) -> Any:
        passes.append(1)
        return forward(*of, **named)

    monkeypatch.setattr(backend.engine, "_forward", passed)
    for requests in asks:
        seen.clear()
        passes.clear()
        assert len(answers(backend, requests)) == len(requests)
        assert seen.count("tolist") <= len(passes)
        assert set(seen) == {"tolist", "__bool__"}
        assert seen.count("__bool__") <= len(passes)  # transformers' own
