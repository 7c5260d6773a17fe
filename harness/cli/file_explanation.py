"""What `harness data show` prints of a file: as a test, and as rows to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli import data_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.console import Console
    from rich.table import Table

    from data.instruction_rows.explanation import Explanation as RowsExplanation
    from harness.prompting.row_lengths import RowLengths
    from harness.tasks.file_tasks.explanation import Explanation

SHARE_SHOWN = 0.001  # of all letters


def print_rows(rows: RowsExplanation, tokens: RowLengths | None) -> None:
    """With three examples, as `tokens` has them where a model was named."""
    from rich.console import Console
    from rich.rule import Rule

    from data.counts import counted
    from harness.cli.tables import plain

    console = Console()
    console.print(plain("instruction rows (harness tune --data)"))
    for sentence in (*rows.notes, *rows.left_out):
        console.print(plain(sentence))
    if len(rows.by_source) > 1:
        console.print(_by_source(rows))
    kinds = [
        (
            rows.conversations,
            "conversation",
            f" ({rows.several_turns:,} of several turns, {rows.with_system:,} with a system text)",
        ),
        (rows.plain_texts, "plain text", ""),
        (
            len(rows.kept) - rows.conversations - rows.plain_texts,
            "instruction",
            f" ({rows.with_input:,} with an input)",
        ),
    ]
    kept = ", ".join(f"{counted(number, noun)}{more}" for number, noun, more in kinds if number)
    console.print(plain(f"left to train on: {kept or 'nothing'}"))
    console.print(
        plain(
            f"{counted(rows.one_word, 'response')} of one word; a row has {rows.median_length:,} characters in the "
            f"median, {rows.longest:,} at most"
        )
    )
    if rows.scripts:
        console.print(plain(f"letters: {_shares(rows.scripts)}"))
    if tokens is not None:
        data_tokens.print_tokens(tokens)
        return
    for number, row in enumerate(rows.document["examples"], 1):
        console.print(Rule(plain(f"training example {number}"), align="left"))
        for turn in row.get("messages", ()):
            is_learnt = turn["role"] == "assistant"
            console.print(plain(f"{turn['role']}: "), end="", style="cyan")
            console.print(plain(turn["content"]), style="bold" if is_learnt else None)
        if "prompt" in row:
            console.print(plain(row["prompt"]), end="")
        if learnt := row.get("response", row.get("text")):
            console.print(plain(learnt), style="bold")


def _by_source(rows: RowsExplanation) -> Table:
    from harness.cli.tables import plain, table

    shown = table("", ("source", "rows", "left"), right=("rows", "left"))
    for name, (count, kept) in rows.by_source.items():
        shown.add_row(plain(name), f"{count:,}", f"{kept:,}")
    return shown


def _shares(scripts: dict[str, float]) -> str:
    shown = [f"{script} {share:.1%}" for script, share in scripts.items() if share >= SHARE_SHOWN]
    rest = len(scripts) - len(shown)
    return ", ".join([*shown, *([f"{rest} more under {SHARE_SHOWN:.1%} each"] if rest else [])])


def print_test(explanation: Explanation) -> None:
    from rich.console import Console
    from rich.rule import Rule

    from harness.cli.tables import plain

    console = Console()
    task = explanation.task
    for note in task.warnings:
        console.print(plain(note))
    console.print(plain(f"{task.name}, {task.shots} shots, shown first: {task.metric}, sha256 {task.data_digest[:12]}"))
    if len(explanation.groups) > 1:
        console.print(plain(f"groups: {', '.join(f'{group} {n:,}' for group, n in explanation.groups.items())}"))
    if explanation.answers:
        counts = ", ".join(f"{answer} {count:,}" for answer, count in explanation.answers.items())
        most = max(explanation.answers.values()) / explanation.items
        console.print(plain(f"answers: {counts}; one that is always given is right in {most:.1%}"))
    if explanation.grading:
        _print_grading(console, explanation.grading)
    if explanation.repeated_prompts:
        console.print(plain(f"{explanation.repeated_prompts:,} items ask what an earlier one asks"))
    longest = ", ".join(f"{item} {length:,}" for item, length in explanation.longest)
    console.print(plain(f"longest prompts, in characters: {longest}"))
    for asked in explanation.asked:
        console.print(Rule(plain(f"item {asked['item']}"), align="left"))
        for request in asked["requests"]:
            for turn in request.get("messages", ()):
                console.print(plain(f"{turn['role']}: {turn['content']}"))
            if "prompt" in request:
                console.print(plain(request["prompt"]))
            for option in request.get("options", ()):
                console.print(plain(f"  {option!r}"), style="cyan")
            if "stop" in request:
                stops = " or ".join(map(repr, request["stop"])) or "the end token"
                console.print(plain(f"  up to {request['max_tokens']} tokens, until {stops}"), style="cyan")
        if "rubric" in asked:
            console.print(plain(f"rubric: {asked['rubric']}"), style="cyan")
        console.print(plain(f"expected: {asked['expected'] or 'nothing is given'}"), style="bold")


def _print_grading(console: Console, grading: Mapping[str, Any]) -> None:
    """Who grades, and how people have graded."""
    from harness.cli.tables import plain

    judge = grading["judge"]
    by = (
        f"by {judge.get('model') or judge.get('grader')}"
        if judge
        else "by nobody yet: the declaration names no [judge]"
    )
    rubrics = "one rubric" if grading["rubrics"] == 1 else f"{grading['rubrics']:,} rubrics"
    console.print(plain(f"graded {by}, by {rubrics}, from the worst to the best: {', '.join(grading['scale'])}"))
    if grading["answers_by_people"]:
        given = ", ".join(f"{count:,} × {grade}" for grade, count in grading["grades_of_people"].items() if count)
        console.print(plain(f"people graded {grading['answers_by_people']:,} answers: {given}"))
    else:
        console.print(plain("people graded no answers: how far a judge agrees with them will not be known"))
