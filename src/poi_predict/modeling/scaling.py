"""Columns brought to mean 0 and standard deviation 1, by numbers that no woman can be read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from poi_predict.privacy import round_mean, round_sd

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
    Ages of sixty women, to the nearest half year:

    >>> ages = np.linspace(27.3, 38.9, 60)[:, None]
    >>> RoundedScaler(least=5).fit(ages).mean_
    array([33.])
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
            n = np.max(self.n_samples_seen_)
            self.scale_ = np.where(self.var_ > 0, round_sd(self.scale_, n, self.least), self.scale_)
            self.var_ = np.where(self.var_ > 0, np.square(self.scale_), 0.0)
            self.mean_ = np.where(self.var_ > 0, round_mean(self.mean_, self.scale_, n, self.least), self.mean_)
        return self
