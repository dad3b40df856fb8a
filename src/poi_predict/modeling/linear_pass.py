"""A linear pipeline asked once: gaps filled by pattern, log-odds and each variable's part from one product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from poi_predict.features import origin_of
from poi_predict.modeling.gap_patterns import PatternFiller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = ["LinearPass"]


class LinearPass:
    """A linear model of the catalogue, made ready to judge many women; keeps no woman.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, of the steps features, impute, scale and model; see `is_linear`.
    variables : sequence of str
        Clinical variables: attributions are summed over the columns of each.
    """

    def __init__(self, pipeline: Pipeline, variables: Sequence[str]) -> None:
        imputer, scaler, model = pipeline["impute"], pipeline["scale"], pipeline["model"]
        origins = np.array([origin_of(str(name)) for name in imputer.feature_names_in_])
        flagged = np.array(imputer.flagged_, dtype=object)
        self._filler = PatternFiller(imputer.mean_, imputer.covariance_)
        self._low, self._high = imputer.low_, imputer.high_
        self._flagged = [np.flatnonzero(origins == variable) for variable in flagged]
        slopes = np.ravel(model.coef_) / scaler.scale_
        members = np.array([[name == v for v in variables] for name in (*origins, *flagged)], dtype=np.float64)
        parts = slopes[:, None] * members
        self._n, self._centre = len(origins), scaler.mean_
        self._of_columns, self._of_flags = np.split(np.column_stack([slopes, parts]), [self._n])
        self.baseline = float(np.ravel(model.intercept_)[0])

    def judge(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Judge women.

        Parameters
        ----------
        values : ndarray of shape (n_women, n_columns)
            Derived columns, NaN where missing.

        Returns
        -------
        p_response : ndarray of shape (n_women,)
        attributions : ndarray of shape (n_women, n_variables)
            Log-odds, about a woman at every column's mean.
        """
        filled, rows, patterns = self._filler.fill(values)
        missing = np.isnan(values)
        filled = np.where(missing, np.clip(filled, self._low, self._high), values)
        found = (filled - self._centre[: self._n]) @ self._of_columns
        if self._flagged:
            flags = np.array([[np.isin(at, pattern.columns).any() for at in self._flagged] for pattern in patterns])
            shares = (flags.reshape(-1, len(self._flagged)) - self._centre[self._n :]) @ self._of_flags
            found[rows.order] += np.repeat(shares, np.diff(rows.bounds), axis=0)
        return np.asarray(expit(self.baseline + found[:, 0])), found[:, 1:]
