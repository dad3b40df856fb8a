"""Logistic recalibration of predictions: the fits behind calibration intercepts and slopes.

The intervals of calibration parameters come from a one-step delete-one-patient jackknife of the logistic
score. It equals a leverage-corrected sandwich (CR3; Mancl & DeRouen 2001,
doi:10.1111/j.0006-341X.2001.00126.x), holds when the recalibration model itself is wrong, honours weights and
repeated rows, and does not flatter small samples as the plain sandwich does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .arrays import FloatArray, PredictedOutcomes, sum_by_patient
from .estimate import Estimate
from .intervals import compute_t_quantile
from .logistic import fit_logistic_designs

__all__ = [
    "CoefficientFits",
    "build_coefficient_estimate",
    "compute_jackknife",
    "compute_recalibration_covariance",
    "find_slope_failure",
    "fit_recalibration",
]


@dataclass(frozen=True)
class CoefficientFits:
    """Coefficients in every repeat, and what leaving out each patient would do to them.

    Attributes
    ----------
    coefficients : ndarray of shape (repeats, k)
    deviations : ndarray of shape (patients, repeats, k) or None
        Jackknife deviations; None where `reason` says why there is no interval.
    failure : str or None
        Why the coefficients themselves are not estimable.
    """

    coefficients: FloatArray
    deviations: FloatArray | None = None
    failure: str | None = None
    reason: str | None = None


def fit_recalibration(sample: PredictedOutcomes, *, with_slope: bool) -> CoefficientFits:
    """Regress the outcome on the log-odds of the prediction, in each repeat.

    Parameters
    ----------
    with_slope : bool
        Estimate intercept and slope jointly; otherwise the slope is fixed at one and only the intercept
        (calibration-in-the-large) is estimated.
    """
    none = np.empty((0, 0))
    failure = sample.one_class_reason()
    if failure is None and with_slope:
        failure = find_slope_failure(sample)
    if failure is not None:
        return CoefficientFits(none, failure=failure)
    log_odds = np.ascontiguousarray(sample.log_odds.T)
    ones = np.ones_like(log_odds)
    design = np.stack([ones, log_odds], axis=2) if with_slope else ones[:, :, np.newaxis]
    offset = np.zeros_like(log_odds) if with_slope else log_odds
    weight = np.broadcast_to(sample.weight, log_odds.shape)
    fits = fit_logistic_designs(design, sample.y, weight, offset)
    if not fits.is_estimable.all():
        return CoefficientFits(none, failure="the recalibration model did not converge")
    if reason := sample.lone_patient_reason():
        return CoefficientFits(fits.coefficients, reason=reason)
    deviations = compute_jackknife(design, sample, fits.coefficients, offset)
    reason = None if deviations is not None else "the interval would rest on a single patient"
    return CoefficientFits(fits.coefficients, deviations, reason=reason)


def find_slope_failure(sample: PredictedOutcomes) -> str | None:
    """Exact conditions for the slope to have no maximum-likelihood estimate (one covariate)."""
    log_odds = sample.log_odds
    events, others = log_odds[sample.is_event], log_odds[~sample.is_event]
    repeats = log_odds.shape[1]
    n_constant = int((np.ptp(log_odds, axis=0) == 0.0).sum())
    if n_constant:
        return "the predictions are constant" + _in_repeats(n_constant, repeats)
    overlap = (others.max(axis=0) > events.min(axis=0)) & (events.max(axis=0) > others.min(axis=0))
    n_separated = int((~overlap).sum())
    if n_separated:
        return "the predictions separate the outcomes perfectly" + _in_repeats(n_separated, repeats)
    return None


def _in_repeats(count: int, repeats: int) -> str:
    return "" if repeats == 1 else f" in {count} of {repeats} repeats"


def compute_jackknife(
    design: FloatArray, sample: PredictedOutcomes, coefficients: FloatArray, offset: FloatArray
) -> FloatArray | None:
    """One-step change of the coefficients when each patient is left out.

    Parameters
    ----------
    design : ndarray of shape (repeats, n, k)
    coefficients : ndarray of shape (repeats, k)
    offset : ndarray of shape (repeats, n)

    Returns
    -------
    ndarray of shape (patients, repeats, k), or None
        None when the remaining information is singular without some patient.
    """
    p = expit(np.einsum("rnk,rk->rn", design, coefficients) + offset)
    score = ((sample.weight * (sample.y - p))[:, :, np.newaxis] * design).transpose(1, 0, 2)
    rows = ((sample.weight * p * (1.0 - p))[:, :, np.newaxis, np.newaxis]) * (
        design[:, :, :, np.newaxis] * design[:, :, np.newaxis, :]
    )
    by_patient = sum_by_patient(rows.transpose(1, 0, 2, 3), sample.patient, sample.n_patients)
    information = by_patient.sum(axis=0)
    remaining = information - by_patient
    if np.any(np.linalg.det(remaining) <= 1e-8 * np.linalg.det(information)):
        return None
    scores = sum_by_patient(score, sample.patient, sample.n_patients)
    deviations: FloatArray = np.linalg.solve(remaining, scores[..., np.newaxis])[..., 0]
    return deviations


def compute_recalibration_covariance(sample: PredictedOutcomes, *, with_slope: bool) -> FloatArray | None:
    """Covariance of a recalibration's intercept and slope, shape (2, 2), by the jackknife; None where it has none.

    Widened as Student's t is against the normal distribution, so that a normal interval of 95 % holds with few
    patients. With the slope fixed at one, its row and column are 0.
    """
    fits = fit_recalibration(sample, with_slope=with_slope)
    if fits.failure is not None or fits.deviations is None:
        return None
    deviations, groups = fits.deviations.mean(axis=1), sample.n_patients
    k = deviations.shape[1]
    widening = (compute_t_quantile(0.95, max(groups - k, 1)) / compute_t_quantile(0.95, np.inf)) ** 2
    covariance = np.zeros((2, 2))
    covariance[:k, :k] = (groups - 1) / groups * widening * deviations.T @ deviations
    return covariance


def build_coefficient_estimate(
    fits: CoefficientFits, index: int, sample: PredictedOutcomes, method: str, level: float
) -> Estimate:
    """Mean over repeats of one coefficient, with its jackknife t interval."""
    method += sample.clip_note
    if fits.failure is not None:
        return Estimate.not_estimable(method, fits.failure, level)
    value = float(fits.coefficients[:, index].mean())
    if fits.deviations is None:
        return Estimate(value, None, None, method, fits.reason, level)
    groups, k = sample.n_patients, fits.coefficients.shape[1]
    squares = np.square(fits.deviations[:, :, index].mean(axis=1)).sum()
    standard_error = float(np.sqrt((groups - 1) / groups * squares))
    half = compute_t_quantile(level, max(groups - k, 1)) * standard_error
    return Estimate(value, value - half, value + half, method, level=level, standard_error=standard_error)
