"""Which columns of a training row are its instruction, its input and its response, and its system text.

Sets in circulation name them differently, and a column that is not read is lost from every prompt without a trace.
So the usual names are known, in any case of letters, and a text column that is none of them is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache, lru_cache
from typing import Any

from data.instruction_rows.turns import PROSE, row_of
from data.instructions import MARKS, Instruction, Message, from_prompt, messages_of, prompt_of
from data.sources import DataError

MEANINGS: dict[str, tuple[str, ...]] = {
    "instruction": ("instruction", "question", "query", "prompt"),
    "input": ("input", "context"),
    "output": ("output", "response", "answer", "completion", "target"),
    "system": ("system", "system_prompt"),
}
_OPTIONAL = ("input", "system")
HISTORY = "history"  # earlier exchanges, each a question and its answer, as LLaMA-Factory has them
WHOLE = ("messages", "text")  # what --columns names as well: a column that is a row by itself
_MEANING_OF = {name: meaning for meaning, names in MEANINGS.items() for name in names}
_PLURALS = {f"{name}s": name for name in _MEANING_OF}
END_MARK = "###eos_token###"  # ends the answers of the paper's Dolly files

MEND = "name the columns that are read (--columns instruction=COLUMN,input=COLUMN,output=COLUMN)"

# The last word of a name that says something about a row and is no part of it: question_id, task_type, lang.
_ABOUT = frozenset(
    re.findall(
        r"\w+",
        "id ids uid uuid guid idx index number no row line hash digest key name title category categories type kind "
        "task topic topics subject domain tag tags keyword keywords label labels class source sources origin dataset "
        "datasets corpus split subset license licence url urls link path file filename lang language locale model "
        "generator engine author annotator worker user contributor date time timestamp created updated year version "
        "revision score scores rating quality difficulty level length len count tokens seed metadata meta comment "
        "comments note notes status flag weight temperature",
    )
)
# A word in the name of what belongs to a prompt.
_OF_PROMPT = frozenset(
    re.findall(
        r"\w+",
        "input inputs context contexts ctx prompt instruction instructions question questions query passage passages "
        "text texts article document documents doc docs paragraph paragraphs history system messages message "
        "conversation conversations turns dialog dialogue content contents premise hypothesis sentence sentences "
        "choices options option examples demonstrations code table story evidence background knowledge facts excerpt "
        "snippet body material given abstract review reference references image images "
        "picture pictures audio audios video videos tools functions",
    )
)


def instruction(
    source: str, raw: Any, where: str, declared: Mapping[str, str] | None = None, is_dolly: bool = False
) -> tuple[Instruction, dict[str, str]]:
    """The row, and of each meaning the column that it stood in. DataError, too, where a column that is not read would
    be lost; not so where `declared` (meaning: column) names what is read. `is_dolly`: a prompt with an answer is in the
    Alpaca template, as in the paper's Dolly files."""
    if not isinstance(raw, Mapping):
        raise DataError(f"{where}: a row should be an object and is {type(raw).__name__}.")
    declared = declared or {}
    texts, names = read(_by_meaning(raw, declared) if declared else raw, where)
    names.update(declared)
    if folded(names["instruction"]) == "prompt":
        in_template = any(mark in texts["instruction"] for mark in MARKS)
        if in_template or (is_dolly and folded(names["output"]) == "answer"):
            prompt, given = from_prompt(texts["instruction"], where)
            if given and texts["input"]:
                raise DataError(
                    f"{where}: the prompt has an input in it, and {names['input']} is another. Take one out."
                )
            texts = {**texts, "instruction": prompt, "input": given or texts["input"]}
    texts["input"] = texts["input"] if texts["input"].strip() else ""  # one of nothing but spaces is none
    texts["output"] = texts["output"].removesuffix(END_MARK)
    row = Instruction(source, texts["instruction"], texts["input"], texts["output"])
    history, column = _history({name: value for name, value in raw.items() if name not in declared.values()}, where)
    names = {**names, HISTORY: column}
    if not declared:
        known = {*_MEANING_OF, HISTORY} if history else _MEANING_OF.keys()
        check_rest(raw, lambda text: _repeats(text, texts, prompt_of(row)), _mend(texts), where, known)
    is_whole = row.output.strip() and (row.instruction.strip() or row.input)  # else it is left out, with its reason
    if is_whole and (texts["system"] or history):
        system = [Message("system", texts["system"])] if texts["system"] else []
        row = row_of(source, [*system, *history, *messages_of(row)])
    return row, names


def _history(raw: Mapping[str, Any], where: str) -> tuple[list[Message], str]:
    """The turns of the column history, and its name; none and "" where there are none."""
    column = next((name for name in raw if folded(name) == HISTORY), "")
    value = raw.get(column)
    if value is None or _blank(value):
        return [], ""
    turns: list[Message] = []
    for pair in value if isinstance(value, list) else [None]:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise DataError(f"{where}: {HISTORY} should be a list of pairs, a question and its answer.")
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    if not all(turn.content.strip() for turn in turns):
        raise DataError(f"{where}: {HISTORY} has an empty turn. Take it out.")
    return turns, column


def _by_meaning(raw: Mapping[str, Any], declared: Mapping[str, str]) -> dict[str, Any]:
    """The declared columns under their meanings, and of the meanings left out the columns of usual names."""
    rest = {name: value for name, value in raw.items() if name not in declared.values()}
    usual = {name: value for name, value in rest.items() if meaning_of(name) not in (None, *declared)}
    return {**usual, **{meaning: raw[column] for meaning, column in declared.items() if column in raw}}


def read(raw: Mapping[str, Any], where: str) -> tuple[dict[str, str], dict[str, str]]:
    """(texts, names): of each meaning its text ("" for an input or a system text that is absent or null) and the column
    it stood in ("" where there is none). DataError where a text is missing, no text, or stands in two columns."""
    texts: dict[str, str] = {}
    names: dict[str, str] = {}
    for meaning in MEANINGS:
        names[meaning], texts[meaning] = _one(raw, meaning, where)
    return texts, names


def check_rest(
    raw: Mapping[str, Any], repeats: Callable[[str], bool], mend: str, where: str, known: Collection[str]
) -> None:
    """DataError, which ends with `mend`, where a column that is not read looks like part of the row. `known`: the
    folded names of the columns that are read. One that `repeats` the row whole, as the `text` of tatsu-lab/alpaca does,
    is none."""
    for name, value in raw.items():
        if folded(name) in known or not _looks_like_text_of_the_row(str(name), value):
            continue
        if not (isinstance(value, str) and repeats(value)):
            raise DataError(f"{where}: the column {name} is not read, and looks like part of the prompt. {mend}")


def _mend(texts: Mapping[str, str]) -> str:
    empty = "instruction" if not texts["instruction"] else "input"
    return f"Rename it to {empty}, or take it out; or {MEND}. The columns that are read: {_known()}."


def meaning_of(name: object) -> str | None:
    return _MEANING_OF.get(folded(name))


@lru_cache(maxsize=1024, typed=True)  # a set of rows has a few names, each asked for several times a row
def folded(name: object) -> str:
    """ "Instruction ", "input-text" as names are compared."""
    return re.sub(r"[\s\-]+", "_", str(name).strip()).lower()


def _one(raw: Mapping[str, Any], meaning: str, where: str) -> tuple[str, str]:
    """The column of a meaning, and its text."""
    present = [name for name in raw if meaning_of(name) == meaning]
    filled = [name for name in present if raw[name] is not None and not _blank(raw[name])]
    for name in filled:
        if not isinstance(raw[name], str):
            raise DataError(f"{where}: {name} should be text and is {type(raw[name]).__name__}.")
    if len({raw[name] for name in filled}) > 1:
        more = " and ".join(filled)
        rename = "Rename one of them to input" if meaning == "instruction" else f"Put them together as {meaning}"
        raise DataError(
            f"{where}: {more} both hold text, and a row has one {meaning}. {rename}, or take one out, or {MEND}."
        )
    # one that is filled before one that is empty, and the usual name before others
    name = next(iter([*filled, *present]), "")
    if meaning in _OPTIONAL:
        return name, raw[name] if filled else ""
    if not name:
        near = [key for key in raw if _PLURALS.get(folded(key)) in MEANINGS[meaning]]
        hint = f" Rename {near[0]} to {meaning}." if near else f" The columns that are read: {_known()}."
        there = ", ".join(map(str, raw)) or "none"
        raise DataError(
            f"{where}: {meaning} should be text and is not there; there are {there}.{hint} "
            f"In a file of your own, {MEND}."
        )
    if not isinstance(raw[name], str):
        raise DataError(f"{where}: {name} should be text and is {type(raw[name]).__name__}.")
    return name, raw[name]


def _blank(value: object) -> bool:
    return (isinstance(value, str) and not value.strip()) or (isinstance(value, list | dict) and not value)


def _looks_like_text_of_the_row(name: str, value: object) -> bool:
    if value is None or isinstance(value, bool | int | float) or _blank(value):
        return False
    about, of_prompt = _words(name)
    if of_prompt:
        return True
    return not about and isinstance(value, str) and len(value.split()) >= PROSE


@cache
def _words(name: str) -> tuple[bool, bool]:
    """(is it about the row, is it of its prompt), by the words of a column's name."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower()
    parts = [part for part in re.split(r"[^\w]+|_+|\d+", words) if part]
    about = bool(parts) and parts[-1] in _ABOUT
    return about, not about and any(part in _OF_PROMPT for part in parts)


def _repeats(value: str, texts: Mapping[str, str], prompt: str) -> bool:
    """Is it one of the row's own texts, its prompt, or all of it from the instruction to the end of the response?"""
    plain = spaced(value)
    own = {meaning: spaced(text) for meaning, text in texts.items()}
    if plain in {*own.values(), spaced(prompt)}:
        return True
    begin = plain.removesuffix(own["output"])
    return begin != plain and own["instruction"] in begin and own["input"] in begin


def spaced(text: str) -> str:
    return " ".join(text.split())


def _known() -> str:
    return "; ".join(f"{meaning} (or {', '.join(names[1:])})" for meaning, names in MEANINGS.items())
