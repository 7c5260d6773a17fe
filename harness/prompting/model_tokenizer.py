"""A model's tokenizer as its prompts are read with it, and one tokenizer for several models that have the same.

To read a tokenizer of 262,000 tokens takes longer than to load a small model, and adapters mostly have their base's:
from the base's folder, or in a copy that their trainer wrote beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.prompting.preparation import prompting
from harness.prompting.tokens import Encoder

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint
    from harness.options import BackendSettings, ResolvedModel


class ModelTokenizer:
    """`tokenizer` and `template`, and after `fit` the `encoder`. `before`: another model's, which is taken where it is
    the same. `warnings` are of the settings, `left_out` of tokens that the model does not know."""

    encoder: Encoder
    rows: int | None

    def __init__(self, model: ResolvedModel, settings: BackendSettings, before: ModelTokenizer | None = None) -> None:
        self.checkpoint, self._model, self._settings = model.checkpoint, model, settings
        self._digest = _digest(model.checkpoint) if model.others else ""
        # of one that was changed to fit its model, nothing could be said again
        is_same = before is not None and before._digest == self._digest and not before.left_out
        self._before = before if is_same else None
        self.left_out: list[str] = []
        self._read()

    def _read(self) -> None:
        from harness.models.loading import load_tokenizer

        self.tokenizer: Any = self._before.tokenizer if self._before else load_tokenizer(self.checkpoint)
        self.template, self.warnings = prompting(self._model, self._settings, self.tokenizer)

    def fit(self, rows: int | None, window: int) -> None:
        """For a model whose embedding has so many rows, and that reads so many tokens at once. ModelError as
        `fit_tokenizer` says."""
        from harness.models.vocabulary import fit_tokenizer

        self.rows = rows
        if self._before is not None and (self._before.rows, self._before.encoder.window) == (rows, window):
            self.encoder = self._before.encoder
        else:
            if self._before is not None:
                self._before = None
                self._read()
            self.left_out = fit_tokenizer(self.tokenizer, rows, self.checkpoint)
            settings = self._settings
            self.encoder = Encoder(self.tokenizer, window, settings.chat, settings.system, self.template)
        self._before = None


def _digest(checkpoint: Checkpoint) -> str:
    """Of the tokenizer's files, and of the folder where code beside them may read them."""
    from harness.models.checkpoint import combine, tokenizer_parts

    code = [("code", str(checkpoint.tokenizer))] if checkpoint.remote_code else []
    return combine([*(tokenizer_parts(checkpoint.tokenizer) or []), *code])
