"""Smooth calibration curve with its band, and the errors read from it (ICI, E50, E90, Emax).

At 20–300 women loess chases single events. The curve here is a logistic regression of the outcome on a
restricted cubic spline of the log-odds with three knots (10th, 50th and 90th percentile; Harrell 2015,
Regression Modeling Strategies): one parameter more than slope and intercept, so it can bend once and contains
perfect calibration. With fewer than 20 patients in either class, or too few distinct predictions, it degrades
to the straight logistic line, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from poi_predict.privacy import compute_inner_range

from .arrays import FloatArray, PredictedOutcomes, check_predicted_outcomes, compute_log_odds
from .estimate import Estimate
from .intervals import compute_t_quantile
from .logistic import fit_logistic_designs
from .optimism import describe_few_refits
from .recalibration import compute_jackknife, find_slope_failure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CalibrationCurve", "compute_calibration_curve", "compute_calibration_errors"]

SPLINE_NEEDS = 20
"""Patients in the rarer class from which the curve may bend."""
KNOT_QUANTILES = (0.10, 0.50, 0.90)
ERROR_LABELS = {
    "ici": "integrated calibration index (mean absolute error of the curve)",
    "e50": "median absolute error of the calibration curve",
    "e90": "90th percentile of the absolute error of the calibration curve",
    "emax": "largest absolute error of the calibration curve",
}


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed frequency as a smooth function of the prediction.

    Attributes
    ----------
    form : {"spline", "line"} or None
        Shape that was fitted; None when there is no curve.
    frame : DataFrame
        ``predicted``, ``observed``, ``ci_low``, ``ci_high``, over the inner range of the predictions; empty when
        there is no curve, and without finite band (NaN) when `reason` says why.
    reason : str or None
        Why there is no curve, or no band.
    """

    form: Literal["spline", "line"] | None
    frame: pd.DataFrame
    reason: str | None = None
    level: float = 0.95


@dataclass(frozen=True)
class _Basis:
    """Columns of the linear predictor as functions of the log-odds; knots empty for a line."""

    knots: tuple[float, ...]

    def evaluate(self, log_odds: FloatArray) -> FloatArray:
        columns = [np.ones_like(log_odds), log_odds]
        if self.knots:
            first, middle, last = self.knots
            columns.append(
                (
                    _cube(log_odds - first)
                    - _cube(log_odds - middle) * (last - first) / (last - middle)
                    + _cube(log_odds - last) * (middle - first) / (last - middle)
                )
                / (last - first) ** 2
            )
        return np.column_stack(columns)


def _cube(values: FloatArray) -> FloatArray:
    cubed: FloatArray = np.maximum(values, 0.0) ** 3
    return cubed


def compute_calibration_curve(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
    n_points: int = 101,
) -> CalibrationCurve:
    """Fit the calibration curve and its pointwise band.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response : array of shape (n,) or (n, repeats)
        Predicted probabilities. Repeats are stacked with weights divided by their number, and count as rows
        of the same patient.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row, for the band.
    n_points : int
        Points of the grid, evenly spread between the mean of the lowest and that of the highest twentieth of the
        predictions, of five women at least: the curve ends at no woman's own.

    Returns
    -------
    CalibrationCurve

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    >>> y, p = [1, 0, 0, 0] * 10 + [1, 1, 1, 0] * 10, [0.1] * 40 + [0.9] * 40
    >>> curve = compute_calibration_curve(y, p, n_points=2)
    >>> curve.form, curve.frame[["predicted", "observed"]].round(3).values.tolist()
    ('line', [[0.1, 0.25], [0.9, 0.75]])
    >>> compute_calibration_curve([1, 0, 0, 1], [0.2] * 4).reason
    'the predictions are constant'
    """
    sample = _stack_repeats(check_predicted_outcomes(y_true, p_response, weight, patient))
    empty = pd.DataFrame(columns=["predicted", "observed", "ci_low", "ci_high"], dtype="float64")
    if reason := _find_failure(sample):
        return CalibrationCurve(None, empty, reason, level)
    basis = _choose_basis(sample)
    design = basis.evaluate(sample.log_odds[:, 0])
    fits = fit_logistic_designs(design, sample.y, sample.weight[np.newaxis])
    if not fits.is_estimable[0]:
        return CalibrationCurve(None, empty, "the calibration model did not converge", level)
    each = np.asarray(p_response, dtype=np.float64).reshape(len(np.asarray(y_true)), -1).mean(axis=1)
    grid = np.linspace(*compute_inner_range(each), n_points)
    at_grid = basis.evaluate(compute_log_odds(grid))
    eta = at_grid @ fits.coefficients[0]
    half, reason = _compute_band(design, sample, fits.coefficients, at_grid, level)
    frame = pd.DataFrame(
        {"predicted": grid, "observed": expit(eta), "ci_low": expit(eta - half), "ci_high": expit(eta + half)}
    )
    return CalibrationCurve("spline" if basis.knots else "line", frame, reason, level)


def _stack_repeats(sample: PredictedOutcomes) -> PredictedOutcomes:
    repeats = sample.p.shape[1]
    return PredictedOutcomes(
        np.repeat(sample.y, repeats),
        sample.p.reshape(-1, 1),
        np.repeat(sample.weight / repeats, repeats),
        np.repeat(sample.patient, repeats),
        sample.n_patients,
    )


def _find_failure(sample: PredictedOutcomes) -> str | None:
    return sample.one_class_reason() or find_slope_failure(sample)


def _choose_basis(sample: PredictedOutcomes) -> _Basis:
    if min(sample.n_event_patients, sample.n_event_free_patients) < SPLINE_NEEDS:
        return _Basis(())
    log_odds = sample.log_odds[:, 0]
    knots = _pick_quantiles(log_odds, sample.weight)
    if np.min(np.diff(knots)) <= 0.05 * np.ptp(log_odds):
        return _Basis(())
    return _Basis(tuple(float(knot) for knot in knots))


def _pick_quantiles(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted quantiles at the knots; a tolerance keeps rounding of the weights from moving a knot."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    picked: FloatArray = values[order][np.searchsorted(share / share[-1], np.array(KNOT_QUANTILES) - 1e-9)]
    return picked


def _compute_band(
    design: FloatArray, sample: PredictedOutcomes, beta: FloatArray, at_grid: FloatArray, level: float
) -> tuple[FloatArray, str | None]:
    """Half-width of the band in log-odds, NaN with a reason where there is none."""
    nothing = np.full(at_grid.shape[0], np.nan)
    if reason := sample.lone_patient_reason():
        return nothing, reason
    offset = np.zeros((1, sample.y.size))
    deviations = compute_jackknife(design[np.newaxis], sample, beta, offset)
    if deviations is None:
        return nothing, "the band would rest on a single patient"
    groups = sample.n_patients
    at_patients = deviations[:, 0, :] @ at_grid.T
    standard_error = np.sqrt((groups - 1) / groups * np.square(at_patients).sum(axis=0))
    return compute_t_quantile(level, max(groups - design.shape[1], 1)) * standard_error, None


def compute_calibration_errors(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
    n_resamples: int = 500,
    seed: int,
) -> dict[str, Estimate]:
    """Distances between predictions and the smooth curve: ``ici``, ``e50``, ``e90``, ``emax``.

    Intervals are percentiles over a bootstrap of patients that refits the curve with its knots held. These
    errors are never negative, so in a small cohort even a perfect model shows some: read the interval, not
    the estimate. Resampling adds distance of its own; an estimate below all of it is compatible with none, and its
    interval then begins at 0.

    Parameters
    ----------
    n_resamples : int
        Bootstrap resamples; those in which the outcome separates are left out and counted in the method.
    seed : int
        Same seed, same interval.

    References
    ----------
    Austin & Steyerberg (2019), doi:10.1002/sim.8281.

    Examples
    --------
    Predicted 10 % and 90 %, observed 25 % and 75 %: wrong by 15 points everywhere.

    >>> y, p = [1, 0, 0, 0] * 10 + [1, 1, 1, 0] * 10, [0.1] * 40 + [0.9] * 40
    >>> round(compute_calibration_errors(y, p, seed=1)["ici"].estimate, 3)
    0.15
    """
    sample = _stack_repeats(check_predicted_outcomes(y_true, p_response, weight, patient))
    if reason := _find_failure(sample):
        return {k: Estimate.not_estimable(label, reason, level) for k, label in ERROR_LABELS.items()}
    design = _choose_basis(sample).evaluate(sample.log_odds[:, 0])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(sample.n_patients, np.full(sample.n_patients, 1.0 / sample.n_patients), n_resamples)
    weights = np.vstack([sample.weight, drawn[:, sample.patient] * sample.weight])
    has_both = (weights @ sample.y > 0.0) & (weights @ (1.0 - sample.y) > 0.0)
    fits = fit_logistic_designs(design, sample.y, weights[has_both])
    usable = fits.is_estimable
    if not usable[0]:
        reason = "the calibration model did not converge"
        return {k: Estimate.not_estimable(label, reason, level) for k, label in ERROR_LABELS.items()}
    errors = np.abs(expit(fits.coefficients[usable] @ design.T) - sample.p[:, 0])
    summaries = _summarise_errors(errors, weights[has_both][usable])
    n_ok = int(usable.sum()) - 1
    return {
        key: _build_error_estimate(summaries[key], f"{label}, {n_ok} of {n_resamples} resamples", level)
        for key, label in ERROR_LABELS.items()
    }


def _summarise_errors(errors: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    """Weighted mean, quantiles and maximum of every row of `errors`.

    Quantiles are of the inverted distribution function, so that a weight of two equals two rows.
    """
    order = np.argsort(errors, axis=1)
    ordered = np.take_along_axis(errors, order, axis=1)
    share = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    share /= share[:, -1:]

    def pick(quantile: float) -> FloatArray:
        position = np.argmax(share >= quantile - 1e-12, axis=1)
        picked: FloatArray = ordered[np.arange(ordered.shape[0]), position]
        return picked

    carried: NDArray[np.bool_] = weights > 0.0
    return {
        "ici": np.sum(errors * weights, axis=1) / weights.sum(axis=1),
        "e50": pick(0.5),
        "e90": pick(0.9),
        "emax": np.max(errors * carried, axis=1),
    }


def _build_error_estimate(values: FloatArray, method: str, level: float) -> Estimate:
    """First value is the estimate, the others are its bootstrap distribution."""
    estimate, resampled = float(values[0]), values[1:]
    if few := describe_few_refits(resampled.size):
        return Estimate(estimate, None, None, method, few, level)
    low, high = np.quantile(resampled, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Estimate(estimate, float(low) if low < estimate else 0.0, float(high), method, level=level)
