"""Prompt sets for preference: the 80 Vicuna prompts, MT-Bench, or the bundled sample.

The format is FastChat's `question.jsonl` (lm-sys/FastChat, llm_judge/data): one JSON object a line with
question_id, category, turns and, for some, reference. Answers that FastChat wrote (`model_answer/*.jsonl`,
`reference_answer/*.jsonl`) and its judgments and votes are read here too, as plain data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data import hub_rows, sources
from data.jsonl import objects
from data.judge_names import is_model
from data.sources import WHAT_TO_DO, DataError

SAMPLE = sources.SAMPLE / "prompts"
FILE = "question.jsonl"
# MT-Bench with its references. No commit of it is known to us: it is resolved at download and stands in the source.
HUB = ("lighteval/mt-bench", "main")
_FOLDERS = ("", "vicuna", "vicuna_bench", "mt_bench", "prompts", "data/vicuna_bench", "data/mt_bench")
Verdict = Literal["first", "second", "tie", "bad", "error"]
_SWAPPED: dict[str, Verdict] = {"first": "second", "second": "first"}
_WINNERS: dict[str, Verdict] = {
    "model_a": "first",
    "model_1": "first",
    "model_b": "second",
    "model_2": "second",
    "tie": "tie",
    "tie (inconsistent)": "tie",
    "tie (bothbad)": "bad",
    "error": "error",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`reference` has one text a turn, or is empty."""

    id: str
    category: str
    turns: tuple[str, ...]
    reference: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSet:
    name: str
    source: str  # "folder:PATH", "hub:ID@COMMIT" or "sample"
    digest: str  # sha256 over the prompts, the same whatever file they came in
    prompts: tuple[Prompt, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict from a file. `first` was shown as A; `verdict` is what the judge said of that order."""

    question: str
    turn: int
    first: str
    second: str
    verdict: Verdict
    judge: str
    person: bool
    text: str


def load(source: str | Path | None = None) -> PromptSet:
    """A prompt set.

    `source`: a folder that holds question.jsonl (also in vicuna/, vicuna_bench/, mt_bench/ below it), or such a file;
    "sample"; "hub:ID[@REVISION]" for a data set with the same columns; `None` or "hub" for MT-Bench. Raises DataError.
    """
    if source is not None and Path(source).is_file():
        return _from_file(Path(source).resolve(), f"folder:{Path(source).resolve()}")
    where = sources.resolve(source)
    if where.kind == "sample":
        return _from_file(SAMPLE / FILE, "sample")
    if where.kind == "folder":
        places = [where.folder / folder / FILE for folder in _FOLDERS]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            tried = ", ".join(dict.fromkeys(str(place.parent) for place in places if place.parent.is_dir()))
            raise DataError(f"no prompts in {where.folder}: looked for {FILE} in {tried}. {WHAT_TO_DO}")
        return _from_file(file, f"folder:{file.parent}")
    wanted = (where.repository, where.revision) if where.repository else HUB
    repository = hub_rows.resolve(*wanted)
    origin = f"hub:{repository.id}@{repository.revision}"
    rows = repository.rows(None, "train")
    return _made(repository.id.rpartition("/")[2], origin, ((row, origin) for row in rows))


def references(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reference answers by question: lines of FastChat's reference_answer/*.jsonl, or {question_id, reference: […]}.

    Raises DataError, also where a question stands there twice."""
    by_question: dict[str, tuple[str, ...]] = {}
    for row, where in objects(Path(path)):
        question = _id(row, where)
        if question in by_question:
            raise DataError(f"{where}: question {question} stands there twice. Remove one of the two lines.")
        by_question[question] = (
            _texts(row["reference"], "reference", where) if "reference" in row else _turns(row, where)
        )
    return by_question


def answers(path: str | Path) -> tuple[str, dict[str, tuple[str, ...]]]:
    """(model, answers by question, one text a turn) of a file model_answer/MODEL.jsonl. Raises DataError."""
    models: set[str] = set()
    by_question: dict[str, tuple[str, ...]] = {}
    for row, where in objects(Path(path)):
        question = _id(row, where)
        if question in by_question:
            raise DataError(f"{where}: question {question} stands there twice. Remove one of the two lines.")
        models.add(_text(row.get("model_id", Path(path).stem), "model_id", where))
        by_question[question] = _turns(row, where)
    if len(models) != 1:
        raise DataError(f"{path}: the answers of one model are wanted, and there are those of {sorted(models)}.")
    return models.pop(), by_question


def judgments(path: str | Path, by: str | None = None) -> list[Judged]:
    """Verdicts of a file: FastChat's model_judgment/*_pair.jsonl (both orders a line), or votes with model_a, model_b,
    winner, judge (MT-Bench's human judgments, Chatbot Arena). Raises DataError.

    `by` says whose the votes are: "people", "models", or None: as each judge's name tells (data/judge_names.py)."""
    judged: list[Judged] = []
    for row, where in objects(Path(path)):
        judged += _both_orders(row, where) if "g1_winner" in row else _vote(row, where, by)
    return judged


def _both_orders(row: Mapping[str, Any], where: str) -> Iterator[Judged]:
    """The second game of a line was played with the sides exchanged; its winner is named all the same."""
    one, other = (_text(row.get(key), key, where) for key in ("model_1", "model_2"))
    for game, sides in (("g1", (one, other)), ("g2", (other, one))):
        winner = _winner(row.get(f"{game}_winner"), where)
        yield Judged(
            question=_id(row, where),
            turn=_turn(row, where),
            first=sides[0],
            second=sides[1],
            verdict=winner if game == "g1" else _SWAPPED.get(winner, winner),
            judge=_judge(row, where),
            person=False,
            text=str(row.get(f"{game}_judgment") or ""),
        )


def _vote(row: Mapping[str, Any], where: str, by: str | None) -> Iterator[Judged]:
    """A person's vote is one verdict. A model's line tells what its two orders came to, and is taken apart again."""
    one, other = (_text(row.get(key), key, where) for key in ("model_a", "model_b"))
    judge = row.get("judge")
    person = isinstance(judge, str) and not is_model(judge, (one, other)) if by is None else by == "people"
    verdict = _winner(row.get("winner"), where)
    yield Judged(_id(row, where), _turn(row, where), one, other, verdict, _judge(row, where), person, "")
    if not person:
        swapped = _SWAPPED.get(verdict, verdict)
        yield Judged(_id(row, where), _turn(row, where), other, one, swapped, _judge(row, where), person, "")


def _judge(row: Mapping[str, Any], where: str) -> str:
    judge = row.get("judge")
    return " ".join(map(str, judge)) if isinstance(judge, list) else _text(judge, "judge", where)


def _winner(value: object, where: str) -> Verdict:
    if not isinstance(value, str) or value not in _WINNERS:
        raise DataError(f"{where}: the winner is {value!r}; it must be one of {', '.join(_WINNERS)}.")
    return _WINNERS[value]


def _turn(row: Mapping[str, Any], where: str) -> int:
    turn = row.get("turn", 1)
    if turn not in (1, 2):
        raise DataError(f"{where}: the turn is {turn!r}; it must be 1 or 2.")
    return int(turn)


def _from_file(path: Path, source: str) -> PromptSet:
    name = "sample" if source == "sample" else path.parent.name if path.name == FILE else path.stem
    return _made(name, source, objects(path))


def _made(name: str, source: str, rows: Iterable[tuple[Mapping[str, Any], str]]) -> PromptSet:
    prompts: dict[str, Prompt] = {}
    for row, where in rows:
        prompt = _prompt(row, where)
        if prompt.id in prompts:
            raise DataError(f"{where}: question {prompt.id} stands there twice. Remove one of the two lines.")
        prompts[prompt.id] = prompt
    if not prompts:
        raise DataError(f"{source} has no prompt. {WHAT_TO_DO}")
    return PromptSet(name, source, _digest(prompts.values()), tuple(prompts.values()))


def _prompt(row: Mapping[str, Any], where: str) -> Prompt:
    turns = _texts(row.get("turns"), "turns", where)
    if len(turns) not in (1, 2):
        raise DataError(f"{where}: {len(turns)} turns, and a prompt has one or two.")
    reference = tuple(text for text in _texts(row.get("reference") or [], "reference", where) if text)
    if len(reference) not in (0, len(turns)):
        raise DataError(f"{where}: {len(reference)} references for {len(turns)} turns.")
    return Prompt(_id(row, where), _text(row.get("category"), "category", where), turns, reference)


def _digest(prompts: Iterable[Prompt]) -> str:
    parts = [[p.id, p.category, list(p.turns), list(p.reference)] for p in prompts]
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _id(row: Mapping[str, Any], where: str) -> str:
    value = row.get("question_id")
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise DataError(f"{where}: question_id is {value!r}; it must be a number or a word.")
    return str(value)


def _turns(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The texts of choices[0].turns."""
    choices = row.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise DataError(f"{where}: no choices with turns, which answers in FastChat's format have.")
    return _texts(choices[0].get("turns"), "turns", where)


def _texts(value: object, column: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError(f"{where}: {column} should be a list of texts and is {type(value).__name__}.")
    return tuple(_text(item, column, where) for item in value)


def _text(value: object, column: str, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {column} should be text and is {type(value).__name__}.")
    return value
