"""Agreement of predicted probabilities with what happened: intercepts, slope, observed over expected.

Names collide in this field, so each says its estimator. *Calibration-in-the-large* is the intercept with the
slope fixed at one; the *joint intercept* is estimated together with the slope (the "intercept" of
``rms::val.prob``). On the same vectors they differ.

Every function takes predictions of shape (n,), or (n, repeats) from a repeated cross-validation, whose mean
over repeats is then reported. The weak-calibration hierarchy is that of Van Calster et al. (2016),
doi:10.1016/j.jclinepi.2015.12.005.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import check_predicted_outcomes
from .estimate import Estimate
from .intervals import build_estimate, compute_mean_influence
from .recalibration import build_coefficient_estimate, fit_recalibration

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "compute_calibration_in_the_large",
    "compute_calibration_slope",
    "compute_joint_intercept",
    "compute_o_e_ratio",
]


def compute_calibration_in_the_large(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Calibration intercept with the slope fixed at one, in log-odds; 0 is ideal.

    Positive when more women respond than predicted.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response : array of shape (n,) or (n, repeats)
        Predicted probability of the outcome.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row, for the clustered interval.
    level : float
        Confidence level.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    Half respond where one in five was expected: log-odds 0 against log(1/4).

    >>> y = [1, 0] * 20
    >>> round(compute_calibration_in_the_large(y, [0.2] * 40).estimate, 3)
    1.386
    >>> compute_calibration_in_the_large([0, 0], [0.2, 0.3]).reason
    'none of the 2 rows has the event'
    """
    method = "calibration-in-the-large (intercept, slope fixed at 1), jackknife t interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    return build_coefficient_estimate(fit_recalibration(sample, with_slope=False), 0, sample, method, level)


def compute_joint_intercept(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Calibration intercept estimated jointly with the slope, in log-odds; 0 is ideal.

    Not calibration-in-the-large: it is the miscalibration where the prediction is 50 %, with the slope
    already mended. Parameters as for `compute_calibration_in_the_large`.
    """
    method = "joint calibration intercept (estimated with the slope), jackknife t interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    return build_coefficient_estimate(fit_recalibration(sample, with_slope=True), 0, sample, method, level)


def compute_calibration_slope(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Slope of the outcome on the log-odds of the prediction; 1 is ideal.

    Below 1 the predictions are too extreme (overfitting), above 1 not extreme enough; 0 is no skill. Cox
    (1958), doi:10.1093/biomet/45.3-4.562. Parameters as for `compute_calibration_in_the_large`.

    Examples
    --------
    Predicted 10 % and 90 %, but one and three in four respond: far too extreme.

    >>> y, p = [1, 0, 0, 0] * 5 + [1, 1, 1, 0] * 5, [0.1] * 20 + [0.9] * 20
    >>> round(compute_calibration_slope(y, p).estimate, 3)
    0.5
    >>> compute_calibration_slope(y, [0.3] * 40).reason
    'the predictions are constant'
    """
    method = "calibration slope, jackknife t interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    return build_coefficient_estimate(fit_recalibration(sample, with_slope=True), 1, sample, method, level)


def compute_o_e_ratio(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Observed over expected number of events; 1 is ideal, above 1 too few were predicted.

    The interval is symmetric on the log scale (Debray et al. 2017, doi:10.1136/bmj.i6460). Parameters as for
    `compute_calibration_in_the_large`.

    Examples
    --------
    >>> round(compute_o_e_ratio([1, 0, 0, 1], [0.3, 0.1, 0.2, 0.4]).estimate, 3)
    2.0
    >>> compute_o_e_ratio([0, 0], [0.0, 0.0]).reason
    'no events are expected'
    """
    method = "observed/expected events, influence-function log interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    expected, expected_influence = compute_mean_influence(sample.p, sample.weight)
    observed, observed_influence = compute_mean_influence(sample.y[:, np.newaxis], sample.weight)
    if np.any(expected <= 0.0):
        return Estimate.not_estimable(method, "no events are expected", level)
    ratio = observed / expected
    if observed[0] == 0.0:
        reason = "no event was observed, so the log-scale interval does not exist"
        return Estimate(0.0, None, None, method, reason, level)
    influence = (observed_influence - ratio * expected_influence) / expected
    return build_estimate(ratio, influence, sample, method=method, level=level, scale="log")
