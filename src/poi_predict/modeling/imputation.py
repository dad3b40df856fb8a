"""Imputation of missing columns from the others, by a multivariate normal model.

Expectation–maximisation (Dempster, Laird & Rubin 1977, doi 10.1111/j.2517-6161.1977.tb01600.x) estimates mean
and covariance from incomplete rows; `gaps` has the algebra of one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.stats import invwishart
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from poi_predict.features import SEPARATOR, origin_of, round_down, round_up
from poi_predict.modeling.gaps import Gaps, condition_gaps, find_patterns
from poi_predict.privacy import compute_inner_range, guard_moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    FloatArray = NDArray[np.float64]

__all__ = ["GaussianImputer"]

ROWS_AT_ONCE = 20_000
LEAST_PRIOR_ROWS = 1e-6


class GaussianImputer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fills a missing value with its mean given the woman's other values, and flags what was missing.

    Every column is first brought to mean 0 and standard deviation 1. The covariance is shrunk towards
    uncorrelated columns as if `prior_rows` more women without any correlation had been seen, which keeps it
    invertible with few women and with constant columns. An observed value is passed on to the last bit.

    For each clinical variable, not each derived column, one flag ``<variable>__missing`` is appended, so that
    "not measured" may have its own meaning. A column without any value at fit is filled with 0, unflagged: it
    stays in place and tells nothing.

    Parameters
    ----------
    prior_rows : float
        Weight of the shrinkage, in women.
    min_missing : int
        A variable missing in fewer women has no flag: too few to learn from. As many must have a value.
    tolerance : float
        Largest change of mean or covariance, in standard deviations, at which iteration ends.
    max_iterations : int
        Most iterations.
    least : int
        Mean and covariance are rounded so that one of so few women changes them too little to be seen
        (`poi_predict.privacy`), and a flag is of as many women at least; 0 leaves them exact.

    Attributes
    ----------
    mean_, covariance_ : ndarray of shape (n_columns,) and (n_columns, n_columns)
        Of the normal model, in the columns' own units.
    low_, high_ : ndarray of shape (n_columns,)
        Range of the values put in: the observed range, rounded outward to two digits; with `least`, from the mean of
        the lowest to that of the highest twentieth of the values, of so many women at least.
    flagged_ : list of str
        Variables that have a flag.
    n_rows_ : int
        Women of the fit.
    n_iter_ : int
        Iterations taken.

    Examples
    --------
    FSH and LH go together, so a missing LH is put in from FSH; the other women stay as they are:

    >>> import numpy as np
    >>> women = np.array([[30.0, 15], [50, 25], [70, 35], [90, 45], [110, 55], [100, np.nan]])
    >>> GaussianImputer(prior_rows=0.01).fit_transform(women).round(0)[-1]
    array([100.,  50.])
    """

    mean_: FloatArray
    covariance_: FloatArray
    low_: FloatArray
    high_: FloatArray
    flagged_: list[str]
    n_rows_: int
    n_iter_: int
    least: int = 0  # of models stored before it was a parameter

    def __init__(
        self,
        prior_rows: float = 10.0,
        min_missing: int = 8,
        tolerance: float = 1e-3,
        max_iterations: int = 50,
        least: int = 0,
    ) -> None:
        self.prior_rows = prior_rows
        self.min_missing = min_missing
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.least = least

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Estimate mean and covariance, and choose the flags; the outcome is never looked at.

        Parameters
        ----------
        X : array-like of shape (n_women, n_columns)
            NaN where missing.
        y : ignored
        """
        values: FloatArray = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        missing = np.isnan(values)
        self.n_rows_ = len(values)
        centre, scale = _standardise(values, missing)
        mean, covariance = self._maximise(np.where(missing, 0.0, (values - centre) / scale), missing)
        self.mean_ = centre + scale * mean
        self.covariance_ = covariance * np.outer(scale, scale)
        if self.least:
            self._blur(values)
        ranges = [_find_range(column[~gone], self.least) for column, gone in zip(values.T, missing.T, strict=True)]
        self.low_, self.high_ = np.array(ranges, dtype=np.float64).reshape(-1, 2).T
        self.flagged_ = self._choose_flags(missing)
        return self

    def transform(self, X: ArrayLike) -> FloatArray:
        """Return the columns with missing values filled, then the flags.

        Returns
        -------
        ndarray of shape (n_women, n_columns + n_flags)
        """
        return self._complete(X, self.mean_, self.covariance_, lambda gaps: gaps.mean)

    def draw(self, X: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return one completed table for multiple imputation: `transform` with chance put back.

        Mean and covariance are drawn from their normal–inverse-Wishart posterior, then the missing values
        from their distribution given the observed ones (Schafer 1997, ISBN 978-0-412-04061-0). The posterior
        counts all women of the fit as complete, which understates its width a little where much is missing.

        Parameters
        ----------
        X : array-like of shape (n_women, n_columns)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n_women, n_columns + n_flags)
        """
        check_is_fitted(self)
        scale = np.sqrt(np.diag(self.covariance_))
        spare = self.n_rows_ + self.prior_rows
        degrees = spare + len(scale) + 1  # with which the mean of the draws is the estimate
        correlation = self.covariance_ / np.outer(scale, scale)
        drawn = np.atleast_2d(invwishart.rvs(degrees, correlation * spare, random_state=rng))
        mean = rng.multivariate_normal(np.zeros(len(scale)), drawn / self.n_rows_, method="cholesky")

        def sample(gaps: Gaps) -> FloatArray:
            roots = np.linalg.cholesky(gaps.covariance)[gaps.patterns.of_row]
            noise = rng.standard_normal(gaps.mean.shape)
            return np.asarray(gaps.mean + np.einsum("rij,rj->ri", roots, noise))

        return self._complete(X, self.mean_ + scale * mean, drawn * np.outer(scale, scale), sample)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns, then of the flags."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        flags = [f"{variable}{SEPARATOR}missing" for variable in self.flagged_]
        return np.array([*names, *flags], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _maximise(self, Z: FloatArray, missing: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
        """Run the iteration on standardised columns; Z is 0 where missing."""
        n, d = Z.shape
        prior = max(float(self.prior_rows), LEAST_PRIOR_ROWS)
        patterns = find_patterns(missing)
        mean = np.zeros(d)
        covariance = (Z.T @ Z + prior * np.eye(d)) / (n + prior)
        self.n_iter_ = 0
        while len(patterns.rows) and self.n_iter_ < self.max_iterations:
            gaps = condition_gaps(Z, mean, covariance, patterns)
            residual = np.where(missing, 0.0, Z - mean)
            patterns.put(residual, gaps.mean)
            shift = residual.mean(axis=0)
            residual -= shift
            scatter = residual.T @ residual + gaps.sum_of_covariances(d) + prior * np.eye(d)
            change = max(np.abs(shift).max(), np.abs(scatter / (n + prior) - covariance).max())
            mean, covariance = mean + shift, scatter / (n + prior)
            self.n_iter_ += 1
            if change < self.tolerance:
                break
        return mean, covariance

    def _blur(self, values: FloatArray) -> None:
        """Blur mean and covariance, so that what is filled in and learnt from is what is stored."""
        every = np.ones(self.covariance_.shape, dtype=np.bool_)
        self.mean_, covariance, known = guard_moments(values, self.mean_, self.covariance_, every, self.least)
        varies = (known > 0) & (np.diag(covariance) > 0)
        self.covariance_ = np.where(np.outer(varies, varies), covariance, np.diag(np.diag(self.covariance_)))

    def _complete(
        self,
        X: ArrayLike,
        mean: FloatArray,
        covariance: FloatArray,
        choose: Callable[[Gaps], FloatArray],
    ) -> FloatArray:
        """Fill each gap with what `choose` takes from its distribution, and append the flags."""
        check_is_fitted(self)
        filled: FloatArray = validate_data(
            self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan", copy=True
        )
        missing = np.isnan(filled)
        scale = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(scale, scale)
        for start in range(0, len(filled), ROWS_AT_ONCE):
            part = filled[start : start + ROWS_AT_ONCE]
            patterns = find_patterns(missing[start : start + ROWS_AT_ONCE])
            if len(patterns.rows):
                gaps = condition_gaps((part - mean) / scale, np.zeros(len(mean)), correlation, patterns)
                values = np.zeros_like(part)
                patterns.put(values, choose(gaps))
                values = np.clip(mean + scale * values, self.low_, self.high_)
                np.copyto(part, values, where=np.isnan(part))
        return np.hstack([filled, self._flag(missing)])

    def _choose_flags(self, missing: NDArray[np.bool_]) -> list[str]:
        """Return the variables whose missingness can be learned from, each distinct pattern once."""
        chosen: dict[bytes, str] = {}
        for variable in dict.fromkeys(self._origins()):
            gone = self._is_missing(missing, variable)
            if min(gone.sum(), (~gone).sum()) >= max(self.min_missing, self.least, 1):
                chosen.setdefault(gone.tobytes(), variable)
        return list(chosen.values())

    def _flag(self, missing: NDArray[np.bool_]) -> FloatArray:
        flags = [self._is_missing(missing, variable) for variable in self.flagged_]
        return np.array(flags, dtype=np.float64).reshape(len(flags), len(missing)).T

    def _is_missing(self, missing: NDArray[np.bool_], variable: str) -> NDArray[np.bool_]:
        columns = [origin == variable for origin in self._origins()]
        return np.asarray(missing[:, columns].any(axis=1))

    def _origins(self) -> list[str]:
        return [origin_of(str(name)) for name in _check_feature_names_in(self)]


def _find_range(known: FloatArray, least: int) -> tuple[float, float]:
    """Return the range of what may be put in; 0 where nothing is known."""
    if not known.size:
        return 0.0, 0.0
    if least:
        return compute_inner_range(known, least)
    return float(round_down(known.min())), float(round_up(known.max()))


def _standardise(X: FloatArray, missing: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of the observed values; 0 and 1 where there is none to speak of."""
    n = np.maximum((~missing).sum(axis=0), 1)
    centre = np.where(missing, 0.0, X).sum(axis=0) / n
    spread = np.sqrt((np.where(missing, 0.0, X - centre) ** 2).sum(axis=0) / n)
    return centre, np.where(spread > 1e-12 * np.maximum(1.0, np.abs(centre)), spread, 1.0)
