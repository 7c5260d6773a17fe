"""What the settings make of a tokenizer and its chat template, before weights are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.models import bos
from harness.prompting.chat_templates import ChatTemplate, conversation

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel


def prompting(model: ResolvedModel, settings: BackendSettings, tokenizer: Any) -> tuple[ChatTemplate | None, list[str]]:
    """The chat template (None without --chat), and warnings. With --add-bos the tokenizer adds BOS from now on.

    UsageError or ModelError where a template is lacking, cannot be told from others, or refuses what would be asked."""
    checkpoint = model.checkpoint
    given = settings.tokenizer or checkpoint.given
    if settings.add_bos:
        bos.add_bos(tokenizer, given)
    template, warnings, first = None, [], None
    if settings.chat:
        template = ChatTemplate(tokenizer, settings.chat_template, settings.date, given)
        warnings += template.check(settings.system)
        text = template.render(conversation(["x"], settings.system))
        first = next(iter(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids), None)
    of_model = (checkpoint.base or checkpoint).path if checkpoint.kind != "served" else checkpoint.tokenizer
    return template, [*warnings, *bos.warnings(tokenizer, of_model, first)]
