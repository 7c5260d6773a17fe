"""Replies of servers in every shape that is known, and in some that are not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.backends.endpoint.client import RefusedError, Remote
from harness.backends.endpoint.replies import UnreadableError, chat, completion
from harness.backends.endpoint.text import TextEndpoint
from harness.backends.endpoint.unanswered import ENOUGH
from harness.errors import ModelError
from harness.types import BackendInfo, Generate, Prompt
from tests.harness.servers import serving

THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]


def reply(message: Any, finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


@pytest.mark.parametrize(
    ("message", "text", "thought"),
    [
        ({"content": "yes"}, "yes", ""),
        ({"content": ""}, "", ""),
        ({"content": "yes", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": "hm", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "refusal": None, "tool_calls": []}, "yes", ""),
        ({"content": [{"type": "text", "text": "ye"}, {"type": "text", "text": "s"}]}, "yes", ""),
        ({"content": [*THINKING, {"type": "text", "text": "yes"}]}, "yes", "hm"),
        ({"content": [{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "yes"}]}, "yes", "hm"),
        ({"content": [{"type": "text", "text": "yes"}, {"type": "reference", "reference_ids": [1]}]}, "yes", ""),
        ({"content": ["ye", "s"]}, "yes", ""),
        ({"content": {"type": "text", "text": "yes"}}, "yes", ""),
    ],
)
def test_the_answer_is_found_in_each_known_shape(message, text, thought):
    said = chat(reply(message))
    assert (said.text, said.thought, said.missing) == (text, thought, "")


@pytest.mark.parametrize(
    ("message", "finish", "why"),
    [
        ({"content": None, "reasoning_content": "[[A]]"}, "stop", "reasoning_content"),
        ({"content": "", "reasoning_content": "[[A]]"}, "length", "reasoning_content.*limit of tokens"),
        ({"content": None, "reasoning": "[[A]]"}, "stop", r"\(reasoning\)"),
        ({"content": THINKING}, "stop", "parts of type thinking"),
        ({"content": None}, "stop", "content is null"),
        ({"role": "assistant"}, "stop", "content is null"),
        ({"content": []}, "length", "limit of tokens"),
        ({"content": None}, "content_filter", "content_filter"),
        ({"content": None, "refusal": "I will not"}, "stop", "refused.*I will not"),
        ({"content": [{"type": "refusal", "refusal": "I will not"}]}, "stop", "refused.*I will not"),
        ({"content": None, "tool_calls": [{"function": {}}]}, "tool_calls", "tool_calls"),
    ],
)
def test_a_reply_without_an_answer_says_why(message, finish, why):
    said = chat(reply(message, finish))
    assert said.text == ""
    assert re.search(why, said.missing)


def test_tokens_of_a_thought_that_is_not_shown_are_named():
    usage = {"completion_tokens": 32, "completion_tokens_details": {"reasoning_tokens": 32}}
    assert "thought of 32 tokens" in chat(reply({"content": ""}, "length", usage=usage)).missing


@pytest.mark.parametrize(
    "strange",
    [
        reply(None),
        reply("yes"),
        reply({"content": 7}),
        reply({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
        reply({"content": [{"type": "text", "text": None}]}),
        reply({"content": [None]}),
        {"choices": [{"text": "yes"}]},
        {"choices": []},
        {"choices": None},
        {},
    ],
)
def test_other_shapes_are_errors(strange):
    with pytest.raises(UnreadableError):
        chat(strange)


def test_completions_and_counts():
    said = completion({"choices": [{"text": "yes", "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})
    assert (said.text, said.asked, said.generated, said.reused) == ("yes", 3, None, 0)
    assert completion({"choices": [{"text": None}], "usage": None}).missing == "the reply's text is null"
    assert "content_filter" in completion({"choices": [{"text": None, "finish_reason": "content_filter"}]}).missing
    with pytest.raises(UnreadableError, match="a list"):
        completion({"choices": [{"text": ["yes"]}], "usage": "many"})


def test_what_cannot_be_read_is_said_at_once_with_the_server():
    with serving(lambda path, body: reply(None)) as server:
        with pytest.raises(UnreadableError, match=r"127\.0\.0\.1.*message is null"):
            Remote(server.url).chat(model="m", messages=[])
        assert len(server.asked) == 1


@pytest.mark.parametrize("in_choice", [False, True])
def test_an_error_with_status_200_that_will_not_pass_is_a_refusal(in_choice):
    error = {"error": {"code": 401, "message": "no such key"}}
    with serving(lambda path, body: {"choices": [error]} if in_choice else error) as server:
        with pytest.raises(RefusedError, match=r"refuses \(401\): no such key"):
            Remote(server.url).chat(model="m", messages=[])
        assert len(server.asked) == 1


def endpoint(url: str) -> TextEndpoint:
    return TextEndpoint(Remote(url, concurrency=2), "m", BackendInfo("endpoint", "server", "", 0, {}), True, None)


def asked(count: int) -> list[Generate]:
    return [Generate(Prompt("", f"question {n}"), (), 8) for n in range(count)]


def test_one_thought_without_an_answer_is_an_empty_answer_with_a_warning():
    def answer(path: str, body: dict[str, Any]) -> Any:
        thinks = body["messages"][-1]["content"] == "question 1"
        return reply({"content": None, "reasoning_content": "hm"} if thinks else {"content": "yes"})

    with serving(answer) as server:
        found = {n: r for batch in endpoint(server.url).answer(asked(4)) for n, r in batch}
    assert {n: r.text for n, r in found.items()} == {0: "yes", 1: "", 2: "yes", 3: "yes"}
    assert {n: r.warnings for n, r in found.items() if r.warnings} == {
        1: ("no answer: the reply holds only a thought (reasoning_content)",)
    }


@pytest.mark.parametrize("content", [None, ""])
@pytest.mark.parametrize("count", [3, ENOUGH + 30])
def test_a_run_in_which_no_reply_has_an_answer_is_an_error(count, content):
    with serving(lambda path, body: reply({"content": content, "reasoning_content": "hm"})) as server:
        with pytest.raises(ModelError, match="reasoning_content"):
            list(endpoint(server.url).answer(asked(count)))
        assert len(server.asked) <= min(count, ENOUGH + 8)
