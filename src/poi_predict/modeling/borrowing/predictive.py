"""What the posterior says of one woman: her log-odds as a normal distribution, and draws of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["NEW_CENTRE", "WomanRows", "compute_linear_moments"]

NEW_CENTRE = -1


@dataclass(frozen=True)
class WomanRows:
    """Women ready to be predicted.

    Attributes
    ----------
    design : ndarray of shape (n, n_coefficients)
    group : ndarray of int, shape (n,)
        Position of each woman's centre among the deviations; `NEW_CENTRE` where it is not known.
    gap_variance : ndarray of shape (n,)
        Variance that her missing values leave in her log-odds.
    """

    design: FloatArray
    group: NDArray[np.intp]
    gap_variance: FloatArray


def compute_linear_moments(
    women: WomanRows, mean: FloatArray, covariance: FloatArray, tau_square: float
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of each woman's linear predictor, shapes (n,).

    Parameters
    ----------
    women : WomanRows
    mean, covariance : ndarray of shape (d,) and (d, d)
        Of coefficients and deviations.
    tau_square : float
        Variance of a new centre's intercept.
    """
    k = women.design.shape[1]
    known = women.group != NEW_CENTRE
    at = k + women.group[known]
    eta = women.design @ mean[:k]
    eta[known] += mean[at]
    variance = ((women.design @ covariance[:k, :k]) * women.design).sum(axis=1) + women.gap_variance
    variance[~known] += tau_square
    together = (women.design[known] * covariance[:k, at].T).sum(axis=1)
    variance[known] += 2.0 * together + covariance[at, at]
    return eta, np.maximum(variance, 0.0)
