"""From scores to estimates: repeats of the split combined, women counted once, several intervals that hold together.

A score is what one row says of a quantity; their weighted mean is the estimate, and their deviations are its
influence values. Rows of one woman are added before squaring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.validation import Estimate
from poi_predict.validation.arrays import FloatArray, sum_by_patient
from poi_predict.validation.intervals import compute_normal_quantile, compute_t_quantile

if TYPE_CHECKING:
    from .courses import Courses

__all__ = ["Combined", "combine_repeats", "compute_mean_scores", "compute_simultaneous_quantile"]

NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Combined:
    """Several quantities, each one number over all repeats of the split.

    Attributes
    ----------
    value, standard_error : ndarray of shape (n_quantities,)
    influence : ndarray of shape (n_patients, n_quantities)
        Influence of each woman, mean over repeats.
    """

    value: FloatArray
    standard_error: FloatArray
    influence: FloatArray

    def build(
        self,
        index: int,
        quantile: float,
        described: tuple[str, float],
        bounds: tuple[float, float] = (-1.0, 1.0),
        reason: str | None = None,
    ) -> Estimate:
        """Return one quantity with its interval.

        Parameters
        ----------
        index : int
        quantile : float
            Half width of the interval in standard errors.
        described : tuple of (str, float)
            Method and level.
        bounds : tuple of (float, float)
            What the quantity cannot cross.
        reason : str, optional
            Why it must not be given: of a few women with the event, the share would tell their number.
        """
        method, level = described
        if reason is not None:
            return Estimate.not_estimable(method, reason, level)
        value = float(np.clip(self.value[index], *bounds))
        half = quantile * float(self.standard_error[index])
        return Estimate(value, max(value - half, bounds[0]), min(value + half, bounds[1]), method, level=level)


def compute_mean_scores(scores: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted means of scores (repeats, n, k) and the influence of each row: (repeats, k), (repeats, n, k)."""
    share = (weight / weight.sum())[np.newaxis, :, np.newaxis]
    mean: FloatArray = (share * scores).sum(axis=1)
    return mean, share * (scores - mean[:, np.newaxis, :])


def combine_repeats(value: FloatArray, influence: FloatArray, courses: Courses) -> Combined:
    """Combine repeats by the median, and let their spread widen the standard error.

    The variance is the median over repeats of the squared standard error plus the squared distance from the median
    estimate (Chernozhukov et al. 2018, doi:10.1111/ectj.12097, definition 3.3).

    Parameters
    ----------
    value : ndarray of shape (repeats, k)
    influence : ndarray of shape (repeats, n, k)
        Of each row.
    courses : Courses
        Whose row is whose.
    """
    n_patients = int(courses.patient.max()) + 1
    by_patient = np.stack([sum_by_patient(rows, courses.patient, n_patients) for rows in influence])
    squares = n_patients / max(n_patients - 1, 1) * np.square(by_patient).sum(axis=1)
    middle = np.median(value, axis=0)
    variance = np.median(squares + np.square(value - middle), axis=0)
    return Combined(middle, np.sqrt(variance), by_patient.mean(axis=0))


def compute_simultaneous_quantile(influence: FloatArray, level: float, draws: int, random_state: int) -> float:
    """Return how many standard errors make the intervals of all quantities hold together.

    Gaussian multiplier bootstrap of the largest studentised deviation (Chernozhukov, Chetverikov & Kato 2013,
    doi:10.1214/13-AOS1161), stretched from the normal to Student's t. A quantity without variation takes no part.

    Parameters
    ----------
    influence : ndarray of shape (n_patients, k)
    level : float
        Probability that all intervals hold.
    draws : int
        Bootstrap draws.
    random_state : int

    Examples
    --------
    Of one quantity it is Student's t; of three unrelated ones about the 0.983 quantile:

    >>> said = np.random.default_rng(1).normal(size=(2000, 3))
    >>> round(compute_simultaneous_quantile(said[:, :1], 0.95, 4000, 7), 2)
    1.96
    >>> 2.3 < compute_simultaneous_quantile(said, 0.95, 4000, 7) < 2.5
    True
    """
    n_patients = len(influence)
    student = compute_t_quantile(level, max(n_patients - 1, 1))
    norm = np.sqrt(np.square(influence).sum(axis=0))
    varies = norm > NEGLIGIBLE
    if varies.sum() < 2:
        return student
    rng = np.random.default_rng([random_state, n_patients])
    unit = influence[:, varies] / norm[varies]
    # Correlated normals are drawn from the small correlation matrix, which is what multipliers amount to.
    values, vectors = np.linalg.eigh(unit.T @ unit)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    largest = np.abs(rng.normal(size=(draws, len(values))) @ root).max(axis=1)
    return max(student, float(np.quantile(largest, level)) * student / compute_normal_quantile(level))
