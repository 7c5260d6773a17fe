"""Where a text ends, alike on all backends: stops after thoughts, and stops and tags that are special tokens.

A model that says a given script, in any tokens, stands behind each backend."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.backends.endpoint import backend as endpoint
from harness.backends.endpoint.backend import SPECIAL_STOP
from harness.backends.transformers import generation
from harness.backends.vllm.engine import VllmEngine
from harness.evaluation.planning import Options, make_plan
from harness.prompting.thinking import CUT_OFF, IN_THOUGHT, SCORED, UNFINISHED, answer_of
from harness.types import BackendInfo, Choice, Generate, Prompt, Response
from tests.harness.backends import contract
from tests.harness.backends.small_server import Scripted, SmallServer
from tests.harness.backends.vllm.test_engine import Params, StandIn
from tests.harness.servers import serving
from tests.models import make_model

PLAIN = ("<think>", "</think>", "<|plain_end|>")  # tokens that are seen in a decoded text
SPECIAL = ("[THINK]", "[/THINK]", "<|im_end|>", "<|other|>")  # and that are not
TAGS = [("<think>", "</think>"), ("[THINK]", "[/THINK]")]
STOPS = ["\n", "\n\n", "<|im_end|>", "<|plain_end|>", "END", "</s>", "ab"]
WORDS = st.text(st.sampled_from("ab1 \nQ:.é🙂"), max_size=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model whose tokenizer has PLAIN and SPECIAL; its template opens a thought where there is a system text."""
    from transformers import AddedToken, AutoModelForCausalLM, AutoTokenizer

    folder = make_model(tmp_path_factory.mktemp("scripted") / "model", "llama", "llama3", window=contract.WINDOW)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL], special_tokens=True)
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}\n{% endif %}{% endfor %}A: "
        "{% if messages[0]['content'] == 'plain' %}<think>\n{% elif messages[0]['content'] == 'special' %}[THINK]\n"
        "{% endif %}"
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass
class Backends:
    """All of them, behind which one model says `script`."""

    model: Scripted
    tokens: dict[str, Any]  # those that have the tokenizer, by name
    text: Any
    chat: Any

    def say(self, script: Sequence[int]) -> None:
        self.model.script = script

    def answers(self, request: Generate, *more: Any) -> dict[str, Response]:
        named = [*self.tokens.items(), *more]
        return {name: contract.answers(backend, [request])[0] for name, backend in named}


# system text: the tag that the template opens a thought with
OPENED: dict[str | None, str] = {None: "", "plain": "<think>", "special": "[THINK]"}


@pytest.fixture(params=["", "<think>", "[THINK]"])
def backends(request, folder, monkeypatch) -> Iterator[Backends]:
    """With a chat template that opens a thought by this tag."""
    chat: dict[str, Any] = {"chat": True, "system": next(text for text, tag in OPENED.items() if tag == request.param)}
    model = Scripted(folder)
    for name in ("vllm", "vllm.sampling_params"):
        module = ModuleType(name)
        module.SamplingParams = Params  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(generation, "STEP_TOKENS", {"cpu": 0})  # guesses are held against the model's own choice
    monkeypatch.setattr(
        generation, "choose", lambda logits, outputs, *_: [model.script[len(o.tokens)] for o in outputs]
    )
    info = BackendInfo("vllm", "stand-in", "float32", contract.WINDOW)
    ends = frozenset(model.ends)
    with ExitStack() as stack:

        def server(kind: str, with_tokenizer: bool) -> Any:
            url = stack.enter_context(serving(SmallServer(model, kind))).url
            given: dict[str, Any] = {
                "model": url,
                "served_name": "small",
                "data": "sample",
                "limit": 1,
                "tasks": "drop",
            }
            tokenizer = str(folder) if with_tokenizer else None
            plan = make_plan(Options(**given, **chat, tokenizer=tokenizer))
            return endpoint.make(plan.model, plan.settings)[0]

        tokens = {
            "transformers": contract.transformers(folder, **chat),
            "vllm": VllmEngine(StandIn(model), model.tokenizer, info, ends, **chat),  # type: ignore[arg-type]
            "vllm's server": server("vllm", True),
        }
        yield Backends(model, tokens, server("plain", True), server("chat", False))


def chunks(tokenizer: Any, text: str, cuts: set[int]) -> list[int]:
    """A text in tokens that no tokenizer would choose: cut at `cuts` first."""
    places = [0, *sorted(c for c in cuts if 0 < c < len(text)), len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(places)]
    return [t for part in parts for t in tokenizer.encode(part, add_special_tokens=False)]


def cut(answer: str, stop: Sequence[str]) -> str:
    return answer[: min([at for s in stop if (at := answer.find(s)) >= 0], default=len(answer))]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tags=st.sampled_from(TAGS),
    thought=WORDS,
    answer=WORDS,
    behind=st.sampled_from(["", *STOPS]),
    rest=WORDS,
    lead=st.sampled_from(["", "\n", "\n\n"]),
    stop=st.lists(st.sampled_from(STOPS), max_size=3, unique=True),
    cuts=st.sets(st.integers(1, 30), max_size=8),
)
def test_an_answer_ends_before_its_first_stop(backends, tags, thought, answer, behind, rest, lead, stop, cuts):
    """Whatever the thought, its tags, the answer, the stops and the tokens: alike on all backends."""
    opened = OPENED[backends.tokens["transformers"].encoder.system]
    tags = next((pair for pair in TAGS if pair[0] == opened), tags)
    tokenizer = backends.model.tokenizer
    first = [] if opened else tokenizer.encode(tags[0], add_special_tokens=False)
    body = f"{tags[1]}{lead}x{answer}{behind}{rest}"
    script = [*first, *chunks(tokenizer, f"t{thought}\n", cuts)]
    script += [*chunks(tokenizer, tags[1], set()), *chunks(tokenizer, f"{lead}x{answer}", cuts)]
    script += [*chunks(tokenizer, behind, set()), *chunks(tokenizer, rest, cuts), tokenizer.eos_token_id]
    backends.say(script)
    shown = f"x{answer}" if behind == tokenizer.eos_token else f"x{answer}{behind}{rest}"
    plain = shown.replace("<|im_end|>", "")
    wanted = min(cut(shown, stop).replace("<|im_end|>", ""), cut(plain, stop), key=len)
    request = Generate(Prompt("", "?"), tuple(stop), 200, after_thinking=True)
    found = backends.answers(request)
    assert {answer_of(r.text) for r in found.values()} == {wanted}, body
    assert {r.text for r in found.values()} == {f"{tags[0]}t{thought}\n{tags[1]}{lead}{wanted}"}
    assert {r.finish for r in found.values()} == {"stop"}
    assert all(r.tokens == tuple(script[: r.generated]) and not r.warnings for r in found.values())
    assert found["transformers"].generated <= found["vllm"].generated == found["vllm's server"].generated


@pytest.mark.parametrize("tags", TAGS)
@pytest.mark.parametrize("most", [2, 5, 12])
def test_a_thought_that_never_ends_is_no_answer(backends, tags, most):
    opened = OPENED[backends.tokens["transformers"].encoder.system]
    text = ("" if opened else tags[0]) + "\nIt is 42.\n\n[[A]] 43 and then 44"
    backends.say([*chunks(backends.model.tokenizer, text, set()), backends.model.tokenizer.eos_token_id])
    for response in backends.answers(Generate(Prompt("", "?"), ("\n",), most, after_thinking=True)).values():
        assert answer_of(response.text) == ""
        assert response.warnings == (UNFINISHED,)
        assert response.generated == most or response.tokens[-1] == backends.model.tokenizer.eos_token_id
        assert response.finish == ("length" if response.generated == most else "stop")


def test_text_that_a_server_gives_is_read_alike(backends):
    opened = OPENED[backends.tokens["transformers"].encoder.system]
    tokenizer = backends.model.tokenizer
    request = Generate(Prompt("", "?"), ("\n",), 100, after_thinking=True)
    if opened != "[THINK]":  # these are in no text
        text = ("" if opened else "<think>") + "\na\n</think>\n\n42\n43"
        backends.say([*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id])
        found = backends.answers(request, ("text", backends.text), ("chat", backends.chat))
        assert {answer_of(r.text) for r in found.values()} == {"42"}
        assert {r.finish for r in found.values()} == {"stop"}
    backends.say(tokenizer.encode("So it is 42", add_special_tokens=False) * 30)
    found = backends.answers(replace(request, max_tokens=9), ("text", backends.text), ("chat", backends.chat))
    assert found["text"].warnings == ((UNFINISHED,) if opened else ())
    assert found["chat"].warnings == (CUT_OFF,)


def test_a_special_token_stops_without_the_option_too(backends):
    if backends.tokens["transformers"].encoder.system:
        return
    tokenizer = backends.model.tokenizer
    backends.say([*tokenizer.encode(" four<|other|> and<|im_end|>\nQuestion five", add_special_tokens=False), 2])
    request = Generate(Prompt("", "?"), ("<|im_end|>",), 100)
    found = backends.answers(request)
    assert {r.text for r in found.values()} == {" four and"}
    assert {(r.finish, r.generated, r.tokens) for r in found.values()} == {
        ("stop", found["vllm"].generated, found["vllm"].tokens)
    }
    assert tokenizer.decode(found["vllm"].tokens).endswith("<|im_end|>")
    contract.answers(backends.text, [request])
    assert backends.text.warnings == [SPECIAL_STOP]
    for stop, text in (
        (" and<|im_end|>", " four"),
        ("<|other|>", " four"),
        ("r and", " fou"),
        ("d<|im_end|>\nQ", " four an"),
        ("d\n", " four an"),
    ):
        found = backends.answers(replace(request, stop=(stop,)))
        assert {(r.text, r.finish) for r in found.values()} == {(text, "stop")}, stop


def test_what_thoughts_do_without_the_option_is_said(backends):
    opened = OPENED[backends.tokens["transformers"].encoder.system]
    tokenizer = backends.model.tokenizer
    backends.say([*tokenizer.encode(("" if opened else "[THINK]") + "a\nb", add_special_tokens=False), 2])
    for response in backends.answers(Generate(Prompt("", "?"), ("\n",), 100)).values():
        assert (response.text, response.warnings) == ("a", (SCORED,))


def test_options_that_are_weighed_inside_a_thought_are_said(backends):
    lm = backends.tokens["transformers"]
    contract.answers(lm, [Choice(Prompt("", "?"), (" A", " B"))])
    assert (IN_THOUGHT in lm.warnings) == bool(lm.encoder.system)
