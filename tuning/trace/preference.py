"""Answers, verdicts of judges and people, and rankings made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evaluation.identity import digest
from tuning.store import Store
from tuning.trace.checkpoints import checkpoint_link
from tuning.trace.links import Figure, Link, address, command, of_number
from tuning.trace.studies import begun, program_link

if TYPE_CHECKING:
    from judges.ranking.evidence import Source
    from judges.store.rows import AnswerSetRow, ComparisonRow, JudgeRow

_LOG_ODDS = "{:+.2f}"
_RATES = ("flip_rate", "first_rate", "tie_rate", "error_rate", "longer_rate", "self_agreement")


def answers_link(store: Store, row: AnswerSetRow, deep: bool = True) -> Link:
    """`deep`: with the checkpoint that gave them."""
    answers = store.answers_of(row.id)
    texts = [[answer.question, answer.turn, answer.text] for answer in answers]
    missing = [] if row.status != "running" else ["Not every prompt is answered yet: the same command goes on."]
    return Link(
        "answers",
        row.name,
        {
            "id": row.id,
            "identity": row.identity,
            "model": row.model,
            "seed": row.seed,
            "template": row.template,
            "count": len(answers),
            "digest": digest({"answers": texts}),
            **begun(row),
        },
        missing=missing,
        command=command(store, "trace", row.id[:12])
        if not deep
        else command(store, "ranking", "--models", row.id[:12]),
        page=address("preference", prompts=row.prompt_set, view="pair", a=row.id),
        sources=(
            prompts_link(store, row.prompt_set),
            *((checkpoint_link(store, row), program_link(row.provenance)) if deep else ()),
        ),
    )


def prompts_link(store: Store, prompt_set: str) -> Link:
    known = next((row for row in store.prompt_sets() if row.digest == prompt_set), None)
    if known is None:
        return Link("prompts", prompt_set[:12], {"digest": prompt_set}, missing=["These prompts are not in the store."])
    count = len(store.questions(prompt_set))
    return Link(
        "prompts",
        known.name,
        {"digest": known.digest, "source": known.source, "count": count, "notes": list(known.notes)},
    )


def judge_link(store: Store, judge: JudgeRow) -> Link:
    """A judge, or a person who rates."""
    verdicts = store.comparisons([judge.id])
    counts = Counter(verdict.verdict for verdict in verdicts)
    kind = "person" if judge.kind == "person" else "judge"
    return Link(
        "judge",
        judge.name,
        {
            "id": judge.id,
            "kind": judge.kind,
            **({"model": judge.model} if judge.model else {}),
            "settings": dict(judge.config),
            "verdicts": dict(sorted(counts.items())),
        },
        command=command(store, "ranking", "--by", "people" if kind == "person" else "judges"),
        page=address("preference", view="judges"),
        sources=(verdicts_link(store, verdicts),) if verdicts else (),
    )


def verdicts_link(store: Store, verdicts: Sequence[ComparisonRow]) -> Link:
    """Several verdicts together."""
    values = [[v.id, v.judge, v.question, v.turn, v.first, v.second, v.verdict, v.repeat] for v in verdicts]
    counts = Counter(verdict.verdict for verdict in verdicts)
    return Link(
        "verdicts",
        f"{len(verdicts):,}",
        {
            "count": len(verdicts),
            "by verdict": dict(sorted(counts.items())),
            "digest": digest({"verdicts": values}),
            "for example": verdicts[0].id,
        },
        command=command(store, "trace", verdicts[0].id[:12]),
    )


def verdict_link(store: Store, verdict: ComparisonRow) -> Link:
    """One verdict on two answers."""
    sets = {row.id: row for row in store.answer_sets()}
    judge = next(judge for judge in store.judges() if judge.id == verdict.judge)
    sides = [sets[side] for side in (verdict.first, verdict.second) if side in sets]
    named = {"first": sets[verdict.first].name, "second": sets[verdict.second].name} if len(sides) == 2 else {}
    texts = {
        row.name: [
            a.text for a in store.answers_of(row.id) if a.question == verdict.question and verdict.turn in (0, a.turn)
        ]
        for row in sides
    }
    facts = {
        "id": verdict.id,
        "question": verdict.question,
        "turn": verdict.turn or "whole",
        "shown first": named.get("first", verdict.first),
        "shown second": named.get("second", verdict.second),
        "asked": verdict.repeat + 1,
        "text": verdict.text,
        "note": verdict.note or verdict.error,
        "given": verdict.created.isoformat(timespec="seconds"),
        "answers": texts,
    }
    gone = [
        f"The answers {side[:12]} are not in the store." for side in (verdict.first, verdict.second) if side not in sets
    ]
    undone = (
        [f"It was undone ({verdict.superseded:%Y-%m-%d %H:%M} UTC) and counts no more."] if verdict.superseded else []
    )
    prompts = sides[0].prompt_set if sides else ""
    return Link(
        "verdict",
        f"{judge.name}: {named.get(verdict.verdict, verdict.verdict)}",
        facts,
        missing=(*undone, *gone),
        command=command(store, "trace", verdict.id[:12]),
        page=address(
            "preference",
            prompts=prompts,
            view="pair",
            a=verdict.first,
            b=verdict.second,
            question=_number(store, prompts, verdict),
        ),
        sources=(
            *(answers_link(store, row) for row in sides),
            Link("judge", judge.name, {"id": judge.id, "kind": judge.kind, "settings": dict(judge.config)}),
        ),
    )


def _number(store: Store, prompts: str, verdict: ComparisonRow) -> str:
    """The question's place in its prompt set, from 1, as the page's address has it."""
    found = (row.place + 1 for row in store.questions(prompts) if row.question == verdict.question)
    return str(next(found, ""))


def ranking_link(
    store: Store,
    prompts: str | None,
    source: Source | None = None,
    style: bool = False,
    models: Sequence[str] = (),
) -> Link:
    """What `harness ranking` prints, and how good the judges are. Without `source` people count where there are any, as
    there; `prompts` None is the only prompt set. UsageError where nobody has compared these answers."""
    from judges.ranking.evidence import gather
    from judges.ranking.report import ranking_report

    evidence = gather(store, prompts, models)
    report = ranking_report(evidence, source, style)
    used = {
        judge.id for judge in evidence.judges.values() if report["source"] in ("both", "people+judges", _whose(judge))
    }
    counted = [verdict for verdict in evidence.comparisons if verdict.judge in used]
    sets = [row for row in store.answer_sets() if row.id in evidence.sets]
    prompt_set = sets[0].prompt_set
    words = ["--style-control"] * style + ["--models", *(row.id[:12] for row in sets)] * bool(models)
    return Link(
        "ranking",
        f"{evidence.prompts} by {report['source']}",
        {"prompts": prompt_set, "games": report["games"], "method": report["method"], "notes": list(report["notes"])},
        [*_of_models(report), *_of_quality(report["quality"])],
        command=command(store, "ranking", "--prompts", prompt_set[:12], "--by", report["source"], *words),
        page=address("preference", prompts=prompt_set, source=report["source"], style="1" if style else ""),
        sources=(
            verdicts_link(store, counted),
            *(judge_link(store, judge) for judge in evidence.judges.values() if judge.id in used),
            *(answers_link(store, row) for row in sets),
        ),
    )


def _whose(judge: JudgeRow) -> str:
    return "people" if judge.kind == "person" else "judges"


def _of_models(report: Mapping[str, Any]) -> list[Figure]:
    figures = []
    for model in report["models"]:
        made_from = f"{model['games']:,} games"
        strength = (model["strength"], model["low"], model["high"])
        won = (model["win_rate"], model["win_low"], model["win_high"])
        figures.append(of_number(f"strength of {model['name']}", _LOG_ODDS, strength, made_from))
        figures.append(of_number(f"win rate of {model['name']}", "{:.1f}", won, made_from, scale=100))
    for pair in report["pairs"]:
        made_from = f"{pair['games']:,} games"
        for name, won in (
            (f"{pair['a']} against {pair['b']}", (pair["win_rate"], pair["win_low"], pair["win_high"])),
            (f"{pair['b']} against {pair['a']}", (1 - pair["win_rate"], 1 - pair["win_high"], 1 - pair["win_low"])),
        ):
            figures.append(of_number(f"win rate of {name}", "{:.1f}", won, made_from, scale=100))
    for weight in report["style"]:
        ends = (weight["weight"], weight["low"], weight["high"])
        figures.append(of_number(f"style: {weight['name']}", _LOG_ODDS, ends, f"{report['games']:,} games"))
    return figures


def _of_quality(quality: Mapping[str, Any]) -> list[Figure]:
    figures = []
    rows = [*quality["judges"], *([{**quality["people"], "judge": "people"}] if quality["people"] else [])]
    for row in rows:
        named = {name: f"{name.replace('_', ' ')} of {row['judge']}" for name in _RATES}
        figures += [_estimate(named[name], row[name], "{:.0f}", 100) for name in _RATES]
    agreed = [(f"{row['judge']} with people", row) for row in quality["judges_with_people"]]
    agreed += [(f"{row['a']} with {row['b']}", row) for row in quality["between_judges"]]
    for who, row in agreed:
        figures.append(_estimate(f"equal choices of {who}", row["agreement"], "{:.0f}", 100))
        figures.append(_estimate(f"Cohen's kappa of {who}", row["kappa"], "{:.2f}"))
    for whose, alpha in quality["alpha"].items():
        figures.append(_estimate(f"Krippendorff's alpha of {whose}", alpha, "{:.2f}"))
    return [figure for figure in figures if figure is not None]


def _estimate(name: str, estimate: Mapping[str, Any], form: str, scale: float = 1) -> Figure | None:
    """None where nothing was seen."""
    if not estimate["n"]:
        return None
    numbers = (estimate["value"], estimate["low"], estimate["high"])
    return of_number(name, form, numbers, f"{estimate['n']:,} verdicts or pairs", scale=scale)


def pair_link(store: Store, a: AnswerSetRow, b: AnswerSetRow, question: str = "") -> Link:
    """Two models: every verdict on them, or those on one question. UsageError where there is none."""
    verdicts = [
        verdict
        for verdict in store.comparisons(answer_sets=[a.id, b.id])
        if not question or verdict.question == question
    ]
    if not verdicts:
        on = f" on the question {question}" if question else ""
        raise UsageError(f"Nobody has compared {a.name} with {b.name}{on}.")
    return Link(
        "verdicts",
        f"{a.name} against {b.name}" + (f" on {question}" if question else ""),
        {"count": len(verdicts), "by verdict": dict(sorted(Counter(v.verdict for v in verdicts).items()))},
        page=address("preference", prompts=a.prompt_set, view="pair", a=a.id, b=b.id),
        command=command(store, "ranking", "--models", a.id[:12], b.id[:12]),
        sources=(
            *(verdict_facts(store, verdict) for verdict in (verdicts if question else ())),
            *(answers_link(store, row) for row in (a, b)),
        ),
    )


def verdict_facts(store: Store, verdict: ComparisonRow) -> Link:
    """A verdict without what it is on, which stands beside it."""
    own = verdict_link(store, verdict)
    return Link(own.kind, own.name, own.facts, (), own.missing, own.command, own.page)
