"""Outcomes and predictions as checked arrays: the common entrance of every metric.

Malformed arrays (wrong shape, outcomes other than 0 and 1, probabilities outside [0, 1]) are a defect of
the calling code and raise `ValueError`. Statistical degeneracy (one class, constant predictions) is a
property of the data and never raises; the metrics turn it into an `Estimate` with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

__all__ = [
    "LEAST_PROBABILITY",
    "FloatArray",
    "IntArray",
    "PredictedOutcomes",
    "check_outcome",
    "check_patient",
    "check_predicted_outcomes",
    "check_probability",
    "check_weight",
    "compute_log_odds",
    "merge_rounding",
    "sum_by_patient",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

LEAST_PROBABILITY = 1e-6
"""Bound of log-odds: a probability of exactly 0 or 1 is taken as a millionth away from it."""

ROUNDING = 1e-12
"""Predictions closer than this are the same prediction, computed twice."""


@dataclass(frozen=True)
class PredictedOutcomes:
    """Rows that carry weight: their outcome, predictions, weight and patient.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Outcome, 0.0 or 1.0.
    p : ndarray of shape (n, repeats)
        Predicted probabilities; one column for each repeat of a cross-validation, one in all else.
    weight : ndarray of shape (n,)
        Positive sampling weight (inverse probability of being observed).
    patient : ndarray of shape (n,)
        Patient codes ``0 … n_patients - 1``; rows of one patient are never independent evidence.
    """

    y: FloatArray
    p: FloatArray
    weight: FloatArray
    patient: IntArray
    n_patients: int

    @property
    def is_event(self) -> NDArray[np.bool_]:
        """Mask of the rows with the outcome."""
        mask: NDArray[np.bool_] = self.y == 1.0
        return mask

    @property
    def n_event_patients(self) -> int:
        """Patients with at least one event row."""
        return int(np.unique(self.patient[self.is_event]).size)

    @property
    def n_event_free_patients(self) -> int:
        """Patients with at least one row without the event."""
        return int(np.unique(self.patient[~self.is_event]).size)

    @property
    def prevalence(self) -> float:
        """Weighted share of events."""
        return float(np.average(self.y, weights=self.weight))

    def one_class_reason(self) -> str | None:
        """Return why nothing can be compared when only one outcome occurs, else None."""
        n_events = int(self.is_event.sum())
        if n_events == 0:
            return f"none of the {self.y.size} rows has the event"
        if n_events == self.y.size:
            return f"all of the {self.y.size} rows have the event"
        return None

    @property
    def log_odds(self) -> FloatArray:
        """Log-odds of the predictions, of shape (n, repeats), kept within those of a millionth."""
        return compute_log_odds(self.p)

    @property
    def clip_note(self) -> str:
        """What a method must say of predictions moved to the bound of log-odds; nothing where none was."""
        is_moved = (self.p < LEAST_PROBABILITY) | (self.p > 1.0 - LEAST_PROBABILITY)
        n_moved = int(is_moved.any(axis=1).sum())
        if not n_moved:
            return ""
        return f", predictions nearer to 0 or 1 than a millionth taken as that ({n_moved} of {self.y.size} rows)"

    def lone_patient_reason(self) -> str | None:
        """Return why an interval would rest on one patient, else None."""
        if self.n_event_patients < 2:
            return "no interval from a single patient with the event"
        if self.n_event_free_patients < 2:
            return "no interval from a single patient without the event"
        return None


def _check_vector(values: ArrayLike, name: str) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must have one dimension; it has {vector.ndim}")
    return vector


def check_outcome(y_true: ArrayLike) -> FloatArray:
    """Return the outcome as float zeros and ones, or raise ValueError."""
    y = _check_vector(y_true, "y_true")
    if y.size == 0:
        raise ValueError("y_true must not be empty")
    n_wrong = int((~np.isin(y, (0.0, 1.0))).sum())
    if n_wrong:
        raise ValueError(f"y_true must hold only 0 and 1; {n_wrong} of {y.size} values are something else")
    return y


def check_probability(p: ArrayLike, n: int, name: str = "p_response") -> FloatArray:
    """Return probabilities as a matrix of `n` rows and at least one column, or raise ValueError."""
    matrix = np.asarray(p, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, np.newaxis]
    if matrix.ndim != 2 or matrix.shape[0] != n or matrix.shape[1] == 0:
        raise ValueError(f"{name} must have {n} rows and one column a repeat; its shape is {matrix.shape}")
    n_wrong = int((~((matrix >= 0.0) & (matrix <= 1.0))).sum())
    if n_wrong:
        raise ValueError(f"{name} must lie between 0 and 1; {n_wrong} of {matrix.size} values do not")
    return merge_rounding(matrix)


def merge_rounding(values: FloatArray) -> FloatArray:
    """Make predictions equal that differ by rounding only, so that it ranks no one.

    Examples
    --------
    >>> merge_rounding(np.array([0.3, 0.1 + 0.2, 0.4])).tolist()
    [0.3, 0.3, 0.4]
    """
    found, place = np.unique(values, return_inverse=True)
    is_new = np.concatenate([[True], np.diff(found) > ROUNDING * found[1:]])
    merged: FloatArray = found[is_new][np.cumsum(is_new) - 1][place].reshape(values.shape)
    return merged


def compute_log_odds(p: FloatArray) -> FloatArray:
    """Log-odds of probabilities, kept within those of a millionth.

    Examples
    --------
    >>> compute_log_odds(np.array([0.0, 0.5])).round(1).tolist()
    [-13.8, 0.0]
    """
    log_odds: FloatArray = logit(np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY))
    return log_odds


def check_weight(weight: ArrayLike | None, n: int) -> FloatArray:
    """Return finite, non-negative weights with a positive sum; ones when None."""
    if weight is None:
        return np.ones(n)
    checked = _check_vector(weight, "weight")
    if checked.size != n:
        raise ValueError(f"weight must have {n} values; it has {checked.size}")
    if not np.all(np.isfinite(checked)) or np.any(checked < 0.0):
        raise ValueError("weight must be finite and not negative")
    if checked.sum() <= 0.0:
        raise ValueError("weight must not be zero in every row")
    return checked


def check_patient(patient: ArrayLike | None, n: int) -> IntArray:
    """Return patient codes 0, 1, …; every row its own patient when None."""
    if patient is None:
        return np.arange(n, dtype=np.intp)
    labels = np.asarray(patient)
    if labels.shape != (n,):
        raise ValueError(f"patient must have {n} values; its shape is {labels.shape}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError("patient must be known in every row")
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)


def check_predicted_outcomes(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
) -> PredictedOutcomes:
    """Check arrays against one another and drop the rows of weight zero.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    >>> check_predicted_outcomes([0, 1, 1], [0.2, 0.7, 0.4], weight=[1, 2, 0]).n_patients
    2
    >>> check_predicted_outcomes([0, 1], [0.2, 1.4])
    Traceback (most recent call last):
    ValueError: p_response must lie between 0 and 1; 1 of 2 values do not
    """
    y = check_outcome(y_true)
    p = check_probability(p_response, y.size)
    w = check_weight(weight, y.size)
    codes = check_patient(patient, y.size)
    seen = w > 0.0
    if not seen.all():
        y, p, w, codes = y[seen], p[seen], w[seen], np.unique(codes[seen], return_inverse=True)[1]
    return PredictedOutcomes(y, p, w, codes, n_patients=int(codes.max()) + 1)


def sum_by_patient(values: FloatArray, patient: IntArray, n_patients: int) -> FloatArray:
    """Add up rows of the same patient; trailing axes are kept.

    Examples
    --------
    >>> sum_by_patient(np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), 2)
    array([3., 5.])
    """
    total = np.zeros((n_patients, *values.shape[1:]))
    np.add.at(total, patient, values)
    return total
