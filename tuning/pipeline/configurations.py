"""Which configurations of the searches go on, what they are called, and which rules chose some of them.

On the front of several objectives the choice is the trial nearest to the ideal: each objective is scaled to 0..1 over
the front, and the distance is Euclidean (compromise programming, Zeleny 1973).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from tuning.pipeline.study_file import FinalistOptions, PlannedSearch
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.definition import ledger_of
from tuning.study.finalists import Finalist, choose
from tuning.study.ledger import Ledger

WARM = "warm-"  # begins the label of a point that another study's search proposed


@dataclass(frozen=True, slots=True)
class Searched:
    """A search that has ended."""

    search: PlannedSearch
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


def searched(store: Store, searches: Sequence[PlannedSearch], rows: Sequence[StudyRow]) -> list[Searched]:
    return [Searched(search, row, ledger_of(store, row)) for search, row in zip(searches, rows, strict=True)]


def finalists(searches: Sequence[Searched], options: FinalistOptions) -> list[Finalist]:
    """The best of each search; of several objectives the choice on the front and others of it; the worst and evenly
    spread ones of all searches of one kind; the fixed points and the base once. What two searches tried alike stands
    once, under the reason that came first. UsageError where no trial ended well."""
    ended = [search for search in searches if search.ledger.ranked()]
    if not ended:
        raise UsageError("No trial of any search ended well: there is nothing to measure.")
    chosen: list[Finalist] = []
    fixed: list[Finalist] = []
    for search in ended:
        own = choose(search.row, search.ledger, options.best)
        chosen += _of_front(search, options) or [finalist for finalist in own if finalist.why.startswith("best")]
        fixed += [finalist for finalist in own if not finalist.why.startswith("best")]
    alike = [search for search in ended if not search.search.change]  # whose losses can be compared
    pooled = sorted(
        (loss, place, number) for place, search in enumerate(alike) for number, loss in search.losses.items()
    )
    wanted = [(len(pooled) - 1 - n, f"worst {n + 1}") for n in range(min(options.worst, len(pooled)))]
    for part in range(1, options.quantiles + 1 if pooled else 1):
        place = round((part - 0.5) / options.quantiles * len(pooled) - 0.5)
        wanted.append((place, f"quantile {part} of {options.quantiles}"))
    for place, why in wanted:
        _, search_place, number = pooled[place]
        chosen.append(Finalist(alike[search_place].row, alike[search_place].ledger, number, why))
    distinct: dict[str, Finalist] = {}
    for finalist in [*chosen, *fixed]:
        distinct.setdefault(_digest(finalist), finalist)
    return list(distinct.values())


def _of_front(search: Searched, options: FinalistOptions) -> list[Finalist]:
    """The choice on the front first, then others of it by the first objective, evenly; [] of one objective."""
    values = _front_values(search)
    if not values:
        return []
    others = sorted((number for number in values if number != _compromise(values)), key=lambda n: (values[n], n))
    count = min(options.front, len(others))
    spread = [others[round((part + 0.5) / count * len(others) - 0.5)] for part in range(count)]
    wanted = [(_compromise(values), "choice on the front"), *((number, "front") for number in spread)]
    return [Finalist(search.row, search.ledger, number, why) for number, why in wanted]


def _front_values(search: Searched) -> dict[int, tuple[float, ...]]:
    """The objectives of each trial on the front; {} of one objective."""
    if len(search.row.config["objectives"]) < 2:
        return {}
    whole = {number: search.ledger.whole(number) for number in search.ledger.front}
    return {number: attempt.objectives for number, attempt in whole.items() if attempt is not None}


def _compromise(values: Mapping[int, tuple[float, ...]]) -> int:
    """The trial nearest to the best of each objective, which no trial may reach."""
    columns = list(zip(*values.values(), strict=True))
    low, spans = [min(column) for column in columns], [max(column) - min(column) for column in columns]

    def distance(number: int) -> float:
        parts = zip(values[number], low, spans, strict=True)
        return sum(((value - least) / span) ** 2 for value, least, span in parts if span > 0)

    return min(values, key=lambda number: (distance(number), number))


def rules_of_searches(searches: Sequence[Searched]) -> dict[str, str]:
    """The digest of what each further search, and each of several objectives, chose, by the rule's name."""
    rules: dict[str, str] = {}
    for one in searches:
        values = _front_values(one)
        if not (one.search.change or values) or not one.ledger.ranked():
            continue
        number = _compromise(values) if values else next(iter(choose(one.row, one.ledger, 1))).trial
        of_one = "validation loss" if tuple(one.row.config["objectives"]) == ("validation",) else "one objective"
        kind = "several objectives" if values else of_one
        rules[f"{kind} ({one.search.name})"] = one.ledger.trials[number - 1].digest
    return rules


def _digest(finalist: Finalist) -> str:
    return "base" if finalist.trial == BASE else digest_of(finalist)


def digest_of(finalist: Finalist) -> str:
    """Of the hyperparameters of one that is not the base."""
    return finalist.ledger.trials[finalist.trial - 1].digest


def is_default(finalist: Finalist) -> bool:
    """Whether it is a point that every search starts from, and that no search proposed."""
    return bool(finalist.label) and not finalist.label.startswith(WARM)


def chosen_by_loss(finalists: Sequence[Finalist], rows: str) -> Finalist | None:
    """The one with the least validation loss on all rows, of those on the rows of that digest."""
    losses = {
        place: loss
        for place, finalist in enumerate(finalists)
        if finalist.trial != BASE and finalist.study.data_digest == rows
        if (loss := loss_of(finalist.ledger, finalist.trial)) is not None
    }
    return finalists[min(losses, key=lambda place: losses[place])] if losses else None


def title(finalist: Finalist, searches: Sequence[Searched]) -> str:
    """What tables call a configuration: base, a default's name, or the search and its trial."""
    if finalist.trial == BASE:
        return "base"
    if is_default(finalist):
        return finalist.label
    own = next(one.search for one in searches if one.row.id == finalist.study.id)
    if len(searches) == 1:
        return finalist.name
    alike = [one.search for one in searches if one.search.optimizer == own.optimizer]
    seed = f" seed {own.seed}" if len({other.seed for other in alike}) > 1 else ""
    change = f" ({own.change})" if own.change and len(alike) > 1 else ""
    return f"{own.optimizer}{seed}{change} {finalist.name}"
