"""The transformers backend, and those over stand-ins for an engine and a server, keep the public contract; a backend
that breaks a sentence of it fails that sentence's test."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, UsageError
from harness.testing import BackendContract
from harness.types import Backend, BackendInfo, Choice, Generate, Loglikelihood, Request, Response, Rolling
from tests.harness.backends import contract
from tests.harness.testing.broken import fails, failures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


class TestTransformers(BackendContract):
    @pytest.fixture
    def backend(self, folder: Path) -> Any:
        return contract.transformers(folder)


class TestTransformersInSmallBatches(BackendContract):
    @pytest.fixture
    def backend(self, folder: Path) -> Any:
        return contract.transformers(folder, batch_tokens=256)

    @pytest.fixture
    def right(self, folder: Path) -> Any:
        return contract.transformers(folder)


class Hashes:
    """A backend without a model: everything follows from the hash of the text. A token is a letter, a word of the
    vocabulary one of sixteen."""

    letters = "abcdefghijklmnop"

    def __init__(self) -> None:
        self.info = BackendInfo("hashes", "none", "float32", 4096)
        self.warnings: Sequence[str] = []

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        for at in range(0, len(requests), 4):
            batch = [n for n in range(at, min(at + 4, len(requests))) if n not in done]
            if batch:
                yield [(n, self.one(requests[n])) for n in batch]

    def close(self) -> None: ...

    def one(self, request: Request) -> Response:
        if isinstance(request, Generate):
            return self.text(request)
        whole = request.text if isinstance(request, Rolling) else request.prompt.shared + request.prompt.own
        options = ("",) if isinstance(request, Rolling) else request.options
        values = tuple(-1.0 - _number(whole + option) % 1000 / 100 for option in options)
        return Response(logprobs=values, greedy=(False,) * len(values), asked=len(whole))

    def text(self, request: Request) -> Response:
        assert isinstance(request, Generate)
        whole = request.prompt.shared + request.prompt.own
        seed = str(request.sampling.seed) if request.sampling.temperature else ""
        text = "".join(self.letters[_number(f"{seed} {n} {whole}") % 16] for n in range(request.max_tokens))
        ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
        warnings = ("cut",) if len(whole.split()) > self.info.window else ()
        kept = text[: min(ends, default=len(text))]
        return Response(
            text=kept,
            tokens=tuple(map(ord, kept)),
            finish="stop" if ends else "length",
            asked=len(whole),
            generated=len(kept),
            warnings=warnings,
        )


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def test_the_small_backend_is_sound() -> None:
    assert failures(type("Contract", (BackendContract,), {"make": Hashes})) == set()


def test_one_that_refuses_what_it_cannot_is_sound() -> None:
    class TextOnly(Hashes):
        def one(self, request: Request) -> Response:
            if not isinstance(request, Generate):
                raise UsageError("This backend gives texts and no log-probabilities.")
            if request.sampling.temperature:
                raise UsageError("This backend knows no temperature.")
            return super().one(request)

    given = {"make": TextOnly, "scores": False, "samples": False}
    assert failures(type("Contract", (BackendContract,), given)) == set()
    failed = failures(type("Contract", (BackendContract,), {"make": TextOnly}))
    assert "test_log_probabilities_belong_to_their_options" in failed


class _AnswersAgain(Hashes):
    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        return super().answer(requests)


class _LeavesOneOut(Hashes):
    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        for batch in super().answer(requests, done):
            yield batch[:3]


class _TellsStops(Hashes):
    def text(self, request: Request) -> Response:
        assert isinstance(request, Generate)
        return super().text(replace(request, stop=()))


class _OddsNotLogs(Hashes):
    def one(self, request: Request) -> Response:
        response = super().one(request)
        return replace(response, logprobs=tuple(-value for value in response.logprobs))


class _ByPlace(Hashes):
    """Log-probabilities by the place of an option."""

    def one(self, request: Request) -> Response:
        response = super().one(request)
        return replace(response, logprobs=tuple(-1.0 - n for n in range(len(response.logprobs))))


class _Company(Hashes):
    """The first of a batch is told otherwise."""

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[list[tuple[int, Response]]]:
        for batch in super().answer(requests, done):
            n, first = batch[0]
            yield [(n, replace(first, text=first.text[::-1])), *batch[1:]]


class _OneText(Hashes):
    def text(self, request: Request) -> Response:
        assert isinstance(request, Generate)
        return super().text(replace(request, sampling=replace(request.sampling, seed=0)))


class _CutsInSilence(Hashes):
    def text(self, request: Request) -> Response:
        return replace(super().text(request), warnings=())


class _ClosesOnce(Hashes):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise HarnessError("It is closed.")
        self.closed = True


class _SharedApart(Hashes):
    """The shared part is another text to it."""

    def one(self, request: Request) -> Response:
        if isinstance(request, Choice | Loglikelihood):
            request = replace(
                request, prompt=replace(request.prompt, own=request.prompt.own + "|" + request.prompt.shared)
            )
        return super().one(request)


BROKEN = {
    _AnswersAgain: "test_what_is_done_is_not_computed_again",
    _LeavesOneOut: "test_every_request_is_answered_in_its_kind",
    _TellsStops: "test_texts_end_at_stops_and_limits",
    _OddsNotLogs: "test_every_request_is_answered_in_its_kind",
    _ByPlace: "test_log_probabilities_belong_to_their_options",
    _SharedApart: "test_log_probabilities_belong_to_their_options",
    _Company: "test_the_company_of_a_request_changes_nothing",
    _OneText: "test_a_seed_gives_one_text_and_other_seeds_others",
    _CutsInSilence: "test_a_prompt_that_is_too_long_is_no_secret",
    _ClosesOnce: "test_close_twice",
}


@pytest.mark.parametrize("backend", BROKEN, ids=lambda backend: backend.__name__)
def test_a_broken_backend_fails(backend: type[Hashes]) -> None:
    assert fails(type("Contract", (BackendContract,), {"make": backend}), BROKEN[backend])


def test_another_model_than_the_reference_fails() -> None:
    class Other(Hashes):
        letters = Hashes.letters[::-1]

    given: dict[str, Any] = {"make": Other, "reference": Hashes}
    reference: Backend = Hashes()
    assert reference.info.name == "hashes"
    assert failures(type("Contract", (BackendContract,), given)) == {"test_it_answers_as_the_reference_does"}
