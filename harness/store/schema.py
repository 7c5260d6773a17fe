"""What a package keeps in the store. The store itself knows no table but the one with its version."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness import registry
from harness.errors import MissingError
from harness.store.codec import Fields

if TYPE_CHECKING:
    import duckdb

Counts = dict[str, int]  # rows by table


class Removal(Protocol):
    """How `harness rm` removes what a schema keeps: runs, studies, answer sets."""

    option: str  # the option of `harness rm` that means these; "" for those that are meant without one

    def find(self, path: Path, word: str) -> Any:
        """What a person means by a word; it has an `id` and a `name`. UsageError when none or several remain."""

    def knows(self, path: Path, word: str) -> bool:
        """Whether the word is, or begins, one's id, or is its name."""

    def remove(self, path: Path, ids: Sequence[str]) -> Counts:
        """Remove them and all that is theirs. StoreError, and all stay, when one cannot be removed."""

    def summary(self, counts: Counts) -> str:
        """What `remove` has removed, in words: "6 samples, 6 responses"."""


@dataclass(frozen=True, eq=False)
class Schema:
    """One package's tables, registered in its entry-point group `harness.schemas`:

        [project.entry-points."harness.schemas"]
        results = "harness.results.registration:SCHEMA"

    `steps`: SQL scripts by the version of the store that each makes out of the version before. The versions are one
    sequence over all schemas, so that one number tells what a file holds; a script may use the tables of those before.
    For the same reason schemas of other packages than this program's own are not taken.

    `take(connection, behind)` copies what another store has and this one has not; gives the rows added, by table. That
    store's tables are there as `other_…`, and the caller's transaction is open. `behind` are the ids that the query
    `behind` gave: those that this store has unfinished and that come anew. Each is leased before, so that nobody
    computes it meanwhile."""

    steps: Mapping[int, Path]
    fields: Fields  # what the tables' columns hold
    take: Callable[[duckdb.DuckDBPyConnection, list[str]], Counts]
    orphans: Mapping[str, str]  # by table, in order: a DELETE of the rows that belong to nothing any more
    counted: Sequence[str] = ()  # the tables whose rows `harness db info` counts
    behind: str = ""
    removal: Removal | None = None

    def delete_orphans(self, connection: duckdb.DuckDBPyConnection) -> Counts:
        """Inside the caller's transaction; gives the rows that went, by table."""
        return execute(connection, self.orphans)


def execute(connection: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> Counts:
    """One query a table, in order; gives the number that each answers: of the rows that it has changed, or a count."""
    return {table: int((connection.execute(query).fetchone() or (0,))[0]) for table, query in queries.items()}


@functools.cache
def schemas() -> tuple[Schema, ...]:
    """Those of this program, in the order of their first versions. MissingError where one is not registered."""
    kind = "schemas"
    ours = [registry.load(kind, name) for name in registry.names(kind) if name not in registry.plugins(kind)]
    versions = sorted(version for schema in ours for version in schema.steps)
    if not versions or versions != list(range(1, len(versions) + 1)):
        raise MissingError(
            f"This copy of {registry.OURS} is not wholly installed: its store's schemas are registered for the "
            f"versions {', '.join(map(str, versions)) or 'none'}. Install it anew: pip install -e ."
        )
    return tuple(sorted(ours, key=lambda schema: min(schema.steps)))
