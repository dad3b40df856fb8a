"""Pooling of centre-level estimates by a random-effects model, with a prediction for a new centre."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from .estimate import Estimate
from .intervals import Scale, compute_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from .arrays import FloatArray

__all__ = ["PooledCentres", "compute_pooled_centres", "compute_pooled_estimates"]

METHOD = "random effects (REML, modified Hartung–Knapp)"


@dataclass(frozen=True)
class PooledCentres:
    """A metric pooled over centres.

    Attributes
    ----------
    pooled : Estimate
        The average centre, with a Hartung–Knapp interval.
    prediction : Estimate
        The same centre value, with the interval in which a *new* centre is expected.
    tau : float or None
        Standard deviation between centres, on the scale of pooling.
    i2 : float or None
        Share of the variation between centres that is not sampling error.
    n_centres, n_excluded : int
        Centres pooled, and centres without an estimate or standard error.
    """

    pooled: Estimate
    prediction: Estimate
    tau: float | None
    i2: float | None
    n_centres: int
    n_excluded: int


def compute_pooled_estimates(
    estimates: Sequence[Estimate], scale: Scale = "identity", level: float = 0.95
) -> PooledCentres:
    """Pool the `Estimate` of each centre by the standard error that it carries.

    Parameters
    ----------
    estimates : sequence of Estimate
        One for each centre. Those without a standard error carry no weight; they are excluded and counted. A
        c-statistic of exactly 0 or 1 enters with half a pair added on either side and the standard error of
        Hanley & McNeil there (Newcombe 2006, doi:10.1002/sim.2324): leaving such centres out would pool the worse
        ones only.
    scale : {"identity", "log", "logit"}
        Scale of pooling: logit for a c-statistic, log for O:E (Debray et al. 2017, doi:10.1136/bmj.i6460),
        identity for calibration intercept and slope.

    Examples
    --------
    >>> centres = [
    ...     Estimate(c, c - 0.1, c + 0.1, "DeLong", standard_error=0.05) for c in (0.66, 0.70, 0.74, 0.69)
    ... ]
    >>> pooled = compute_pooled_estimates(centres, scale="logit")
    >>> print(pooled.pooled)
    0.70 (0.61–0.77)
    """
    usable = [_read_scaled(estimate, scale) for estimate in estimates]
    pairs = [pair for pair in usable if pair is not None]
    values = np.array([value for value, _ in pairs])
    errors = np.array([error for _, error in pairs])
    return _pool(values, errors, scale, level, n_excluded=len(estimates) - len(pairs))


def compute_pooled_centres(
    values: ArrayLike, standard_errors: ArrayLike, scale: Scale = "identity", level: float = 0.95
) -> PooledCentres:
    """Pool centre-level values by random effects.

    Parameters
    ----------
    values, standard_errors : arrays of shape (centres,)
        On the scale of pooling (already log or logit transformed).
    scale : {"identity", "log", "logit"}
        Scale that the values are on; results are transformed back.

    Raises
    ------
    ValueError
        If shapes differ, values are not finite or a standard error is not positive.

    Notes
    -----
    Variance between centres by restricted maximum likelihood. The interval is that of Hartung & Knapp (2001,
    doi:10.1002/sim.1009) with k - 1 degrees of freedom, never narrower than without their factor (Röver,
    Knapp & Friede 2015, doi:10.1186/s12874-015-0091-1). The prediction interval has k - 2 degrees of freedom
    (Higgins, Thompson & Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x) and needs three centres.

    Examples
    --------
    >>> pooled = compute_pooled_centres([0.9, 1.1, 1.0], [0.2, 0.2, 0.2])
    >>> round(pooled.pooled.estimate, 3), pooled.tau
    (1.0, 0.0)
    """
    effects = np.asarray(values, dtype=np.float64)
    errors = np.asarray(standard_errors, dtype=np.float64)
    if effects.ndim != 1 or effects.shape != errors.shape:
        raise ValueError(f"values and standard_errors must be equally long; {effects.shape}, {errors.shape}")
    if not np.isfinite(effects).all() or not np.isfinite(errors).all() or (errors <= 0.0).any():
        raise ValueError("values must be finite and standard_errors finite and positive")
    return _pool(effects, errors, scale, level, n_excluded=0)


def _read_scaled(estimate: Estimate, scale: Scale) -> tuple[float, float] | None:
    """Value and standard error on the scale of pooling, None when they do not exist there."""
    value = estimate.estimate if estimate.smoothed is None else estimate.smoothed
    error = estimate.standard_error
    if value is None or error is None or error <= 0.0:
        return None
    if scale == "logit":
        return (float(logit(value)), error / (value * (1.0 - value))) if 0.0 < value < 1.0 else None
    if scale == "log":
        return (math.log(value), error / value) if value > 0.0 else None
    return value, error


def _transform_back(value: float, scale: Scale) -> float:
    if scale == "logit":
        return float(expit(value))
    return math.exp(value) if scale == "log" else value


def _pool(values: FloatArray, errors: FloatArray, scale: Scale, level: float, n_excluded: int) -> PooledCentres:
    k = values.size
    if k < 2:
        reason = f"pooling needs two centres with a standard error; there {'is' if k == 1 else 'are'} {k}"
        nothing = Estimate.not_estimable(METHOD, reason, level)
        return PooledCentres(nothing, nothing, None, None, k, n_excluded)
    variances = np.square(errors)
    tau2 = _fit_tau2(values, variances)
    weights = 1.0 / (variances + tau2)
    centre = float(np.average(values, weights=weights))
    knapp = float(np.sum(weights * np.square(values - centre))) / (k - 1)
    error = math.sqrt(max(knapp, 1.0) / float(weights.sum()))
    pooled = _build(centre, compute_t_quantile(level, k - 1) * error, scale, METHOD, level)
    prediction_method = f"{METHOD}, prediction interval for a new centre"
    if k < 3:
        reason = "a prediction interval needs three centres; there are 2"
        prediction = Estimate(pooled.estimate, None, None, prediction_method, reason, level)
    else:
        half = compute_t_quantile(level, k - 2) * math.sqrt(tau2 + error**2)
        prediction = _build(centre, half, scale, prediction_method, level)
    return PooledCentres(pooled, prediction, math.sqrt(tau2), _compute_i2(variances, tau2), k, n_excluded)


def _build(centre: float, half: float, scale: Scale, method: str, level: float) -> Estimate:
    value, low, high = (_transform_back(number, scale) for number in (centre, centre - half, centre + half))
    return Estimate(value, low, high, method, level=level)


def _fit_tau2(values: FloatArray, variances: FloatArray) -> float:
    """Between-centre variance that maximises the restricted likelihood; 0 when that is best."""

    def compute_loss(tau2: float) -> float:
        weights = 1.0 / (variances + tau2)
        centre = np.average(values, weights=weights)
        squares = np.sum(weights * np.square(values - centre))
        return float(squares - np.sum(np.log(weights)) + np.log(weights.sum())) / 2.0

    largest = float(np.ptp(values) ** 2)
    if largest == 0.0:
        return 0.0
    best = minimize_scalar(compute_loss, bounds=(0.0, largest), method="bounded", options={"xatol": 1e-10})
    return float(best.x) if compute_loss(float(best.x)) < compute_loss(0.0) - 1e-12 else 0.0


def _compute_i2(variances: FloatArray, tau2: float) -> float:
    """I² with the typical within-centre variance of Higgins & Thompson (2002, doi:10.1002/sim.1186)."""
    weights = 1.0 / variances
    typical = (variances.size - 1) * weights.sum() / (weights.sum() ** 2 - np.square(weights).sum())
    return float(tau2 / (tau2 + typical))
