"""Spread of cross-validated figures that comes from learning on the very women who are predicted.

Held fixed, out-of-fold predictions are independent of the outcome they are compared with. They are not fixed:
where there is nothing to learn, a woman moves a figure once as the one predicted and once as one learnt from, and
its variance is twice that of fixed predictions (a degenerate U-statistic of order two; Serfling 1980,
Approximation Theorems of Mathematical Statistics, section 5.5). The more there is to learn, the less it matters
which women taught it, and the variance of fixed predictions is left (Bayle et al. 2020, arXiv:2007.12671). Nested
cross-validation (Bates, Hastie & Tibshirani 2023, doi:10.1080/01621459.2023.2197686) measures the same excess with
hundreds of further fits; here it is written down. Coverage is measured in ``benchmarks/performance_intervals.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .arrays import LEAST_PROBABILITY, FloatArray
from .intervals import compute_mean_influence, compute_standard_error, compute_t_quantile

if TYPE_CHECKING:
    from .arrays import PredictedOutcomes
    from .estimate import Estimate

__all__ = ["compute_share_learnt", "count_refitting", "widen_difference"]

Number = TypeVar("Number", float, FloatArray)

FADES_OVER = 8.0
"""Squared standard errors from no skill at which half of the excess is left."""
EXPECTED_SQUARE = 2.0
"""Squared distance from no skill, in standard errors of fixed predictions, where there is none."""
SLOPE_EXCESS = 2.0
"""Excess variance of a calibration slope without skill: it also carries the negative bias of left-out folds."""
COUNTED = ", refitting counted"


def compute_share_learnt(squared_distance: Number) -> Number:
    """Share of the excess variance that is left so many squared standard errors from no skill.

    Examples
    --------
    >>> compute_share_learnt(0.0), compute_share_learnt(8.0)
    (1.0, 0.5)
    """
    return 1.0 / (1.0 + squared_distance / FADES_OVER)


def count_refitting(found: dict[str, Estimate], sample: PredictedOutcomes) -> dict[str, Estimate]:
    """Widen the intervals of Brier score, log loss and calibration slope by the spread of refitting.

    Of an error, only the part by which the model departs from the overall rate depends on what was learnt: its
    paired difference from the error of that rate.

    Parameters
    ----------
    found : dict of str to Estimate
        Of a cross-validation, with intervals for fixed predictions.
    sample : PredictedOutcomes
        Outcome and out-of-fold predictions.
    """
    y, rate = sample.y[:, np.newaxis], sample.prevalence
    kept = np.clip(sample.p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    brier = np.square(y - rate) - np.square(y - sample.p)
    scale = rate * (1.0 - rate)
    log_loss = np.log(np.where(y == 1.0, kept, 1.0 - kept)) - np.log(np.where(y == 1.0, rate, 1.0 - rate))
    excess = {"brier": _excess(brier, sample), "log_loss": _excess(log_loss, sample)}
    if scale > 0.0:
        excess["scaled_brier"] = excess["brier"] / scale**2
    slope = found["calibration_slope"]
    if slope.estimate is not None and slope.standard_error:
        excess["calibration_slope"] = SLOPE_EXCESS * _fade(slope.estimate, slope.standard_error**2)
    limits = {"brier": (0.0, 1.0), "log_loss": (0.0, np.inf), "scaled_brier": (-np.inf, 1.0)}
    return {
        name: _widen(estimate, excess[name], sample.n_patients, limits.get(name, (-np.inf, np.inf)))
        if name in excess
        else estimate
        for name, estimate in found.items()
    }


def _excess(reduction: FloatArray, sample: PredictedOutcomes) -> float:
    if sample.n_patients < 2:
        return 0.0
    mean, influence = compute_mean_influence(reduction, sample.weight)
    variance = compute_standard_error(influence, sample) ** 2
    if variance <= 0.0:
        return 0.0
    return _fade(float(mean.mean()), variance)


def _fade(value: float, variance: float) -> float:
    """Excess variance of a figure whose value without skill is 0."""
    return variance * compute_share_learnt(max(value**2 / variance - EXPECTED_SQUARE, 0.0))


def widen_difference(estimate: Estimate, n_patients: int) -> Estimate:
    """Widen the interval of a paired difference between cross-validated models, 0 where nothing was learnt."""
    if estimate.estimate is None or not estimate.standard_error:
        return estimate
    excess = _fade(estimate.estimate, estimate.standard_error**2)
    return _widen(estimate, excess, n_patients, (-np.inf, np.inf))


def _widen(estimate: Estimate, excess: float, n_patients: int, limits: tuple[float, float]) -> Estimate:
    if estimate.estimate is None or estimate.standard_error is None or excess <= 0.0:
        return estimate
    standard_error = float(np.sqrt(estimate.standard_error**2 + excess))
    half = compute_t_quantile(estimate.level, n_patients - 1) * standard_error
    low, high = max(estimate.estimate - half, limits[0]), min(estimate.estimate + half, limits[1])
    method = estimate.method + COUNTED
    return replace(estimate, ci_low=low, ci_high=high, standard_error=standard_error, method=method)
