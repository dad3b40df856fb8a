"""Columns brought to about mean 0 and standard deviation 1, by numbers that no woman can be read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from poi_predict.privacy import guard_moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["RoundedScaler"]


class RoundedScaler(StandardScaler):  # type: ignore[misc]
    """scikit-learn's ``StandardScaler`` whose means and standard deviations are rounded.

    A column is then nearly, not wholly, of mean 0 and standard deviation 1, which matters to no model.

    Parameters
    ----------
    least : int
        One of so few women changes no number by more than it is rounded by (`poi_predict.privacy`); 0 leaves them
        exact.

    Examples
    --------
    Ages of sixty women, about 33 years on average:

    >>> ages = np.linspace(27.3, 38.9, 60)[:, None]
    >>> bool(32.0 < RoundedScaler(least=5).fit(ages).mean_[0] < 34.0)
    True
    """

    mean_: FloatArray
    var_: FloatArray
    scale_: FloatArray

    def __init__(self, *, least: int = 0) -> None:
        super().__init__()
        self.least = least

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: Any = None) -> Self:
        """Learn mean and standard deviation of each column."""
        super().fit(X, y, sample_weight)
        if self.least:
            values = np.asarray(X, dtype=np.float64)
            every = np.eye(len(self.var_), dtype=np.bool_)
            mean, covariance, _ = guard_moments(values, self.mean_, np.diag(self.var_), every, self.least)
            self.var_ = np.diag(covariance).copy()
            self.scale_ = np.where(self.var_ > 0, np.sqrt(self.var_), self.scale_)
            self.mean_ = np.where(self.var_ > 0, mean, self.mean_)
        return self
