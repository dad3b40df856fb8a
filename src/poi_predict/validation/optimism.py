"""Correction of apparent performance for having been measured on the women learnt from.

Both corrections are assembled from arrays that the resampling loop produced: Harrell's optimism from metrics
on each resample and on the original cohort, the .632+ estimator from out-of-bag predictions. A resample that
failed stays in its place as NaN with a reason; it is counted and shown, never dropped silently.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .arrays import check_predicted_outcomes
from .estimate import Estimate
from .intervals import UNBOUNDED, Bounds, build_estimate, compute_mean_influence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from .arrays import FloatArray, PredictedOutcomes

__all__ = ["OptimismResult", "compute_brier_632_plus", "compute_optimism", "describe_few_refits"]

FEWEST_FOR_INTERVAL = 100
"""Refits below which the ends of a 95 % interval rest on the one or two most extreme of them."""

SAME = 1e-6
"""Differences between resamples that are rounding, not sampling."""

LARGEST_MEAN_ERROR = 0.1
"""Standard error of the mean optimism from which another set of resamples would give another figure."""


def describe_few_refits(n_refits: int) -> str | None:
    """Say that so many refits can tell nothing; None where they can.

    Examples
    --------
    >>> describe_few_refits(20)
    'too few refits for a verdict: 20, and no fewer than 100 give an interval'
    """
    if n_refits >= FEWEST_FOR_INTERVAL:
        return None
    return f"too few refits for a verdict: {n_refits}, and no fewer than {FEWEST_FOR_INTERVAL} give an interval"


@dataclass(frozen=True)
class OptimismResult:
    """A metric, corrected for optimism.

    Attributes
    ----------
    corrected : Estimate
        Apparent metric less optimism, with the location-shifted bootstrap interval.
    apparent : float or None
        The metric on the women learnt from; None when not estimable.
    optimism : float or None
        Mean over resamples of (metric on the resample) - (metric on the original cohort).
    n_ok, n_failed : int
        Resamples used, and resamples that failed.
    reasons : mapping of str to int
        Failed resamples by reason.
    """

    corrected: Estimate
    apparent: float | None
    optimism: float | None
    n_ok: int
    n_failed: int
    reasons: Mapping[str, int] = field(default_factory=dict)


def compute_optimism(
    apparent: float | None,
    on_resample: ArrayLike,
    on_original: ArrayLike,
    *,
    failures: Sequence[str | None] | None = None,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> OptimismResult:
    """Harrell's optimism-corrected metric from a bootstrap.

    Parameters
    ----------
    apparent : float or None
        Metric of the model fitted to, and judged on, the whole cohort.
    on_resample, on_original : arrays of shape (resamples,)
        Metric of the model fitted to each resample, on that resample and on the original cohort. NaN where a
        resample failed.
    failures : sequence of str or None, optional
        Reason of each failed resample, None where it succeeded; a NaN without a reason is counted as
        "metric not estimable in the resample".
    level : float
        Confidence level.
    bounds : pair of float
        Limits that the metric cannot cross, such as (0, 1) for a c-statistic.

    Returns
    -------
    OptimismResult

    Raises
    ------
    ValueError
        If the arrays differ in shape.

    Notes
    -----
    Harrell, Lee & Mark (1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4). The
    interval moves the metric's distribution over the resamples onto the corrected value (location-shifted
    bootstrap, Noma et al. 2021, doi:10.1002/sim.9148). Their first algorithm subtracts the optimism from the
    percentiles; a model with a tuned penalty is better on its resample than the original is on the cohort, by
    more than the optimism, and that interval can then miss its own estimate. Here the mean of the
    distribution, not the apparent value, is what is moved.

    The slope and the intercept of calibration are about 1 and 0 wherever a model was fitted, so that their spread on
    the resamples is no sampling distribution: no interval is given where it is below half of that on the cohort.
    A refit that gives all women nearly the same chance has a slope without limit; where such refits make the mean
    unstable (a standard error above 0.1), nothing is given.

    Examples
    --------
    >>> result = compute_optimism(0.76, [0.80, 0.78, np.nan], [0.74, 0.74, np.nan])
    >>> round(result.corrected.estimate, 3), result.n_ok, result.n_failed
    (0.71, 2, 1)
    """
    learnt = np.asarray(on_resample, dtype=np.float64)
    judged = np.asarray(on_original, dtype=np.float64)
    if learnt.ndim != 1 or learnt.shape != judged.shape:
        raise ValueError(f"on_resample and on_original must be equally long; {learnt.shape} and {judged.shape}")
    reasons = _list_reasons(learnt, judged, failures)
    ok = np.array([reason is None for reason in reasons], dtype=bool)
    counts = dict(Counter(reason for reason in reasons if reason is not None))
    n_ok, n_failed = int(ok.sum()), int((~ok).sum())
    method = f"Harrell optimism bootstrap, {n_ok} of {ok.size} resamples, location-shifted interval"
    if apparent is None or not np.isfinite(apparent) or n_ok == 0:
        reason = "no resample could be used" if n_ok == 0 else "the apparent metric is not estimable"
        return OptimismResult(Estimate.not_estimable(method, reason, level), None, None, n_ok, n_failed, counts)
    losses = learnt[ok] - judged[ok]
    if n_ok > 1 and np.std(losses, ddof=1) > LARGEST_MEAN_ERROR * np.sqrt(n_ok):
        reason = "the refits differ so much that their mean is unstable"
        return OptimismResult(Estimate.not_estimable(method, reason, level), apparent, None, n_ok, n_failed, counts)
    optimism = float(np.mean(losses))
    corrected = _shift_interval(apparent, optimism, (learnt[ok], judged[ok]), method, level, bounds)
    return OptimismResult(corrected, float(apparent), optimism, n_ok, n_failed, counts)


def _list_reasons(learnt: FloatArray, judged: FloatArray, failures: Sequence[str | None] | None) -> list[str | None]:
    given = [None] * learnt.size if failures is None else list(failures)
    if len(given) != learnt.size:
        raise ValueError(f"failures must have one entry for each of {learnt.size} resamples; {len(given)} given")
    finite = np.isfinite(learnt) & np.isfinite(judged)
    unexplained = "metric not estimable in the resample"
    return [
        reason if reason is not None or is_finite else unexplained
        for reason, is_finite in zip(given, finite, strict=True)
    ]


def _shift_interval(
    apparent: float, optimism: float, found: tuple[FloatArray, FloatArray], method: str, level: float, bounds: Bounds
) -> Estimate:
    """Move the spread on the resamples, the first of `found`, onto the corrected value."""
    learnt, judged = found
    value = min(max(apparent - optimism, bounds[0]), bounds[1])
    if learnt.size < FEWEST_FOR_INTERVAL:
        return Estimate(value, None, None, method, describe_few_refits(learnt.size), level)
    if np.ptp(learnt) <= SAME:
        reason = "the metric is the same in every resample, so it has no interval"
        return Estimate(value, None, None, method, reason, level)
    if 2.0 * np.std(learnt) < np.std(judged):
        reason = "fitting fixes the metric in its own resample, so its spread there gives no interval"
        return Estimate(value, None, None, method, reason, level)
    ends = np.quantile(learnt, [(1.0 - level) / 2.0, (1.0 + level) / 2.0]) - (learnt.mean() - value)
    low, high = np.clip(ends, *bounds)
    return Estimate(value, float(low), float(high), method, level=level)


def compute_brier_632_plus(
    y_true: ArrayLike,
    p_apparent: ArrayLike,
    p_out_of_bag: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Brier score by the .632+ bootstrap of Efron & Tibshirani (1997).

    Apparent and out-of-bag error are averaged with a weight that moves from .632 towards 1 as the model
    overfits; the yardstick is the error when outcomes and predictions are unrelated.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_apparent : array of shape (n,)
        Predictions of the model fitted to all rows.
    p_out_of_bag : array of shape (n, resamples)
        Predictions of the model of each resample for the rows that it did not hold; NaN for those it held,
        and in failed resamples.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row, for the interval.

    Raises
    ------
    ValueError
        If an array is malformed.

    Notes
    -----
    doi:10.1080/01621459.1997.10474007. The out-of-bag error is averaged within each row first, as there. The
    interval treats the models and the mixing weight as fixed.

    Examples
    --------
    A model that tells everyone the prevalence of one third has no information to lose: 1/3 × 2/3.

    >>> y, p_out_of_bag = [1, 0, 0, 1, 0, 0], [[0.4], [0.4], [0.4], [0.3], [0.3], [0.3]]
    >>> round(compute_brier_632_plus(y, [1 / 3] * 6, p_out_of_bag).estimate, 4)
    0.2222
    """
    method = "Brier score, .632+ bootstrap, influence-function t interval"
    apparent = check_predicted_outcomes(y_true, p_apparent, weight, patient)
    p_oob = np.asarray(p_out_of_bag, dtype=np.float64)
    if p_oob.ndim != 2 or p_oob.shape[0] != np.size(y_true):
        raise ValueError(f"p_out_of_bag must have {np.size(y_true)} rows; its shape is {p_oob.shape}")
    if weight is not None:
        p_oob = p_oob[np.asarray(weight, dtype=np.float64) > 0.0]
    left_out = np.isfinite(p_oob)
    n_never = int((~left_out.any(axis=1)).sum())
    if n_never:
        reason = f"{n_never} of {apparent.y.size} rows were never out of bag in a usable resample"
        return Estimate.not_estimable(method, reason, level)
    y = apparent.y[:, np.newaxis]
    loss_apparent = np.square(y - apparent.p)
    loss_oob = np.nanmean(np.square(y - p_oob), axis=1, keepdims=True)
    error, influence = compute_mean_influence(loss_apparent, apparent.weight)
    error_oob, influence_oob = compute_mean_influence(loss_oob, apparent.weight)
    capped, mix = _mix_632_plus(float(error[0]), float(error_oob[0]), _compute_no_information(apparent))
    value = (1.0 - mix) * error + mix * capped
    blended = (1.0 - mix) * influence + mix * influence_oob
    return build_estimate(value, blended, apparent, method=method, level=level, bounds=(0.0, 1.0))


def _compute_no_information(sample: PredictedOutcomes) -> float:
    """Brier score over all pairs of an outcome and an unrelated prediction."""
    if_event = np.average(np.square(1.0 - sample.p[:, 0]), weights=sample.weight)
    if_none = np.average(np.square(sample.p[:, 0]), weights=sample.weight)
    return float(sample.prevalence * if_event + (1.0 - sample.prevalence) * if_none)


def _mix_632_plus(apparent: float, out_of_bag: float, no_information: float) -> tuple[float, float]:
    """Out-of-bag error capped at no information, and its weight by the relative overfitting rate."""
    capped = min(out_of_bag, no_information)
    overfits = capped > apparent and no_information > apparent
    rate = (capped - apparent) / (no_information - apparent) if overfits else 0.0
    return capped, 0.632 / (1.0 - 0.368 * rate)
