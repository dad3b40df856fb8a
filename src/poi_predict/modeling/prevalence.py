"""No model: every woman is given the overall rate, with the interval of that rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.stats import beta
from sklearn.dummy import DummyClassifier

from poi_predict.modeling.linear import compute_weight_inflation, find_normal_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["OverallRate"]


class OverallRate(DummyClassifier):  # type: ignore[misc]
    """The share of women who responded, whoever is asked about.

    Its interval is Jeffreys' (Brown, Cai & DasGupta 2001, doi 10.1214/ss/1009213286), of the rate and not of any one
    woman's chance: it says nothing of how different women are.

    Attributes
    ----------
    n_effective_ : float
        Women, or so many equally weighted ones as tell as much (Kish 1965).

    Examples
    --------
    Of forty women twelve responded:

    >>> women = np.zeros((40, 1))
    >>> rate = OverallRate().fit(women, [1] * 12 + [0] * 28)
    >>> rate.predict_interval(women[:1]).round(2).tolist()
    [[0.18, 0.45]]
    """

    n_effective_: float

    def __init__(self) -> None:
        super().__init__(strategy="prior")

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Count; see ``DummyClassifier``."""
        super().fit(X, y, sample_weight)
        weight = np.ones(len(np.asarray(y))) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.n_effective_ = float(weight.sum() / compute_weight_inflation(weight))
        return self

    def predict_interval(self, X: ArrayLike, coverage: float = 0.95) -> NDArray[np.float64]:
        """Return the interval of the rate for every row of X, shape (n_women, 2).

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        find_normal_quantile(coverage)
        events = float(self.class_prior_[1]) * self.n_effective_
        tails = [(1 - coverage) / 2, (1 + coverage) / 2]
        interval = beta.ppf(tails, events + 0.5, self.n_effective_ - events + 0.5)
        return np.tile(interval, (len(np.asarray(X)), 1))
