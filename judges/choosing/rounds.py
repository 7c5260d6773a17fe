"""Choosing pairs of answers in rounds: the first has all pairs of models evenly, the others go where they tell most.

Of each pair of answer sets, prompts are taken in an order that is drawn before anything is compared, and the pairs
begin at places of it that are spread evenly. So each prompt has the same chance to be chosen for a pair, (chosen
prompts) / (prompts that both answered), whatever was found before; every pair has some votes, and every prompt about
as many as any other. The rounds are stored, and a choice is a function of what is stored: the same command goes on
with it.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.errors import UsageError, suggest
from judges.choosing.information import deciding, placed
from judges.ranking.rating import Match, rank
from judges.store.rows import ChosenPairsRow

ROUNDS = 5  # of a whole choice: the fit is done again before each
SHARE = "60%"
PAIRS = ("all", "chosen")
Two = tuple[str, str]  # answer sets' ids, in their order


@dataclass(frozen=True, slots=True)
class Pool:
    """What a choice chooses from. `prompts`: of each two answer sets, those that both answered; `players`: of each
    answer set, as what it plays in a ranking; `ratings`: the most votes on one prompt of a pair."""

    choice: str
    judge: str
    prompts: Mapping[Two, Sequence[str]]
    players: Mapping[str, str]
    ratings: int = 1

    def votes(self, share: float) -> int:
        """How many that share of all is, and one for each pair at least."""
        return max(len(self.prompts), math.ceil(share * sum(map(len, self.prompts.values())) * self.ratings))


def share_of(pairs: str, votes: str | None) -> float | None:
    """The share of all votes that is wanted where `pairs` are chosen; None where all are compared. OptionError for
    values that are none."""
    from harness.options import OptionError
    from harness.options.declaration import about

    if pairs not in PAIRS:
        raise OptionError("pairs", pairs, f" must be one of {', '.join(PAIRS)}.{suggest(pairs, PAIRS)}")
    if pairs == "all":
        if votes is not None:
            raise OptionError("votes", votes, ": all pairs are compared unless `pairs` are chosen.")
        return None
    with about("votes", votes):
        return read_share(SHARE if votes is None else votes)


def read_share(text: str) -> float:
    """0.6 of "60%". UsageError for a text that is no share above zero."""
    read = re.fullmatch(r"(\d+(?:\.\d+)?)%", text.strip())
    if read is None or not 0 < float(read[1]) <= 100:
        raise UsageError("a share is written as 60%, above 0% and up to 100%.")
    return float(read[1]) / 100


def next_round(
    pool: Pool, before: Sequence[ChosenPairsRow], games: Sequence[Match], share: float
) -> list[ChosenPairsRow]:
    """The round behind those `before`; [] where `share` of all votes is chosen. `games`: the players' so far."""
    wanted = pool.votes(share)
    picked: dict[Two, Counter[str]] = {two: Counter() for two in pool.prompts}
    for row in before:
        picked.setdefault((row.first, row.second), Counter()).update(row.prompts)
    counts = {two: picked[two].total() for two in pool.prompts}
    size = min(wanted - sum(counts.values()), math.ceil(wanted / ROUNDS))
    if size <= 0:
        return []
    room = {two: len(prompts) * pool.ratings - counts[two] for two, prompts in pool.prompts.items()}
    even = min(counts.values()) == 0
    added = _evenly(pool, counts, room, max(size, len(room))) if even else _tellingly(pool, counts, room, games, size)
    now, number = datetime.now(UTC), max((row.round + 1 for row in before), default=0)
    drawn = {p: _draw(pool.choice, "prompt", p) for p in {p for prompts in pool.prompts.values() for p in prompts}}
    places = sorted(pool.prompts, key=lambda two: _draw(pool.choice, *two))
    begins = {two: (n / len(places) + _draw(pool.choice, "begin")) % 1 for n, two in enumerate(places)}
    rows = []
    for two, prompts in pool.prompts.items():
        own = {prompt: drawn[prompt] for prompt in prompts}
        if chosen := _prompts(own, begins[two], picked[two], added[two], pool.ratings):
            rows.append(ChosenPairsRow(pool.choice, pool.judge, number, *two, chosen, len(prompts), now))
    return rows


def _evenly(pool: Pool, counts: Mapping[Two, int], room: Mapping[Two, int], size: int) -> dict[Two, int]:
    """Each vote to a pair with the fewest; which of them first is drawn."""
    added = dict.fromkeys(sorted(counts, key=lambda two: _draw(pool.choice, *two)), 0)
    for _ in range(min(size, sum(room.values()))):
        free = [two for two in added if added[two] < room[two]]
        added[min(free, key=lambda two: counts[two] + added[two])] += 1
    return added


def _tellingly(
    pool: Pool, counts: Mapping[Two, int], room: Mapping[Two, int], games: Sequence[Match], size: int
) -> dict[Two, int]:
    ranking = rank(games) if games else None
    known = {model.name: model.strength for model in ranking.models} if ranking else {}
    players = sorted({pool.players[side] for two in counts for side in two})
    if ranking is None or any(math.isnan(known.get(player, math.nan)) for player in players):
        return _evenly(pool, counts, room, size)  # errors and skips have left no chain of games
    number = {player: place for place, player in enumerate(players)}
    pairs = [(number[pool.players[one]], number[pool.players[other]]) for one, other in counts]
    decide = [(number[a], number[b]) for a, b in deciding(ranking) if a in number and b in number]
    strengths = [known[player] for player in players]
    more = placed(strengths, pairs, list(counts.values()), list(room.values()), decide, size)
    return dict(zip(counts, more, strict=True))


def _prompts(
    drawn: Mapping[str, float], begin: float, picked: Counter[str], more: int, ratings: int
) -> tuple[str, ...]:
    """The next of the prompts in the order in which they are `drawn`, from the part `begin` of it on."""
    order = sorted(drawn, key=drawn.__getitem__)
    first = math.floor(begin * len(order))
    order = [*order[first:], *order[:first]]
    rounds = range(min((picked[prompt] for prompt in order), default=0), ratings)
    free = [prompt for times in rounds for prompt in order if picked[prompt] <= times]
    return tuple(free[:more])


def _draw(*words: str) -> float:
    """A number in [0, 1) that follows from the words."""
    return random.Random("\0".join(words)).random()
