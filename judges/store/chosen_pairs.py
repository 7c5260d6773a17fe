"""Which pairs of answers were chosen to be compared, round by round, and out of how many."""

from __future__ import annotations

from collections.abc import Sequence

from harness.store.connection import StoreConnection
from judges.store.fields import FIELDS
from judges.store.rows import ChosenPairsRow

_CHOSEN = """SELECT * FROM chosen_pairs WHERE $choice IS NULL OR choice = $choice
ORDER BY choice, round, "first", "second" """


class ChosenPairs(StoreConnection):
    def chosen_pairs(self, choice: str | None = None) -> list[ChosenPairsRow]:
        """All of them, or of one choice; by round."""
        with self.read() as connection:
            return FIELDS.rows(ChosenPairsRow, connection.execute(_CHOSEN, {"choice": choice}))

    def choose_pairs(self, rows: Sequence[ChosenPairsRow]) -> list[ChosenPairsRow]:
        """Store one round of one choice; gives all of that choice. A round that is stored already stays as it is: of
        two who choose at once, the first counts."""
        choice, number = rows[0].choice, rows[0].round
        with self.write() as connection:
            query = "SELECT 1 FROM chosen_pairs WHERE choice = ? AND round = ?"
            if not connection.execute(query, [choice, number]).fetchone():
                connection.register("batch", FIELDS.batch(ChosenPairsRow, rows))
                connection.execute("INSERT INTO chosen_pairs BY NAME SELECT * FROM batch")
            return FIELDS.rows(ChosenPairsRow, connection.execute(_CHOSEN, {"choice": choice}))
