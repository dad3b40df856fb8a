"""Ridge logistic regression whose penalty is integrated out: one posterior for point, interval and draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from poi_predict.modeling.firth import fit_offset_intercept
from poi_predict.modeling.linear import LinearClassifier, compute_weight_inflation
from poi_predict.modeling.newton import NewtonFit, compute_log_loss, fit_penalised_logistic, with_intercept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["RidgeLogistic"]

SPREADS = np.geomspace(0.01, 10.0, 25)
"""Standard deviations of the coefficients, over which is integrated: from none that matters to certainty."""


class RidgeLogistic(LinearClassifier):
    """Logistic regression whose coefficients share a normal prior of unknown standard deviation.

    How strongly to penalise is not chosen but integrated: the standard deviation of the coefficients has a half-Cauchy
    prior (Gelman 2006, doi 10.1214/06-BA117A), and each of 25 values of it gives a ridge fit whose marginal likelihood
    follows from Laplace's approximation (Tierney & Kadane 1986, doi 10.1080/01621459.1986.10478240). Each fit is moved
    from its mode to its mean, to second order, and the mixture is collapsed to one mean and covariance. So intervals
    hold what is not known of the penalty, and are not those of an estimate that was drawn towards zero.

    A probability at the posterior mean would be too far from the overall rate, as no coefficient is known. The
    equation therefore has the posterior mean times one factor, the average over these women by which averaging over
    the posterior flattens log-odds (MacKay 1992, doi 10.1162/neco.1992.4.5.720), and an intercept with which the mean
    prediction is the observed rate. Where the columns tell nothing, little but that rate is left.

    Expects columns of like scale. A weight counts as so many women, and unequal weights widen the covariance.

    Parameters
    ----------
    scale : float
        Of the half-Cauchy prior: the median standard deviation of a coefficient, for one standard deviation of its
        column.

    Attributes
    ----------
    penalty_ : float
        That of the geometric mean of the posterior standard deviation of the coefficients: half of it times the sum
        of squared coefficients is what ridge regression adds to the log loss.
    effective_df_ : float
        Effective number of coefficients, the intercept aside, averaged over the posterior: trace of the hat matrix
        less one (Gray 1992, doi 10.1080/01621459.1992.10476248).

    Examples
    --------
    >>> import numpy as np
    >>> fsh = np.linspace(-1.5, 1.5, 40)[:, None]
    >>> responds = np.tile([1, 1, 1, 0, 1, 0, 0, 0], 5)
    >>> noise = RidgeLogistic().fit(fsh, responds)
    >>> bool(abs(noise.coef_[0, 0]) < 0.2), round(float(noise.predict_proba(fsh)[:, 1].mean()), 3)
    (True, 0.5)
    >>> low, high = noise.predict_interval(fsh)[20]
    >>> bool(low < 0.5 < high)
    True
    """

    penalty_: float
    effective_df_: float

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        design, inflation = with_intercept(X), compute_weight_inflation(weight)
        fits: list[NewtonFit] = []
        for spread in SPREADS:
            penalty = np.r_[0.0, np.full(X.shape[1], spread**-2.0)]
            fits.append(fit_penalised_logistic(design, y, weight, penalty, fits[-1].coefficients if fits else None))
        share = self._weigh(fits, y, weight)
        means = np.array([fit.coefficients + _find_skew(fit, design, weight) for fit in fits])
        mean = share @ means
        off = means - mean
        within = np.einsum("k,kij->ij", share, [_widen(fit, design, weight, inflation) for fit in fits])
        self.posterior_mean_ = mean
        self.covariance_ = within + (off.T * share) @ off
        self.penalty_ = float(np.exp(-2.0 * share @ np.log(SPREADS)))
        self.effective_df_ = float(share @ [_effective_df(fit, design, weight) for fit in fits])
        variance = ((design @ self.covariance_) * design).sum(axis=1)
        self.attenuation_ = float(np.average(1.0 / np.sqrt(1.0 + np.pi * variance / 8.0), weights=weight))
        coefficients = self.attenuation_ * mean[1:]
        return fit_offset_intercept(X @ coefficients, y, weight), coefficients

    def _weigh(self, fits: list[NewtonFit], y: FloatArray, weight: FloatArray) -> FloatArray:
        """Return the posterior share of each standard deviation, by Laplace's approximation."""
        logs = []
        for spread, fit in zip(SPREADS, fits, strict=True):
            slopes = fit.coefficients[1:]
            fitted = -weight @ compute_log_loss(y, fit.log_odds) - 0.5 * slopes @ slopes / spread**2
            volume = 0.5 * np.linalg.slogdet(fit.inverse_hessian)[1] - len(slopes) * np.log(spread)
            prior = np.log(spread) - np.log1p((spread / self.scale) ** 2)  # of the logarithm, in which the grid is even
            logs.append(fitted + volume + prior)
        share = np.exp(np.array(logs) - max(logs))
        return np.asarray(share / share.sum(), dtype=np.float64)


def _find_skew(fit: NewtonFit, design: FloatArray, weight: FloatArray) -> FloatArray:
    """How far the posterior mean of the coefficients lies from their mode: half the third derivative, twice contracted.

    Tierney, Kass & Kadane 1989, doi 10.1080/01621459.1989.10478824.
    """
    response = expit(fit.log_odds)
    third = weight * response * (1 - response) * (1 - 2 * response)
    spread = ((design @ fit.inverse_hessian) * design).sum(axis=1)
    return np.asarray(-0.5 * fit.inverse_hessian @ (design.T @ (third * spread)), dtype=np.float64)


def _widen(fit: NewtonFit, design: FloatArray, weight: FloatArray, inflation: float) -> FloatArray:
    """Covariance at one penalty, unequal weights telling less than equal ones of the same sum."""
    if abs(inflation - 1.0) < 1e-9:
        return fit.inverse_hessian
    information = _information(fit, design, weight)
    return np.asarray(np.linalg.inv(np.linalg.inv(fit.inverse_hessian) - information * (1.0 - 1.0 / inflation)))


def _information(fit: NewtonFit, design: FloatArray, weight: FloatArray) -> FloatArray:
    response = expit(fit.log_odds)
    return np.asarray((design.T * (weight * response * (1 - response))) @ design, dtype=np.float64)


def _effective_df(fit: NewtonFit, design: FloatArray, weight: FloatArray) -> float:
    """Trace of the hat matrix, the intercept aside."""
    return float((fit.inverse_hessian * _information(fit, design, weight)).sum() - 1.0)
