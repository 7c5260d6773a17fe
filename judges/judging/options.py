"""What `harness judge` takes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.frames import DEFAULT_DB

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Which answers are compared, by whom, and what it may cost."""

    models: tuple[str, ...] = ()
    against: str | None = None
    judge: tuple[str, ...] = ()
    base_url: str = OPENAI
    prompts: str | None = None
    references: str | None = None
    judge_prompts: str | None = None
    repeats: int = 1
    temperature: float = 0.0
    max_tokens: int = 2048
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None
    estimate: bool = False
    concurrency: int = 8
    timeout: float = 300.0
    attempts: int = 8
    db: str = DEFAULT_DB

    def __post_init__(self) -> None:
        for name in ("repeats", "concurrency", "attempts"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} is a number from 1 up, not {getattr(self, name)}.")
        if self.max_tokens < 1 or self.timeout <= 0:
            raise UsageError("--max-tokens and --timeout are above 0.")
