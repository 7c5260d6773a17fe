"""What the words of `harness trace` mean.

RUN TASK, RUN/TASK                      a score
RUN TASK ITEM, RUN/TASK/ITEM            a sample
RUN against RUN                         a comparison, of configurations too; ANSWERS against ANSWERS and [QUESTION]
STUDY TRIAL, STUDY/TRIAL                a trial
RUN, STUDY, ANSWERS, JUDGE, PROMPTS     by id, name or the beginning of an id; a verdict by its id
configuration=NAME, NAME                a configuration
http://…/run?run=…, /run?run=…          a page of the board
REPORT [WORD]…, STUDY.toml              a whole study, or those of its numbers whose names have these words
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.errors import UsageError, suggest
from harness.evaluation.configurations import MEMBER, Configuration, resolve
from harness.results import RunRow
from judges.store.rows import AnswerSetRow
from tuning.store import Store, StudyRow
from tuning.trace import addresses, whole_study
from tuning.trace.comparisons import comparison_link, configuration_link, configurations
from tuning.trace.links import Link
from tuning.trace.preference import answers_link, judge_link, pair_link, ranking_link, verdict_link
from tuning.trace.runs import run_link, sample_link, score_link
from tuning.trace.studies import study_link, trial_link

AGAINST = "against"
_ID = 6  # letters of an id that are taken for its beginning
Row = TypeVar("Row", RunRow, AnswerSetRow, StudyRow)


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: str
    key: str  # that names it and nothing else
    link: Callable[[], Link]


def trace(store: Store, words: Sequence[str]) -> Link:
    """The chain behind what these words name. UsageError where they name nothing, or several things."""
    first, *rest = words
    if (path := whole_study.report_path(first)) is not None:
        return whole_study.report_link(path, store, rest)
    with store.read():
        return _named(store, first, rest)


def _named(store: Store, first: str, rest: Sequence[str]) -> Link:
    if (place := addresses.parse(first)) is not None:
        if rest:
            raise UsageError(f"An address says all: what shall {rest[0]!r} mean behind {first}?")
        return addresses.link_of(store, place)
    if AGAINST in rest:
        return _against(store, [first, *rest[: rest.index(AGAINST)]], rest[rest.index(AGAINST) + 1 :])
    if first.startswith(MEMBER):
        return _configuration(store, first.removeprefix(MEMBER), rest)
    meanings = _meanings(store, first, rest)
    if not meanings:
        return _split(store, first, rest)
    if len(meanings) > 1:
        shown = ", ".join(f"{meaning.kind} {meaning.key}" for meaning in meanings)
        raise UsageError(f"{' '.join((first, *rest))!r} means several things: {shown}. Name one by its id.")
    return meanings[0].link()


def _meanings(store: Store, word: str, rest: Sequence[str]) -> list[_Meaning]:
    """Everything of that name; of what `rest` asks for, where it asks for something. UsageError where a name is right
    and `rest` is not."""
    found: list[_Meaning] = []
    if _is_configuration(store, word):
        found.append(_Meaning("configuration", MEMBER + word, partial(_configuration, store, word, rest)))
    elif (run := _run(store, word)) and (not rest or not rest[0].isdecimal()):
        found.append(_Meaning("run", run.id[:12], partial(_of_run, store, run, rest)))
    study = _study(store, word)
    if study and not rest:
        found.append(_Meaning("study", study.id[:12], partial(study_link, store, study)))
    elif study and len(rest) == 1 and rest[0].isdecimal():
        found.append(_Meaning("study", study.id[:12], partial(trial_link, store, study, int(rest[0]), deep=True)))
    return found if rest else [*found, *_of_preference(store, word)]


def _of_preference(store: Store, word: str) -> list[_Meaning]:
    """Answers, judges, verdicts and prompt sets of that name."""
    found: list[_Meaning] = []
    answers = _known(lambda: store.resolve_answers(word), store.answer_sets(), word)
    if answers:
        found.append(_Meaning("answers", answers.id[:12], partial(answers_link, store, answers)))
    found += [
        _Meaning("judge", judge.id[:12], partial(judge_link, store, judge))
        for judge in store.judges()
        if word == judge.name or _begins(judge.id, word)
    ]
    found += [
        _Meaning("verdict", verdict.id[:16], partial(verdict_link, store, verdict))
        for verdict in (store.comparisons(superseded=True) if _hexadecimal(word) else ())
        if _begins(verdict.id, word)
    ]
    found += [
        _Meaning("prompts", prompts["digest"][:12], partial(ranking_link, store, prompts["digest"]))
        for prompts in store.compared_prompts()
        if word == prompts["name"] or _begins(prompts["digest"], word)
    ]
    return found


def _begins(key: str, word: str) -> bool:
    return len(word) >= _ID and key.startswith(word)


def _hexadecimal(word: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in word)


def _known(resolve: Callable[[], Row], rows: Sequence[Row], word: str) -> Row | None:
    """None where nothing has that name. UsageError, as the store says it, where several do."""
    try:
        return resolve()
    except UsageError:
        if any(word == row.name or row.id.startswith(word) for row in rows):
            raise
        return None


def _run(store: Store, word: str) -> RunRow | None:
    return _known(lambda: store.resolve(word), store.runs(), word)


def _study(store: Store, word: str) -> StudyRow | None:
    return _known(lambda: store.resolve_study(word), store.studies(), word)


def _is_configuration(store: Store, word: str) -> bool:
    """Whether it is named without its tag's first word; a run of that name comes first."""
    return _key(store, word) is not None and not any(word in (run.name, run.id) for run in store.runs())


def _key(store: Store, word: str) -> str | None:
    """Of a configuration, by its whole name or as tables show it; None where none is called so."""
    return next((key for key, one in configurations(store).items() if word in (key, one.name)), None)


def _configuration(store: Store, name: str, rest: Sequence[str]) -> Link:
    known = configurations(store)
    key = _key(store, name)
    if key is None:
        raise UsageError(f"There is no configuration {name!r} in {store.path}.{suggest(name, known)}")
    runs = known[key].runs[::-1]
    if rest:
        _check_task(store, runs[0], rest[0])
    return configuration_link(store, key, runs, rest[0] if rest else None)


def _of_run(store: Store, run: RunRow, rest: Sequence[str]) -> Link:
    if not rest:
        return run_link(store, run, scores=True)
    _check_task(store, run, rest[0])
    if len(rest) > 2:
        raise UsageError(f"What shall {rest[2]!r} mean? A run, a task and an item name a sample.")
    return score_link(store, run, rest[0]) if len(rest) == 1 else sample_link(store, run, rest[0], rest[1])


def _check_task(store: Store, run: RunRow, task: str) -> None:
    known = [row.task for row in store.tasks(run.id)]
    if task not in known:
        raise UsageError(f"The run {run.name} has no task {task!r}.{suggest(task, known)} It has {', '.join(known)}.")


def _split(store: Store, word: str, rest: Sequence[str]) -> Link:
    """RUN/TASK, RUN/TASK/ITEM and STUDY/TRIAL in one word. Names may hold a slash: the longest first part that is known
    counts."""
    for at in range(len(word) - 1, 0, -1):
        if word[at] != "/":
            continue
        left, right = word[:at], word[at + 1 :]
        run = _run(store, left)
        if run is not None:
            tasks = sorted((row.task for row in store.tasks(run.id)), key=len, reverse=True)
            task = next((name for name in tasks if right == name or right.startswith(f"{name}/")), None)
            item = [] if task is None or right == task else [right.removeprefix(f"{task}/")]
            return _of_run(store, run, [task or right, *item, *rest])
        is_study = right.isdecimal() and _study(store, left) is not None
        if is_study or _key(store, left.removeprefix(MEMBER)) is not None:
            return _named(store, left, [right, *rest])
    known = [run.name for run in store.runs()] + [study.name for study in store.studies()]
    known += [answers.name for answers in store.answer_sets()]
    raise UsageError(
        f"There is nothing called {word!r} in {store.path}.{suggest(word, known)} `harness show`, `harness tune list` "
        "and `harness ranking` list what there is."
    )


def _against(store: Store, left: Sequence[str], right: Sequence[str]) -> Link:
    """A against B: B is the baseline, as in a comparison's own words."""
    if len(left) != 1 or not right or len(right) > 2:
        raise UsageError(
            "A comparison is named so: RUN against RUN, or ANSWERS against ANSWERS and perhaps a question."
        )
    candidate, baseline = (_side(store, words[0]) for words in (left, right))
    if candidate and baseline and len(right) == 1:
        return comparison_link(store, baseline, [candidate])
    return pair_link(store, store.resolve_answers(left[0]), store.resolve_answers(right[0]), *right[1:])


def _side(store: Store, word: str) -> Configuration | None:
    """A run, or a configuration; None where no such thing has that name."""
    if not word.startswith(MEMBER) and not _is_configuration(store, word) and _run(store, word) is None:
        return None
    return resolve(store, word)
