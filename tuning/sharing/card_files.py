"""The folder of a card, written whole or not at all, and verified from its own files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.sources import DataError
from harness.evaluation.rescoring import close
from harness.exchange import tables
from harness.exchange.exported import ScoredRun, from_store, from_tables
from harness.exchange.files import Batch
from harness.exchange.manifest import seal
from harness.exchange.verification import Verification, bytes_of, check_scores
from tuning.sharing import card_text
from tuning.sharing.card import Card, parsed
from tuning.sharing.figures import differences, figures

if TYPE_CHECKING:
    from harness.results import Store

CARD = "card.json"
SEAL = "manifest_card.json"
SAMPLES = "samples/"


def write(card: Card, runs: dict[str, ScoredRun], out: Path) -> list[Path]:
    """The card's files, its samples and its manifest into the folder `out`. UsageError where one is there already."""
    with Batch(out) as batch:
        for name, text in card_text.files(card).items():
            batch.new(name).write_bytes(text)
        batch.new(CARD).write_text(card.text(), "utf-8")
        for run in runs.values():
            tables.write_scored(_public(run), batch, f"{SAMPLES}{run.run.id}")
        seal(batch, "card")
    return batch.written


def is_card(folder: Path) -> bool:
    return (folder / CARD).is_file() or (folder / SEAL).is_file()


def verify(folder: Path, store: Store | None = None) -> Verification:
    """Every byte against the manifest, every file against what `card.json` makes, every number against the samples
    beside it; with a store, against the samples there too."""
    found = Verification()
    bytes_of(folder / SEAL, found)
    try:
        card = parsed((folder / CARD).read_text("utf-8"))
        texts = card_text.files(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        found.differs(CARD, f"cannot be read ({' '.join(str(error).split())[:120]})")
        return found
    for name, text in texts.items():
        found.files += 1
        if _read(folder / name) != text:
            found.differs(name, f"is not what {CARD} makes")
    for path in sorted((folder / card_text.EVAL_RESULTS).parent.glob("*")):
        if path.relative_to(folder).as_posix() not in texts:
            found.differs(path.relative_to(folder).as_posix(), "is no file of this card, and the hub reads it")
    if not any(one.file.startswith(SAMPLES) for one in found.differences):  # nobody reads altered Parquet
        _numbers(card, lambda run: _of_samples(folder, run), found)
    if store is not None:
        rows = {row.id: row for row in store.runs()}
        _numbers(card, lambda run: from_store(store, rows[run]), found, f" in {store.path}")
    return found


def _of_samples(folder: Path, run: str) -> ScoredRun:
    place = f"{SAMPLES}{run}"
    return replace(from_tables(folder / place, "parquet"), file=f"{place}/scores.parquet")


def _numbers(card: Card, load: Callable[[str], ScoredRun], found: Verification, where: str = "") -> None:
    runs: dict[str, ScoredRun] = {}
    for run in card.runs:
        try:
            runs[run.id] = load(run.id)
        except KeyError:
            found.differs(CARD, f"the run {run.id} is not{where}")
        except DataError as error:
            found.differs(f"{SAMPLES}{run.id}", str(error))
    if len(runs) < len(card.runs):
        return
    if not where:
        for scored in runs.values():
            check_scores(scored, found)
    try:
        pairs: list[tuple[Any, Any]] = [
            *zip(card.figures, figures(card.measured, runs), strict=True),
            *zip(card.differences, differences(card.measured, runs), strict=True),
        ]
    except (KeyError, IndexError, ValueError) as error:
        found.differs(CARD, f"its numbers do not follow from the samples{where} ({error})")
        return
    for stated, made in pairs:
        found.numbers += 1
        if not _same(asdict(stated), asdict(made)):
            found.differs(CARD, f"{_shown(stated)}; the samples{where} make {_shown(made)}")


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(
        close(value, b[name]) if isinstance(value, float) and isinstance(b[name], float) else value == b[name]
        for name, value in a.items()
    )


def _shown(row: Any) -> str:
    values = asdict(row)
    return ", ".join(
        f"{name} {value:.10g}" if isinstance(value, float) else str(value) for name, value in values.items()
    )


def _public(run: ScoredRun) -> ScoredRun:
    """Without the command line and the name of the machine."""
    row = run.run
    provenance = {name: value for name, value in row.provenance.items() if name != "host"}
    return replace(run, run=replace(row, command="", provenance=provenance))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def digest(files: list[Path]) -> str:
    """Of the manifest, and so of all files: to be told beside the card."""
    path = next(path for path in files if path.name == SEAL)
    return hashlib.sha256(path.read_bytes()).hexdigest()
