"""`harness db`, `rm`, `gc`, `tag`: keeping the store in order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.store.schema import Removal

db = typer.Typer(help="What the store holds, and another machine's runs.", no_args_is_help=True)

Database = Annotated[Path, typer.Option("--db", envvar="HARNESS_DB", help="The store's file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DEFAULT = Path("harness.duckdb")


@db.command("merge")
def merge(
    other: Annotated[Path, typer.Argument(help="Another store's file; it stays as it is.")],
    db: Database = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Bring another store's runs in. Runs that are here already are skipped."""
    from harness.results import Store

    counts = Store(db).merge(other)
    added = (
        f"{counts['runs']} runs, {counts['samples']} samples, {counts['responses']} responses, "
        f"{counts['studies']} studies and {counts['answer_sets']} answer sets came in"
    )
    message = (
        f"{added}; {counts['skipped']} runs were here already, {counts['renewed']} of those that came are finished now."
    )
    _tell(counts, message, as_json)


@db.command("info")
def info(db: Database = DEFAULT, as_json: AsJson = False) -> None:
    """Where the store is, its size and what it holds."""
    from harness.results import Store

    figures = Store(db).info()
    _tell(figures, "\n".join(f"{name:<10} {value}" for name, value in figures.items()), as_json)


def rm(
    names: Annotated[list[str], typer.Argument(help="Runs or studies by id, tag, name or the beginning of an id.")],
    answers: Annotated[bool, typer.Option("--answers", help="The names are of answer sets, not of runs.")] = False,
    db: Database = DEFAULT,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask (nor where there is no terminal, or with --json).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove runs or studies and all that is theirs. `harness gc` gives the space back to the disk."""
    from harness.store.schema import schemas

    option = "answers" if answers else ""
    removals = [schema.removal for schema in schemas() if schema.removal and schema.removal.option == option]
    chosen = {row.id: (row, removal) for row, removal in (_find(removals, db, name) for name in names)}
    listed = ", ".join(f"{row.id[:12]} ({row.name})" for row, _ in chosen.values())
    if not (yes or as_json) and sys.stdin.isatty():
        typer.confirm(f"Remove {listed} and all that is theirs?", abort=True)
    counts: dict[str, int] = {}
    for removal in removals:
        counts |= removal.remove(db, [id_ for id_, (_, its) in chosen.items() if its is removal])
    message = f"Removed {listed}: {', '.join(removal.summary(counts) for removal in removals)}."
    _tell({"removed": list(chosen), **counts}, message, as_json)


def _find(removals: Sequence[Removal], db: Path, word: str) -> tuple[Any, Removal]:
    """What a word means among what the removals are of, the first of them before the others."""
    first, *others = removals
    try:
        return first.find(db, word), first
    except UsageError:
        for removal in others:
            if removal.knows(db, word):
                return removal.find(db, word), removal
        raise


def gc(db: Database = DEFAULT, as_json: AsJson = False) -> None:
    """Remove what belongs to no run, and give free space back to the disk."""
    from harness.results import Store

    done = Store(db).gc()
    before, after = done["bytes_before"] / 1e6, done["bytes_after"] / 1e6
    message = f"{before:.1f} MB before, {after:.1f} MB now; {done['prompts']} prompts of no run removed."
    _tell(done, message, as_json)


def tag(
    run: Annotated[str, typer.Argument(help="A run by id, tag, name or the beginning of an id.")],
    name: Annotated[str, typer.Argument(help="The tag.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away.")] = False,
    db: Database = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Name a run, so that other commands find it by that word."""
    from harness.results import Store

    store = Store(db)
    run_row = store.resolve(run)
    if remove:
        store.untag(run_row.id, name)
    else:
        store.tag(run_row.id, name)
    tags = store.tags().get(run_row.id, [])
    _tell({"run": run_row.id, "tags": tags}, f"{run_row.id[:12]} has the tags: {', '.join(tags) or 'none'}.", as_json)


def _tell(document: dict[str, Any], sentence: str, as_json: bool) -> None:
    typer.echo(json.dumps(document) if as_json else sentence)
