"""Which configurations of the searches go on, and the adapters that each has over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from tuning.pipeline.study_file import FinalistOptions
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.definition import ledger_of
from tuning.study.finalists import Finalist, choose
from tuning.study.ledger import Ledger
from tuning.study.presets import FIXED


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that has ended."""

    row: StudyRow
    ledger: Ledger

    @property
    def losses(self) -> dict[int, float]:
        """Validation loss, in nats a token, of the trials that were measured on all rows."""
        losses = ((number, loss_of(self.ledger, number)) for number in self.ledger.ranked())
        return {number: loss for number, loss in losses if loss is not None}


def loss_of(ledger: Ledger, number: int) -> float | None:
    """Validation loss of a trial on all rows, in nats a token; None where it was not measured on all."""
    attempt = ledger.whole(number)
    return attempt.validation_loss if attempt else None


def searched(store: Store, rows: Sequence[StudyRow]) -> list[Searched]:
    return [Searched(row, ledger_of(store, row)) for row in rows]


def finalists(searches: Sequence[Searched], options: FinalistOptions) -> list[Finalist]:
    """The best of each search; the worst and evenly spread ones of all; the fixed points and the base once. What two
    searches tried alike stands once, under the reason that came first. UsageError where no trial ended well."""
    ended = [search for search in searches if search.ledger.ranked()]
    if not ended:
        raise UsageError("No trial of any search ended well: there is nothing to measure.")
    chosen: list[Finalist] = []
    fixed: list[Finalist] = []
    for search in ended:
        own = choose(search.row, search.ledger, options.best)
        chosen += [finalist for finalist in own if finalist.why.startswith("best")]
        fixed += [finalist for finalist in own if not finalist.why.startswith("best")]
    pooled = sorted(
        (loss, place, number) for place, search in enumerate(ended) for number, loss in search.losses.items()
    )
    wanted = [(len(pooled) - 1 - n, f"worst {n + 1}") for n in range(min(options.worst, len(pooled)))]
    for part in range(1, options.quantiles + 1 if pooled else 1):
        place = round((part - 0.5) / options.quantiles * len(pooled) - 0.5)
        wanted.append((place, f"quantile {part} of {options.quantiles}"))
    for place, why in wanted:
        _, search_place, number = pooled[place]
        chosen.append(Finalist(ended[search_place].row, ended[search_place].ledger, number, why))
    distinct: dict[str, Finalist] = {}
    for finalist in [*chosen, *fixed]:
        distinct.setdefault(_digest(finalist), finalist)
    return list(distinct.values())


def _digest(finalist: Finalist) -> str:
    return "base" if finalist.trial == BASE else finalist.ledger.trials[finalist.trial - 1].digest


def is_default(finalist: Finalist) -> bool:
    """Whether it is a fixed point, which no search proposed."""
    return finalist.label in FIXED


def title(finalist: Finalist, several: bool) -> str:
    """What tables call a configuration: base, a default's name, or the search and its trial."""
    if finalist.trial == BASE:
        return "base"
    if is_default(finalist):
        return finalist.label
    return f"{finalist.study.optimizer} {finalist.name}" if several else finalist.name
