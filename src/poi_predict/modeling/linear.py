"""What the linear models of the catalogue share: input checks, log-odds, how sure they are; and the plain one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import expit, ndtri
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from poi_predict.errors import ModelError
from poi_predict.modeling.newton import fit_penalised_logistic, with_intercept

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    FloatArray = NDArray[np.float64]

__all__ = [
    "NO_POSTERIOR",
    "LinearClassifier",
    "PlainLogistic",
    "compute_weight_inflation",
    "find_independent_columns",
    "find_normal_quantile",
    "place_covariance",
]

LEAST_WOMEN_A_COEFFICIENT = 10
NO_POSTERIOR = (
    "How sure a prediction is comes from the model's own posterior; this model has none. Train evidence, ridge, "
    "firth or prespecified; the bundles of earlier versions are to be trained again."
)


class LinearClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the two-class models whose log-odds are linear in the columns.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    coef_ : ndarray of shape (1, n_columns)
        Log odds ratios, one unit of a column.
    intercept_ : ndarray of shape (1,)
        Log-odds where all columns are zero.
    posterior_mean_, covariance_ : ndarray of shape (1 + n_columns,) and (1 + n_columns, 1 + n_columns)
        Of intercept and coefficients as a normal distribution: the one source of intervals and draws. NaN, or absent,
        where the model does not say how sure it is.
    attenuation_ : float
        How much nearer to zero than their posterior mean the coefficients are; see `RidgeLogistic`.
    centre_variance_ : float
        What a woman's centre adds to the variance of her log-odds; see `add_centre_variance`. 0 until that is said.
    home_ : str or None
        Digest of the only centre of training, where nothing is added; empty where none was recorded, None where there
        were several.

    No row of the training data is kept, and no statistic of a part of it.
    """

    classes_: NDArray[Any]
    coef_: FloatArray
    intercept_: FloatArray
    posterior_mean_: FloatArray
    covariance_: FloatArray
    attenuation_: float = 1.0
    centre_variance_: float = 0.0
    home_: str | None = None

    @abstractmethod
    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        """Return intercept and coefficients; every woman has a positive weight, both classes occur.

        A model that knows how sure it is sets `posterior_mean_` and `covariance_` as well.
        """

    @property
    def has_posterior(self) -> bool:
        """Whether the model says how sure it is; those of bundles of earlier versions do not."""
        return bool(np.isfinite(getattr(self, "covariance_", np.nan)).all())

    def linear_moments(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the posterior mean and variance of each woman's log-odds, shapes (n_women,)."""
        design = with_intercept(X)
        return design @ self.posterior_mean_, ((design @ self.covariance_) * design).sum(axis=1)

    def predict_interval(self, X: ArrayLike, coverage: float = 0.95) -> FloatArray:
        """Return the interval of each woman's probability, shape (n_women, 2); NaN without a posterior.

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        check_is_fitted(self)
        z = find_normal_quantile(coverage)
        columns = validate_data(self, X, reset=False, dtype=np.float64)
        if not self.has_posterior:
            return np.full((len(columns), 2), np.nan)
        eta, variance = self.linear_moments(columns)
        half = z * np.sqrt(variance)
        return np.column_stack([expit(eta - half), expit(eta + half)])

    def sample_coefficients(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw intercept and coefficients, shape (n, 1 + n_columns).

        Raises
        ------
        ModelError
            If the model does not say how sure it is.
        """
        if not self.has_posterior:
            raise ModelError(NO_POSTERIOR)
        value, vector = np.linalg.eigh(self.covariance_)
        root = vector * np.sqrt(np.maximum(value, 0.0))
        return np.asarray(self.posterior_mean_ + rng.standard_normal((n, len(value))) @ root.T, dtype=np.float64)

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_women, n_columns)
            Finite.
        y : array-like of shape (n_women,)
            Two classes; the probability of the second in sorted order is modelled.
        sample_weight : array-like of shape (n_women,), optional
            Not negative, such as inverse probabilities of censoring; a woman of weight zero does not count.

        Raises
        ------
        ValueError
            If the input is not finite, or not both classes have a woman of positive weight.
        """
        columns, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        weight = _check_sample_weight(sample_weight, columns, dtype=np.float64, ensure_non_negative=True)
        self.classes_ = np.unique(labels)
        if len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: "
                f"{len(self.classes_)} classes."
            )
        counts = weight > 0
        response = (labels[counts] == self.classes_[-1]).astype(np.float64)
        if len(self.classes_) < 2 or response.min(initial=1.0) == response.max(initial=0.0):
            raise ValueError("A model needs women of both classes; all women of positive weight are of one class.")
        intercept, coefficients = self._solve(columns[counts], response, weight[counts])
        self.intercept_ = np.array([intercept], dtype=np.float64)
        self.coef_ = np.asarray(coefficients, dtype=np.float64).reshape(1, -1)
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return log-odds of the second class, shape (n_women,)."""
        check_is_fitted(self)
        columns = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(columns @ self.coef_[0] + self.intercept_[0], dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return probabilities of both classes, shape (n_women, 2)."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier class, shape (n_women,)."""
        likelier = (self.decision_function(X) > 0).astype(np.intp)
        return np.asarray(self.classes_[likelier])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class PlainLogistic(LinearClassifier):
    """Maximum likelihood logistic regression, as a floor to compare with.

    A column that is a combination of the columns before it gets the coefficient zero. Under perfect
    separation there is no maximum; iteration then ends as R's ``glm`` ends, when the likelihood no longer
    grows.

    The posterior is the usual one of large samples: the estimate, and the inverse of the information there. With fewer
    than ten women a coefficient it held as little as 87 % of true probabilities, so then nothing is said of how sure
    the estimate is (``benchmarks/individual_intervals.py``).

    Attributes
    ----------
    converged_ : bool
        Whether the likelihood's maximum was reached; False says that the classes are separated, and nothing is said
        of how sure the estimate is.
    """

    converged_: bool

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        kept = find_independent_columns(X)
        design = with_intercept(X[:, kept])
        fit = fit_penalised_logistic(design, y, weight, np.zeros(design.shape[1]))
        self.converged_ = fit.converged
        coefficients = np.zeros(X.shape[1])
        coefficients[kept] = fit.coefficients[1:]
        covariance = fit.inverse_hessian * compute_weight_inflation(weight)
        if not fit.converged or len(y) < LEAST_WOMEN_A_COEFFICIENT * design.shape[1]:
            covariance = np.full_like(covariance, np.nan)
        self.posterior_mean_ = np.r_[fit.coefficients[0], coefficients]
        self.covariance_ = place_covariance(covariance, kept, X.shape[1])
        return float(fit.coefficients[0]), coefficients


def find_normal_quantile(coverage: float) -> float:
    """Return how many standard deviations from the middle an interval of a normal distribution ends.

    Raises
    ------
    ModelError
        If the coverage is not between 0 and 1.

    Examples
    --------
    >>> round(find_normal_quantile(0.95), 2)
    1.96
    """
    if not 0 < coverage < 1:
        raise ModelError(f"coverage must be between 0 and 1; it is {coverage}. Use 0.95 for 95 %.")
    return float(ndtri((1 + coverage) / 2))


def compute_weight_inflation(weight: FloatArray) -> float:
    """Return the factor by which unequal weights widen the variance of an estimate (Kish 1965, ISBN 0-471-48900-X).

    Parameters
    ----------
    weight : ndarray of shape (n_women,)
        Positive: inverse probabilities of being observed, above 1 for women who stand for others as well; or shares of
        a woman, below 1 for each of her courses, which widen nothing.

    Examples
    --------
    Two women who stand for three each and two who stand for one tell as much as 3.2 women, not as eight:

    >>> round(compute_weight_inflation(np.array([3.0, 3, 1, 1])), 2)
    2.5
    """
    return max(1.0, float(weight @ weight / weight.sum()))


def place_covariance(covariance: FloatArray, kept: NDArray[np.intp], n_columns: int) -> FloatArray:
    """Put a covariance of intercept and some columns among all columns; the others' coefficients are zero for sure.

    Parameters
    ----------
    covariance : ndarray of shape (1 + n_kept, 1 + n_kept)
    kept : ndarray of int, shape (n_kept,)
    n_columns : int
    """
    placed = np.zeros((1 + n_columns, 1 + n_columns))
    at = np.r_[0, 1 + kept]
    placed[np.ix_(at, at)] = covariance
    return placed


def find_independent_columns(X: FloatArray) -> NDArray[np.intp]:
    """Return the positions of columns that are no combination of a constant and the columns before them.

    Parameters
    ----------
    X : ndarray of shape (n_women, n_columns)

    Examples
    --------
    The third column is the sum of the first two, the fourth is constant:

    >>> find_independent_columns(np.array([[0.0, 1, 1, 5], [1, 0, 1, 5], [0, 0, 0, 5], [1, 1, 2, 5]]))
    array([0, 1])
    """
    centred = X - X.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    varying = size > 1e-10 * np.maximum(1.0, np.linalg.norm(X, axis=0))
    kept: list[int] = []
    basis = np.empty((len(X), 0))
    for j in np.flatnonzero(varying):
        column = centred[:, j] / size[j]
        for _ in range(2):  # twice is enough (Giraud et al. 2005): one pass leaves rounding behind
            column = column - basis @ (basis.T @ column)
        length = np.linalg.norm(column)
        if length > 1e-8:
            kept.append(int(j))
            basis = np.column_stack([basis, column / length])
    return np.array(kept, dtype=np.intp)
