"""The tables of preference: how they are made, merged and tidied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.store.schema import Counts, Schema, execute
from judges.store.fields import FIELDS

if TYPE_CHECKING:
    import duckdb

# What belongs to nothing any more. The order matters. Judges stay: a person's token must open the page again. Grades
# stay: they were paid for, and the same answer may come again.
_ORPHANS = {
    "answers": "DELETE FROM answers WHERE answer_set NOT IN (SELECT id FROM answer_sets)",
    "comparisons": """DELETE FROM comparisons WHERE "first" NOT IN (SELECT id FROM answer_sets)
                      OR "second" NOT IN (SELECT id FROM answer_sets)""",
    "rating_plans": """DELETE FROM rating_plans WHERE id IN
                       (SELECT id FROM (SELECT id, unnest(answer_sets) AS one FROM rating_plans)
                        WHERE one NOT IN (SELECT id FROM answer_sets))""",
    "rating_assignments": "DELETE FROM rating_assignments WHERE plan NOT IN (SELECT id FROM rating_plans)",
    "chosen_pairs": """DELETE FROM chosen_pairs WHERE "first" NOT IN (SELECT id FROM answer_sets)
                       OR "second" NOT IN (SELECT id FROM answer_sets)""",
    "prompt_sets": "DELETE FROM prompt_sets WHERE digest NOT IN (SELECT prompt_set FROM answer_sets)",
    "questions": "DELETE FROM questions WHERE prompt_set NOT IN (SELECT digest FROM prompt_sets)",
}

# An answer set that went on or was finished there, and of which we have only the beginning.
_BEHIND = """
SELECT o.id FROM other_answer_sets o JOIN answer_sets a ON a.id = o.id
WHERE a.status = 'running' AND o.status <> 'running'"""
# An error of a judge that was asked again there, and gave a verdict.
_ASKED_AGAIN = (
    "DELETE FROM comparisons WHERE verdict = 'error' "
    "AND id IN (SELECT id FROM other_comparisons WHERE verdict <> 'error')"
)
_GRADED_AGAIN = (
    "DELETE FROM grades WHERE grade = '' "
    "AND (judge, request) IN (SELECT (judge, request) FROM other_grades WHERE grade <> '')"
)
_COPY = {
    "prompt_sets": "INSERT INTO prompt_sets BY NAME SELECT o.* FROM other_prompt_sets o ANTI JOIN prompt_sets u "
    "ON u.digest = o.digest",
    "questions": "INSERT INTO questions BY NAME SELECT o.* FROM other_questions o ANTI JOIN questions u "
    "ON u.prompt_set = o.prompt_set AND u.question = o.question",
    "answers": "INSERT INTO answers BY NAME SELECT o.* FROM other_answers o ANTI JOIN answer_sets u "
    "ON u.id = o.answer_set",
    "answer_sets": "INSERT INTO answer_sets BY NAME SELECT o.* FROM other_answer_sets o ANTI JOIN answer_sets u "
    "ON u.id = o.id",
    "judges": "INSERT INTO judges BY NAME SELECT o.* FROM other_judges o ANTI JOIN judges u ON u.id = o.id",
    "comparisons": "INSERT INTO comparisons BY NAME SELECT o.* FROM other_comparisons o ANTI JOIN comparisons u "
    "ON u.id = o.id",
    "chosen_pairs": "INSERT INTO chosen_pairs BY NAME SELECT o.* FROM other_chosen_pairs o ANTI JOIN chosen_pairs u "
    "ON u.choice = o.choice AND u.round = o.round",
    "grades": "INSERT INTO grades BY NAME SELECT o.* FROM other_grades o ANTI JOIN grades u "
    "ON u.judge = o.judge AND u.request = o.request",
    "judge_sessions": "INSERT INTO judge_sessions BY NAME SELECT o.* FROM other_judge_sessions o "
    "ANTI JOIN judge_sessions u ON u.id = o.id",
    "rating_plans": "INSERT INTO rating_plans BY NAME SELECT o.* FROM other_rating_plans o ANTI JOIN rating_plans u "
    "ON u.id = o.id",
    "rating_assignments": "INSERT INTO rating_assignments BY NAME SELECT o.* FROM other_rating_assignments o "
    "ANTI JOIN rating_assignments u ON u.id = o.id",
}
# What was taken back there is taken back here: an undone vote, a revoked token, a closed plan.
_TAKE_BACK = (
    "UPDATE comparisons SET superseded = o.superseded FROM other_comparisons o "
    "WHERE o.id = comparisons.id AND comparisons.superseded IS NULL AND o.superseded IS NOT NULL",
    "UPDATE judges SET revoked = o.revoked FROM other_judges o "
    "WHERE o.id = judges.id AND judges.revoked IS NULL AND o.revoked IS NOT NULL",
    "UPDATE rating_plans SET closed = o.closed FROM other_rating_plans o "
    "WHERE o.id = rating_plans.id AND rating_plans.closed IS NULL AND o.closed IS NOT NULL",
)


def remove_answers(connection: duckdb.DuckDBPyConnection, answer_sets: Sequence[str]) -> Counts:
    """Delete answer sets with their answers, every comparison and vote on them, and rating plans that have them."""
    for answer_set in answer_sets:
        if not connection.execute("DELETE FROM answer_sets WHERE id = ? RETURNING id", [answer_set]).fetchall():
            raise StoreError(f"The store has no answers {answer_set}.")
    return TABLES.delete_orphans(connection)


def _take(connection: duckdb.DuckDBPyConnection, behind: list[str]) -> Counts:
    """An answer set that stands here unfinished and is finished there comes anew, and a verdict or grade there takes
    the place of an error here."""
    for (answer_set,) in connection.execute(_BEHIND).fetchall():
        connection.execute("DELETE FROM answers WHERE answer_set = ?", [answer_set])
        connection.execute("DELETE FROM answer_sets WHERE id = ?", [answer_set])
    connection.execute(_ASKED_AGAIN)
    connection.execute(_GRADED_AGAIN)
    counts = execute(connection, _COPY)
    for query in _TAKE_BACK:
        connection.execute(query)
    return counts


TABLES = Schema(
    steps={
        3: Path(__file__).with_name("schema.sql"),
        5: Path(__file__).with_name("grades.sql"),
        9: Path(__file__).with_name("chosen_pairs.sql"),
    },
    fields=FIELDS,
    take=_take,
    orphans=_ORPHANS,
    counted=("answer_sets", "answers", "judges", "comparisons", "grades"),
)
