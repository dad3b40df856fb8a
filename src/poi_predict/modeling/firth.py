"""Firth's logistic regression, with an intercept that leaves the mean prediction unbiased."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from poi_predict.errors import ModelError
from poi_predict.modeling.linear import (
    LinearClassifier,
    compute_weight_inflation,
    find_independent_columns,
    place_covariance,
)
from poi_predict.modeling.newton import with_intercept

if TYPE_CHECKING:
    from firthmodels import FirthLogisticRegression
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["FirthLogistic", "compute_profile_interval", "fit_offset_intercept"]

MAX_ITERATIONS = 200
TOLERANCE = 1e-8


class FirthLogistic(LinearClassifier):
    """Logistic regression with Firth's penalty and, by default, the FLIC intercept.

    Firth's penalty (1993, doi 10.1093/biomet/80.1.27) removes the first-order bias of the coefficients and
    keeps them finite when a column separates the classes (Heinze & Schemper 2002, doi 10.1002/sim.1047). It
    pulls predictions towards 1/2; FLIC (Puhr et al. 2017, doi 10.1002/sim.7273) refits the intercept by
    maximum likelihood, so that the mean prediction is the observed rate, which rare events such as
    pregnancies need. A column that is a combination of the columns before it gets the coefficient zero.

    Parameters
    ----------
    correct_intercept : bool
        Whether to refit the intercept (FLIC).

    The posterior is that of large samples: the estimate, and the inverse of the information there.

    Attributes
    ----------
    converged_ : bool
        Whether the penalised likelihood's maximum was reached.

    Examples
    --------
    Visible follicles separate eight women perfectly, and the odds ratio stays finite:

    >>> visible = np.array([[0.0], [0], [0], [0], [0], [1], [1], [1]])
    >>> responds = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    >>> model = FirthLogistic().fit(visible, responds)
    >>> model.coef_.round(2), model.predict_proba(visible)[:, 1].mean().round(6)
    (array([[4.34]]), np.float64(0.375))
    """

    converged_: bool

    def __init__(self, correct_intercept: bool = True) -> None:
        self.correct_intercept = correct_intercept

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        coefficients = np.zeros(X.shape[1])
        kept = find_independent_columns(X)
        self.converged_, start = True, None
        if len(kept):
            # The library's estimator keeps the rows it was fitted on; only its numbers are taken from it.
            fitted = _fit_library(X[:, kept], y, weight)
            self.converged_, start = bool(fitted.converged_), float(fitted.intercept_)
            coefficients[kept] = fitted.coef_
        offset = X @ coefficients
        corrected = start is None or self.correct_intercept
        intercept = fit_offset_intercept(offset, y, weight) if corrected else float(start or 0.0)
        self._say_how_sure(X, intercept, coefficients, weight, kept)
        return intercept, coefficients

    def _say_how_sure(
        self, X: FloatArray, intercept: float, coefficients: FloatArray, weight: FloatArray, kept: NDArray[np.intp]
    ) -> None:
        design = with_intercept(X[:, kept])
        response = expit(intercept + X @ coefficients)
        information = (design.T * (weight * response * (1 - response))) @ design
        try:
            covariance = np.linalg.inv(information) * compute_weight_inflation(weight)
        except np.linalg.LinAlgError:  # predictions of 0 and 1 throughout: nothing is said
            covariance = np.full_like(information, np.nan)
        self.posterior_mean_ = np.r_[intercept, coefficients]
        self.covariance_ = place_covariance(covariance, kept, X.shape[1])


def fit_offset_intercept(offset: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    """Return the intercept with which the weighted mean prediction equals the weighted observed rate.

    The maximum likelihood intercept of a logistic model with the linear predictor `offset`.

    Parameters
    ----------
    offset, y, weight : ndarray of shape (n_women,)
        Log-odds without intercept, responses of both classes, positive weights.

    Examples
    --------
    >>> round(fit_offset_intercept(np.zeros(4), np.array([1.0, 0, 0, 0]), np.ones(4)), 4)
    -1.0986
    """
    rate = weight @ y / weight.sum()
    centre = np.log(rate / (1 - rate))

    def excess(intercept: float) -> float:
        return float(weight @ (expit(offset + intercept) - y))

    # With all offsets at their highest the intercept could only be lower, and the other way round.
    low, high = centre - offset.max() - 1e-6, centre - offset.min() + 1e-6
    return float(brentq(excess, low, high, xtol=1e-12, rtol=1e-14))


def compute_profile_interval(
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
) -> FloatArray:
    """Compute profile penalised-likelihood intervals of Firth's coefficients.

    Better than Wald intervals where the likelihood is skewed, as under separation (Heinze & Schemper 2002,
    doi 10.1002/sim.1047).

    Parameters
    ----------
    X : array-like of shape (n_women, n_columns)
        Independent columns.
    y : array-like of shape (n_women,)
        0 or 1.
    sample_weight : array-like of shape (n_women,), optional
    level : float
        Coverage.

    Returns
    -------
    ndarray of shape (n_columns, 2)
        Lower and upper limits of the log odds ratios; NaN where a limit was not found.

    Raises
    ------
    ModelError
        If the columns depend on one another.
    """
    columns = np.asarray(X, dtype=np.float64)
    dependent = columns.shape[1] - len(find_independent_columns(columns))
    if dependent:
        raise ModelError(
            f"Profile intervals need independent columns; {dependent} of {columns.shape[1]} depend on "
            "the others. Remove them."
        )
    response = np.asarray(y, dtype=np.float64)
    weight = np.ones(len(response)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    fitted = _fit_library(columns, response, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        limits = fitted.conf_int(alpha=1 - level, method="pl", features=list(range(columns.shape[1])), max_iter=100)
    return np.asarray(limits[: columns.shape[1]], dtype=np.float64)


def _fit_library(X: FloatArray, y: FloatArray, weight: FloatArray) -> FirthLogisticRegression:
    from firthmodels import FirthLogisticRegression  # noqa: PLC0415 - it compiles on import, and scoring needs none of it

    model = FirthLogisticRegression(backend="numpy", max_iter=MAX_ITERATIONS, gtol=TOLERANCE, xtol=TOLERANCE)
    with warnings.catch_warnings():
        # The library's word on convergence is kept in `converged_`, where a program can read it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return model.fit(X, y, sample_weight=weight)
