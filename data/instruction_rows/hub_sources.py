"""Any hub data set as instruction rows: hub:OWNER/NAME, with a configuration, a revision and a split."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data import hub_rows, records
from data.records import Record
from data.sources import DataError

PREFIX = "hub:"
SPLIT = "train"
HOW = "Write hub:OWNER/NAME[:CONFIG][@REVISION][#SPLIT]"
WHAT_TO_DO = (
    f"{HOW}, of a configuration and a split that it has. Without a network, name a file of its rows "
    "(--data rows.parquet), or the commit that was downloaded before (@COMMIT)."
)
_NOTATION = re.compile(
    r"hub:(?P<id>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[^@#:]+))?(?:@(?P<revision>[^@#]+))?(?:#(?P<split>[^@#]+))?"
)


@dataclass(frozen=True, slots=True)
class HubSource:
    id: str
    config: str  # "" for the only one
    revision: str
    split: str  # also a part, as train[:1000]

    @property
    def label(self) -> str:
        """Its rows' source. The rows themselves are in a study's identity, so the revision is not."""
        config = f":{self.config}" if self.config else ""
        split = "" if self.split == SPLIT else f"#{self.split}"
        return f"{PREFIX}{self.id}{config}{split}"

    def read(self) -> tuple[list[Record], str]:
        """Its rows, and the commit that they are of."""
        repository = hub_rows.resolve(self.id, self.revision, WHAT_TO_DO)
        rows = repository.rows(self.config or None, self.split)
        table = records.of_table(rows, lambda number: f"{self.label}, row {number}")
        return records.checked(table, self.label), repository.revision


def is_named(source: object) -> bool:
    return isinstance(source, str) and source.startswith(PREFIX)


def parse(source: str) -> HubSource:
    match = _NOTATION.fullmatch(source)
    if match is None:
        raise DataError(f"{source!r} names no hub data set. {HOW}, as hub:databricks/databricks-dolly-15k.")
    return HubSource(match["id"], match["config"] or "", match["revision"] or "main", match["split"] or SPLIT)
