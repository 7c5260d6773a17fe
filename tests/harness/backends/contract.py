"""What our backends must answer alike beyond the public suite (harness/testing): the model, prompts that are too long,
and ties. The measure is the transformers backend on the same folder, float32."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.testing.answers import Asked, answers, check_scored, sampled, text, with_stops
from harness.testing.answers import asked as general
from harness.types import Backend, Choice, Generate, Prompt, Request, Response, Rolling
from tests.models import make_model

__all__ = ["answers", "check_scored", "sampled", "text", "with_stops"]

WINDOW = 2048
TIE = 1e-3  # two tokens with logits so near may be chosen either way
ENDS_AT_ONCE = "Say nothing at all.\nAnswer:"
SUBJECTS = ("anatomy", "formal_logic", "us_foreign_policy")


def make(folder: Path) -> Path:
    """A random Llama whose answer to ENDS_AT_ONCE is an end token. Heads of 32, the least that vLLM has on a CPU."""
    import json

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    make_model(folder, "llama", "llama3", window=WINDOW, hidden_size=128, intermediate_size=256)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(ENDS_AT_ONCE)
    with torch.inference_mode():
        first = int(AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0, -1].argmax())
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**settings, "eos_token_id": [tokenizer.eos_token_id, first]}))
    return folder


def mmlu(rows: str, items: int) -> list[Request]:
    """Five-shot questions of three subjects: the real ones, or the bundled sample's."""
    from harness import tasks

    found: list[Request] = []
    names = "mmlu" if rows == "sample" else ",".join(f"mmlu:{s}" for s in SUBJECTS)
    for selected in tasks.load(names, rows, "standard", None, False, None):
        by_group: dict[str, int] = {}
        for item in selected.task.items():
            if selected.groups and item.group not in selected.groups:
                continue
            by_group[item.group] = by_group.get(item.group, 0) + 1
            if by_group[item.group] <= items:
                found += selected.task.requests(item)
    return found


def asked() -> Asked:
    """The public suite's requests, a text that ends at once, and prompts that are longer than the window."""
    wanted = general()
    rng = random.Random(3)
    scored, texts = list(wanted.scored), list(wanted.texts)
    texts.append(Generate(Prompt("", ENDS_AT_ONCE), (), 12))
    # too long: shots go, and where they do not suffice the beginning
    shots = [text(rng, 150) + "\n\n" for _ in range(8)]
    cuts, end = [], 0
    for shot in shots:
        cuts.append(end)
        end += len(shot)
    long = Prompt("".join(shots) + text(rng, 300) + "\n\n", "Is it?\nAnswer:", tuple(cuts))
    scored.append(Choice(long, (" A", " B")))
    texts.append(Generate(long, (), 8))
    texts.append(Generate(Prompt("", text(rng, 1500)), (), 8))
    return Asked(scored, texts)


def short(wanted: Asked) -> Asked:
    """Without the prompts that are too long."""
    return Asked(
        [r for r in wanted.scored if isinstance(r, Rolling) or not r.prompt.cuts],
        [t for t in wanted.texts if len(t.prompt.shared + t.prompt.own) < 2000],
    )


def transformers(folder: Path, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.backends.transformers.backend import TransformersLM

    return TransformersLM(
        AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder), **options
    )


def check_texts(
    folder: Path, requests: Sequence[Generate], found: dict[int, Response], wanted: dict[int, Response]
) -> list[int]:
    """Texts are equal, but for ties, whose numbers are returned."""
    assert set(found) == set(wanted)
    ties = []
    for n, right in wanted.items():
        mine = found[n]
        assert mine.warnings == right.warnings
        if mine.text != right.text:
            assert mine.tokens, f"{mine.text!r} for {right.text!r}, and no tokens to see whether it is a tie"
            assert is_tie(folder, requests[n], mine, right), (n, mine.text, right.text)
            ties.append(n)
            continue
        assert mine.finish == right.finish, n
        if mine.tokens:
            assert mine.tokens == right.tokens
            assert mine.generated == right.generated
    return ties


def is_tie(folder: Path, request: Generate, one: Response, other: Response) -> bool:
    """Whether the first token in which they differ was a toss-up: its two logits are within TIE."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.prompting.tokens import Encoder

    pairs = list(zip(one.tokens, other.tokens, strict=False))
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    if at is None:
        return False
    (prompt,) = Encoder(AutoTokenizer.from_pretrained(folder), WINDOW).prompts([request.prompt], [request.max_tokens])
    ids = [*prompt.ids, *one.tokens[:at]]
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits[0, -1]
    return abs(logits[pairs[at][0]] - logits[pairs[at][1]]).item() < TIE


def check_all(
    backend: Backend, folder: Path, rows: str, items: int = 10, too_long: bool = True, adapted: bool = False
) -> dict[str, Any]:
    """The whole contract. Returns what was found out on the way. `too_long`: with prompts that are; `adapted`: an
    adapter is on, and ENDS_AT_ONCE need not do so."""
    reference = transformers(folder)
    questions = mmlu(rows, items)
    apart = check_scored(answers(backend, questions), answers(reference, questions))
    wanted = asked() if too_long else short(asked())
    apart = max(apart, check_scored(answers(backend, wanted.scored), answers(reference, wanted.scored)))
    right = answers(reference, wanted.texts)
    ties = check_texts(folder, wanted.texts, answers(backend, wanted.texts), right)
    ends = next(n for n, t in enumerate(wanted.texts) if t.prompt.own == ENDS_AT_ONCE)
    assert adapted or (right[ends].text, right[ends].finish) == ("", "stop")
    stopped = with_stops(wanted.texts, right)
    assert len(stopped) >= 4
    right = answers(reference, stopped)
    assert sum(r.text == "" for r in right.values()) >= len(stopped) // 3
    ties += check_texts(folder, stopped, answers(backend, stopped), right)
    check_seeds(backend, wanted.texts[0])
    return {"questions": len(questions), "largest difference": apart, "ties": ties}


def check_seeds(backend: Backend, request: Generate) -> None:
    """Repeats of one prompt differ, and each is its seed's alone: whoever is asked beside it."""
    requests = sampled(request)
    together = answers(backend, requests)
    alone = answers(backend, [requests[2]])
    assert together[2].text == alone[0].text
    assert len({r.text for r in together.values()}) >= 3
