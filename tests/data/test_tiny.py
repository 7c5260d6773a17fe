"""The embedded model: small, loads anywhere, and has not seen the bundled sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

import data.tiny
from data.benchmarks import load
from data.tiny import make, passages, programs, quiz, reasoning
from data.tiny.generate import ALPACA, Document, documents, make_instruction, text_of
from data.tiny.world import Wording
from tests.data.specs import SPECS

HOME = Path(data.tiny.__file__).parent


def sample_texts() -> list[str]:
    """What must not stand in the training text: questions, passages, puzzles, prompts and docstrings."""
    texts = [row["question"] for split in load(SPECS["mmlu"], "sample").splits.values() for row in split]
    bbh = load(SPECS["bbh"], "sample")
    texts += [row["input"] for row in bbh.splits["test"]]
    texts += [part for prompt in bbh.prompts.values() for part in prompt.split("\n") if part.startswith("Q: ")]
    for split in load(SPECS["drop"], "sample").splits.values():
        texts += [text for row in split for text in (row["passage"], row["question"])]
    for row in load(SPECS["humaneval"], "sample").splits["test"]:
        texts += [row["prompt"], row["prompt"].split('"""')[1].split("\n")[0]]
    return texts


def seen(texts: list[str], source: Iterator[Document], tokens: int) -> list[str]:
    """Those of `texts` that stand in the first documents of a source, up to at least `tokens` tokens."""
    taken, corpus = 0, []
    for document in source:
        corpus.append(text_of(document))
        taken += len(corpus[-1]) // 5  # fewer than there are: a token has about 3.5 characters
        if taken >= tokens:
            break
    joined = "\n\n".join(corpus)
    return [text for text in texts if text in joined]


def wordings() -> dict[str, Wording]:
    found = {f"drop {kind}": wording for kind, wording in passages.QUESTIONS.items()}
    for module in (quiz, reasoning, passages, programs):
        found |= {
            f"{module.__name__} {name}": value for name, value in vars(module).items() if isinstance(value, Wording)
        }
    return found


def test_templates_are_disjoint():
    found = wordings()
    assert len(found) >= 14
    for name, wording in found.items():
        train = {template for template in wording.train if template}
        assert train.isdisjoint(wording.sample), name


def test_sample_is_not_in_the_training_text():
    assert seen(sample_texts(), documents(make.SEED), 400_000) == []
    assert seen(sample_texts(), documents(make.TOKENIZER_SEED), 200_000) == []


@pytest.mark.full
def test_sample_is_not_in_the_whole_training_text():
    assert seen(sample_texts(), documents(make.SEED), make.TOKENS) == []


def test_a_leak_would_be_found():
    leaked = text_of(next(documents(make.SEED)))
    assert seen([leaked, *sample_texts()], documents(make.SEED), 1000) == [leaked]


def test_documents_depend_on_their_seed_alone():
    assert list(islice(documents(5), 20)) == list(islice(documents(5), 20))
    assert list(islice(documents(5), 20)) != list(islice(documents(6), 20))


def test_instructions_have_a_response():
    import random

    rng = random.Random(0)
    pairs = [make_instruction(rng) for _ in range(200)]
    assert all(instruction.strip() and response.strip() for instruction, response in pairs)
    assert len(set(pairs)) > 100
    assert ALPACA.format("X").endswith("### Instruction:\nX\n\n### Response:")


def test_it_is_small():
    assert sum(path.stat().st_size for path in HOME.iterdir() if path.is_file()) < 8_000_000
    names = {path.name for path in HOME.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names


@pytest.fixture(scope="module")
def tiny():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    return AutoTokenizer.from_pretrained(HOME), AutoModelForCausalLM.from_pretrained(HOME).eval()


def test_it_loads_as_a_llama_in_float32(tiny):
    import torch

    tokenizer, model = tiny
    assert model.config.model_type == "llama"
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings == make.WINDOW
    assert model.config.vocab_size == len(tokenizer)
    ids = tokenizer("Find the food")["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_any_text_survives_the_tokenizer(tiny):
    tokenizer, _ = tiny
    for text in ("def f(x):\n    return x  # é 漢字 \t🙂\n\n", " 12.5, 1999", ""):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_chat_template_is_alpacas(tiny):
    tokenizer, _ = tiny
    turns = [{"role": "user", "content": "Name 2 tools."}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "<s>" + ALPACA.format("Name 2 tools.")
    system = [{"role": "system", "content": "Be brief."}, *turns]
    text = tokenizer.apply_chat_template(system, tokenize=False, add_generation_prompt=True)
    assert text == "<s>Be brief.\n\n### Instruction:\nName 2 tools.\n\n### Response:"


def answer(tiny, text: str, stop: str, limit: int) -> str:
    """Greedy continuation up to the stop string."""
    import torch

    tokenizer, model = tiny
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    out = model.generate(ids, max_new_tokens=limit, do_sample=False, stop_strings=[stop], tokenizer=tokenizer)
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).partition(stop)[0]


def test_mmlu_is_above_chance(tiny):
    import torch

    from harness.tasks.mmlu import Mmlu

    tokenizer, model = tiny
    task = Mmlu(load(SPECS["mmlu"], "sample"))
    letters = [tokenizer(f" {letter}", add_special_tokens=False)["input_ids"][0] for letter in "ABCD"]
    right = 0
    for item in task.items():
        (request,) = task.requests(item)
        ids = tokenizer(request.prompt.shared + request.prompt.own, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, -1]
        right += int(logits[letters].argmax()) == item.row["answer"]
    assert 0.5 <= right / len(task.items()) < 1


def test_bbh_is_above_chance(tiny):
    from harness.tasks.bbh import Bbh
    from harness.types import Response

    task, right = Bbh(load(SPECS["bbh"], "sample")), 0.0
    items = task.items()[::5]
    for item in items:
        (request,) = task.requests(item)
        text = answer(tiny, request.prompt.shared + request.prompt.own, "\n\n", 150)
        right += task.score(item, [Response(text=text)]).metrics[task.metric]
    assert right / len(items) >= 0.4


def test_drop_is_above_chance(tiny):
    from harness.tasks.drop import Drop
    from harness.types import Response

    task, total = Drop(load(SPECS["drop"], "sample")), 0.0
    items = task.items()[::2]
    for item in items:
        (request,) = task.requests(item)
        text = answer(tiny, request.prompt.shared + request.prompt.own, "\n", 16)
        total += task.score(item, [Response(text=text)]).metrics["f1"]
    assert total / len(items) >= 0.4


def test_humaneval_is_neither_empty_nor_full(tiny):
    rows = load(SPECS["humaneval"], "sample").splits["test"]
    right = sum(answer(tiny, row["prompt"], "\ndef", 60).strip() == row["canonical_solution"].strip() for row in rows)
    assert 0.2 <= right / len(rows) < 1
