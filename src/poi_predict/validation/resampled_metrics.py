"""Headline metrics of hundreds of refits at once: values without intervals, for resampling loops.

`assess_fixed` answers for one model with intervals. A bootstrap needs the same values, under frequency
weights, for every refit on its resample and on the original cohort; here they are computed as arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .arrays import check_outcome, check_probability, compute_log_odds
from .discrimination import compute_share_below
from .logistic import fit_logistic_designs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .arrays import FloatArray

__all__ = ["compute_resampled_metrics"]


def compute_resampled_metrics(y_true: ArrayLike, p_refits: ArrayLike, weights: ArrayLike | None = None) -> pd.DataFrame:
    """Compute every metric of `METRICS` for every refit.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_refits : array of shape (n, refits)
        Predictions of each refit for the rows of the original cohort.
    weights : array of shape (refits, n), optional
        How often each refit's resample holds each row (times a sampling weight); ones judge the refits on the
        original cohort.

    Returns
    -------
    DataFrame
        One row a refit, one column a metric, equal to `assess_fixed`. NaN where not estimable in that
        resample; `compute_optimism` counts these as failed.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    The second resample holds no responder, so nothing can be ranked:

    >>> y, p = [1, 0, 0], [[0.6, 0.6], [0.7, 0.7], [0.1, 0.1]]
    >>> compute_resampled_metrics(y, p, [[1, 1, 1], [0, 2, 1]])["c_statistic"].tolist()
    [0.5, nan]
    """
    y = check_outcome(y_true)
    p = np.ascontiguousarray(check_probability(p_refits, y.size, "p_refits").T)
    w = np.ones_like(p) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != p.shape or not np.isfinite(w).all() or (w < 0.0).any() or (w.sum(axis=1) <= 0.0).any():
        raise ValueError(f"weights must be {p.shape}, finite, not negative, and positive in every refit")
    share = w / w.sum(axis=1, keepdims=True)
    prevalence = share @ y
    has_both = (prevalence > 0.0) & (share @ (1.0 - y) > 0.0)
    brier = np.sum(share * np.square(y - p), axis=1)
    p_of_outcome = np.where(y == 1.0, p, 1.0 - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_loss = np.sum(np.where(share > 0.0, -share * np.log(p_of_outcome), 0.0), axis=1)
        scaled_brier = 1.0 - brier / (prevalence * (1.0 - prevalence))
        o_e_ratio = prevalence / np.sum(share * p, axis=1)
    columns = {
        "c_statistic": np.where(has_both, _compute_c_statistics(y, p, share), np.nan),
        "brier": brier,
        "scaled_brier": np.where(has_both, scaled_brier, np.nan),
        "log_loss": log_loss,
        "calibration_in_the_large": _fit_coefficients(y, p, w, has_both, with_slope=False),
        "calibration_slope": _fit_coefficients(y, p, w, has_both, with_slope=True),
        "o_e_ratio": o_e_ratio,
    }
    return pd.DataFrame(columns).replace([np.inf, -np.inf], np.nan)


def _compute_c_statistics(y: FloatArray, p: FloatArray, share: FloatArray) -> FloatArray:
    event = y == 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        of_events = share[:, event] / share[:, event].sum(axis=1, keepdims=True)
        of_others = share[:, ~event] / share[:, ~event].sum(axis=1, keepdims=True)
    return np.array(
        [
            of_event @ compute_share_below(p_row[event], p_row[~event], of_other)
            for p_row, of_event, of_other in zip(p, of_events, of_others, strict=True)
        ]
    )


def _fit_coefficients(
    y: FloatArray, p: FloatArray, weight: FloatArray, usable: np.ndarray, *, with_slope: bool
) -> FloatArray:
    """Last recalibration coefficient of each refit; NaN where it has no maximum-likelihood estimate."""
    fitted = np.flatnonzero(usable)
    values = np.full(p.shape[0], np.nan)
    if fitted.size == 0:
        return values
    log_odds = compute_log_odds(p[fitted])
    ones = np.ones_like(log_odds)
    design = np.stack([ones, log_odds], axis=2) if with_slope else ones[:, :, np.newaxis]
    fits = fit_logistic_designs(design, y, weight[fitted], None if with_slope else log_odds)
    values[fitted] = np.where(fits.is_estimable, fits.coefficients[:, -1], np.nan)
    return values
