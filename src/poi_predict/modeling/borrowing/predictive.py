"""What the posterior says of one woman: her log-odds as a normal distribution."""

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
    rows : ndarray of shape (n, d)
        Of the design, then how much of each deviation of a study or centre a woman has.
    new_centre : ndarray of shape (n, 2)
        How much of a new centre's deviations, of its intercept and of its effect of therapy, she has: none where her
        centre is known.
    gap_variance : ndarray of shape (n,)
        Variance that her missing values leave in her log-odds.
    therapy : ndarray of shape (n,)
        1 if she is treated.
    """

    rows: FloatArray
    new_centre: FloatArray
    gap_variance: FloatArray
    therapy: FloatArray


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
    variance = ((women.rows @ covariance) * women.rows).sum(axis=1) + women.gap_variance
    variance += tau_square * (women.new_centre**2).sum(axis=1)
    return women.rows @ mean, np.maximum(variance, 0.0)
