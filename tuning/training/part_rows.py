"""The rows of a study's parts as tokens of one base, each part encoded once, with what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from data.instruction_split import POOL
from harness.prompting.row_templates import prepare
from tuning.training.row_limits import encode_within, none_left, require_responses

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from harness.models.checkpoint import Checkpoint
    from harness.prompting.row_tokens import RowTemplate, Tokens
    from tuning.training.train_settings import TrainSettings


class PartRows:
    def __init__(self, checkpoint: Checkpoint, splits: Splits, settings: TrainSettings) -> None:
        self._checkpoint, self._splits, self._settings = checkpoint, splits, settings
        self._encoded: dict[str, list[Tokens]] = {}
        self._warnings: dict[str, list[str]] = {}

    def part(self, part: str) -> list[Tokens]:
        """Of train, validation or test; or of a source's pool."""
        if part not in self._encoded:
            tokenizer, template = self._prepared
            self._encoded[part], self._warnings[part] = encode_within(
                tokenizer, self._splits.part(part), template, self._settings.max_tokens, *self._positions
            )
        return self._encoded[part]

    def trained(self, mix: tuple[str, float] | None, fraction: float) -> list[Tokens]:
        """The first `fraction` of the train rows: in the study's mix (None), or where a source has another share."""
        if mix is None:
            rows = self.part("train")
        else:
            rows = [self.part(POOL + source)[place] for source, place in self._splits.drawn(*mix)]
        return rows[: max(1, round(fraction * len(rows)))]

    def require(self, part: str) -> None:
        """UsageError where no trial could learn from the rows of a part, or be measured on them."""
        require_responses(part, self.part(part), self._settings.max_tokens, *self._positions)

    def none_left(self, part: str, rows: Sequence[Tokens]) -> str:
        """Why none of these rows of a part has a response."""
        return none_left(part, rows, self._settings.max_tokens, *self._positions)

    @property
    def warnings(self) -> tuple[str, ...]:
        """About the rows: those that are cut at `max_tokens`, …"""
        for part in ("train", "validation", "test"):
            self.part(part)
        of_rows = (f"{part}: {warning}" for part, texts in self._warnings.items() for warning in texts)
        return (*self._prepared[1].notes, *of_rows)

    @cached_property
    def _prepared(self) -> tuple[Any, RowTemplate]:
        return prepare(self._checkpoint, self._settings.row_template, self._settings.add_bos)

    @cached_property
    def _positions(self) -> tuple[int | None, bool]:
        """Of the base: how many, and whether no row can be longer."""
        from transformers import AutoConfig

        from harness.backends.limits import positions_of

        config = AutoConfig.from_pretrained(
            self._checkpoint.path, trust_remote_code=self._checkpoint.remote_code, local_files_only=True
        )
        return positions_of(config)
