"""From instruction rows to train, validation and test: no near copies, seeded, without replacement, disjoint.

The search sees validation, the report shows test, and no trial sees either. The split of arXiv 2312.00949
(`way="paper"`) is here as an ablation: it drew rows with replacement, so validation rows stand in train.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Literal

from data.counts import counted
from data.instructions import Instruction, asked_of
from data.near_copies.remembered import first_of_rows
from data.sources import DataError, near

Way = Literal["disjoint", "paper"]
PARTS = ("train", "validation", "test")
POOL = "pool:"  # before a source: its rows that are neither in validation nor in test


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows of each part: whole numbers are counts, fractions are of all rows that the mix has."""

    train: int | float = 0.7
    validation: int | float = 0.15
    test: int | float = 0.15


PAPER_MIX: dict[str, float] = {"alpaca": 0.7, "dolly": 0.3}
PAPER_SIZES = Sizes(train=53_610, validation=13_402, test=0)  # arXiv 2312.00949; it had no test part
DEFAULT = Sizes()


@dataclass(frozen=True, slots=True)
class Splits:
    """Train (what trials learn from), validation (what the search sees), test (what is reported)."""

    train: tuple[Instruction, ...]  # in a seeded order, of which every beginning is a fair subset
    validation: tuple[Instruction, ...]
    test: tuple[Instruction, ...]
    digests: dict[str, str]  # sha256 of each part, by its name
    notes: tuple[str, ...] = ()  # what was left out, shrunk, or is wrong with the split: belongs on the study
    pool: Mapping[str, tuple[Instruction, ...]] = field(default_factory=dict)  # of each source, what may be trained

    def part(self, name: str) -> tuple[Instruction, ...]:
        """Of "train", "validation" or "test"; or of "pool:SOURCE"."""
        if name.startswith(POOL):
            return self.pool[name.removeprefix(POOL)]
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def subset(self, fraction: float) -> Splits:
        """The first `fraction` of train (at least one row), the other parts whole: nested, for rungs."""
        if not 0 < fraction <= 1:
            raise ValueError(f"a fraction of train is over 0 and at most 1, not {fraction}")
        if fraction == 1:
            return self
        train = self.train[: max(1, round(fraction * len(self.train)))]
        return replace(self, train=train, digests={**self.digests, "train": digest(train)})

    def shares(self, source: str, share: float) -> dict[str, float]:
        """Of each source, where `source` has this share: the others keep their proportions in train."""
        counts = {name: sum(row.source == name for row in self.train) for name in self.pool}
        rest = sum(count for name, count in counts.items() if name != source)
        return {name: share if name == source else (1 - share) * count / rest for name, count in counts.items()}

    def drawn(self, source: str, share: float) -> list[tuple[str, int]]:
        """Train's rows where `source` has this share, each as its source and its place in the pool. As many as train
        has, or as the sources have in this mix, none of them twice. Every beginning holds the share, to a row."""
        shares = {name: part for name, part in self.shares(source, share).items() if part > 0}
        most = min(len(self.train), *(len(self.pool[name]) / part + 1e-9 for name, part in shares.items()))
        counts = _apportioned(shares, int(most))
        spread = [((place + 0.5) / count, name, place) for name, count in counts.items() for place in range(count)]
        return [(name, place) for _, name, place in sorted(spread)]

    def mixed(self, mix: tuple[str, float] | None) -> Splits:
        """With train's rows as `drawn`; None is as they are."""
        if mix is None:
            return self
        train = tuple(self.pool[name][place] for name, place in self.drawn(*mix))
        return replace(self, train=train, digests={**self.digests, "train": digest(train)})


def distinct(rows: Sequence[Instruction]) -> tuple[list[Instruction], list[str]]:
    """Rows that ask and say something and are no copies of another (by instruction and input, the first is kept), and
    notes on how many are left out, and why."""
    asking = [row for row in rows if any(text.strip() for text in asked_of(row))]
    answered = [row for row in asking if row.output.strip()]
    first: dict[tuple[str, str], Instruction] = {}
    once: list[Instruction] = []
    other: list[Instruction] = []
    for row in answered:
        (other if asked_of(row) in first else once).append(row)
        first.setdefault(asked_of(row), row)
    kept = [once[index] for index in first_of_rows([asked_of(row) for row in once])]
    notes = []
    if blank := len(rows) - len(asking):
        notes.append(f"{_part(blank, len(rows), 'has', 'have')} no instruction and no input and {_left_out(blank)}.")
    if silent := len(asking) - len(answered):
        notes.append(f"{_part(silent, len(rows), 'has', 'have')} no output and {_left_out(silent)}.")
    if other:
        differing = sum(row.output != first[asked_of(row)].output for row in other)
        more = f" ({differing} of them with another output, which is lost)" if differing else ""
        copies = _part(len(other), len(answered), "is an exact copy of another", "are exact copies of others")
        notes.append(f"{copies} and {_left_out(len(other))}{more}.")
    if near_copies := len(once) - len(kept):
        copies = _part(near_copies, len(answered), "is a near copy of another", "are near copies of others")
        notes.append(f"{copies} and {_left_out(near_copies)}.")
    return kept, notes


def _part(number: int, of: int, singular: str, plural: str) -> str:
    return f"{number:,} of {counted(of, 'row')} {singular if number == 1 else plural}"


def _left_out(number: int) -> str:
    return f"{'is' if number == 1 else 'are'} left out"


def split(
    rows: Sequence[Instruction],
    seed: int = 0,
    sizes: Sizes = DEFAULT,
    mix: Mapping[str, float] | None = None,
    way: Way = "disjoint",
) -> Splits:
    """Deduplicate, mix and split. `mix` is the share of each source (None: as they come). Counts that there are
    not enough rows for shrink in proportion, with a note. Test is drawn first and validation next, so that neither
    depends on the sizes that follow. DataError where a part that is asked for comes out empty.

    way="paper" draws train and validation with replacement, as the paper's notebook did, from what test leaves:
    rows of validation then stand in train, and a note says what part of them."""
    rng = random.Random(seed)
    kept, notes = distinct(rows)
    by_source: dict[str, list[Instruction]] = {}
    for row in kept:
        by_source.setdefault(row.source, []).append(row)
    for source in sorted(by_source):
        rng.shuffle(by_source[source])
    if not by_source:
        raise DataError(" ".join(["there are no instruction rows to split.", *notes]))
    shares = _shares(mix, by_source)
    # with replacement a small source serves any share, and the paper drew as many rows as there are
    most = len(kept) if way == "paper" else int(min(len(by_source[s]) / share for s, share in shares.items()) + 1e-9)
    counts, shrunk = _counts(sizes, most)
    notes += shrunk
    pool: dict[str, tuple[Instruction, ...]] = {}
    if way == "paper":
        parts = _with_replacement(rng, by_source, shares, counts)
        notes.append(_leak(parts))
    else:
        parts = _disjoint(rng, by_source, shares, counts)
        held = Counter(row.source for name in ("test", "validation") for row in parts[name])
        pool = {source: tuple(by_source[source][held[source] :]) for source in shares}
    for name, wanted in zip(PARTS, astuple(sizes), strict=True):
        if wanted and not parts[name]:
            left_out = "".join(f" {note}" for note in notes)
            raise DataError(
                f"{len(rows)} rows make no {name} part of {wanted} rows{_mixed(shares)}.{left_out} Give more rows."
            )
    train, validation, test = (tuple(parts[name]) for name in PARTS)
    digests = {name: digest(parts[name]) for name in PARTS}
    return Splits(train, validation, test, digests, tuple(notes), pool)


def digest(rows: Sequence[Instruction]) -> str:
    """sha256 of rows in their order, by content."""
    text = json.dumps([_content(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _content(row: Instruction) -> list[object]:
    """What studies of one prompt and one response were known by before there were conversations comes first."""
    content: list[object] = [row.source, row.instruction, row.input, row.output]
    if row.messages:
        content.append([[message.role, message.content] for message in row.messages])
    if row.is_text:
        content.append("text")
    return content


def _shares(mix: Mapping[str, float] | None, by_source: Mapping[str, Sequence[Instruction]]) -> dict[str, float]:
    """Of each source, adding up to 1."""
    wanted = mix or {source: len(rows) for source, rows in sorted(by_source.items())}
    for source, share in wanted.items():
        if not share > 0:
            raise DataError(f"a mix takes a share over 0 of each source, not {share} of {source}.")
        if source not in by_source:
            there = ", ".join(sorted(by_source))
            raise DataError(f"the mix names {source}, and the rows are of {there}.{near(source, by_source)}")
    total = sum(wanted.values())
    return {source: share / total for source, share in wanted.items()}


def _counts(sizes: Sizes, most: int) -> tuple[dict[str, int], list[str]]:
    """Rows of each part, `most` in all."""
    wanted = dict(zip(PARTS, astuple(sizes), strict=True))
    if any(size < 0 for size in wanted.values()):
        raise DataError(f"a part cannot have fewer than 0 rows: {wanted}.")
    counts = {name: size if isinstance(size, int) else int(size * most + 1e-9) for name, size in wanted.items()}
    if all(isinstance(size, float) for size in wanted.values()) and abs(sum(wanted.values()) - 1) < 1e-9:
        counts["train"] = most - counts["validation"] - counts["test"]  # no row is lost to rounding
    total = sum(counts.values())
    if total <= most:
        return counts, []
    less = {name: count * most // total for name, count in counts.items()}
    changes = ", ".join(f"{name} {count} to {less[name]}" for name, count in counts.items() if count)
    return less, [f"There are rows for {most} in this mix, and {total} were asked for; all parts shrink: {changes}."]


def _apportioned(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """`total` by shares in whole numbers, by the largest remainder."""
    exact = {source: share * total for source, share in shares.items()}
    whole = {source: int(value + 1e-9) for source, value in exact.items()}
    rest = sorted(exact, key=lambda source: whole[source] - exact[source])[: total - sum(whole.values())]
    return {source: count + (source in rest) for source, count in whole.items()}


def _disjoint(
    rng: random.Random,
    by_source: Mapping[str, Sequence[Instruction]],
    shares: Mapping[str, float],
    counts: Mapping[str, int],
) -> dict[str, list[Instruction]]:
    parts: dict[str, list[Instruction]] = {name: [] for name in PARTS}
    cuts = [_apportioned(shares, counts[name]) for name in ("test", "validation")]
    cuts.append(_apportioned(shares, sum(counts.values())))  # train ends where all do: no source is asked for too much
    for source in shares:
        begin = 0
        for name, cut in zip(reversed(PARTS), cuts, strict=True):
            end = cut[source] if name == "train" else begin + cut[source]
            parts[name] += by_source[source][begin:end]
            begin = end
    for name in reversed(PARTS):
        rng.shuffle(parts[name])
    return parts


def _with_replacement(
    rng: random.Random,
    by_source: Mapping[str, Sequence[Instruction]],
    shares: Mapping[str, float],
    counts: Mapping[str, int],
) -> dict[str, list[Instruction]]:
    held = _apportioned(shares, counts["test"])
    parts = {"test": [row for source, count in held.items() for row in by_source[source][:count]]}
    for name in ("train", "validation"):
        parts[name] = []
        for source, count in _apportioned(shares, counts[name]).items():
            pool = by_source[source][held[source] :]
            parts[name] += rng.choices(pool, k=count) if pool else []
        rng.shuffle(parts[name])
    return parts


def leak(parts: Mapping[str, Sequence[Instruction]]) -> float:
    """The share of validation rows that stand in train."""
    train = set(parts["train"])
    return sum(row in train for row in parts["validation"]) / max(1, len(parts["validation"]))


def _leak(parts: Mapping[str, Sequence[Instruction]]) -> str:
    return (
        f"The paper's split: rows are drawn with replacement, and {leak(parts):.0%} of the validation rows stand in "
        "train. Its validation loss is no measure of generalisation; it is here to be compared with."
    )


def _mixed(shares: Mapping[str, float]) -> str:
    return f" (mixed {', '.join(f'{share:.0%} {source}' for source, share in shares.items())})"
