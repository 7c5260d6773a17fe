"""A checkpoint, and its adapter, in the backend `transformers`; and one adapter after another on one base."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from harness.backends.limits import window_of
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.engines import SharedEngine

if TYPE_CHECKING:
    from harness.models.loaded_base import LoadedBase
    from harness.options import BackendSettings, ResolvedModel
    from harness.prompting.model_tokenizer import ModelTokenizer


class OnLoadedBase(TransformersLM):
    """A model on a base that stays for others after it (`harness.types.Switching`)."""

    base: LoadedBase
    settings: BackendSettings
    read: ModelTokenizer

    def switch(self, model: ResolvedModel) -> tuple[OnLoadedBase, list[str]]:
        from harness.prompting.model_tokenizer import ModelTokenizer

        checked = self.engine if isinstance(self.engine, SharedEngine) else None
        if checked is not None:
            checked.end()
        del self.model, self.engine  # where the base has to be loaded again, the first one is gone before
        return _put(self.base, model, self.settings, ModelTokenizer(model, self.settings, self.read), checked)


def make(model: ResolvedModel, settings: BackendSettings) -> tuple[OnLoadedBase, list[str]]:
    """Load the checkpoint, with its adapter merged into its base."""
    from harness.models.loaded_base import LoadedBase
    from harness.models.loading import load_unchecked
    from harness.prompting.model_tokenizer import ModelTokenizer

    base = model.checkpoint.base or model.checkpoint
    read = ModelTokenizer(model, settings)
    load = functools.partial(load_unchecked, base, model.dtype, model.device, model.load_in_4bit)
    return _put(LoadedBase(load, base.path, stays=bool(model.others)), model, settings, read)


def _put(
    base: LoadedBase,
    model: ResolvedModel,
    settings: BackendSettings,
    read: ModelTokenizer,
    checked: SharedEngine | None = None,
) -> tuple[OnLoadedBase, list[str]]:
    checkpoint, loads = model.checkpoint, base.loads
    whole, of_adapter = (base.bare(), []) if checkpoint.base is None else base.merged(checkpoint)
    read.fit(whole.get_input_embeddings().weight.shape[0], window_of(whole.config.get_text_config()))
    backend = OnLoadedBase(
        whole.to(model.device),
        read.tokenizer,
        batch_tokens=settings.batch_tokens,
        encoder=read.encoder,
        checked=checked if base.loads == loads else None,
    )
    backend.base, backend.settings, backend.read = base, settings, read
    return backend, [*read.warnings, *of_adapter, *read.left_out]
