"""Whether the women of a scored cohort differ from those of training, as far as so many women can tell.

Each aspect (a share, a mean) is compared by an interval of its difference: shares by Newcombe's hybrid of two Wilson
scores with continuity correction (1998, method 11,
doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), means by Welch (1947,
doi:10.1093/biomet/34.1-2.28). All of a page's
intervals hold together: Bonferroni divides the error of 5 % among them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .arrays import FloatArray

__all__ = [
    "Differences",
    "compute_mean_differences",
    "compute_psi",
    "compute_share_differences",
    "find_rows_for_shift",
    "find_smallest_share",
    "find_smallest_shift",
]

POWER = 0.8
ERROR = 0.05
"""Chance of any difference shown where there is none."""

HALF = 0.5
MOST_ROWS = 10**9


class Differences(NamedTuple):
    """Differences, new less development, each with its interval; arrays of one shape.

    Attributes
    ----------
    difference, ci_low, ci_high : ndarray of shape (k,)
    """

    difference: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray

    @property
    def shown(self) -> np.ndarray:
        """Whether an interval leaves zero out."""
        return (self.ci_low > 0.0) | (self.ci_high < 0.0)


def compute_share_differences(
    events_development: ArrayLike,
    n_development: ArrayLike,
    events_new: ArrayLike,
    n_new: ArrayLike,
    level: float = 0.95,
) -> Differences:
    """Compare shares of women, each pair with Newcombe's interval (1998, method 11, with continuity correction).

    Without the correction (method 10) intervals are shorter, but at the levels that many comparisons ask for, those of
    forty women leave zero out too often.

    Parameters
    ----------
    events_development, n_development, events_new, n_new : arrays of shape (k,)
        Women with the property, and women in whom it is known; effective numbers need not be whole.
    level : float
        Confidence level of each interval.

    Raises
    ------
    ValueError
        If events are negative or more than the women, or a cohort has none.

    Examples
    --------
    Newcombe's example: 56 of 70 and 48 of 80.

    >>> found = compute_share_differences([48], [80], [56], [70])
    >>> [round(float(value[0]), 4) for value in found]
    [0.2, 0.0428, 0.3422]
    >>> compute_share_differences([3], [2], [0], [5])
    Traceback (most recent call last):
    ValueError: events must lie between 0 and the number of women, of whom each cohort needs one
    """
    events = [np.asarray(values, dtype=np.float64) for values in (events_development, events_new)]
    sizes = [np.asarray(values, dtype=np.float64) for values in (n_development, n_new)]
    if any(((e < 0) | (e > n * (1 + 1e-12)) | (n <= 0)).any() for e, n in zip(events, sizes, strict=True)):
        raise ValueError("events must lie between 0 and the number of women, of whom each cohort needs one")
    z = float(ndtri(0.5 + level / 2.0))
    (p0, low0, high0), (p1, low1, high1) = (_score_interval(e, n, z) for e, n in zip(events, sizes, strict=True))
    difference = p1 - p0
    ci_low = difference - np.hypot(p1 - low1, high0 - p0)
    ci_high = difference + np.hypot(high1 - p1, p0 - low0)
    return Differences(difference, np.maximum(ci_low, -1.0), np.minimum(ci_high, 1.0))


def _score_interval(events: FloatArray, n: FloatArray, z: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the share and the limits of Wilson's score interval with continuity correction."""
    share, rest = events / n, n - events
    below = z**2 - 2.0 - 1.0 / n + 4.0 * share * (rest + 1.0)
    above = z**2 + 2.0 - 1.0 / n + 4.0 * share * (rest - 1.0)
    whole = 2.0 * (n + z**2)
    low = (2.0 * events + z**2 - 1.0 - z * np.sqrt(np.maximum(below, 0.0))) / whole
    high = (2.0 * events + z**2 + 1.0 + z * np.sqrt(np.maximum(above, 0.0))) / whole
    low = np.where(events <= 0.0, 0.0, np.maximum(low, 0.0))
    high = np.where(events >= n, 1.0, np.minimum(high, 1.0))
    return share, np.minimum(low, share), np.maximum(high, share)


def compute_mean_differences(
    development: tuple[ArrayLike, ArrayLike, ArrayLike],
    new: tuple[ArrayLike, ArrayLike, ArrayLike],
    level: float = 0.95,
) -> Differences:
    """Compare means, each pair with Welch's interval.

    Parameters
    ----------
    development, new : (mean, standard deviation, women), arrays of shape (k,) each
        At least two women in each; effective numbers need not be whole.
    level : float
        Confidence level of each interval.

    Returns
    -------
    Differences
        The interval is NaN where neither cohort varies.

    Examples
    --------
    Forty women, two years older than the 160 of the development cohort:

    >>> found = compute_mean_differences(([32.0], [4.0], [160]), ([34.0], [4.0], [40]))
    >>> [round(float(value[0]), 2) for value in found]
    [2.0, 0.59, 3.41]
    """
    mean0, sd0, n0 = (np.asarray(values, dtype=np.float64) for values in development)
    mean1, sd1, n1 = (np.asarray(values, dtype=np.float64) for values in new)
    first, second = np.square(sd0) / n0, np.square(sd1) / n1
    variance = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.square(variance) / (np.square(first) / (n0 - 1.0) + np.square(second) / (n1 - 1.0))
        half = stdtrit(df, 0.5 + level / 2.0) * np.sqrt(variance)
    half = np.where(variance > 0.0, half, np.nan)
    difference = mean1 - mean0
    return Differences(difference, difference - half, difference + half)


def compute_psi(shares_development: ArrayLike, n_development: float, counts_new: ArrayLike) -> tuple[float, float]:
    """Compute the population stability index of a distribution in bins, and what to expect of it without any drift.

    Parameters
    ----------
    shares_development : array of shape (bins,)
        They add up to one.
    n_development : float
        Women of development.
    counts_new : array of shape (bins,)
        New women in each bin.

    Returns
    -------
    psi, expected : float
        ``sum((q - p) ln(q / p))`` with half a woman added to every bin, and its mean ``(bins - 1)(1/n₀ + 1/n₁)``
        where both cohorts are of the same kind (Yurdakul & Naranjo 2020, doi:10.21314/JRMV.2020.227). Rules of thumb
        such as 0.1 and 0.25 know no n: forty women pass 0.1 by chance.

    Examples
    --------
    >>> psi, expected = compute_psi([0.25, 0.25, 0.25, 0.25], 200, [14, 9, 10, 7])
    >>> round(psi, 2), round(expected, 2)
    (0.06, 0.09)
    """
    counts = np.asarray(counts_new, dtype=np.float64)
    before = np.asarray(shares_development, dtype=np.float64) * n_development
    bins, n_new = counts.size, float(counts.sum())
    p = (before + HALF) / (before.sum() + HALF * bins)
    q = (counts + HALF) / (n_new + HALF * bins)
    return float(((q - p) * np.log(q / p)).sum()), (bins - 1) * (1.0 / n_development + 1.0 / n_new)


def find_smallest_shift(n_development: float, n_new: float, level: float, power: float = POWER) -> float:
    """Find the smallest shift of a mean, in standard deviations, that so many women would show.

    Parameters
    ----------
    n_development, n_new : float
        At least two women each.
    level, power : float
        Confidence level of the interval; chance that it leaves zero out.

    Examples
    --------
    One comparison of 40 women with 160, found in four of five such cohorts:

    >>> round(find_smallest_shift(160, 40, level=0.95), 2)
    0.5
    """
    first, second = 1.0 / n_development, 1.0 / n_new
    df = (first + second) ** 2 / (first**2 / (n_development - 1.0) + second**2 / (n_new - 1.0))
    reach = float(stdtrit(df, 0.5 + level / 2.0) + stdtrit(df, power))
    return reach * math.sqrt(first + second)


def find_smallest_share(n_development: float, n_new: float, level: float, power: float = POWER) -> float | None:
    """Find the smallest change of a share of one half that so many women would show; None if not even 50 points.

    A share near 0 or 1 varies less, and a smaller change of it is found.
    """
    change = HALF * find_smallest_shift(n_development, n_new, level, power)
    return change if change <= HALF else None


def find_rows_for_shift(shift: float, n_development: float, level: float, power: float = POWER) -> int | None:
    """Find how many new women would show a shift of a mean; None if no number would, so few were there in training.

    Parameters
    ----------
    shift : float
        In standard deviations.
    n_development : float
    level, power : float
        Confidence level of the interval; chance that it leaves zero out.

    Examples
    --------
    >>> find_rows_for_shift(0.5, 160, level=0.95), find_rows_for_shift(0.2, 160, level=0.95)
    (41, None)
    """
    low, high = 1, 2
    while find_smallest_shift(n_development, high, level, power) > shift:
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if find_smallest_shift(n_development, middle, level, power) > shift:
            low = middle
        else:
            high = middle
    return high
