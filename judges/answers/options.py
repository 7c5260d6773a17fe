"""What `harness answer` takes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.evaluation.planning import Options
from harness.frames import DEFAULT_DB
from judges.answers.answering import Wanted


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How one checkpoint answers a prompt set. None: as the preset has it."""

    model: str
    base: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    served_name: str | None = None
    prompts: str | None = None
    preset: str = "fastchat"
    template: str | None = None
    chat_template: str | None = None
    date: str | None = None
    add_bos: bool = False
    sample: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_new_tokens: int = 1024
    strip_thinking: bool = False
    seed: int = 0
    backend: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    load_in_4bit: bool = False
    db: str = DEFAULT_DB
    name: str | None = None
    fresh: bool = False

    @property
    def wanted(self) -> Wanted:
        return Wanted(**{each.name: getattr(self, each.name) for each in fields(Wanted)})

    @property
    def of_model(self) -> Options:
        sampling = {each.name for each in fields(Wanted)} | {"prompts"}
        return Options(
            tasks="", **{each.name: getattr(self, each.name) for each in fields(self) if each.name not in sampling}
        )
