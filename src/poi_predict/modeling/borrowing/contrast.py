"""One woman with and without therapy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from poi_predict.modeling.borrowing.points import draw_normal_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.joint import JointFit
    from poi_predict.modeling.borrowing.links import Link
    from poi_predict.modeling.borrowing.predictive import WomanRows

    FloatArray = NDArray[np.float64]

__all__ = ["CONTRAST_COLUMNS", "compute_contrast"]

CONTRAST_COLUMNS = (
    "p_with", "with_low", "with_high", "p_without", "without_low", "without_high",
    "difference", "difference_low", "difference_high", "distinguishable",
)  # fmt: skip
N_POINTS = 1024
SEED = 20
ROWS_AT_ONCE = 4_000


def compute_contrast(
    fit: JointFit, treated: WomanRows, untreated: WomanRows, link: Link, z: float
) -> tuple[NDArray[np.generic], ...]:
    """Return the columns of `CONTRAST_COLUMNS`.

    Parameters
    ----------
    fit : JointFit
    treated, untreated : WomanRows
        The same women, differing in therapy alone.
    link : Link
    z : float
        Normal quantile of the intervals.

    Notes
    -----
    Both linear predictors are normal together. Their difference is; the difference of the probabilities is not, so
    its interval is that of even points of the pair, the same for every woman.
    """
    found, wide = [], []
    for women in (treated, untreated):
        eta, variance = fit.linear_moments(women)
        wide.append((eta, variance + fit.vary_elsewhere(women.therapy)))
        half = z * np.sqrt(wide[-1][1])
        found += [link.average(eta, variance), link.probability(eta - half), link.probability(eta + half)]
    low, high = _find_interval(link, wide[0], wide[1], _compute_covariance(fit, treated, untreated), z)
    return (*found, found[0] - found[3], low, high, (low > 0) | (high < 0))


def _compute_covariance(fit: JointFit, treated: WomanRows, untreated: WomanRows) -> FloatArray:
    """Covariance of both linear predictors of each woman, shape (n,)."""
    total = ((treated.rows @ fit.covariance) * untreated.rows).sum(axis=1)
    total += np.sqrt(treated.gap_variance * untreated.gap_variance)
    total += fit.posterior.tau_square * (treated.new_centre * untreated.new_centre).sum(axis=1)
    total += fit.vary_elsewhere(treated.therapy, untreated.therapy)
    return np.asarray(total, dtype=np.float64)


def _find_interval(
    link: Link,
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray],
    covariance: FloatArray,
    z: float,
) -> tuple[FloatArray, FloatArray]:
    points = draw_normal_points(N_POINTS, 2, SEED)
    sd = np.sqrt(np.maximum(first[1], 1e-300))
    slope = covariance / sd
    rest = np.sqrt(np.maximum(second[1] - slope**2, 0.0))
    tail = float(ndtr(-z))
    bounds = []
    for start in range(0, len(sd), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        eta_1 = first[0][part] + sd[part] * points[:, [0]]
        eta_0 = second[0][part] + slope[part] * points[:, [0]] + rest[part] * points[:, [1]]
        bounds.append(np.quantile(link.probability(eta_1) - link.probability(eta_0), [tail, 1 - tail], axis=0))
    low, high = np.hstack([np.empty((2, 0)), *bounds])
    return low, high
