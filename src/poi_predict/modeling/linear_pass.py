"""A linear pipeline asked once: gaps filled by pattern; log-odds, how sure they are, and each variable's part together.

One normal distribution of intercept and coefficients is the source of all of it. What a missing value leaves open
widens the interval: with covariance S of the gaps given what is known of her, by ``b' S b + trace(S Cov(b))``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from sklearn.preprocessing import StandardScaler

from poi_predict.features import origin_of
from poi_predict.modeling.gap_patterns import PatternFiller
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.modeling.linear import LinearClassifier
from poi_predict.modeling.recalibrated import RecalibratedClassifier, recalibrate_moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.gap_patterns import GapPattern

    FloatArray = NDArray[np.float64]

__all__ = ["LinearJudged", "LinearPass", "is_linear"]

STEPS = ["features", "impute", "scale", "model"]
ROWS_AT_ONCE = 2048
"""So few that what is worked out for them stays in the processor's cache."""


def is_linear(pipeline: Pipeline) -> bool:
    """Whether a pipeline is one of the catalogue's linear models, as fitted or recalibrated."""
    return (
        list(pipeline.named_steps) == STEPS
        and isinstance(_find_base(pipeline), LinearClassifier)
        and isinstance(pipeline["impute"], GaussianImputer)
        and isinstance(pipeline["scale"], StandardScaler)
    )


@dataclass(frozen=True, eq=False)
class LinearJudged:
    """What a linear model says of women, by row.

    Attributes
    ----------
    p_response, low, high : ndarray of shape (n_women,)
        Probability and its interval; NaN limits where the model does not say how sure it is.
    attributions : ndarray of shape (n_women, n_variables)
        Log-odds, about a woman at every column's mean.
    """

    p_response: FloatArray
    low: FloatArray
    high: FloatArray
    attributions: FloatArray


class LinearPass:
    """A linear model of the catalogue, made ready to judge many women; keeps no woman.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; see `is_linear`.
    variables : sequence of str
        Clinical variables: attributions are summed over the columns of each.
    """

    def __init__(self, pipeline: Pipeline, variables: Sequence[str] = ()) -> None:
        imputer, scaler, self._model = pipeline["impute"], pipeline["scale"], pipeline["model"]
        origins = np.array([origin_of(str(name)) for name in imputer.feature_names_in_])
        flagged = np.array(imputer.flagged_, dtype=object)
        self._filler = PatternFiller(imputer.mean_, imputer.covariance_)
        self._low, self._high = imputer.low_, imputer.high_
        self._flagged = [np.flatnonzero(origins == variable) for variable in flagged]
        self._n, self._centre = len(origins), scaler.mean_
        self.origins = (*origins.tolist(), *flagged.tolist())
        slopes = np.ravel(self._model.coef_) / scaler.scale_
        members = np.array([[name == v for v in variables] for name in self.origins], dtype=np.float64)
        parts = slopes[:, None] * members.reshape(len(slopes), len(variables))
        self.baseline = float(np.ravel(self._model.intercept_)[0])
        base = _find_base(pipeline)
        self.has_posterior = base.has_posterior
        self._products = np.column_stack([slopes, parts])
        if self.has_posterior:
            unit = np.r_[1.0, scaler.scale_]
            self.mean = base.posterior_mean_ / unit
            self.covariance = base.covariance_ / np.outer(unit, unit)
            self._products = np.column_stack(
                [self._products, self.mean[1:], 2.0 * self.covariance[0, 1:], self.covariance[1:, 1:]]
            )
        self._n_parts = 1 + len(variables)

    def judge(self, values: FloatArray, z: float) -> LinearJudged:
        """Judge women.

        Parameters
        ----------
        values : ndarray of shape (n_women, n_columns)
            Derived columns, NaN where missing.
        z : float
            Half the width of the interval, in standard deviations.
        """
        n = len(values)
        p, attributions = np.empty(n), np.empty((n, self._n_parts - 1))
        low, high = np.full((2, n), np.nan)
        columns, gap_variance = self.place(values)
        for start in range(0, n, ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            products = columns[part] @ self._products
            p[part] = expit(self.baseline + products[:, 0])
            attributions[part] = products[:, 1 : self._n_parts]
            if self.has_posterior:
                low[part], high[part] = self._bound(columns[part], products, gap_variance[part], z)
        return LinearJudged(p, np.minimum(low, p), np.maximum(high, p), attributions)

    def place(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fill what is missing.

        Returns
        -------
        ndarray of shape (n_women, n_columns + n_flags)
            Columns in their own units and flags, less their means in training.
        ndarray of shape (n_women,)
            Variance that the gaps leave in each woman's log-odds; 0 where the model does not say how sure it is.
        """
        filled, rows, patterns = self._filler.fill(values)
        missing = np.isnan(values)
        columns = np.empty((len(values), len(self._centre)))
        columns[:, : self._n] = np.where(missing, np.clip(filled, self._low, self._high), values)
        each = np.array([self._describe(pattern) for pattern in patterns]).reshape(len(patterns), -1)
        of_row = np.empty((len(values), each.shape[1] if len(each) else 1 + len(self._flagged)))
        of_row[rows.order] = np.repeat(each, np.diff(rows.bounds), axis=0)
        columns[:, self._n :] = of_row[:, 1:]
        columns -= self._centre
        return columns, of_row[:, 0]

    def list_gaps(self, values: FloatArray) -> Iterator[tuple[NDArray[np.intp], FloatArray]]:
        """Yield for each woman which of her columns are missing, and a root of their covariance given the others."""
        for row in np.isnan(values):
            pattern = self._filler.find(row)
            yield pattern.columns, np.asarray(np.linalg.cholesky(pattern.covariance), dtype=np.float64)

    def _describe(self, pattern: GapPattern) -> list[float]:
        """Return the variance that a pattern of gaps leaves open, then its flags."""
        flags = [float(np.isin(columns, pattern.columns).any()) for columns in self._flagged]
        if not self.has_posterior:
            return [0.0, *flags]
        at = 1 + pattern.columns
        slopes, covariance = self.mean[at], self.covariance[np.ix_(at, at)]
        return [float(slopes @ pattern.covariance @ slopes + (pattern.covariance * covariance).sum()), *flags]

    def _bound(
        self, columns: FloatArray, products: FloatArray, gap_variance: FloatArray, z: float
    ) -> tuple[FloatArray, FloatArray]:
        k = self._n_parts
        mean = self.mean[0] + products[:, k]
        variance = self.covariance[0, 0] + products[:, k + 1] + gap_variance
        variance += np.einsum("ij,ij->i", products[:, k + 2 :], columns)
        if isinstance(self._model, RecalibratedClassifier):  # learnt from, and so applied to, what the base predicted
            model = self._model
            said = (self.baseline + products[:, 0] - model.intercept) / model.slope
            mean, variance = recalibrate_moments(model, said, model.base.attenuation_**2 * variance)
        half = z * np.sqrt(np.maximum(variance, 0.0))
        return expit(mean - half), expit(mean + half)


def _find_base(pipeline: Pipeline) -> Any:
    model = pipeline[-1]
    return model.base if isinstance(model, RecalibratedClassifier) else model
