"""Preference in the store: prompt sets, answers, comparisons and rating plans; and grades by a rubric."""

from harness import results
from judges.store.answer_sets import AnswerSets
from judges.store.chosen_pairs import ChosenPairs
from judges.store.comparisons import Comparisons
from judges.store.grades import Grades
from judges.store.rating_plans import RatingPlans

__all__ = ["Store"]


class Store(results.Store, AnswerSets, ChosenPairs, Comparisons, Grades, RatingPlans):
    """`Store(path)`: runs, and what checkpoints answered and who preferred what. All methods raise StoreError."""
