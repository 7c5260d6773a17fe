"""What a plan's options make of a tokenizer and its chat template, before weights are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.models import bos
from harness.prompting.chat_templates import ChatTemplate, conversation

if TYPE_CHECKING:
    from harness.evaluation.planning import Plan


def prompting(plan: Plan, tokenizer: Any) -> tuple[ChatTemplate | None, list[str]]:
    """The chat template (None without --chat), and warnings. With --add-bos the tokenizer adds BOS from now on.

    UsageError or ModelError where a template is lacking, cannot be told from others, or refuses what would be asked."""
    options, checkpoint = plan.options, plan.checkpoint
    given = options.tokenizer or options.model
    if options.add_bos:
        bos.add_bos(tokenizer, given)
    template, warnings, first = None, [], None
    if options.chat:
        template = ChatTemplate(tokenizer, options.chat_template, options.date, given)
        warnings += template.check(options.system)
        text = template.render(conversation(["x"], options.system))
        first = next(iter(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids), None)
    of_model = (checkpoint.base or checkpoint).path if checkpoint.kind != "served" else checkpoint.tokenizer
    return template, [*warnings, *bos.warnings(tokenizer, of_model, first)]
