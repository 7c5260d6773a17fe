"""The contract of a backend (`harness.types.Backend`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar, cast

import pytest

from harness.testing.answers import (
    Asked,
    answers,
    asked,
    batches,
    check_response,
    check_scored,
    sampled,
    too_long,
    with_stops,
)
from harness.testing.registered import Registered
from harness.types import Backend, Choice, Generate, Loglikelihood, Prompt, Request


class BackendContract(Registered):
    """A subclass sets

    entry       what the entry point names, where the suite is to look for it under `registered`
    make        called without arguments, returns a Backend over a small model; or it overrides the fixture `backend`
    reference   the same for a Backend that is known to be right, on the same model (default: none)
    scores      does it give log-probabilities? Where not, it must refuse the question
    samples     does it draw texts at a temperature, by a seed? Where not, it must refuse

    Every text is compared exactly, so the model is float32, small, and far from uniform."""

    kind = "backends"
    entry: ClassVar[Callable[..., tuple[Backend, list[str]]]]
    make: ClassVar[Callable[[], Backend]]
    reference: ClassVar[Callable[[], Backend] | None] = None
    scores: ClassVar[bool] = True
    samples: ClassVar[bool] = True

    @property
    def part(self) -> Any:
        return type(self).entry

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        with closing(type(self).make()) as backend:
            yield backend

    @pytest.fixture
    def right(self) -> Backend | None:
        """The reference, where there is one."""
        return None if (make := type(self).reference) is None else make()

    @pytest.fixture
    def wanted(self) -> Asked:
        return asked(1)

    def test_it_says_what_it_is(self, backend: Backend) -> None:
        info = backend.info
        assert info.name
        assert info.device
        assert info.dtype
        assert info.window > 0
        json.dumps(dict(info.details))  # it is stored with the run
        assert not isinstance(backend.warnings, str)
        assert all(isinstance(warning, str) for warning in backend.warnings)

    def test_every_request_is_answered_in_its_kind(self, backend: Backend, wanted: Asked) -> None:
        requests = self._mixed(wanted)
        answered = answers(backend, requests)
        assert sorted(answered) == list(range(len(requests))), "a request was not answered"
        for n, response in answered.items():
            check_response(requests[n], response)

    def test_nothing_asked_is_nothing_answered(self, backend: Backend) -> None:
        assert batches(backend, []) == []

    def test_what_is_done_is_not_computed_again(self, backend: Backend, wanted: Asked) -> None:
        """A resumed run asks with `done`: the batches that are missing come, as they would have."""
        requests = self._mixed(wanted)
        whole = batches(backend, requests)
        done = {n for batch in whole[::2] for n in batch}
        rest = answers(backend, requests, done)
        missing = set(range(len(requests))) - done
        assert missing <= set(rest), "a request was left out that was not done"
        for n in missing:
            unbroken = next(batch[n] for batch in whole if n in batch)
            self._alike({n: rest[n]}, {n: unbroken}, requests)
        assert answers(backend, requests, set(range(len(requests)))) == {}, "all was done"

    def test_the_company_of_a_request_changes_nothing(self, backend: Backend, wanted: Asked) -> None:
        requests = self._mixed(wanted)
        together = answers(backend, requests)
        again = answers(backend, requests[::-1])
        self._alike({len(requests) - 1 - n: response for n, response in again.items()}, together, requests)
        for n in (0, len(requests) - 1):
            self._alike({n: answers(backend, [requests[n]])[0]}, {n: together[n]}, requests)

    def test_an_iterator_that_is_left_does_no_harm(self, backend: Backend, wanted: Asked) -> None:
        """Ctrl-C leaves it after some batch."""
        requests = self._mixed(wanted)
        stream = iter(backend.answer(requests))
        next(stream)
        cast("Any", stream).close()
        assert sorted(answers(backend, requests)) == list(range(len(requests)))

    def test_texts_end_at_stops_and_limits(self, backend: Backend, wanted: Asked) -> None:
        texts = [replace(request, stop=()) for request in wanted.texts]
        whole = answers(backend, texts)
        stopped = with_stops(texts, whole)
        by_prompt = {request.prompt: whole[n].text for n, request in enumerate(texts)}
        for n, response in answers(backend, stopped).items():
            text = by_prompt[stopped[n].prompt]
            ends = min(at for stop in stopped[n].stop if (at := text.find(stop)) >= 0)
            assert response.text == text[:ends], "a text ends before the first of its stops"
            assert response.finish == "stop"
        for n, response in answers(backend, [replace(request, max_tokens=4) for request in texts]).items():
            check_response(replace(texts[n], max_tokens=4), response)
            if response.finish == "length" and "�" not in response.text:
                assert whole[n].text.startswith(response.text), "a shorter text is the beginning of a longer one"

    def test_log_probabilities_belong_to_their_options(self, backend: Backend) -> None:
        prompt = Prompt("The first of May. ", "Which month?\nAnswer:")
        options = (" April", " May", " a month of spring")
        requests: list[Request] = [Choice(prompt, options), Choice(prompt, options[::-1])]
        requests += [Loglikelihood(prompt, option) for option in options]
        if not self.scores:
            self._refused(backend, requests)
            return
        answered = answers(backend, requests)
        values = answered[0].logprobs
        assert values == pytest.approx(answered[1].logprobs[::-1], abs=5e-4), "the order of options changes them"
        assert values == pytest.approx([answered[n].logprobs[0] for n in (2, 3, 4)], abs=5e-4)
        assert len(set(values)) > 1, "all options are alike to it"
        other = answers(backend, [Choice(replace(prompt, own="Which day?\nAnswer:"), options)])[0]
        assert other.logprobs != values, "the prompt changes nothing"
        apart = answers(backend, [Choice(Prompt("", prompt.shared + prompt.own), options)])[0]
        assert apart.logprobs == pytest.approx(values, abs=5e-4), "`shared + own` is the text, however it is cut"

    def test_a_seed_gives_one_text_and_other_seeds_others(self, backend: Backend, wanted: Asked) -> None:
        """Each is its seed's alone: whoever is asked beside it."""
        requests = sampled(wanted.texts[0])
        if not self.samples:
            self._refused(backend, list(requests))
            return
        together = answers(backend, requests)
        assert answers(backend, [requests[2]])[0].text == together[2].text
        assert len({response.text for response in together.values()}) >= 3

    def test_a_prompt_that_is_too_long_is_no_secret(self, backend: Backend) -> None:
        """It is cut with a warning, or refused; never cut in silence."""
        from harness.errors import HarnessError

        request = too_long(backend.info.window)
        try:
            response = answers(backend, [request])[0]
        except HarnessError as error:
            if len(str(error)) <= 10:
                pytest.fail("the refusal is no sentence")
        else:
            assert response.warnings, "a prompt of more tokens than the window was answered without a word"

    def test_it_answers_as_the_reference_does(self, backend: Backend, right: Backend | None, wanted: Asked) -> None:
        if right is None:
            pytest.skip("no reference was given")
        if self.scores:
            check_scored(answers(backend, wanted.scored), answers(right, wanted.scored))
        mine, theirs = (answers(candidate, wanted.texts) for candidate in (backend, right))
        assert [mine[n].text for n in sorted(mine)] == [theirs[n].text for n in sorted(theirs)]

    def test_close_twice(self, backend: Backend) -> None:
        backend.close()
        backend.close()

    def _mixed(self, wanted: Asked) -> list[Request]:
        """Requests of all kinds that it answers, by turns."""
        kinds: list[Sequence[Request]] = [wanted.scored if self.scores else (), wanted.texts]
        return [r for n in range(max(map(len, kinds))) for kind in kinds for r in kind[n : n + 1]]

    def _alike(self, mine: dict[int, Any], right: dict[int, Any], requests: Sequence[Request]) -> None:
        assert set(mine) == set(right)
        scored = {n for n in right if not isinstance(requests[n], Generate)}
        for n in set(right) - scored:
            assert (mine[n].text, mine[n].finish) == (right[n].text, right[n].finish), requests[n]
        if scored:
            check_scored({n: mine[n] for n in scored}, {n: right[n] for n in scored})

    def _refused(self, backend: Backend, requests: Sequence[Request]) -> None:
        from harness.errors import HarnessError

        with pytest.raises(HarnessError):
            answers(backend, requests)
