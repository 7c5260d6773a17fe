"""Exact match and F1 of answers in spans, by the rules of allenai/allennlp-reading-comprehension (`allennlp_rc/eval/`),
to the digit as lm-eval 0.4.13 computes them.

An answer is a sequence of spans. Both sides are normalised in the same way."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def normalize(text: str) -> str:
    """Words, split at spaces and hyphens, in lower case, without articles and punctuation; numbers as floats.

    Punctuation goes only from words that are no numbers yet: "12.5" stays, "12.5%" becomes "125.0"."""
    words = []
    for word in re.split("[ -]", text):
        word = word.lower()
        if not is_number(word):
            word = word.translate(_NO_PUNCTUATION)
        if is_number(word):
            word = str(float(word))
        words += _ARTICLE.sub(" ", word).split()
    return " ".join(words)


def exact_match_and_f1(predicted: Sequence[str], gold: Sequence[str]) -> tuple[float, float]:
    """(0 or 1, F1 rounded to hundredths) of one answer against one gold answer, each of at least one span.

    Exact: the same set of spans, and as many. F1: spans are paired one to one for the greatest sum, and an
    unpaired span counts 0."""
    answers, right = [normalize(span) for span in predicted], [normalize(span) for span in gold]
    exact = float(set(answers) == set(right) and len(answers) == len(right))
    table = [[_overlap(set(theirs.split()), set(ours.split())) for ours in answers] for theirs in right]
    # numpy rounds by multiplying; Python's own two-digit rounding is another in rare cases.
    return exact, round(_best_pairing(table) / max(len(answers), len(right)) * 100) / 100


def best(predicted: Sequence[str], golds: Iterable[Sequence[str]]) -> tuple[float, float]:
    """The best exact match and the best F1 over gold answers; those whose first span is blank do not count."""
    pairs = [exact_match_and_f1(predicted, gold) for gold in golds if gold[0].strip()]
    return max((exact for exact, _ in pairs), default=0.0), max((f1 for _, f1 in pairs), default=0.0)


def _overlap(gold: set[str], predicted: set[str]) -> float:
    """F1 of two bags of words; 0 when the gold has numbers and none is said."""
    numbers = {word for word in gold if is_number(word)}
    if numbers and not numbers & predicted:
        return 0.0
    common = len(gold & predicted)
    precision = common / len(predicted) if predicted else 1.0
    recall = common / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _best_pairing(table: Sequence[Sequence[float]]) -> float:
    if len(table) == 1 or len(table[0]) == 1:
        return max(value for row in table for value in row)
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(sum(table[row][column] for row, column in zip(rows, columns, strict=True)))
