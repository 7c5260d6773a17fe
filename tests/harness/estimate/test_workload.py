"""What requests come to, from the backend's own plan of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backends.transformers.backend import TransformersLM
from harness.estimate.model_size import ModelSize
from harness.estimate.workload import of_requests
from harness.models.checkpoint import resolve
from harness.models.loading import load_model, load_tokenizer
from harness.types import Choice, Generate, Loglikelihood, Prompt, Request
from tests.models import make_model

SHARED = "a river and a bridge and a garden, " * 30


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> TransformersLM:
    folder: Path = make_model(tmp_path_factory.mktemp("workload") / "m")
    checkpoint = resolve(str(folder))
    return TransformersLM(load_model(checkpoint, "float32"), load_tokenizer(checkpoint))


def test_computed_positions_are_those_that_go_through_the_model(lm: TransformersLM) -> None:
    requests: list[Request] = [Choice(Prompt(SHARED, f"question {n}"), (" yes", " no")) for n in range(20)]
    requests += [Loglikelihood(Prompt("", f"text {n}"), " that goes on") for n in range(5)]
    scored, generated = of_requests(lm, ModelSize.of(lm.model), requests)
    before = lm.computed
    answered = [response for batch in lm.answer(requests) for _, response in batch]
    assert scored.computed == lm.computed - before
    assert scored.asked == sum(response.asked for response in answered)
    assert scored.computed < scored.asked / 3  # what they share is computed once
    assert (generated.batches, generated.lengths) == (0, [])


def test_limits_of_generated_texts_by_batch(lm: TransformersLM) -> None:
    window = lm.info.window
    requests: list[Request] = [Generate(Prompt("", f"word {n}"), (), 7 + n % 2) for n in range(lm.rows_together + 3)]
    requests.append(Generate(Prompt("", "word"), (), 10 * window))
    _, generated = of_requests(lm, ModelSize.of(lm.model), requests)
    assert [len(batch) for batch in generated.lengths] == [lm.rows_together, 4]
    limits = sorted(limit for batch in generated.lengths for limit in batch)
    assert set(limits[:-1]) == {7, 8}
    assert window - 20 < limits[-1] < window


def test_operations_grow_with_the_rows_that_are_read(lm: TransformersLM) -> None:
    size = ModelSize.of(lm.model)
    weights = lm.model.get_output_embeddings().weight
    assert size.head == weights.numel()
    assert size.forward(10, 0, 3) == 2 * (10 * size.blocks + 3 * weights.numel())
    assert (
        size.blocks + 2 * size.head
        < sum(p.numel() for p in lm.model.parameters())
        < 1.1 * (size.blocks + 2 * size.head)
    )
