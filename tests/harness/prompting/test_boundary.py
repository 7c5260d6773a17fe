"""Where a prompt ends and an option begins, in tokens: as lm-eval finds it, and an option of no tokens never wins."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.backends.calls import Calls, Scored, Scoring
from harness.backends.endpoint.text import TextEndpoint
from harness.backends.transformers.jobs import make_jobs
from harness.evaluation.no_answer import NO_TOKENS
from harness.prompting.tokens import Encoder
from harness.types import BackendInfo, Choice, Loglikelihood, Prompt, Request
from tests.models import make_tokenizer

KINDS = ("bytes", "llama3", "sentencepiece")
PIECES = (
    *(
        "\n",
        "\n\n",
        " ",
        "  ",
        " \n",
        "\r\n",
        "an",
        "d",
        "the",
        " the",
        "A",
        " B",
        "Answer:",
        "12",
        "3",
        ".",
        "ing",
        "un",
    ),
    *("é", "e\u0301", "\u0301", "日本", "x\ty", "▁", "Question: which of these is it?\nAnswer:", "The dog runs an"),
)
texts = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@pytest.fixture(scope="module")
def encoders() -> dict[str, Encoder]:
    return {kind: Encoder(make_tokenizer(kind), 100_000) for kind in KINDS}


def theirs(tokenizer: Any) -> Any:
    """lm-eval's own encoding, without a model."""
    from lm_eval.models.huggingface import HFLM

    lm = object.__new__(HFLM)
    lm.tokenizer, lm.backend, lm.add_bos_token, lm.custom_prefix_token_id = tokenizer, "causal", None, None
    return lm


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(KINDS), texts, texts, st.lists(texts, min_size=1, max_size=4))
@example("bytes", "", "The dog runs an", ["d", " apple"])
@example("bytes", "", "One line.\nThe dog runs an", ["d", " apple"])
@example("bytes", "Shots.\n\n", "  ", ["a", ""])
@example("sentencepiece", "", "", ["a", "", " b"])
def test_rows_are_lm_evals(encoders: dict[str, Encoder], kind: str, shared: str, own: str, options: list[str]) -> None:
    encoder = encoders[kind]
    lm = theirs(encoder.tokenizer)
    context = shared + own
    expected = []
    for option in options:
        if context.strip():
            expected.append(lm._encode_pair(context, option))
        else:  # nothing to condition on but white space, which belongs to the option
            ids = lm.tok_encode(context + option, add_special_tokens=False)
            expected.append(([encoder.start_token], ids))
    (job,) = make_jobs([Choice(Prompt(shared, own, (len(shared) // 2, len(shared))), tuple(options))], encoder)
    sequences = [before + after for before, after in expected if after]
    if job.one_position:
        made = [job.rows[0][0] + [target] for target in job.targets[0]]
    else:
        made = [ids + target[-1:] for (ids, _), target in zip(job.rows, job.targets, strict=True)]
        assert job.targets == [after for _, after in expected if after]
    assert made == sequences
    for part, (ids, _) in enumerate(job.rows):
        count = len(job.targets[0]) if job.one_position else 1
        job.take(part, [-1.0] * count, [True] * count, 0)
        assert ids
    response = job.response()
    empty = [not after for _, after in expected]
    assert [math.isnan(value) for value in response.logprobs] == empty
    assert not any(greedy for greedy, none in zip(response.greedy, empty, strict=True) if none)
    assert (NO_TOKENS in response.warnings) == any(empty)


def test_other_engines_are_not_asked_for_an_option_without_tokens(encoders: dict[str, Encoder]) -> None:
    calls = Calls(encoders["bytes"], frozenset())
    requests: list[Request] = [
        Choice(Prompt("", "The dog runs an"), ("d", " apple tree in the town")),
        Choice(Prompt("", "Q:"), ("", " A")),
        Loglikelihood(Prompt("", "Q:"), ""),
        Choice(Prompt("", ""), ("", "")),
    ]
    asked: list[Scoring] = []

    def ask(made: Any) -> Any:
        for key, call in made:
            asked.append(call)
            scored = Scored(dict.fromkeys(call.targets, -2.0), -1, [-2.0] * call.tail, [False] * call.tail)
            yield [(key, scored)]

    found = dict(pair for batch in calls.answer(requests, (), ask) for pair in batch)
    assert all(call.targets for call in asked)
    assert len(asked) == 2
    assert [math.isnan(value) for value in found[0].logprobs] == [True, False]
    assert [math.isnan(value) for value in found[1].logprobs] == [True, False]
    assert found[1].logprobs[1] == -2.0
    assert [math.isnan(value) for n in (2, 3) for value in found[n].logprobs] == [True] * 3
    assert all(NO_TOKENS in response.warnings for response in found.values())


def test_a_server_asked_with_text() -> None:
    class Remote:
        """Echoes with a token a word; "an" and "d" are one word together."""

        def complete(self, prompt: str, echo: bool = False, **_: Any) -> dict[str, Any]:
            words = prompt.split()
            logprobs: dict[str, Any] = {"top_logprobs": [{" x": None}], "tokens": [" x"]}
            if echo:
                logprobs = {
                    "token_logprobs": [None, *([-3.0] * len(words))],
                    "top_logprobs": [None, *([{"w": -3.0}] * len(words))],
                }
            return {"choices": [{"logprobs": logprobs}], "usage": {"prompt_tokens": len(words)}}

    backend = TextEndpoint(Remote(), "m", BackendInfo("endpoint", "server", "auto", 0), False, None)  # type: ignore[arg-type]
    response, _ = backend._one(Choice(Prompt("", "The dog runs an"), ("d", " apple tree")))
    assert math.isnan(response.logprobs[0])
    assert response.logprobs[1] == -6.0
    assert response.greedy == (False, True)
    assert response.warnings == (NO_TOKENS,)
