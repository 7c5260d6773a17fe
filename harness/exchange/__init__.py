"""Runs leave as tables or in lm-eval's results layout, and come in from that layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.exchange.lm_eval_results import Imported, import_results

if TYPE_CHECKING:
    from harness.results import Store

__all__ = ["Imported", "export", "import_results"]

Format = Literal["parquet", "csv", "json"]


def export(store: Store, run_id: str, out: Path, kind: Format) -> list[Path]:
    """Write a run into the folder `out`; gives the files. UsageError where one of them is there already.

    "parquet" and "csv": run, tasks, scores, samples and responses as tables. "json": lm-eval's results layout. With
    them goes a manifest, by which `harness verify` finds any altered byte."""
    from harness.exchange import lm_eval_layout, tables
    from harness.exchange.files import Batch

    run = next(run for run in store.runs() if run.id == run_id)
    with Batch(out) as batch:
        if kind == "json":
            lm_eval_layout.write(store, run, batch)
        else:
            tables.write(store, run, batch, kind)
    return batch.written
