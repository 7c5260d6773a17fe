"""Benchmark items by their runs of words. A run says something of an item where few items have it: what stands around
the questions of a whole task says nothing, and a passage that several questions share says that the passage was there,
and not the question."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.contamination.grams import Grams, Vocabulary
from data.contamination.item_texts import ItemText, contents_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

LONG = 13  # words of a run that is no coincidence: Brown et al. 2020, and lm-evaluation-harness's decontamination
SHORT = 3  # words of the runs by which near copies are looked for
FEW = 10  # items that may share a run that still says something: Brown et al. 2020 have this number for documents
SHORTEST = 8  # words of a question that is known by its words alone: the shortest run of Brown et al. 2020
LEAST = 3  # words of one that stands as a line or sentence of its own
LOOKED_FOR = 0.2  # of a question's runs of three words: any near copy has so many


class ItemIndex:
    """All items that rows are compared with."""

    def __init__(self, items: Sequence[ItemText]) -> None:
        import numpy as np

        self.contents = contents_of(items)
        self.vocabulary = Vocabulary()
        parts = [part for content in self.contents for part in content.parts]
        self.vocabulary.add(parts)
        codes = self.vocabulary.codes(parts)
        lengths = np.asarray([sum(len(part) + 1 for part in content.parts) for content in self.contents], np.int64)
        self._begins = np.cumsum(lengths) - lengths  # of each content among all words
        content = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(codes)) - np.repeat(self._begins, lengths)

        questions = np.asarray([len(one.question) for one in self.contents], np.int64)
        in_question = place < np.repeat(questions, lengths)
        self.long = Grams(LONG, np.where(in_question, codes, np.uint64(0)), content, place)
        own = self._own_words(len(codes))
        self.own_words = [
            own[begin : begin + len(one.question)] for begin, one in zip(self._begins, self.contents, strict=True)
        ]
        self._keep_long()
        self.short = Grams(SHORT, codes, content, place)
        self._keep_short(own)
        self._having = Counter(word for one in self.contents for word in set().union(*one.parts))
        asked = Counter(" ".join(one.question) for one in self.contents)
        usual = max(
            FEW, len(self.contents) / 100
        )  # "Which of the following is correct?" has no word that says anything
        self.by_question = {  # those that are too short for more than being found as they are
            text: number
            for number, one in enumerate(self.contents)
            if LEAST <= len(one.question) < SHORTEST
            and asked[text := " ".join(one.question)] == 1
            and min(map(self._having.__getitem__, one.question)) <= usual
        }

    def weight(self, word: str) -> float:
        """Of a word: the fewer items have it, the more it says."""
        return math.log(1 + len(self.contents) / self._having[word])

    def _own_words(self, words: int) -> Bools:
        """Which words of questions stand in no long run that another content has; of a question that has none, all."""
        import numpy as np

        shared = np.zeros(words + 1, dtype=np.int64)
        known = self.long.contents[self.long.gram] > 1
        begins = self._begins[self.long.content[known]] + self.long.place[known]
        np.add.at(shared, begins, 1)
        np.add.at(shared, begins + LONG, -1)
        alone = np.cumsum(shared)[:-1] == 0
        own = np.zeros(words, dtype=bool)
        for begin, content in zip(self._begins, self.contents, strict=True):
            end = begin + len(content.question)
            own[begin:end] = alone[begin:end] if alone[begin:end].any() else True
        return own

    def _keep_long(self) -> None:
        """Of runs that few have. An item's own are those that the fewest others have: none, where it can be."""
        import numpy as np

        fewest = np.full(len(self.contents), np.iinfo(np.int64).max)
        sharing = self.long.contents[self.long.gram]
        np.minimum.at(fewest, self.long.content, sharing)
        few = sharing <= FEW
        self.is_own = (sharing == fewest[self.long.content])[few]  # beside the occurrences that stay
        self.long.keep(few)

    def _keep_short(self, own: Bools) -> None:
        """Of runs that few have, those with own words; of an item that has none of these, the others."""
        import numpy as np

        grams = self.short
        rare = grams.contents[grams.gram] <= FEW
        at = self._begins[grams.content] + grams.place
        owned = own[at] | own[at + 1] | own[at + 2]
        has_own = np.zeros(len(self.contents), dtype=bool)
        has_own[grams.content[rare & owned]] = True
        wanted = rare & (owned | ~has_own[grams.content])
        pairs = np.unique(np.stack([grams.content[wanted], grams.gram[wanted]]), axis=1)
        counts = np.bincount(pairs[0], minlength=len(self.contents))
        self.needed = np.maximum(np.minimum(2, counts), np.ceil(LOOKED_FOR * counts))  # that a row has of each content
        grams.keep(wanted)
