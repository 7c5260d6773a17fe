"""A checkpoint that grades, loaded here. At temperature 0 it says the same again, so nothing is asked twice."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from harness.evaluation.identity import answer_seed
from harness.evaluation.planning import find_model
from harness.options import BackendSettings, ResolvedModel
from harness.prompting import chat_templates, prompt_options
from harness.prompting.tokens import PROMPT_CUT
from harness.types import Generate, Prompt, Response, Sampling
from judges.grading import prompts
from judges.grading.jobs import Job, row_of
from judges.grading.options import GraderOptions
from judges.judging.verdict import UnclearError
from judges.store import Store
from judges.store.rows import GradeRow


class AskedCheckpoint:
    most_asked = 1
    cost: float | None = None

    def __init__(self, options: GraderOptions) -> None:
        self._options = options
        self._checkpoint, self._device, self._dtype = find_model(options, BackendSettings())
        is_chat = bool(chat_templates.read(self._checkpoint.tokenizer))
        self._settings = prompt_options.pinned(BackendSettings(chat=is_chat), self._checkpoint)
        base = self._checkpoint.base
        self.digests: Collection[str] = {self._checkpoint.digest, *([base.digest] if base else [])}
        self.identity: Mapping[str, Any] = {
            "digest": self._checkpoint.digest,
            "dtype": self._dtype,
            "four_bit": options.load_in_4bit,
            "template": "chat" if is_chat else "plain",
            **prompt_options.content(self._settings),
        }
        self.recorded: Mapping[str, Any] = {"checkpoint": self._checkpoint.given}

    def ask(self, store: Store, judge: str, jobs: Sequence[Job], there: Sequence[GradeRow]) -> Iterator[list[GradeRow]]:
        from harness import backends

        if not jobs:
            return
        model = ResolvedModel(self._checkpoint, self._device, self._dtype, self._options.load_in_4bit)
        backend, _ = backends.make(self._options.backend, model, self._settings)
        try:
            for batch in backend.answer([self._request(job) for job in jobs]):
                rows = [self._row(judge, jobs[n], response) for n, response in batch]
                store.record_grades(rows)
                yield rows
        finally:
            backend.close()
            del backend
            gc.collect()

    def _request(self, job: Job) -> Generate:
        options = self._options
        own = job.asked.text if self._settings.chat else f"{job.asked.text}\n\n"
        sampling = Sampling(options.temperature, seed=answer_seed(0, "grade", job.asked.request, 0))
        return Generate(Prompt("", own), (), options.max_tokens, sampling, after_thinking=True)

    def _row(self, judge: str, job: Job, response: Response) -> GradeRow:
        values: dict[str, Any] = {
            "text": response.text,
            "tokens_in": response.asked,
            "tokens_out": response.generated,
        }
        if any(PROMPT_CUT in warning for warning in response.warnings):
            window = "no grade: the judge's window is too small for its instructions and this answer"
            return row_of(judge, job, **values, error=window)
        try:
            grade = prompts.read_reply(response.text, response.finish == "length", job.asked.code, job.scale)
        except UnclearError as unclear:
            return row_of(judge, job, **values, error=str(unclear))
        return row_of(judge, job, **values, grade=grade)
