"""Which hyperparameters matter in a study: what a random forest loses on unseen trials when one is shuffled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuning.report.views import StudyView
from tuning.types import Hyperparameters

FEWEST = 15  # trials
FOLDS = 5
SHUFFLES = 20
RESAMPLES = 1000
LOGARITHMIC = ("rank", "alpha", "lr", "batch", "lora_plus")


@dataclass(frozen=True, slots=True)
class Importance:
    """`lost` is by hyperparameter, the most important first: R² on unseen trials lost when its values are drawn from
    all trials at random. `explained` is that R² itself, from cross-validation; at 0 or below, `lost` says nothing.
    `intervals` (95%, percentile bootstrap) are over the trials that were predicted, the forests held as they are."""

    explained: float
    lost: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    trials: int


def importance(view: StudyView, seed: int = 0) -> Importance | None:
    """Of what the trials differ in (permutation importance, Breiman 2001, on held-out folds; scikit-learn's forest).
    None from fewer than fifteen trials measured on all rows, or where nothing differs."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    trials = view.ranked
    names = [name for name in view.searched if len({t.hyperparameters.value_of(name) for t in trials}) > 1]
    losses = np.array([trial.first for trial in trials])
    if len(trials) < FEWEST or not names or losses.std() == 0:
        return None
    x = features([trial.hyperparameters for trial in trials], names)
    # trials that diverged would be all that the forest explains: what counts is the order
    y = losses.argsort().argsort().astype(float)
    rng = np.random.default_rng(seed)
    right, shuffled = np.zeros(len(y)), np.zeros((len(names), SHUFFLES, len(y)))
    for learn, unseen in KFold(FOLDS, shuffle=True, random_state=seed).split(x):
        forest = RandomForestRegressor(100, min_samples_leaf=2, random_state=seed).fit(x[learn], y[learn])
        right[unseen] = forest.predict(x[unseen])
        changed = np.tile(x[unseen], (len(names), SHUFFLES, 1, 1))
        for at in range(len(names)):
            for turn in range(SHUFFLES):
                changed[at, turn, :, at] = rng.permutation(x[:, at])[: len(unseen)]
        shuffled[:, :, unseen] = forest.predict(changed.reshape(-1, len(names))).reshape(changed.shape[:3])
    explained = _r2(y, right)
    lost = {name: explained - float(np.mean([_r2(y, s) for s in shuffled[at]])) for at, name in enumerate(names)}
    order = dict(sorted(lost.items(), key=lambda item: -item[1]))
    more = ((y - shuffled) ** 2).mean(axis=1) - (y - right) ** 2  # [name, trial]: squared error that shuffling adds
    drawn = rng.integers(0, len(y), (RESAMPLES, len(y)))
    spread = y[drawn].var(axis=1) * len(y)
    ends = np.quantile(more[:, drawn].sum(axis=2) / np.where(spread > 0, spread, np.inf), [0.025, 0.975], axis=1)
    intervals = {name: (float(ends[0, at]), float(ends[1, at])) for at, name in enumerate(names)}
    return Importance(explained, order, {name: intervals[name] for name in order}, len(trials))


def features(hypers: Sequence[Hyperparameters], names: Sequence[str]):  # type: ignore[no-untyped-def]
    """float64[trial, name]: logarithms where a hyperparameter works by its ratio, places among values for words."""
    import numpy as np

    columns = []
    for name in names:
        values = [hyper.value_of(name) for hyper in hypers]
        if name in LOGARITHMIC:
            columns.append([math.log10(value) for value in values])
        elif isinstance(values[0], tuple):
            known = sorted(set(values))
            columns.append([float(known.index(value)) for value in values])
        else:
            columns.append([float(value) for value in values])
    return np.array(columns).T


def _r2(y, predicted) -> float:  # type: ignore[no-untyped-def]
    return 1 - float(((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum())
