"""A client for servers that speak OpenAI's API: completions and chat, many at a time, patient with failures.

    remote = Remote("http://127.0.0.1:8000/v1", concurrency=16)
    calls = [partial(remote.chat, model="llama", messages=m, temperature=0) for m in conversations]
    for index, reply in remote.map(calls):       # as they finish
        if isinstance(reply, HarnessError):      # this one failed for good; the others go on
            raise reply
        text = replies.chat(reply).text          # replies.py reads what servers make of an answer

What may pass is tried again, after a wait that doubles each time and is drawn at random below that (so that many
callers do not come back at once): 408, 409, 429, 5xx, no connection, no answer in time, an answer that breaks off,
that is not JSON, or that holds no choices. A server's Retry-After is kept to, by all calls together. After the last
attempt it is an `UnavailableError` (exit code 7: what was answered is stored, the same command goes on). What will
not pass (400, 401, 404, …, also as an error object with status 200) is a `RefusedError` at once, and a message in which
no text can be found an `UnreadableError`.

The key is read from an environment variable; it is sent, never stored, and cut out of what a server says back.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from harness.backends.endpoint import many_calls, replies
from harness.errors import HarnessError, IncompleteError, ModelError, UsageError

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "OPENAI_API_KEY"
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds; of our own waits
MOST_PATIENCE = 600.0  # seconds; a server that wants more (a spent daily quota) has failed
WILL_NOT_PASS = (400, 401, 402, 403, 404, 413, 422)  # of an error object that comes with status 200
T = TypeVar("T")


class RefusedError(ModelError):
    """The server will not answer this, however often it is asked."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status  # of HTTP


class UnavailableError(IncompleteError):
    """The server did not answer in all the attempts."""


class _PassingError(Exception):
    """May be gone at the next attempt."""

    def __init__(self, reason: str, wait: float | None = None, unworked: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait  # seconds, where the server says
        self.unworked = unworked  # the server said no, or was not there: it did no work that it could charge for


class Meter(Protocol):
    """Told of each attempt of a request, on the thread that makes it."""

    def begin(self, body: Mapping[str, Any]) -> None: ...  # may raise a HarnessError: then nothing is sent
    def release(self) -> None: ...  # the attempt failed, and the server did no work on it


def check_url(url: str) -> str:
    """The address without a last slash. UsageError unless it is http(s)://host…, free of passwords and queries
    (addresses are stored with runs)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url} is not a server's address: give one such as http://127.0.0.1:8000/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "A server's address is stored with the run and may hold neither a password nor a query. "
            f"Put the key into the environment variable {KEY_VARIABLE}."
        )
    return url.rstrip("/")


class Remote:
    """One server. Its methods may be called on any thread.

    `timeout`: seconds for which it may be silent in one attempt; `attempts`: of one call, the first included;
    `concurrency`: calls that `map` has under way at once; `meter` is told of every attempt. `clock` and `sleep` are for
    tests."""

    def __init__(
        self,
        base_url: str,
        key_variable: str = KEY_VARIABLE,
        concurrency: int = 16,
        timeout: float = 600.0,
        attempts: int = 8,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.base_url = check_url(base_url)
        self.key_variable = key_variable
        self.concurrency, self.timeout, self.attempts = concurrency, timeout, attempts
        self.meter = meter
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._not_before = 0.0  # on the clock: until then the server wants no call
        self._made: OpenAI | None = None

    def chat(self, **body: Any) -> dict[str, Any]:
        """POST /chat/completions: the reply as it came, one that `replies.chat` can read."""
        reply = self._with_patience(lambda: self._with_choices(self._post("/chat/completions", body), "message"))
        try:
            replies.chat(reply)
        except replies.UnreadableError as error:
            raise replies.UnreadableError(
                f"The answer of the server {self.base_url} cannot be read: {self._clean(error)}."
            ) from None
        return reply

    def complete(self, **body: Any) -> dict[str, Any]:
        """POST /completions: the reply as it came, with at least one of `choices`, each with a `text`."""
        return self._with_patience(lambda: self._with_choices(self._post("/completions", body), "text"))

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST to another path under the base address (or to an absolute address)."""
        return self._with_patience(lambda: self._post(path, body))

    def models(self) -> list[dict[str, Any]]:
        """GET /models: what is served."""
        listed = self._with_patience(lambda: self._ask(lambda client: client.get("/models", cast_to=object)))
        return [m for m in listed.get("data") or [] if isinstance(m, dict)]

    def map(self, calls: Iterable[Callable[[], T]]) -> Iterator[tuple[int, T | HarnessError]]:
        """Make the calls, `concurrency` at a time, and yield (index, result) as they finish, or (index, error) where
        one ended with a HarnessError; any other exception is raised here. `many_calls.made` says more."""
        return many_calls.made(calls, self.concurrency)

    # one call

    def _with_patience(self, attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        longest = FIRST_WAIT
        for number in range(1, self.attempts + 1):
            self._wait_until(self._not_before)
            try:
                return attempt()
            except _PassingError as error:
                reason, wait = error, error.wait
            if wait is not None:
                if wait > MOST_PATIENCE:
                    raise UnavailableError(f"{self._failed(reason)} It asks for a wait of {wait:.0f} s.")
                with self._lock:
                    self._not_before = max(self._not_before, self._clock() + wait)
            if number < self.attempts:
                # drawn from the upper half, so that the patience in all is about the same each time
                self._wait_until(self._clock() + random.uniform(longest / 2, longest))
                longest = min(LONGEST_WAIT, 2 * longest)
        raise UnavailableError(
            f"{self._failed(reason)} {self.attempts} attempts were made. What was answered before is kept; the same "
            "command goes on when the server is well again."
        )

    def _wait_until(self, then: float) -> None:
        many_calls.wait(then - self._clock(), self._sleep)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.meter is not None:
            self.meter.begin(body)
        try:
            return self._ask(lambda client: client.post(path, body=body, cast_to=object))
        except (_PassingError, RefusedError) as error:
            if self.meter is not None and (isinstance(error, RefusedError) or error.unworked):
                self.meter.release()
            raise

    def _ask(self, call: Callable[[OpenAI], object]) -> dict[str, Any]:
        """One attempt. _PassingError or RefusedError where there is no JSON object in the end."""
        import openai

        client = self._client()
        try:
            reply = call(client)
        except openai.APITimeoutError:
            raise _PassingError(f"there was no answer within {self.timeout:g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            absent = type(cause).__name__ in ("ConnectError", "ConnectTimeout")  # of httpx, or whichever is below
            raise _PassingError(f"the connection failed ({self._clean(cause or error)})", unworked=absent) from None
        except openai.APIStatusError as error:
            reason = self._clean(error.body.get("message") or error if isinstance(error.body, dict) else error)
            if error.status_code in (408, 409, 429) or error.status_code >= 500:
                unworked = error.status_code in (409, 429)
                wait = _retry_after(error.response.headers)
                raise _PassingError(f"{error.status_code}: {reason}", wait, unworked) from None
            raise RefusedError(self._refusal(error.status_code, reason), error.status_code) from None
        except (openai.APIError, ValueError) as error:  # a ValueError is JSON that cannot be read
            raise _PassingError(f"its answer cannot be read ({self._clean(error)})") from None
        if not isinstance(reply, dict):
            raise _PassingError(f"its answer is not a JSON object ({self._clean(reply)})")
        return reply

    def _client(self) -> OpenAI:
        with self._lock:
            if self._made is None:
                from openai import OpenAI

                self._made = OpenAI(
                    base_url=self.base_url,
                    api_key=self._key() or "none",  # the library will have one; local servers look at none
                    timeout=self.timeout,
                    max_retries=0,
                )
            return self._made

    def _key(self) -> str:
        return os.environ.get(self.key_variable, "")

    def _clean(self, message: object) -> str:
        """One line of what a server said, without our key."""
        text = " ".join(str(message).split())
        key = self._key()
        return (text.replace(key, "…") if key else text)[:300]

    def _with_choices(self, reply: dict[str, Any], part: str) -> dict[str, Any]:
        choices = reply.get("choices")
        if isinstance(choices, list) and choices and all(isinstance(c, dict) and part in c for c in choices):
            return reply
        error = reply.get("error")
        if not error and isinstance(choices, list):  # OpenRouter puts it into the choice
            error = next((c["error"] for c in choices if isinstance(c, dict) and c.get("error")), None)
        status = error.get("code") if isinstance(error, dict) else None
        message = error.get("message") or error if isinstance(error, dict) else error
        if str(status) in map(str, WILL_NOT_PASS):
            raise RefusedError(self._refusal(int(str(status)), self._clean(message)), int(str(status)))
        raise _PassingError(f"its answer holds no {part} ({self._clean(message or sorted(map(str, reply)))})")

    def _failed(self, reason: object) -> str:
        return f"The server {self.base_url} does not answer: {reason}."

    def _refusal(self, status: int, reason: str) -> str:
        advice = ""
        if status in (401, 403):
            advice = (
                f" Is the key in {self.key_variable} the right one?"
                if self._key()
                else f" Put a key into the environment variable {self.key_variable}."
            )
        elif status == 404:
            advice = " Is the address complete (most end with /v1), and is the model's name the one that it serves?"
        return f"The server {self.base_url} refuses ({status}): {reason.rstrip('.')}.{advice}"


def _retry_after(headers: Any) -> float | None:
    """Seconds; the header holds seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
