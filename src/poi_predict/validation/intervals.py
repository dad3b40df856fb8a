"""From influence values to confidence intervals: one rule for every metric.

A metric is approximately a sum over rows of *influence values*. Rows of one patient are added first, so
that she counts once, and the variance is the sum of squares over patients times ``G / (G - 1)``.
Repeats of a cross-validation are averaged *before* squaring: repeating the split on the same women adds no
women. Predictions are held fixed; what refitting would change is the business of `optimism`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import expit, logit, ndtri, stdtrit

from .arrays import FloatArray, PredictedOutcomes, sum_by_patient
from .estimate import Estimate

__all__ = [
    "Bounds",
    "Scale",
    "build_estimate",
    "build_interval",
    "compute_mean_influence",
    "compute_normal_quantile",
    "compute_standard_error",
    "compute_t_quantile",
]

Scale = Literal["identity", "log", "logit"]
Bounds = tuple[float, float]

UNBOUNDED: Bounds = (-np.inf, np.inf)
NO_VARIATION = "the statistic does not vary between patients, so it has no interval"


def compute_normal_quantile(level: float) -> float:
    """Two-sided normal quantile: 1.96 for 0.95."""
    return float(ndtri(0.5 + level / 2.0))


def compute_t_quantile(level: float, df: float) -> float:
    """Two-sided quantile of Student's t with `df` degrees of freedom."""
    return float(stdtrit(df, 0.5 + level / 2.0))


def compute_mean_influence(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean of each column of `values` (n, repeats), and the influence of each row on it."""
    share = (weight / weight.sum())[:, np.newaxis]
    mean = (share * values).sum(axis=0)
    return mean, share * (values - mean)


def compute_standard_error(influence: FloatArray, sample: PredictedOutcomes) -> float:
    """Patient-clustered standard error of a sum of row influences of shape (n, repeats).

    Requires at least two patients.
    """
    by_patient = sum_by_patient(influence.mean(axis=1), sample.patient, sample.n_patients)
    groups = sample.n_patients
    return float(np.sqrt(groups / (groups - 1) * np.square(by_patient).sum()))


def build_interval(
    value: float, standard_error: float, quantile: float, scale: Scale = "identity"
) -> tuple[float, float]:
    """Wald interval, symmetric on `scale` (delta method), on the original scale of `value`.

    Examples
    --------
    >>> low, high = build_interval(0.9, 0.05, 1.96, scale="logit")
    >>> round(low, 3), round(high, 3)
    (0.752, 0.964)
    """
    margin = quantile * standard_error
    if scale == "logit":
        centre, half = logit(value), margin / (value * (1.0 - value))
        return float(expit(centre - half)), float(expit(centre + half))
    if scale == "log":
        factor = float(np.exp(min(margin / value, 700.0)))
        return value / factor, value * factor
    return value - margin, value + margin


def build_estimate(
    values: FloatArray,
    influence: FloatArray,
    sample: PredictedOutcomes,
    *,
    method: str,
    level: float,
    scale: Scale = "identity",
    bounds: Bounds = UNBOUNDED,
) -> Estimate:
    """Mean over repeats with a t interval (patients minus one degrees of freedom) from row influences.

    Parameters
    ----------
    values : ndarray of shape (repeats,)
        The statistic in each repeat.
    influence : ndarray of shape (n, repeats)
        Influence of each row on each of them.
    bounds : pair of float
        Limits that the statistic cannot cross; the interval is cut there.
    """
    value = float(values.mean())
    if sample.n_patients < 2:
        return Estimate(value, None, None, method, "no interval from a single patient", level)
    standard_error = compute_standard_error(influence, sample)
    if standard_error <= 1e-12 * max(1.0, abs(value)):
        return Estimate(value, None, None, method, NO_VARIATION, level)
    quantile = compute_t_quantile(level, sample.n_patients - 1)
    low, high = build_interval(value, standard_error, quantile, scale)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(value, low, high, method, level=level, standard_error=standard_error)
