"""All headline metrics of one set of predictions, under stable keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import check_outcome, check_predicted_outcomes, merge_rounding
from .calibration import (
    compute_calibration_in_the_large,
    compute_calibration_slope,
    compute_o_e_ratio,
)
from .discrimination import compute_c_statistic, compute_c_statistic_within_folds
from .estimate import Estimate
from .overall import compute_brier, compute_log_loss, compute_scaled_brier
from .refitting import count_refitting

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["METRICS", "assess_cross_validated", "assess_fixed"]

METRICS = (
    "c_statistic",
    "brier",
    "scaled_brier",
    "log_loss",
    "calibration_in_the_large",
    "calibration_slope",
    "o_e_ratio",
)
"""Keys of an assessment, in the order of a report."""

CONSTANT_IN_FOLDS = "the predictions are constant within every fold: there is no individual prediction to assess"


def assess_fixed(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Assess the predictions of one fixed model: its apparent or external performance.

    Parameters
    ----------
    y_true, p_response : arrays of shape (n,)
        Outcome, and predicted probability.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row.

    Returns
    -------
    dict of str to Estimate
        One entry for each of `METRICS`.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    >>> assessment = assess_fixed([1, 0, 1, 0, 0], [0.7, 0.3, 0.4, 0.5, 0.1])
    >>> round(assessment["c_statistic"].estimate, 3)
    0.833
    """
    return {
        "c_statistic": compute_c_statistic(y_true, p_response, weight, level, patient=patient, interval="logit"),
        **_assess_probabilities(y_true, p_response, weight, patient, level),
    }


def assess_cross_validated(
    y_true: ArrayLike,
    p_matrix: ArrayLike,
    fold_matrix: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Assess out-of-fold predictions of a repeated cross-validation.

    Every metric is computed in each repeat and averaged; its interval counts each patient once, however
    often the split was repeated. The c-statistic compares women only within a fold. What is estimated is the
    performance, in new women, of the model trained on as many: where there is nothing to learn, a c-statistic of
    0.5 and a slope of 0. The intervals count that the model was refitted on these women (`refitting`).

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_matrix, fold_matrix : arrays of shape (n, repeats)
        Out-of-fold predictions, and the fold in which each row was predicted. NaN marks a row whose fold
        could not be fitted: then nothing is estimable, because the women left over are not the cohort.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row.

    Returns
    -------
    dict of str to Estimate
        One entry for each of `METRICS`.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    >>> y, p = [1, 0, 1, 0], [[0.6, 0.5], [0.4, 0.5], [0.7, 0.4], [0.2, 0.1]]
    >>> fold = [[0, 0], [0, 1], [1, 1], [1, 0]]
    >>> round(assess_cross_validated(y, p, fold)["brier"].estimate, 4)
    0.165
    """
    y = check_outcome(y_true)
    p = np.asarray(p_matrix, dtype=np.float64)
    n_missing = int(np.isnan(p).reshape(y.size, -1).any(axis=1).sum()) if p.shape[:1] == y.shape else 0
    if n_missing:
        reason = f"{n_missing} of {y.size} rows lack an out-of-fold prediction, because their fold failed"
        return {name: Estimate.not_estimable("cross-validation", reason, level) for name in METRICS}
    c_statistic = compute_c_statistic_within_folds(y, p, fold_matrix, weight, patient, level)
    others = _assess_probabilities(y, p, weight, patient, level)
    if _is_constant_within_folds(merge_rounding(p), np.asarray(fold_matrix)):
        method = others["calibration_slope"].method
        others["calibration_slope"] = Estimate.not_estimable(method, CONSTANT_IN_FOLDS, level)
    others = count_refitting(others, check_predicted_outcomes(y, p, weight, patient))
    return {"c_statistic": c_statistic, **others}


def _assess_probabilities(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None,
    patient: ArrayLike | None,
    level: float,
) -> dict[str, Estimate]:
    return {
        "brier": compute_brier(y_true, p_response, weight, level, patient=patient),
        "scaled_brier": compute_scaled_brier(y_true, p_response, weight, level, patient=patient),
        "log_loss": compute_log_loss(y_true, p_response, weight, level, patient=patient),
        "calibration_in_the_large": compute_calibration_in_the_large(
            y_true, p_response, weight, level, patient=patient
        ),
        "calibration_slope": compute_calibration_slope(y_true, p_response, weight, level, patient=patient),
        "o_e_ratio": compute_o_e_ratio(y_true, p_response, weight, level, patient=patient),
    }


def _is_constant_within_folds(p: np.ndarray, fold: np.ndarray) -> bool:
    columns = zip(p.reshape(p.shape[0], -1).T, fold.reshape(fold.shape[0], -1).T, strict=True)
    return all(np.ptp(p_r[fold_r == f]) == 0.0 for p_r, fold_r in columns for f in np.unique(fold_r))
