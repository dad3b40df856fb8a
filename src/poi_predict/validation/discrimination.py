"""Discrimination: how often a responder has the higher prediction.

The c-statistic is estimated from *placements* (DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595):
the placement of a responder is the weighted share of non-responders below her, ties counting one half.
Several rows of one patient are handled as by Obuchowski (1997, doi:10.2307/2533958).

In cross-validation the predictions of different folds come from different models. Comparing across folds
biases the c-statistic downwards (the fold with more responders was predicted by a model that saw fewer), so
`compute_c_statistic_within_folds` compares only women of the same fold and repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import brentq

from .arrays import FloatArray, IntArray, PredictedOutcomes, check_predicted_outcomes, sum_by_patient
from .estimate import Estimate
from .intervals import build_interval, compute_normal_quantile, compute_t_quantile
from .refitting import Number, compute_share_learnt, widen_difference

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "compute_c_gain_within_folds",
    "compute_c_statistic",
    "compute_c_statistic_within_folds",
    "compute_share_below",
]

CONSTANT = "the predictions are constant and rank no one: 0.5 by definition, without an interval"
N_GRID = 2001
NO_PAIR = "no fold holds both a row with and a row without the event"


def compute_c_statistic(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
    interval: Literal["plain", "logit"] = "plain",
) -> Estimate:
    """Probability that a responder was given a higher prediction than a non-responder (DeLong).

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response : array of shape (n,)
        Predicted probabilities of *one* model. For a cross-validation use
        `compute_c_statistic_within_folds`.
    weight : array of shape (n,), optional
        Sampling weights; placements are then weighted shares.
    level : float
        Confidence level.
    patient : array of shape (n,), optional
        Patient of each row, for the clustered variance.
    interval : {"plain", "logit"}
        Scale on which the interval is symmetric. ``plain`` is DeLong's own, cut at 0 and 1; ``logit`` covers
        better near 1 and in small samples. A c-statistic of exactly 1 or 0 has DeLong variance zero; it gets
        the interval of Newcombe (2006, doi:10.1002/sim.2324).

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    Of the four pairs of a responder and a non-responder, three are in the right order:

    >>> compute_c_statistic([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.1]).estimate
    0.75
    >>> compute_c_statistic([1, 1], [0.9, 0.4]).reason
    'all of the 2 rows have the event'
    """
    method = f"c-statistic, DeLong {interval} interval"
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    if sample.p.shape[1] != 1:
        raise ValueError("p_response must have one dimension; compare repeats within folds instead")
    if reason := sample.one_class_reason():
        return Estimate.not_estimable(method, reason, level)
    value, influence = _compute_placements(sample)
    if np.ptp(sample.p) == 0.0:
        return Estimate(0.5, None, None, method, CONSTANT, level)
    if reason := sample.lone_patient_reason():
        return Estimate(value, None, None, method, reason, level)
    standard_error = float(np.sqrt(_compute_clustered_variance(influence, sample)))
    return _build_c_estimate(value, standard_error, sample, method, level, interval)


def _compute_placements(sample: PredictedOutcomes) -> tuple[float, FloatArray]:
    """Weighted c-statistic and the influence of each row on it."""
    p, event = sample.p[:, 0], sample.is_event
    influence = np.empty_like(p)
    share_events = sample.weight[event] / sample.weight[event].sum()
    share_others = sample.weight[~event] / sample.weight[~event].sum()
    below = compute_share_below(p[event], p[~event], share_others)
    above = 1.0 - compute_share_below(p[~event], p[event], share_events)
    value = _round_off(float(share_events @ below))
    influence[event] = share_events * (below - value)
    influence[~event] = share_others * (above - value)
    return value, influence


def _round_off(value: float) -> float:
    """Exactly 0 or 1 where only rounding of the weights' sum stands between: such values are special."""
    return float(round(value)) if min(abs(value), abs(1.0 - value)) < 1e-12 else value


def compute_share_below(values: FloatArray, reference: FloatArray, share: FloatArray) -> FloatArray:
    """Share of the reference that lies below each value, ties counting one half."""
    order = np.argsort(reference, kind="stable")
    ordered, cumulated = reference[order], np.concatenate([[0.0], np.cumsum(share[order])])
    first = cumulated[np.searchsorted(ordered, values, side="left")]
    last = cumulated[np.searchsorted(ordered, values, side="right")]
    below: FloatArray = (first + last) / 2.0
    return below


def _compute_clustered_variance(influence: FloatArray, sample: PredictedOutcomes) -> float:
    """Obuchowski's clustered variance; with one row a patient it is DeLong's."""
    event, groups = sample.is_event, sample.n_patients
    of_events = sum_by_patient(np.where(event, influence, 0.0), sample.patient, groups)
    of_others = sum_by_patient(np.where(event, 0.0, influence), sample.patient, groups)
    m, n = sample.n_event_patients, sample.n_event_free_patients
    return float(
        m / (m - 1) * np.square(of_events).sum()
        + n / (n - 1) * np.square(of_others).sum()
        + 2.0 * groups / (groups - 1) * (of_events @ of_others)
    )


def _build_c_estimate(
    value: float,
    standard_error: float,
    sample: PredictedOutcomes,
    method: str,
    level: float,
    scale: Literal["plain", "logit"],
) -> Estimate:
    quantile = compute_normal_quantile(level)
    if value in {0.0, 1.0}:
        m, n = sample.n_event_patients, sample.n_event_free_patients
        low, high = _compute_newcombe_interval(value, m, n, quantile)
        method = "c-statistic, Newcombe interval (perfect separation)"
        smoothed = (value * m * n + 0.5) / (m * n + 1.0)
        standard_error = float(np.sqrt(_compute_hanley_mcneil_variance(smoothed, m, n)))
        return Estimate(value, low, high, method, level=level, standard_error=standard_error, smoothed=smoothed)
    if standard_error <= 1e-12:
        reason = "the placements do not vary, so there is no interval"
        return Estimate(value, None, None, method, reason, level)
    low, high = build_interval(value, standard_error, quantile, "identity" if scale == "plain" else "logit")
    return Estimate(value, max(low, 0.0), min(high, 1.0), method, level=level, standard_error=standard_error)


def _compute_hanley_mcneil_variance(theta: Number, m: int, n: int) -> Number:
    """Variance of a c-statistic of `theta` from m and n women by the exponential model of Hanley & McNeil."""
    extra = (m + n) / 2.0 - 1.0
    spread = 1.0 + extra * ((1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta))
    return theta * (1.0 - theta) * spread / (m * n)


def _compute_newcombe_interval(value: float, m: int, n: int, quantile: float) -> tuple[float, float]:
    """Score-like interval from the exponential model of Hanley & McNeil; proper at 0 and 1."""

    def compute_excess(theta: float) -> float:
        return (value - theta) ** 2 - quantile**2 * _compute_hanley_mcneil_variance(theta, m, n)

    if value == 1.0:
        return float(brentq(compute_excess, 0.0, 1.0 - 1e-12)), 1.0
    return 0.0, float(brentq(compute_excess, 1e-12, 1.0))


@dataclass(frozen=True)
class _Pairs:
    """Comparable pairs of event rows (axis 0) and other rows (axis 1), added over folds and repeats."""

    wins: FloatArray
    comparisons: FloatArray


def compute_c_statistic_within_folds(
    y_true: ArrayLike,
    p_matrix: ArrayLike,
    fold_matrix: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """c-statistic of a repeated cross-validation, comparing women only within fold and repeat.

    The estimate is the share of comparable pairs in the right order, over all repeats. Its variance is that
    of an incomplete two-sample U-statistic: influence added by patient, less the part that a pair contributes
    to both of its patients (dyadic clustering). A pair met in several repeats counts as the same pair: ten
    repeats of 40 women remain 40 women.

    The interval is for the c-statistic, in new women, of the model trained on these; where there is nothing to
    learn that is 0.5. It holds every value whose own sampling spread reaches the estimate, and that spread counts
    the women twice where they teach as much as they test (see `_RefittedSpread`).

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_matrix, fold_matrix : arrays of shape (n, repeats)
        Out-of-fold predictions, and the fold in which each row was predicted.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient codes (rows of one patient must share their fold for the variance to hold).

    Raises
    ------
    ValueError
        If an array is malformed.

    References
    ----------
    Airola et al. (2011), doi:10.1016/j.csda.2010.11.018 (the bias of pooling); LeDell, Petersen & van der
    Laan (2015), doi:10.1214/15-EJS1035; Aronow, Samii & Assenova (2015), doi:10.1093/pan/mpv018 (dyadic
    variance).

    Examples
    --------
    Two folds. Within each fold the responder ranks higher, though across folds 0.3 is below 0.4:

    >>> compute_c_statistic_within_folds([1, 0, 1, 0], [0.6, 0.4, 0.3, 0.1], [0, 0, 1, 1]).estimate
    1.0
    """
    method = "c-statistic within folds, interval for new women that counts the refitting"
    sample = check_predicted_outcomes(y_true, p_matrix, weight, patient)
    folds = _check_folds(fold_matrix, weight, sample)
    if reason := sample.one_class_reason():
        return Estimate.not_estimable(method, reason, level)
    pairs = _compare_within_folds(sample, folds)
    n_pairs = float(pairs.comparisons.sum())
    if n_pairs == 0.0:
        return Estimate.not_estimable(method, NO_PAIR, level)
    value = _round_off(float(pairs.wins.sum()) / n_pairs)
    if np.array_equal(2.0 * pairs.wins, pairs.comparisons):
        return Estimate(0.5, None, None, method, CONSTANT.replace("constant", "constant within folds"), level)
    if reason := sample.lone_patient_reason():
        return Estimate(value, None, None, method, reason, level)
    variance = _compute_dyadic_variance((pairs.wins - value * pairs.comparisons) / n_pairs, sample)
    spread = _RefittedSpread.fit(value, variance, sample)
    low, high = spread.invert(value, compute_normal_quantile(level))
    standard_error = float(np.sqrt(spread.compute_variance(value)))
    return Estimate(value, low, high, method, level=level, standard_error=standard_error)


def compute_c_gain_within_folds(
    y_true: ArrayLike,
    p_matrix: ArrayLike,
    p_reference: ArrayLike,
    fold_matrix: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """c-statistic of a model less that of a reference, of the same pairs of women; above 0 the model ranks better.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_matrix, p_reference, fold_matrix : arrays of shape (n, repeats)
        Out-of-fold predictions of the model, predictions of the reference, and the fold of each row.
    weight, patient : arrays of shape (n,), optional

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    The reference orders one of two pairs as the model does, and the other the wrong way round:

    >>> y, fold = [1, 0, 1, 0], [0, 0, 1, 1]
    >>> compute_c_gain_within_folds(y, [0.6, 0.4, 0.7, 0.1], [0.6, 0.4, 0.1, 0.7], fold).estimate
    0.5
    """
    method = "difference of c-statistics within folds, paired"
    samples = [check_predicted_outcomes(y_true, p, weight, patient) for p in (p_matrix, p_reference)]
    sample = samples[0]
    if reason := sample.one_class_reason() or sample.lone_patient_reason():
        return Estimate.not_estimable(method, reason, level)
    folds = _check_folds(fold_matrix, weight, sample)
    model, reference = (_compare_within_folds(each, folds) for each in samples)
    n_pairs = float(model.comparisons.sum())
    if n_pairs == 0.0:
        return Estimate.not_estimable(method, NO_PAIR, level)
    won = model.wins - reference.wins
    gain = _round_off(float(won.sum()) / n_pairs)
    spread = float(np.sqrt(max(_compute_dyadic_variance((won - gain * model.comparisons) / n_pairs, sample), 0.0)))
    half = compute_t_quantile(level, sample.n_patients - 1) * spread
    plain = Estimate(gain, gain - half, gain + half, method, level=level, standard_error=spread)
    return widen_difference(plain, sample.n_patients)


@dataclass(frozen=True)
class _RefittedSpread:
    """Sampling variance of a cross-validated c-statistic, as a function of the c-statistic that it estimates.

    That of fixed predictions, and the excess of `refitting`: as much again where there is nothing to learn.

    Attributes
    ----------
    events, others : int
        Patients with and without the event.
    ratio : float
        Variance found over that of Hanley & McNeil: weights and repeated rows cost precision.
    """

    events: int
    others: int
    ratio: float

    @classmethod
    def fit(cls, value: float, variance: float, sample: PredictedOutcomes) -> _RefittedSpread:
        m, n = sample.n_event_patients, sample.n_event_free_patients
        expected = _compute_hanley_mcneil_variance(value, m, n)
        return cls(m, n, max(1.0, variance / expected) if expected > 0.0 else 1.0)

    def compute_variance(self, theta: Number) -> Number:
        at_chance = _compute_hanley_mcneil_variance(0.5, self.events, self.others)
        excess = at_chance * compute_share_learnt((theta - 0.5) ** 2 / at_chance)
        return self.ratio * (_compute_hanley_mcneil_variance(theta, self.events, self.others) + excess)

    def invert(self, value: float, quantile: float) -> tuple[float, float]:
        """Smallest and largest c-statistic from which the estimate is no further than `quantile` deviations."""
        theta = np.linspace(0.0, 1.0, N_GRID)
        held = theta[np.abs(value - theta) <= quantile * np.sqrt(self.compute_variance(theta))]
        if held.size == 0:
            return value, value
        return min(float(held.min()), value), max(float(held.max()), value)


def _check_folds(fold_matrix: ArrayLike, weight: ArrayLike | None, sample: PredictedOutcomes) -> IntArray:
    folds = np.asarray(fold_matrix)
    folds = folds[:, np.newaxis] if folds.ndim == 1 else folds
    if weight is not None and folds.ndim == 2 and folds.shape[0] == np.size(weight):
        folds = folds[np.asarray(weight, dtype=np.float64) > 0.0]
    if folds.shape != sample.p.shape:
        raise ValueError("fold_matrix and p_matrix must have the same shape")
    return folds.astype(np.intp)


def _compare_within_folds(sample: PredictedOutcomes, folds: IntArray) -> _Pairs:
    """Add up weighted comparisons of every pair that shares a fold, repeat by repeat."""
    events, others = np.flatnonzero(sample.is_event), np.flatnonzero(~sample.is_event)
    wins = np.zeros((events.size, others.size))
    comparisons = np.zeros_like(wins)
    for p, fold in zip(sample.p.T, folds.T, strict=True):
        together = fold[events, np.newaxis] == fold[others]
        difference = p[events, np.newaxis] - p[others]
        wins += together * (0.5 + 0.5 * np.sign(difference))
        comparisons += together
    pair_weight = sample.weight[events, np.newaxis] * sample.weight[others]
    return _Pairs(wins * pair_weight, comparisons * pair_weight)


def _compute_dyadic_variance(influence: FloatArray, sample: PredictedOutcomes) -> float:
    """Variance of a sum over pairs whose terms are dependent when they share a patient.

    Squares of patient sums count a pair once for each of its two patients; the squares of pair sums are
    taken off once. If that leaves too little (possible in tiny samples), the patient sums alone are used,
    which is conservative.
    """
    groups, event = sample.n_patients, sample.is_event
    by_row = sum_by_patient(influence, sample.patient[event], groups)
    by_pair = sum_by_patient(np.ascontiguousarray(by_row.T), sample.patient[~event], groups)
    dyads = by_pair + by_pair.T
    np.fill_diagonal(dyads, np.diagonal(by_pair))
    of_patients = float(np.square(dyads.sum(axis=1)).sum())
    of_pairs = float(np.square(np.triu(dyads, k=1)).sum())
    smaller = min(sample.n_event_patients, sample.n_event_free_patients)
    total = of_patients - of_pairs
    if total < 0.1 * of_patients:
        total = of_patients
    return total * smaller / (smaller - 1)
