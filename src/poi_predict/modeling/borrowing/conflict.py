"""What each source of information contributed, and whether the sources contradict each other.

If two sources agree, the posterior mean moves, from the first source alone to both, by an amount whose variance is
what the posterior variance loses. A move too large for that is a conflict (Box 1980, doi 10.2307/2982063; Evans &
Moshonov 2006, doi 10.1214/06-BA129).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = [
    "combine_conflicts",
    "compute_conflict",
    "compute_information_shares",
    "compute_overall_conflict",
    "flag_conflicts",
]

LEAST_LEARNED = 0.02
"""Share of a variance that must be lost before a move of the mean can be judged."""
LEAST_LEARNED_TOGETHER = 0.1
"""The same for a direction in the test of all moves together: many that hardly learned would drown, or feign, one."""
FLAG_LEVEL = 0.025
"""Half of 5 %: the other half is for all moves together."""


def compute_conflict(mean: FloatArray, sd: FloatArray, mean_after: FloatArray, sd_after: FloatArray) -> FloatArray:
    """Return the two-sided p-value of each parameter's move, shape (d,); NaN where next to nothing was learned.

    Parameters
    ----------
    mean, sd : ndarray of shape (d,)
        Before the second source.
    mean_after, sd_after : ndarray of shape (d,)
        After it.

    Examples
    --------
    A belief of -0.4 with SD 0.2 moved to +0.3 by data that halve its SD: such a move was hardly to be expected.

    >>> compute_conflict(np.array([-0.4]), np.array([0.2]), np.array([0.3]), np.array([0.1])).round(4)
    array([0.0001])
    """
    learned = sd**2 - sd_after**2
    enough = learned > LEAST_LEARNED * sd**2
    z = np.abs(mean_after - mean) / np.sqrt(np.where(enough, learned, 1.0))
    return np.where(enough, 2.0 * ndtr(-z), np.nan)


def compute_overall_conflict(
    before: tuple[FloatArray, FloatArray],
    after: tuple[FloatArray, FloatArray],
    least_learned: float = LEAST_LEARNED_TOGETHER,
) -> float:
    """Return the p-value of all moves together; NaN where next to nothing was learned.

    Only directions in which something was learned count: of each, the move is compared with its variance, and the
    sum with a chi-squared distribution.

    Parameters
    ----------
    before, after : tuple of ndarray of shape (d,) and (d, d)
        Mean and covariance without the second source, and with it.
    least_learned : float
        Share of its variance that a direction must have lost.
    """
    (mean, covariance), (mean_after, covariance_after) = before, after
    values, vectors = np.linalg.eigh(covariance)
    whiten = (vectors / np.sqrt(np.maximum(values, 1e-12))).T
    learned, directions = np.linalg.eigh(whiten @ (covariance - covariance_after) @ whiten.T)
    enough = learned > least_learned
    if not enough.any():
        return float("nan")
    moves = directions[:, enough].T @ whiten @ (mean_after - mean)
    return float(chdtrc(enough.sum(), (moves**2 / learned[enough]).sum()))


def combine_conflicts(overall: float, p: FloatArray) -> float:
    """Return one p-value of all moves together and of each of them; NaN where nothing could be judged.

    The smallest after Bonferroni's correction, half for the one question and half for the many: where sources agree
    it is below 0.05 in at most 5 of 100 comparisons, and an effect that `flag_conflicts` names makes it so.

    Examples
    --------
    >>> combine_conflicts(0.20, np.array([0.004, 0.7, np.nan]))
    0.016
    """
    tested = p[~np.isnan(p)]
    asked = [2.0 * overall, *(2.0 * len(tested) * tested)]
    known = [value for value in asked if not np.isnan(value)]
    return float(min(1.0, *known)) if known else float("nan")


def compute_information_shares(*sds: FloatArray) -> list[FloatArray]:
    """Return the share of the final precision that each source brought.

    Parameters
    ----------
    *sds : ndarray of shape (d,)
        Standard deviations after the first source, after the first two, and so on.

    Examples
    --------
    A prior with SD 0.6; arms bring it to 0.3; the clinic's women to 0.2:

    >>> [share.round(2).tolist() for share in compute_information_shares(*map(np.array, ([0.6], [0.3], [0.2])))]
    [[0.11], [0.33], [0.56]]
    """
    precision = np.stack([1.0 / sd**2 for sd in sds])
    final = precision[-1]
    gained = np.diff(precision, axis=0, prepend=np.zeros((1, len(final))))
    gained = np.maximum(gained, 0.0)
    return list(gained / gained.sum(axis=0))


def flag_conflicts(p: FloatArray) -> NDArray[np.bool_]:
    """Return which p-values remain below 0.025 when all were looked at (Holm 1979); NaN is none.

    Examples
    --------
    >>> flag_conflicts(np.array([0.001, 0.02, np.nan])).tolist()
    [True, True, False]
    """
    flagged = np.zeros(len(p), dtype=bool)
    tested = np.flatnonzero(~np.isnan(p))
    for rank, position in enumerate(tested[np.argsort(p[tested], kind="stable")]):
        if p[position] > FLAG_LEVEL / (len(tested) - rank):
            break
        flagged[position] = True
    return flagged
