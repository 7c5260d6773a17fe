"""Our own rows in the shapes of sets and documentation that people use, each in the format that it comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.instruction_rows import turns
from data.instruction_rows.sources import load
from data.instructions import Instruction, messages_of
from tests.data.test_instruction_shapes import put

BRIEF, WHO, ADA, WHEN, YEAR = "Be brief.", "Who wrote the first program?", "Ada Lovelace did.", "When?", "In 1843."


def chat(*texts: str, names: tuple[str, str] = ("role", "content"), **more: Any) -> list[dict[str, Any]]:
    """Turns of user and assistant; a first text that is the system's stands in front."""
    people = ("user", "assistant") if names[0] == "role" else ("human", "gpt")
    system = [{names[0]: "system", names[1]: BRIEF, **more}] if texts[0] == BRIEF else []
    rest = texts[len(system) :]
    return system + [{names[0]: people[at % 2], names[1]: text, **more} for at, text in enumerate(rest)]


def share(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return chat(*texts, names=("from", "value"), **more)


WHOLE = (WHO, ADA, WHEN, YEAR)
SHAPES: dict[str, tuple[str, list[dict[str, Any]], list[tuple[str, ...]], str]] = {
    "UltraChat 200k": (
        "train_sft-00000-of-00003.parquet",
        [{"prompt": WHO, "prompt_id": "f0e3", "messages": chat(*WHOLE)}],
        [WHOLE],
        "messages, 1 conversation",
    ),
    "UltraChat 200k with the text that its template makes": (
        "train.parquet",
        [
            {
                "prompt": WHO,
                "messages": chat(*WHOLE),
                "text": f"<|user|>\n{WHO}</s><|assistant|>\n{ADA}</s><|user|>\n{WHEN}</s><|assistant|>\n{YEAR}</s>",
            }
        ],
        [WHOLE],
        "messages, 1 conversation",
    ),
    "Guanaco": (
        "openassistant_best_replies_train.jsonl",
        [{"text": f"### Human: {WHO}### Assistant: {ADA}"}],
        [(f"### Human: {WHO}### Assistant: {ADA}",)],
        "text, 1 plain text, all of it learnt",
    ),
    "a ShareGPT dump, whose conversations begin anywhere and end anywhere": (
        "ShareGPT_V3_unfiltered_cleaned_split.json",
        [
            {"id": "QWJhYvA_0", "conversations": share(WHO, ADA, WHEN)},
            {"id": "QWJhYvA_1", "conversations": [{"from": "gpt", "value": "Go on."}, *share(WHEN, YEAR)]},
            {"id": "i6IyJda_0", "conversations": []},
            {"id": "i6IyJda_1", "conversations": [{"from": "human", "value": WHO}, {"from": "bing", "value": ADA}]},
        ],
        [(WHO, ADA), (WHEN, YEAR), (WHO, ADA)],
        f"conversations, 4 conversations, 1 left out: no assistant turn; in 1 {turns.CUT_LAST}; in 1 {turns.CUT_FIRST}",
    ),
    "OpenHermes 2.5": (
        "openhermes2_5.json",
        [
            {
                "custom_instruction": None,
                "topic": None,
                "model_name": None,
                "skip_prompt_formatting": False,
                "category": "orca",
                "conversations": share(BRIEF, WHO, ADA, weight=None),
                "views": None,
                "title": None,
                "idx": None,
                "hash": [1, 2],
                "avatarUrl": None,
                "system_prompt": None,
                "source": "airoboros2.2",
            },
            {"conversations": [{**turn, "weight": float(turn["from"] == "gpt")} for turn in share(*WHOLE)]},
        ],
        [(BRIEF, WHO, ADA), WHOLE],
        "conversations, 2 conversations",
    ),
    "OpenOrca": (
        "1M-GPT4-Augmented.parquet",
        [{"id": "niv.242684", "system_prompt": BRIEF, "question": WHO, "response": ADA},
         {"id": "flan.564327", "system_prompt": "", "question": WHEN, "response": YEAR}],
        [(BRIEF, WHO, ADA), (WHEN, YEAR)],
        "question, response, system_prompt, 2 rows",
    ),
    "Dolly": (
        "databricks-dolly-15k.jsonl",
        [{"instruction": WHEN, "context": ADA, "response": YEAR, "category": "closed_qa"}],
        [(f"{WHEN}\n\n{ADA}", YEAR)],
        "instruction, context, response, 1 row",
    ),
    "LLaMA-Factory's Alpaca with a history": (
        "alpaca_zh_demo.json",
        [{"instruction": WHEN, "input": "", "output": YEAR, "system": BRIEF, "history": [[WHO, ADA]]}],
        [(BRIEF, *WHOLE)],
        "instruction, input, output, system, history, 1 row",
    ),
    "ms-swift's exchanges": (
        "sharegpt.jsonl",
        [{"system": BRIEF, "conversation": [{"human": WHO, "assistant": ADA}, {"human": WHEN, "assistant": YEAR}]}],
        [(BRIEF, *WHOLE)],
        "conversation, 1 conversation",
    ),
    "TRL: prompt and completion": (
        "trl.jsonl.zst", [{"prompt": WHO, "completion": f" {ADA}"}], [(WHO, f" {ADA}")], "prompt, completion, 1 row"
    ),
    "TRL: prompt and completion of messages": (
        "trl.jsonl.gz",
        [{"prompt": chat(WHO), "completion": [{"role": "assistant", "content": ADA}]}],
        [(WHO, ADA)],
        "prompt + completion, 1 conversation",
    ),
    "SmolTalk 2, whose last turn is a user's by mistake": (
        "train.parquet",
        [
            {
                "messages": [*chat(WHO, ADA, WHEN), {"role": "user", "content": YEAR}],
                "chat_template_kwargs": {"custom_instructions": "", "enable_thinking": True, "xml_tools": []},
                "source": "smoltalk",
            }
        ],
        [(WHO, ADA)],
        f"messages, 1 conversation; in 1 chat_template_kwargs is not read; in 1 {turns.JOINED}; in 1 {turns.CUT_LAST}",
    ),
    "OpenAI's fine-tuning files": (
        "train.jsonl",
        [
            {"messages": chat(BRIEF, WHO, ADA)},
            {"messages": [*chat(WHO), {**chat(WHO, ADA)[1], "weight": 1, "name": "ada", "refusal": None}]},
            {"messages": [*chat(WHO), {"role": "assistant", "content": "Babbage.", "weight": 0}, *chat(WHEN, YEAR)]},
            {"messages": [*chat(WHO), {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function"}]}],
             "tools": [{"type": "function"}], "parallel_tool_calls": False},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": WHO}]}, *chat(WHO, ADA)[1:]]},
        ],
        [(BRIEF, WHO, ADA), (WHO, ADA), (WHO, ADA)],
        "messages, 5 conversations, "
        "1 left out: an assistant turn that is not to be learnt as others (its weight is not 1), 1 left out: tools; "
        "not read in turns: name (1)",
    ),
    "LLaMA-Factory's newer form": (
        "v1_sft_demo.jsonl",
        [
            {
                "messages": [
                    {**turn, "content": [{"type": "text", "value": turn["content"]}], "loss_weight": weight}
                    for turn, weight in zip(chat(WHO, ADA), (0.0, 1.0), strict=True)
                ]
            }
        ],
        [(WHO, ADA)],
        "messages, 1 conversation",
    ),
    "WildChat": (
        "train.parquet",
        [
            {
                "conversation_hash": "cf1267ca",
                "model": "gpt-4-0314",
                "conversation": chat(*WHOLE, language="English", redacted=False, header={"accept-language": "en"}),
                "turn": 2,
                "language": "English",
                "openai_moderation": [{"flagged": False}],
                "header": {"accept-language": "en"},
            }
        ],
        [WHOLE],
        "conversation, 1 conversation; not read in turns: header (4)",
    ),
    "a table with turns as JSON in a cell": (
        "chats.csv",
        [{"id": "1", "conversations": '[{"from": "human", "value": "' + WHO + '"}, {"from": "gpt", "value": "Ada"}]'}],
        [(WHO, "Ada")],
        "conversations, 1 conversation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_published_shapes(tmp_path: Path, name: str) -> None:
    file, rows, texts, line = SHAPES[name]
    loaded = load(put(tmp_path, file, rows))
    assert list(map(texts_of, loaded.rows)) == texts
    assert loaded.notes == (f"{file}: {line}",)


def texts_of(row: Instruction) -> tuple[str, ...]:
    return (row.output,) if row.is_text else tuple(message.content for message in messages_of(row))
