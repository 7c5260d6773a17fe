"""`harness tune list`, `show`, `stop` and `enqueue`: studies that are there."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from harness.errors import UsageError

StudyWord = Annotated[str, typer.Argument(help="A study by id, name or the beginning of an id.")]


def list_(db: Db = DEFAULT_DB, json: Json = False) -> None:
    """The studies of the store."""
    from rich.console import Console

    from tuning.report.documents import listed, print_studies, study_document
    from tuning.store import Store
    from tuning.study.definition import ledger_of

    store = Store(db)
    if json:
        print_json({"studies": [study_document(row, ledger_of(store, row))["study"] for row in store.studies()]})
    elif studies := listed(store):
        print_studies(Console(), studies)
    else:
        Console().print(f"There is no study in {db}; harness tune --model … makes one.")


def show(study: StudyWord, db: Db = DEFAULT_DB, json: Json = False) -> None:
    """One study with its trials."""
    from rich.console import Console

    from tuning.report.documents import print_study, study_document
    from tuning.store import Store
    from tuning.study.definition import ledger_of

    store = Store(db)
    row = store.resolve_study(study)
    document = study_document(row, ledger_of(store, row))
    document["notes"] = [f"{when:%Y-%m-%d %H:%M:%S}: {note}" for when, note in store.study_notes(row.id)]
    document["enqueued"] = store.enqueued(row.id)
    if json:
        print_json(document)
        return
    print_study(Console(), document, most=len(document["trials"]))
    for note in document["notes"]:
        Console().print(note, markup=False, style="dim")


def show_known(word: str, db: str, json: bool) -> bool:
    """For `harness show`: shows the study of that name, if there is one. Whether there is."""
    from tuning.store import Store

    try:
        Store(db).resolve_study(word)
    except UsageError:
        return False
    show(word, db, json)
    return True


def stop(study: StudyWord, db: Db = DEFAULT_DB) -> None:
    """Ask a running study to end after the trainings under way."""
    from tuning.store import Store

    store = Store(db)
    row = store.resolve_study(study)
    if row.status != "running":
        raise UsageError(f"The study {row.name} is not running: it is {row.status}.")
    store.update_study(row.id, status="stopping")
    store.note(row.id, "asked to stop")
    typer.echo(f"{row.name} ends after the trainings under way; the command that began it goes on from there.")


def enqueue(
    study: StudyWord,
    values: Annotated[list[str], typer.Argument(help="NAME=VALUE for each parameter of the space.")],
    db: Db = DEFAULT_DB,
) -> None:
    """Ask for a point; a running study takes it before its next block, a finished one when its budget grows."""
    from tuning.search.loop import check_point
    from tuning.store import Store
    from tuning.study.options import assigned
    from tuning.study.space import Space

    store = Store(db)
    row = store.resolve_study(study)
    space = Space.from_dict(row.config["space"])
    point = dict(assigned(value, "A point") for value in values)
    check_point(space, point)
    store.enqueue(row.id, space.canonical(point))
    room = "" if row.status != "finished" else f" The study has spent its budget: give it --budget {row.budget + 1}."
    typer.echo(f"{row.name} will train {', '.join(values)}.{room}")
