"""The backend `plain`: one sequence at a time through the model, the simplest engine that answers everything.

`Calls` turns requests into two kinds of call and answers into responses, so an engine only says how it makes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from harness.backends.calls import Answers, Call, Calls, Key, Scored, Scoring, Writing, Written
from harness.backends.limits import end_ids, window_of
from harness.backends.transformers.decoding import choose
from harness.errors import UsageError
from harness.models.loading import load_model, load_tokenizer
from harness.options import BackendSettings, ResolvedModel
from harness.prompting.tokens import Encoder
from harness.types import BackendInfo, Request


class Plain:
    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.warnings = model, ()
        ends = end_ids(model.config, model.generation_config, tokenizer)
        self._calls = Calls(Encoder(tokenizer, window_of(model.config)), ends)
        self.info = BackendInfo("plain", str(model.device), str(model.dtype)[6:], self._calls.encoder.window)

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        return self._calls.answer(requests, done, self._ask)

    def close(self) -> None: ...

    def _ask(self, calls: Iterable[tuple[Key, Call]]) -> Iterator[list[tuple[Key, Any]]]:
        for key, call in calls:
            yield [(key, self._scored(call) if isinstance(call, Scoring) else self._written(call))]

    def _logits(self, ids: list[int], last: int) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(torch.tensor([ids]).to(self.model.device), logits_to_keep=last).logits[0].float().cpu()

    def _scored(self, call: Scoring) -> Scored:
        rows = self._logits(call.ids, call.tail + 1).log_softmax(-1)
        ids = call.ids[len(call.ids) - call.tail :]
        tail = [row[token].item() for row, token in zip(rows, ids, strict=False)]
        greedy = [int(row.argmax()) == token for row, token in zip(rows, ids, strict=False)]
        return Scored({token: rows[-1, token].item() for token in call.targets}, int(rows[-1].argmax()), tail, greedy)

    def _written(self, call: Writing) -> Written:
        output, ended = self._calls.output(call, ()), False
        while not ended and len(output.tokens) < call.room:
            ended = output.push(choose(self._logits(call.ids + output.tokens, 1), [output])[0], self._calls.end_ids)
        return Written(tuple(output.tokens), ended)


def make(model: ResolvedModel, settings: BackendSettings) -> tuple[Plain, list[str]]:
    if model.checkpoint.base is not None or settings.chat:
        raise UsageError("The backend plain takes whole checkpoints, and no --chat: use --backend transformers.")
    return Plain(load_model(model.checkpoint, model.dtype, model.device), load_tokenizer(model.checkpoint)), []
