"""`harness card` and `harness verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.exchange.verification import Verification
    from tuning.sharing.card import Card
    from tuning.sharing.gathering import Runs


def card(
    of: Annotated[
        str, typer.Argument(metavar="RUN|STUDY|STUDY.toml", help="A run, a study of harness tune, or a whole study.")
    ],
    out: Annotated[Path, typer.Option(help="A folder; it is made where it is missing.")] = Path("card"),
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Write a model card for the Hugging Face hub, with the samples that its numbers are made of."""
    from tuning.sharing import card_files

    made, runs = _gathered(of, db)
    files = card_files.write(made, runs, out)
    digest = card_files.digest(files)
    if json:
        print_json({"card": made.name, "of": made.kind, "files": list(map(str, files)), "sha256": digest})
        return
    for file in files:
        typer.echo(file)
    typer.echo(f"SHA-256 of {card_files.SEAL}, and so of all: {digest}")


def _gathered(word: str, db: str) -> tuple[Card, Runs]:
    from harness.errors import UsageError
    from tuning.sharing import gathering
    from tuning.store import Store

    if word.endswith(".toml"):
        from tuning.pipeline.study_file import read

        path = Path(word)
        return gathering.card_of_whole_study(read(path, {} if db == DEFAULT_DB else {"db": db}))
    store = Store(db)
    try:
        row = store.resolve(word)
    except UsageError as no_run:
        try:
            study = store.resolve_study(word)
        except UsageError:
            raise no_run from None
        return gathering.card_of_study(store, study)
    return gathering.card_of_run(store, row)


def verify(
    path: Annotated[
        Path, typer.Argument(metavar="CARD|EXPORT", help="What harness card, harness export or lm-eval wrote.")
    ],
    db: Annotated[
        str | None,
        typer.Option("--db", help="A store whose samples have to make the same numbers.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Make the numbers again from the samples, and find any altered byte: 0 all holds, 1 something differs."""
    from harness.errors import IncompleteError
    from harness.exchange import verification
    from tuning.sharing import card_files
    from tuning.store import Store

    store = None if db is None else Store(db)
    of_card = card_files.is_card(path)
    found = card_files.verify(path, store) if of_card else verification.verify(path, store)
    if json:
        print_json(
            {
                "files": found.files,
                "numbers": found.numbers,
                "differences": [{"file": one.file, "what": one.what} for one in found.differences],
                "unchecked": found.unchecked,
            }
        )
    else:
        _say(found)
    if found.differences:
        raise typer.Exit(1)
    if found.unchecked:
        raise IncompleteError("What could be checked holds; what stands above could not be checked.")


def _say(found: Verification) -> None:
    for one in found.differences:
        typer.echo(f"{one.file}: {one.what}")
    for text in dict.fromkeys(found.unchecked):
        typer.echo(f"not checked: {text}")
    files = "1 file" if found.files == 1 else f"{found.files:,} files"
    numbers = "1 number" if found.numbers == 1 else f"{found.numbers:,} numbers"
    count = len(found.differences)
    verdict = "all hold" if not count else "1 difference" if count == 1 else f"{count:,} differences"
    typer.echo(f"{files}, {numbers} made again: {verdict}")
