"""Is a vote in a file a person's, or a model's? FastChat's files do not say: the judge's name has to.

A pair [model, prompt] is a judge model. So is one of the models that are compared, a repository's id (a/b), and a name
made of a model family's with a version or a size behind it (gpt-4-turbo, claude-3-opus, llama2:70b). All else, such as
author_2, expert_17, arena_user_973, gptfan or Claude, is a person.
"""

from __future__ import annotations

import re

_FAMILIES = (
    "gpt|chatgpt|o|claude|palm|bard|gemini|gemma|llama|codellama|vicuna|alpaca|koala|dolly|mistral|mixtral|ministral|"
    "codestral|magistral|qwen|qwq|deepseek|yi|phi|falcon|mpt|command|c4ai|aya|grok|nova|kimi|glm|chatglm|internlm|"
    "baichuan|granite|olmo|tulu|nemotron|hermes|zephyr|starling|wizardlm|openchat|solar|dbrx|jamba|exaone|minimax|"
    "smollm|stablelm|pythia|prometheus|pandalm|autoj|judgelm|jurassic|text-davinci"
)
_WORDS = (
    "turbo|opus|sonnet|haiku|instant|pro|flash|ultra|nano|mini|micro|lite|small|medium|large|max|plus|chat|instruct|"
    "reasoner|coder|base|preview|latest|exp|oss|judge|r|v|x|k|a"
)
_MAKERS = "meta|openai|google|anthropic|cohere"
_MODEL = re.compile(
    rf"(?:(?:{_MAKERS})[-_ ])?(?:{_FAMILIES})"
    rf"(?:[-_ .:]?v?\d[\w.:-]*|[-_ .:](?:{_WORDS})(?:[-_ .:\d][\w.:-]*)?)",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"(?:author|expert|arena_user|person|human|user|annotator|rater|worker|voter)(?:\b|_)|.*_user_", re.IGNORECASE
)


def is_model(judge: str, compared: tuple[str, ...]) -> bool:
    """Whether a judge of this name is a model; `compared` are the models whose answers it judges."""
    name = judge.strip()
    if name in compared:
        return True
    if _PERSON.match(name):
        return False
    return bool(re.fullmatch(r"[\w.-]+/[\w.:-]+", name) or _MODEL.fullmatch(name))
