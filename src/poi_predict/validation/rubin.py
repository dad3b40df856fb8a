"""Rubin's rules: one estimate from several imputations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .estimate import Estimate
from .intervals import compute_t_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["PooledImputations", "compute_pooled_imputations"]


@dataclass(frozen=True)
class PooledImputations:
    """A statistic pooled over imputations.

    Attributes
    ----------
    estimate : Estimate
        Mean over imputations, with a t interval.
    variance, within, between : float
        Total variance, and its parts: mean variance within, variance between imputations.
    df : float
        Degrees of freedom of Barnard & Rubin.
    fraction_missing : float
        Share of the variance that is due to the missing values (lambda).
    """

    estimate: Estimate
    variance: float
    within: float
    between: float
    df: float
    fraction_missing: float


def compute_pooled_imputations(
    estimates: ArrayLike, variances: ArrayLike, *, complete_df: float = math.inf, level: float = 0.95
) -> PooledImputations:
    """Pool estimates of completed data sets by Rubin's rules.

    Parameters
    ----------
    estimates, variances : arrays of shape (imputations,)
        Estimate and squared standard error in each completed data set, on a scale where they are about
        normal.
    complete_df : float
        Degrees of freedom if no value were missing, usually n - k; infinite gives Rubin's large-sample rule.
    level : float
        Confidence level.

    Raises
    ------
    ValueError
        If the arrays differ, hold fewer than two imputations, or a variance is not positive.

    References
    ----------
    Rubin (1987), doi:10.1002/9780470316696; Barnard & Rubin (1999), doi:10.1093/biomet/86.4.948.

    Examples
    --------
    >>> pooled = compute_pooled_imputations([0.5, 0.7], [0.04, 0.04], complete_df=57)
    >>> round(pooled.estimate.estimate, 2), round(pooled.variance, 2)
    (0.6, 0.07)
    """
    values, squares = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if values.ndim != 1 or values.shape != squares.shape or values.size < 2:
        raise ValueError(f"two or more estimates need as many variances; {values.size} and {squares.size}")
    if not np.isfinite(values).all() or not np.isfinite(squares).all() or (squares <= 0.0).any():
        raise ValueError("estimates must be finite and variances finite and positive")
    if complete_df <= 0.0:
        raise ValueError(f"complete_df must be positive; it is {complete_df}")
    m = values.size
    within, between = float(squares.mean()), float(values.var(ddof=1))
    variance = within + (1.0 + 1.0 / m) * between
    fraction = (1.0 + 1.0 / m) * between / variance
    df = _compute_df(m, fraction, complete_df)
    value = float(values.mean())
    quantile = compute_t_quantile(level, df) if math.isfinite(df) else compute_t_quantile(level, 1e9)
    half = quantile * math.sqrt(variance)
    method = f"Rubin's rules over {m} imputations, Barnard–Rubin t interval"
    estimate = Estimate(value, value - half, value + half, method, level=level)
    return PooledImputations(estimate, variance, within, between, df, fraction)


def _compute_df(m: int, fraction: float, complete_df: float) -> float:
    """Harmonic blend of the imputation's and the observed-data degrees of freedom."""
    inverse = fraction**2 / (m - 1)
    if math.isfinite(complete_df):
        observed = (complete_df + 1.0) / (complete_df + 3.0) * complete_df * (1.0 - fraction)
        inverse += 1.0 / observed
    return 1.0 / inverse if inverse > 0.0 else math.inf
