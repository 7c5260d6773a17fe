"""The client against a server that fails in every way: what is tried again, what is not, and what is said."""

from __future__ import annotations

import json
import threading
import time
from functools import partial
from typing import Any

import pytest

from harness.backends.endpoint.client import MOST_PATIENCE, RefusedError, Remote, UnavailableError, check_url
from harness.errors import HarnessError, IncompleteError, ModelError, UsageError
from tests.harness.servers import BROKEN, EMPTY, HALF, HANG, NOT_JSON, Fault, error, serving

HELLO = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "text": "hello"}]}


class Time:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        with self.lock:
            self.slept.append(seconds)
            self.now += seconds


def script(*said: Any) -> Any:
    """Answers in turn, the last one for good."""
    left = list(said)
    lock = threading.Lock()

    def answer(path: str, body: dict[str, Any]) -> Any:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


def remote(url: str, now: Time | None = None, **options: Any) -> Remote:
    now = now or Time()
    return Remote(url, clock=now.clock, sleep=now.sleep, **options)


PASSING = {
    "429": error(429),
    "500": error(500),
    "503, no JSON": Fault(503, "overloaded"),
    "408": error(408),
    "broken JSON": BROKEN,
    "half an answer": HALF,
    "no choices": EMPTY,
    "an error with status 200": Fault(text=json.dumps({"error": {"message": "busy"}})),
    "a page": NOT_JSON,
    "a list": Fault(text="[1]"),
    "empty": Fault(text="null"),
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_may_pass_is_tried_again(kind: str) -> None:
    now = Time()
    with serving(script(PASSING[kind], PASSING[kind], HELLO)) as server:
        reply = remote(server.url, now).chat(model="m", messages=[])
    assert reply["choices"][0]["message"]["content"] == "hello"
    assert len(server.asked) == 3
    assert len(now.slept) == 2
    assert 0.25 <= now.slept[0] <= 0.5 <= now.slept[1] <= 1.0


@pytest.mark.parametrize("kind", PASSING)
def test_what_does_not_pass_is_an_error_that_says_so(kind: str) -> None:
    with (
        serving(script(PASSING[kind])) as server,
        pytest.raises(UnavailableError, match="4 attempts were made") as told,
    ):
        remote(server.url, attempts=4).complete(model="m", prompt="")
    assert len(server.asked) == 4
    assert told.value.exit_code == IncompleteError.exit_code == 7
    assert server.url in str(told.value)


def test_a_server_that_hangs_is_given_up_and_asked_again() -> None:
    with serving(script(HANG, HELLO)) as server:
        assert remote(server.url, timeout=0.2).complete(model="m", prompt="")["choices"][0]["text"] == "hello"
    with serving(script(HANG)) as server, pytest.raises(UnavailableError, match=r"no answer within 0\.1 s"):
        remote(server.url, timeout=0.1, attempts=2).complete(model="m", prompt="")


def test_no_server_at_all() -> None:
    with serving(script(HELLO)) as server:
        url = server.url
    with pytest.raises(UnavailableError, match="connection failed"):
        remote(url, attempts=2).chat(model="m", messages=[])


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "end with /v1"), (400, "too long"), (422, "too long")],
)
def test_what_will_not_pass_is_refused_at_once(status: int, said: str) -> None:
    now = Time()
    answers = script(error(status, "the prompt is too long"))
    with serving(answers) as server, pytest.raises(RefusedError, match=said) as told:
        remote(server.url, now).chat(model="m", messages=[])
    assert len(server.asked) == 1
    assert now.slept == []
    assert isinstance(told.value, ModelError)


def test_retry_after_is_kept_by_all_calls() -> None:
    now = Time()
    answers = script(error(429, Retry_After="30"), HELLO)
    with serving(answers) as server:
        client = remote(server.url, now)
        client.chat(model="m", messages=[])
        assert sum(now.slept) == pytest.approx(30)
        # another call, while the server wants none
        client._not_before = now.now + 5
        client.chat(model="m", messages=[])
    assert sum(now.slept) == pytest.approx(35)


def test_retry_after_may_be_a_date_and_may_be_too_long() -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    now = Time()
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with serving(script(error(503, Retry_After=then), error(503, Retry_After="soon"), HELLO)) as server:
        remote(server.url, now).chat(model="m", messages=[])
    assert 80 <= sum(now.slept) <= 93
    with (
        serving(script(error(429, Retry_After=str(MOST_PATIENCE + 1)))) as server,
        pytest.raises(UnavailableError, match="wait of 601 s"),
    ):
        remote(server.url).chat(model="m", messages=[])
    assert len(server.asked) == 1


def test_the_key_is_sent_and_never_shown(monkeypatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-very-secret")

    def answer(path: str, body: dict[str, Any]) -> Any:
        return error(401, "Incorrect API key provided: sk-very-secret")

    with serving(answer) as server:
        client = remote(server.url, key_variable="OTHER_KEY")
        with pytest.raises(RefusedError) as told:
            client.chat(model="m", messages=[])
    assert server.asked[0][2]["authorization"] == "Bearer sk-very-secret"
    assert "secret" not in str(told.value)
    assert "OTHER_KEY" in str(told.value)
    assert "secret" not in repr(vars(client))


@pytest.mark.parametrize(
    "url", ["http://me:pw@host/v1", "https://host/v1?key=x", "ftp://host", "host:80/v1", "http:///v1"]
)
def test_addresses_that_cannot_be_stored_or_used(url: str) -> None:
    with pytest.raises(UsageError) as told:
        check_url(url)
    assert "pw" not in str(told.value).replace("http://", "")
    assert check_url("http://host:80/v1/") == "http://host:80/v1"


def test_map_yields_all_as_they_finish_with_errors_in_their_place() -> None:
    def answer(path: str, body: dict[str, Any]) -> Any:
        return error(400, "bad") if body["prompt"] == "3" else {"choices": [{"text": body["prompt"]}]}

    with serving(answer) as server:
        client = remote(server.url, concurrency=4)
        found: Any = dict(client.map(partial(client.complete, model="m", prompt=str(n)) for n in range(20)))
    assert sorted(found) == list(range(20))
    assert isinstance(found[3], HarnessError)
    assert all(found[n]["choices"][0]["text"] == str(n) for n in found if n != 3)
    assert server.most_at_once <= 4


def test_map_makes_calls_at_once_and_draws_no_more_than_it_says() -> None:
    together = threading.Barrier(4, timeout=20)  # broken unless four are under way at once
    drawn = 0

    def calls() -> Any:
        nonlocal drawn
        for n in range(100):
            drawn += 1
            yield partial(wait, n)

    def wait(n: int) -> int:
        if n < 4:
            together.wait()
        return n

    client = Remote("http://127.0.0.1:9/v1", concurrency=4)
    found = client.map(calls())
    next(found)
    assert drawn == 8
    found.close()  # type: ignore[attr-defined]
    assert drawn == 8
    assert sum(1 for _ in client.map(partial(int, 1) for _ in range(50))) == 50


def test_a_defect_is_raised() -> None:
    client = Remote("http://127.0.0.1:9/v1", concurrency=2)
    with pytest.raises(ZeroDivisionError):
        list(client.map([lambda: 1 // 0]))


def test_leaving_map_cuts_waits_short() -> None:
    """A call that would wait for minutes ends at once, and no thread stays."""
    with serving(script(error(429, Retry_After="500"))) as server:
        client = Remote(server.url, concurrency=2)
        calls: list[Any] = [dict, partial(client.chat, model="m", messages=[])]
        found = client.map(calls)
        next(found)
        deadline = time.monotonic() + 20
        while not client._not_before:
            assert time.monotonic() < deadline
        before = {t for t in threading.enumerate() if t.name == "remote"}
        found.close()  # type: ignore[attr-defined]
        for thread in before:
            thread.join(20)
            assert not thread.is_alive()


def test_models() -> None:
    with serving(lambda path, body: {"data": [{"id": "m", "max_model_len": 9}]}) as server:
        assert remote(server.url).models() == [{"id": "m", "max_model_len": 9}]
    assert server.asked[0][0] == "/v1/models"
