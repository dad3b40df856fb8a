"""Elastic-net logistic regression whose penalty is chosen by cross-validation inside the fit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

from poi_predict.modeling.linear import LinearClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["ElasticNetLogistic"]

WEAKEST_SHARE = 0.02
TOLERANCE = 1e-3
MAX_ITERATIONS = 1000


class ElasticNetLogistic(LinearClassifier):
    """Logistic regression with an elastic-net penalty.

    Absolute and squared coefficients are penalised together (Zou & Hastie 2005,
    doi 10.1111/j.1467-9868.2005.00503.x), so that columns drop out and correlated ones stay side by side. The
    path of penalties begins where the first coefficient leaves zero, so that no skill found means the bare
    prevalence. The least mean log loss over stratified folds chooses; of equals, the strongest penalty.

    Parameters
    ----------
    l1_ratio : float
        Share of the absolute in the penalty, between 0 (ridge) and 1 (lasso).
    n_penalties : int
        Length of the path.
    folds : int
        At most; fewer when a class has fewer women. With a single woman in a class nothing can be chosen, and
        the strongest penalty is taken.
    random_state : int
        Of the folds and of the solver.

    Attributes
    ----------
    C_ : float
        Inverse of the penalty chosen.
    """

    C_: float

    def __init__(self, l1_ratio: float = 0.5, n_penalties: int = 8, folds: int = 5, random_state: int = 0) -> None:
        self.l1_ratio = l1_ratio
        self.n_penalties = n_penalties
        self.folds = folds
        self.random_state = random_state

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        rate = weight @ y / weight.sum()
        pull = np.abs(X.T @ (weight * (y - rate))).max(initial=0.0)
        folds = int(min(self.folds, y.sum(), len(y) - y.sum()))
        if pull <= 1e-10 * weight.sum() or folds < 2:
            self.C_ = float(self.l1_ratio / pull) if pull > 0 else 0.0
            return float(np.log(rate / (1 - rate))), np.zeros(X.shape[1])
        penalties = pull / self.l1_ratio * np.geomspace(1.0, WEAKEST_SHARE, self.n_penalties)
        model = LogisticRegressionCV(
            Cs=1.0 / penalties,
            l1_ratios=(self.l1_ratio,),
            cv=StratifiedKFold(folds, shuffle=True, random_state=self.random_state),
            scoring="neg_log_loss",
            solver="saga",
            tol=TOLERANCE,
            max_iter=MAX_ITERATIONS,
            random_state=self.random_state,
            use_legacy_attributes=False,
        )
        with warnings.catch_warnings():
            # A coefficient a thousandth away from its optimum does not change what a clinician reads.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y, sample_weight=weight)
        self.C_ = float(model.C_)
        return float(model.intercept_[0]), model.coef_[0]
