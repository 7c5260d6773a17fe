"""Answers that a grader reads: graded when all of a task's are there, answers that people graded among them, so that
the grader's agreement with people stands beside the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UnreliableError
from harness.evaluation.answering import sample_row
from harness.prompting import thinking
from harness.stats.grade_agreement import LOW_KAPPA, GradeAgreement, GradedTwice, agreement, length_bias
from harness.types import Grade, GradeRequest, Grading, HumanGraded, Item, Score, Task

if TYPE_CHECKING:
    from harness.evaluation.answering import Clock
    from harness.evaluation.planning import TaskPlan
    from harness.models.checkpoint import Checkpoint
    from harness.progress import Progress
    from harness.results import Store

TOO_MANY_UNGRADED = 0.2  # of all that was asked: then no figure is made
EXACT, KAPPA = "judge_exact", "judge_kappa"  # figures of the grader, beside those of the model


@dataclass(slots=True)
class Graded:
    """What a grader adds to a task: its agreement with people as figures, and sentences."""

    scores: list[Score] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Open:
    """An answer without a grade."""

    item: Item
    repeat: int
    request: GradeRequest


def grading_of(task: Task) -> Grading | None:
    """Of a task whose answers are graded; None where it scores them itself."""
    grading: Grading | None = getattr(task, "grading", None)
    return grading


def grade_task(
    plan: TaskPlan,
    grading: Grading,
    checkpoint: Checkpoint,
    store: Store,
    run_id: str,
    strip_thinking: bool,
    clock: Clock,
    progress: Progress,
) -> Graded:
    """Grade all answers that have no sample yet, and store their samples.

    UnreliableError where too many get no grade; IncompleteError where the grader cannot go on now."""
    grader, task = grading.grader, plan.task.name
    with clock("store"):
        open_answers = _open_answers(plan, grading, store, run_id, strip_thinking)
    before = plan.samples - len(open_answers)
    requests = [*(answer.request for answer in grading.by_people), *(answer.request for answer in open_answers)]
    of_people = len(grading.by_people)
    grades: dict[int, Grade] = {}
    batches = grader.grade(requests, str(store.path))
    try:
        while True:
            with clock("scoring"):
                batch = next(batches, None)
            if batch is None:
                break
            grades.update(batch)
            named = [(open_answers[n - of_people], grade) for n, grade in batch if n >= of_people and grade.grade]
            with clock("store"):
                rows = [sample_row(run_id, task, a.repeat, grading.sample(a.item, grade)) for a, grade in named]
                store.record(run_id, samples=rows)
            done = before + sum(n >= of_people for n in grades)
            progress.update(task, done, plan.samples, phase=f"graded by {grader.name}", unit="samples")
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()
    errors = {n: grade.error for n, grade in grades.items() if not grade.grade}
    _check_reliable(task, grader.name, errors, len(requests))
    ungraded = [(answer, grades[n]) for n, answer in enumerate(open_answers, of_people) if n in errors]
    with clock("store"):
        store.record(
            run_id, samples=[sample_row(run_id, task, a.repeat, grading.sample(a.item, grade)) for a, grade in ungraded]
        )
    judged = [(answer, grades[n].grade) for n, answer in enumerate(grading.by_people) if grades[n].grade]
    graded = _agreement(grading, judged)
    if ungraded:
        reasons = _counted(grade.error for _, grade in ungraded)
        graded.warnings.append(
            f"{len(ungraded)} of {plan.samples} answers have no grade and are in no figure: {reasons}"
        )
    graded.warnings += [*_own_answers(grading, checkpoint), *grader.notes]
    return graded


def _open_answers(plan: TaskPlan, grading: Grading, store: Store, run_id: str, strip_thinking: bool) -> list[_Open]:
    """What a grader has to read. A thought that never ends is no answer, and gets the worst grade unread."""
    task = plan.task.name
    scored = store.scored(run_id, task)
    items = {item.id: item for item in plan.items}
    open_answers, unfinished = [], []
    for row in store.responses(run_id, task):
        if (row.item, row.repeat) in scored:
            continue
        item = items[row.item]
        if strip_thinking and thinking.is_unfinished(row.text):
            sample = grading.no_answer(item, f"no answer: {thinking.UNFINISHED}")
            unfinished.append(sample_row(run_id, task, row.repeat, sample))
            continue
        text = thinking.answer_of(row.text) if strip_thinking else row.text
        open_answers.append(_Open(item, row.repeat, grading.request(item, text.strip())))
    store.record(run_id, samples=unfinished)
    return open_answers


def _check_reliable(task: str, grader: str, errors: dict[int, str], asked: int) -> None:
    if len(errors) > TOO_MANY_UNGRADED * asked:
        raise UnreliableError(
            f"{task}: {grader} gave no grade on {len(errors) / asked:.0%} of {asked} answers "
            f"({_counted(errors.values())}), so no figure is made. Its other grades are stored. The same command asks "
            "again where that can help; another judge or a simpler scale may do better (the declaration's [judge] and "
            "scale)."
        )


def _counted(reasons: object) -> str:
    counts = Counter(reasons)  # type: ignore[call-overload]
    return "; ".join(f"{count} times {reason}" for reason, count in counts.most_common(3))


def _agreement(grading: Grading, judged: Sequence[tuple[HumanGraded, str]]) -> Graded:
    """Figures and sentences of the answers that both have graded."""
    name = grading.grader.name
    if not judged:
        why = (
            f"{name} gave no grade to any answer that people graded"
            if grading.by_people
            else "no answers that people graded (columns response and human)"
        )
        return Graded(warnings=[f"{why}: how far {name} agrees with people is not known"])
    twice = [
        GradedTwice(
            answer.request.scale.index(grade),
            tuple(map(answer.request.scale.index, answer.grades)),
            answer.cluster,
        )
        for answer, grade in judged
    ]
    both = agreement(twice, grading.values)
    scores = [Score("all", EXACT, both.exact.value, both.exact.low, both.exact.high, both.exact.n, "clustered")]
    if both.kappa.value == both.kappa.value:  # not NaN
        kappa = both.kappa
        scores.append(Score("all", KAPPA, kappa.value, kappa.low, kappa.high, kappa.n, "jackknife"))
    bias = length_bias(twice, grading.values, [len(answer.request.answer) for answer, _ in judged])
    return Graded(scores, [_sentence(name, both), *([f"{name} {bias}"] if bias else [])])


def _sentence(name: str, both: GradeAgreement) -> str:
    exact, kappa, difference = both.exact, both.kappa, both.difference
    answers = "1 answer" if exact.n == 1 else f"{exact.n} answers"
    shown = f"kappa {kappa.value:.2f} [{kappa.low:.2f}, {kappa.high:.2f}]" if kappa.value == kappa.value else ""
    sentence = (
        f"{name} and people on {answers} that both graded: the same grade on {100 * exact.value:.0f}% "
        f"[{100 * exact.low:.0f}, {100 * exact.high:.0f}], {shown or 'no kappa, since all grades are alike'}, the "
        f"judge's grades {difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}] from people's"
    )
    if not shown:
        return f"{sentence}: how far they agree is not known"
    if kappa.value < LOW_KAPPA:
        return f"{sentence}: low agreement (kappa below {LOW_KAPPA}), do not rely on its grades alone"
    if kappa.low < LOW_KAPPA:
        return f"{sentence}: more answers that people graded would tell whether kappa is above {LOW_KAPPA}"
    return sentence


def _own_answers(grading: Grading, checkpoint: Checkpoint) -> list[str]:
    own = {checkpoint.digest, checkpoint.given} | ({checkpoint.base.digest} if checkpoint.base else set())
    if own.isdisjoint(grading.grader.digests):
        return []
    return [f"{grading.grader.name} grades answers of its own model or its base: judges prefer their own answers"]
