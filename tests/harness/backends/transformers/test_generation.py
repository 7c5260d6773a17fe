"""Texts do not hang on how they are generated: on guesses, on rows that end, on what runs beside them, on a resume."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers import generation
from harness.backends.transformers.attention.decode import Decode
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.guessing import Guesser
from harness.backends.transformers.prefix_tree import FEWEST, Row, Segment, plan
from harness.testing.answers import answers, text
from harness.types import Generate, Prompt, Sampling
from tests.models import make_model

# heads of one key head side by side, one key head a head, a window shorter than prompts, a fixed table of positions
ARCHS = {"llama": "llama3", "llama-mha": "bytes", "mistral": "sentencepiece", "gpt2": "bytes"}
TOKENS = 24


def requests() -> list[Generate]:
    """Rows with a shared part and without, of many lengths, with stops, with other limits, and a sampled one."""
    rng = random.Random(5)
    shared = text(rng, 60) + "\n\n"
    asked = [Generate(Prompt(shared, text(rng, 3 + 7 * n)), (), TOKENS - n) for n in range(5)]
    asked.append(Generate(Prompt("", text(rng, 20)), ("e", "\n\n"), TOKENS))
    asked.append(Generate(Prompt("", text(rng, 8)), (), TOKENS // 3, Sampling(temperature=0.8, seed=3)))
    return asked


@pytest.fixture(scope="module", params=ARCHS)
def lm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformersLM:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder: Path = make_model(tmp_path_factory.mktemp("m") / "m", request.param, ARCHS[request.param], window=512)
    made = TransformersLM(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    assert made.warnings == []
    return made


def steps_of(lm: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens go in at each step, as it comes."""
    steps: list[int] = []
    feed = Decode.feed

    def counted(self: Decode, tokens: Any) -> None:
        steps.append(sum(map(len, tokens)))
        feed(self, tokens)

    monkeypatch.setattr(Decode, "feed", counted)
    return steps


def test_guesses_change_no_token(lm: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses that are right, wrong from some token on, and absent, in one batch."""
    asked = requests()
    steps = steps_of(lm, monkeypatch)
    monkeypatch.setattr(generation, "STEP_TOKENS", {"cpu": 0})
    plain = answers(lm, asked)
    count = len(steps)
    steps.clear()
    rng = random.Random(0)
    texts = {
        tuple(row.ids): list(plain[row.request].tokens)
        for b in lm.plan_texts(dict(enumerate(asked)))[1]
        for row in b.rows
    }

    def guess(self: Guesser, most: int) -> list[int]:
        ids = tuple(self._ids)
        prompt = next(prompt for prompt in texts if ids[: len(prompt)] == prompt)
        right = texts[prompt][len(ids) - len(prompt) :][: rng.randint(0, most)]
        return right[:-1] + [(token + 1) % 300 for token in right[-1:]] if rng.random() < 0.5 else right

    monkeypatch.setattr(generation, "STEP_TOKENS", {"cpu": 40})
    monkeypatch.setattr(Guesser, "guess", guess)
    assert answers(lm, asked) == plain
    assert max(steps) > len(asked)
    assert len(steps) < count  # some rows took several tokens at once


def test_a_choice_in_doubt_is_made_alone(lm: TransformersLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tolerance that nothing meets, all guesses are in doubt, and texts come one token at a time."""
    asked = requests()
    plain = answers(lm, asked)
    monkeypatch.setattr(generation, "STEP_TOKENS", {"cpu": 40})
    monkeypatch.setattr(generation, "tolerance", lambda model: 1e9)
    monkeypatch.setattr(Guesser, "guess", lambda self, most: self._ids[:most][:2])
    assert answers(lm, asked) == plain


def test_a_resume_in_a_batch_gives_the_same_texts(lm: TransformersLM) -> None:
    asked = requests()
    whole = answers(lm, asked)
    done = {0, 3}
    rest = {n: r for batch in lm.answer(asked, done) for n, r in batch}
    assert rest == {n: r for n, r in whole.items() if n not in done}


def test_a_sampled_text_is_its_seeds(lm: TransformersLM) -> None:
    asked = requests()
    sampled = len(asked) - 1
    other = [*asked[:-1], replace(asked[-1], sampling=replace(asked[-1].sampling, seed=4))]
    first, second = answers(lm, asked), answers(lm, other)
    assert first[sampled].tokens != second[sampled].tokens
    assert {n: r for n, r in first.items() if n != sampled} == {n: r for n, r in second.items() if n != sampled}


def test_a_batch_ends_where_its_tokens_would_be_too_many() -> None:
    rows = [Row([n, n], 1, n, new=10) for n in range(3 * FEWEST)]
    sizes = [len(batch.rows) for batch in plan(rows, 1024, 2 * FEWEST, 12 * (FEWEST + 6))]
    assert sizes == [FEWEST + 6, FEWEST + 6, FEWEST - 12]
    assert [len(batch.rows) for batch in plan(rows, 1024, 2 * FEWEST)] == [2 * FEWEST, FEWEST]
    assert len(plan(rows, 1024, 2 * FEWEST, 1)[0].rows) == FEWEST


def test_rows_that_end_leave_the_others_their_places(lm: TransformersLM) -> None:
    """The last row of a group moves to an ended one's place, and gives what it gives without the others."""
    import torch

    def leaves() -> list[Segment]:
        trunk = Segment(list(range(20, 60)), 0, None, None)
        own = [list(range(100 + n, 103 + n + 2 * (n % 3))) for n in range(6)]
        made = [Segment(ids, 40, trunk, Row([*trunk.ids, *ids], 1, n)) for n, ids in enumerate(own)]
        made.append(Segment(list(range(70, 120)), 0, None, Row(list(range(70, 120)), 1, 6)))
        return made

    engine: Any = lm.engine
    together = leaves()
    engine.prefill([together[0].parent, *together], keep_rows=True)
    decoder = engine.decode(together)
    tokens = [[30 + n, 40 + n, 50 + n] for n in range(7)]
    decoder.step([t[0] for t in tokens])
    left = [1, 3, 5, 6]
    decoder.keep(left)
    decoder.step([tokens[n][1] for n in left])
    decoder.keep([1, 3])
    last = decoder.step([tokens[n][2] for n in (3, 6)])
    for place, n in enumerate((3, 6)):
        alone = leaves()[n]
        row = alone.row
        assert row is not None
        (wanted,) = engine.plain_logits([Row([*row.ids, *tokens[n]], 1, 0)])
        assert torch.allclose(last[place], wanted[0], atol=1e-4)
