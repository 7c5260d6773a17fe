"""The random order in which a sampled run reads its items, and what each of them weighs in the run's score.

A unit is what is drawn: an item with its repeats, or a whole cluster (a DROP passage). Its weight is its share of the
score that the whole run gives: with a plain mean its items over all items, with a macro average (over K groups) the
sum of 1 / (K · items of the group) over its items. Weights sum to one, and the score is Σ weight · value, where a
unit's value is the mean of its items' values (of a macro average weighted like the items).

Units are drawn one by one without replacement, each time with a chance in proportion to the weights of those that are
left (successive sampling, Rosén 1972). So the expected value of the next draw is the weighted mean of all that are
left, whatever the weights are: what `harness.stats.sequences` needs. Equal weights make it a random permutation.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """An item: its id, its group, and its cluster ("" where it stands alone)."""

    item: str
    group: str
    cluster: str


class Unit(NamedTuple):
    """What is drawn as one: its key, its items, each item's share of the unit's value, and its weight in the score."""

    key: str
    items: tuple[str, ...]
    shares: tuple[float, ...]
    weight: float

    def value(self, of_items: Sequence[float]) -> float:
        """The unit's value of its items' values, in the order of `items`."""
        return math.fsum(share * value for share, value in zip(self.shares, of_items, strict=True))


def unit_key(item: str, cluster: str) -> str:
    """The first character keeps an item's own unit apart from a cluster of the same name."""
    return "c" + cluster if cluster else "i" + item


def units(places: Sequence[Place], macro: bool) -> list[Unit]:
    """The units of a task's items, in the order of their keys. `macro`: the score is the mean of the groups' means."""
    if len({place.item for place in places}) < len(places):
        raise ValueError("an item stands twice among the places; repeats of an item are one place")
    of_group: dict[str, int] = {}
    for place in places:
        of_group[place.group] = of_group.get(place.group, 0) + 1
    members: dict[str, list[tuple[str, float]]] = {}
    for place in sorted(places):
        weight = 1 / (len(of_group) * of_group[place.group]) if macro else 1 / len(places)
        members.setdefault(unit_key(place.item, place.cluster), []).append((place.item, weight))
    made = []
    for key in sorted(members):
        whole = math.fsum(weight for _, weight in members[key])
        items = tuple(item for item, _ in members[key])
        made.append(Unit(key, items, tuple(weight / whole for _, weight in members[key]), whole))
    return made


def drawn(units: Sequence[Unit], seed: int) -> list[Unit]:
    """The units in the order in which they are drawn: a function of their keys, their weights and the seed alone.

    Each unit waits an exponential time of rate `weight`; the order of the times is that of successive sampling
    (Efraimidis and Spirakis 2006). The times come from a digest of seed and key, so that no library's random numbers
    change them."""
    return sorted(units, key=lambda unit: (_waiting(unit.key, seed) / unit.weight, unit.key))


def _waiting(key: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}:{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # the middle of one of 2^53 equal steps: never 0, never 1
    return -math.log(((int.from_bytes(digest, "big") >> 11) + 0.5) / 2**53)
