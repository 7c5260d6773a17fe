"""`forgetting` as an objective: the loss on neutral text that a training adds to the base's own, nats a token.

    forgetting          on the bundled sample: 48 short paragraphs of plain English prose
    forgetting:FILE     on a file: plain text (.txt, .md; empty lines part it), or rows with a column `text`

Each text is scored as a whole, in windows where it is longer than the model's: every token is predicted once, the
first one from BOS (the rule of `Rolling` requests, so that of `harness run`). Tokens are added up over all texts.
Below 0, the adapter predicts the text better than its base. The word that a study keeps ends in the texts'
digest, so that other texts make another study. The base is loaded beside the trainer's for each measurement, and
measured alone once a session.
"""

from __future__ import annotations

import gc
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from harness.errors import IncompleteError, ModelError, UsageError
from harness.progress.named import Named
from tuning.types import TrialError

if TYPE_CHECKING:
    from harness.progress import Progress
    from tuning.types import Measured, Surroundings

NAME = "forgetting"
BUNDLED = "sample"
_FORM = re.compile(rf"{NAME}(?::([^#]+)(?:#([0-9a-f]{{8}}))?)?")


@dataclass(frozen=True, slots=True)
class Forgetting:
    file: str = BUNDLED
    digest: str = ""  # its first eight digits, of the texts that a study was begun with

    @staticmethod
    def of(text: str) -> Forgetting:
        match = _FORM.fullmatch(text)
        if not match:
            raise UsageError(
                f"Forgetting is written {NAME}, or {NAME}:FILE with neutral text of your own, not {text!r}."
            )
        return Forgetting(match[1] or BUNDLED, match[2] or "")

    @property
    def word(self) -> str:
        bundled = self.file == BUNDLED and not self.digest
        return NAME if bundled else f"{NAME}:{self.file}" + (f"#{self.digest}" if self.digest else "")

    def kept(self) -> str:
        """The word as a study keeps it. DataError where there is no such file, or no text in it."""
        from data.neutral_texts import load

        return Forgetting(self.file, load(self.file).digest[:8]).word

    def measure(self, measured: Measured, where: Surroundings) -> float:
        """TrialError where the adapter cannot be measured; texts that are others now stop the study."""
        from data.neutral_texts import load

        texts = load(self.file)
        if self.digest and not texts.digest.startswith(self.digest):
            raise UsageError(f"The neutral text {self.file} is another than the one that the study was begun with.")
        with Named(where.progress, self.word) as progress:
            base = _base_loss(where.model, where.device, where.add_bos, texts.texts)
            try:
                return loss(str(measured.trained.adapter), where, texts.texts, progress) - base
            except (ModelError, IncompleteError) as error:
                raise TrialError(f"{NAME}: {error}") from error


@cache
def _base_loss(model: str, device: str, add_bos: bool, texts: tuple[str, ...]) -> float:
    from tuning.types import Surroundings

    return loss(model, Surroundings(model, "", None, device, None, "", add_bos), texts)


def loss(model: str, where: Surroundings, texts: tuple[str, ...], progress: Progress | None = None) -> float:
    """Of a base or an adapter on the texts, nats a token. IncompleteError where it is no number."""
    from harness.backends.transformers.jobs import make_jobs
    from harness.backends.transformers.make import make
    from harness.evaluation.planning import find_model
    from harness.options import ResolvedModel
    from harness.options.run_options import RunOptions
    from harness.types import Rolling

    base = None if model == where.model else where.model
    options = RunOptions(model=model, base=base, device=where.device, add_bos=where.add_bos)
    backend, _ = make(ResolvedModel(*find_model(options, options)), options)
    requests = [Rolling(text) for text in texts]
    tokens = sum(len(part) for job in make_jobs(list(requests), backend.encoder) for part in job.targets)
    nats, done = 0.0, 0
    try:
        for batch in backend.answer(requests):
            nats -= sum(response.logprobs[0] for _, response in batch)
            done += len(batch)
            if progress is not None:
                progress.update("scoring", done, len(requests), unit="texts")
    finally:
        backend.close()
        del backend
        gc.collect()  # the trainer needs the memory
    if not tokens or nats != nats:
        raise IncompleteError(f"{model} gives the neutral text no loss that is a number.")
    return nats / tokens
