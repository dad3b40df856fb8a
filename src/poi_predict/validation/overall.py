"""Overall error of predicted probabilities: Brier, scaled Brier, log loss.

Every function takes predictions of shape (n,), or (n, repeats) from a repeated cross-validation, whose
mean over repeats is then reported. Intervals come from patient-clustered influence values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import check_predicted_outcomes
from .estimate import Estimate
from .intervals import build_estimate, compute_mean_influence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["compute_brier", "compute_log_loss", "compute_scaled_brier"]


def compute_brier(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Mean squared difference between outcome and predicted probability; lower is better.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response : array of shape (n,) or (n, repeats)
        Predicted probability of the outcome.
    weight : array of shape (n,), optional
        Sampling weights, for instance inverse probability of censoring (Gerds & Schumacher 2006,
        doi:10.1002/bimj.200610301).
    level : float
        Confidence level.
    patient : array of shape (n,), optional
        Patient of each row; rows of one patient count as one observation in the interval.

    Raises
    ------
    ValueError
        If an array is malformed.

    References
    ----------
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    Two women at 80 % and 20 %; the first responds, the second does not:

    >>> round(compute_brier([1, 0], [0.8, 0.2]).estimate, 2)
    0.04
    >>> compute_brier([1, 2], [0.8, 0.2])
    Traceback (most recent call last):
    ValueError: y_true must hold only 0 and 1; 1 of 2 values are something else
    """
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    mean, influence = compute_mean_influence(np.square(sample.y[:, np.newaxis] - sample.p), sample.weight)
    return build_estimate(
        mean,
        influence,
        sample,
        method="Brier score, influence-function t interval",
        level=level,
        bounds=(0.0, 1.0),
    )


def compute_scaled_brier(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """One minus Brier over the Brier score of the observed prevalence; 0 is no skill, 1 is perfect.

    The reference is ``prevalence × (1 - prevalence)`` with the prevalence *observed* in these rows (the
    index of prediction accuracy), not the mean prediction. Parameters as for `compute_brier`.

    References
    ----------
    Kattan & Gerds (2018), doi:10.1186/s41512-018-0029-2.

    Examples
    --------
    Telling everyone the prevalence has no skill:

    >>> compute_scaled_brier([1, 0, 0, 0], [0.25] * 4).estimate
    0.0
    >>> compute_scaled_brier([0, 0], [0.1, 0.2]).reason
    'none of the 2 rows has the event'
    """
    method = "scaled Brier score by observed prevalence, influence-function t interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    if reason := sample.one_class_reason():
        return Estimate.not_estimable(method, reason, level)
    y = sample.y[:, np.newaxis]
    brier, brier_influence = compute_mean_influence(np.square(y - sample.p), sample.weight)
    _, prevalence_influence = compute_mean_influence(y, sample.weight)
    prevalence = sample.prevalence
    reference = prevalence * (1.0 - prevalence)
    ratio = brier / reference
    influence = (ratio * (1.0 - 2.0 * prevalence) * prevalence_influence - brier_influence) / reference
    return build_estimate(1.0 - ratio, influence, sample, method=method, level=level, bounds=(-np.inf, 1.0))


def compute_log_loss(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Mean negative log-likelihood of the outcomes under the predictions, in nats; lower is better.

    A prediction of exactly 0 or 1 that the outcome contradicts makes it infinite; then it is not estimable,
    because clipping would replace an infinite error by an arbitrary one. Parameters as for `compute_brier`.

    Examples
    --------
    >>> round(compute_log_loss([1, 0], [0.5, 0.5]).estimate, 4)
    0.6931
    >>> compute_log_loss([1, 0], [0.0, 0.5]).reason
    '1 of 2 rows has a prediction of exactly 0 or 1 that its outcome contradicts: infinite loss'
    """
    method = "log loss (nats), influence-function t interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    p_of_outcome = np.where(sample.is_event[:, np.newaxis], sample.p, 1.0 - sample.p)
    n_contradicted = int((p_of_outcome <= 0.0).any(axis=1).sum())
    if n_contradicted:
        verb = "has" if n_contradicted == 1 else "have"
        reason = (
            f"{n_contradicted} of {sample.y.size} rows {verb} a prediction of exactly 0 or 1 "
            "that its outcome contradicts: infinite loss"
        )
        return Estimate.not_estimable(method, reason, level)
    mean, influence = compute_mean_influence(-np.log(p_of_outcome), sample.weight)
    return build_estimate(mean, influence, sample, method=method, level=level, bounds=(0.0, np.inf))
