"""Parity with lm-evaluation-harness on real rows: token ids, letters, log-probabilities, generated text.

Texts of prompts are compared in tests/harness/tasks; here they go through tokenizers and a model.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from data.benchmarks import load
from harness.backends.transformers.backend import TransformersLM
from harness.prompting.tokens import Encoder
from harness.tasks.bbh import Bbh
from harness.tasks.mmlu import Mmlu
from harness.types import Choice, Generate
from tests.harness.tasks.lm_eval_bridge import lm_eval_local
from tests.models import make_model, make_tokenizer

WINDOW = 16_384  # no prompt is too long under these tokenizers of 2,000 tokens
SUBJECTS = ("anatomy", "global_facts")
MORE_SUBJECTS = ("abstract_algebra", "high_school_us_history", "management", "moral_scenarios", "virology")


def lm_eval_model(folder: Path, **options: Any) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", max_length=WINDOW, **options)


@pytest.mark.parametrize("each", [10, pytest.param(100_000, marks=pytest.mark.full)])
def test_token_ids_of_mmlu_prompts(shared_data: Path, tmp_path: Path, each: int) -> None:
    """What our backend would send for so many questions of each of the 57 subjects, or all, against lm-eval's encoding
    of its own contexts and options."""
    task = Mmlu(load(Mmlu.rows, shared_data))
    items = [item for _, own in itertools.groupby(task.items(), lambda item: item.group) for item in [*own][:each]]
    requests = [task.requests(item)[0] for item in items]
    contexts = {
        subject: lm_eval_local.contexts(lm_eval_local.lm_eval_mmlu_task(shared_data, subject), each)
        for subject in lm_eval_local.mmlu_subjects(shared_data)
    }
    assert [i.group for i in items] == [subject for subject, texts in contexts.items() for _ in texts]
    for kind in ("bytes", "sentencepiece", "llama3"):
        peer = lm_eval_model(make_model(tmp_path / kind, "llama", kind))
        encoder = Encoder(make_tokenizer(kind), window=100_000)
        ours = encoder.prompts([r.prompt for r in requests if isinstance(r, Choice)], [1] * len(requests))
        assert len(ours) == min(57 * each, 14_042)
        theirs = (ids for texts in contexts.values() for ids in peer.tokenizer(texts).input_ids)
        for n, (encoded, wanted) in enumerate(zip(ours, theirs, strict=True)):
            assert encoded.ids == wanted, (kind, items[n].id)
            if n % 200 == 0:  # lm-eval's own functions, which are slow
                assert wanted == peer.tok_encode(encoded.text)
                for letter in "ABCD":
                    assert (
                        encoder.continuation(encoded, f" {letter}") == peer._encode_pair(encoded.text, f" {letter}")[1]
                    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("parity") / "model", "llama", "llama3", window=WINDOW)


def answers(folder: Path, requests: list[Any]) -> list[Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lm = TransformersLM(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    assert not lm.warnings
    found = dict(answer for batch in lm.answer(requests) for answer in batch)
    return [found[n] for n in range(len(requests))]


@pytest.mark.parametrize("subjects", [SUBJECTS, pytest.param(MORE_SUBJECTS, marks=pytest.mark.full)])
def test_letters_and_log_probabilities_on_whole_subjects(
    shared_data: Path, model: Path, subjects: tuple[str, ...]
) -> None:
    """Every item of the subjects: the same letter, log-probabilities within 1e-4 (float32)."""
    peer = lm_eval_model(model, batch_size=4)
    task = Mmlu(load(Mmlu.rows, shared_data))
    items = [item for item in task.items() if item.group in subjects]
    found = answers(model, [task.requests(item)[0] for item in items])
    theirs = []
    for subject in subjects:
        instances = lm_eval_local.instances(lm_eval_local.lm_eval_mmlu_task(shared_data, subject))
        said = peer.loglikelihood([i for per_item in instances for i in per_item], disable_tqdm=True)
        theirs += [said[n : n + 4] for n in range(0, len(said), 4)]
    assert len(theirs) == len(items) > 200
    for item, response, wanted in zip(items, found, theirs, strict=True):
        assert response.logprobs == pytest.approx([logprob for logprob, _ in wanted], abs=1e-4)
        best = max(range(4), key=lambda n: wanted[n][0])
        sample = task.score(item, [response])
        top = sorted((logprob for logprob, _ in wanted), reverse=True)
        assert sample.answer == "ABCD"[best] or top[0] - top[1] < 1e-5, item.id


def test_generated_text_of_bbh(shared_data: Path, model: Path) -> None:
    """Greedy chain of thought on three tasks: the same text as lm-eval's `generate_until`, before its filter."""
    peer = lm_eval_model(model, batch_size=8)
    task = Bbh(load(Bbh.rows, shared_data))
    names = ("boolean_expressions", "navigate", "word_sorting")
    items = [i for name in names for i in [i for i in task.items() if i.group == name][:12]]
    requests = []
    for item in items:
        (request,) = task.requests(item)
        assert isinstance(request, Generate)
        requests.append(Generate(request.prompt, request.stop, 24))
    found = answers(model, requests)
    theirs = []
    for name in names:
        instances = [i[0] for i in lm_eval_local.instances(lm_eval_local.lm_eval_bbh_task(shared_data, name))[:12]]
        for instance in instances:
            instance.arguments = (instance.args[0], {**instance.args[1], "max_gen_toks": 24})
        theirs += peer.generate_until(instances, disable_tqdm=True)
    same = sum(response.text == wanted for response, wanted in zip(found, theirs, strict=True))
    assert same >= 0.99 * len(items), [(r.text, w) for r, w in zip(found, theirs, strict=True) if r.text != w]
