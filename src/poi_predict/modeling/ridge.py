"""Ridge logistic regression whose penalty is chosen inside the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from poi_predict.modeling.linear import LinearClassifier
from poi_predict.modeling.newton import (
    NewtonFit,
    compute_log_loss,
    fit_penalised_logistic,
    with_intercept,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["RidgeLogistic", "compute_loo_log_odds"]

PENALTY_RATIOS = (1e6, *(float(ratio) for ratio in 10.0 ** np.arange(2.0, -4.01, -0.25)))
"""Penalties for each unit of weight, strongest first; the first leaves nothing but the prevalence."""

LEAST_SLACK = 1e-6


class RidgeLogistic(LinearClassifier):
    """Logistic regression with a quadratic penalty, chosen by approximate leave-one-out log loss.

    For every penalty the prediction of each woman by the model fitted without her is approximated from her
    leverage (Rad & Maleki 2020, doi 10.1111/rssb.12374), and the penalty with the least weighted log loss of
    these predictions is taken; of equals, the strongest. One pass along the path replaces hundreds of fits,
    has no random folds, and ends at the bare prevalence when the columns tell nothing. The intercept is not
    penalised, so the mean prediction equals the observed rate. Expects columns of like scale.

    Several rows of one woman are left out one by one, not together, in choosing the penalty.

    Parameters
    ----------
    penalty_ratios : tuple of float, optional
        Penalties to choose from, each for one unit of total weight; `PENALTY_RATIOS` if not given.

    Attributes
    ----------
    penalty_ : float
        The penalty chosen: half of it times the sum of squared coefficients is added to the log loss.
    C_ : float
        Its inverse, as in scikit-learn.
    effective_df_ : float
        Effective number of coefficients, the intercept aside: trace of the hat matrix less one (Gray 1992,
        doi 10.1080/01621459.1992.10476248).
    penalties_, loo_log_loss_ : ndarray of shape (n_penalties,)
        The path, strongest penalty first.

    Examples
    --------
    >>> import numpy as np
    >>> fsh = np.linspace(-1, 1, 40)[:, None]
    >>> responds = np.tile([1, 1, 1, 0, 1, 0, 0, 0], 5)
    >>> noise = RidgeLogistic().fit(fsh, responds)
    >>> bool(abs(noise.coef_[0, 0]) < 0.2), round(float(noise.predict_proba(fsh)[:, 1].mean()), 3)
    (True, 0.5)
    """

    penalty_: float
    C_: float
    effective_df_: float
    penalties_: FloatArray
    loo_log_loss_: FloatArray

    def __init__(self, penalty_ratios: tuple[float, ...] | None = None) -> None:
        self.penalty_ratios = penalty_ratios

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        ratios = PENALTY_RATIOS if self.penalty_ratios is None else self.penalty_ratios
        self.penalties_ = np.sort(np.asarray(ratios, dtype=np.float64))[::-1] * weight.sum()
        design = with_intercept(X)
        unit = np.concatenate([[0.0], np.ones(X.shape[1])])
        fits: list[NewtonFit] = []
        losses = []
        for penalty in self.penalties_:
            start = fits[-1].coefficients if fits else None
            fits.append(fit_penalised_logistic(design, y, weight, penalty * unit, start))
            losses.append(weight @ compute_log_loss(y, compute_loo_log_odds(fits[-1], design, y, weight)))
        self.loo_log_loss_ = np.array(losses) / weight.sum()
        best = int(np.argmax(self.loo_log_loss_ <= self.loo_log_loss_.min() + 1e-12))
        self.penalty_ = float(self.penalties_[best])
        self.C_ = 1.0 / self.penalty_
        self.effective_df_ = _effective_df(fits[best], design, weight)
        coefficients = fits[best].coefficients
        return float(coefficients[0]), coefficients[1:]


def compute_loo_log_odds(fit: NewtonFit, design: FloatArray, y: FloatArray, weight: FloatArray) -> FloatArray:
    """Approximate each woman's log-odds by the model fitted without her.

    One Newton step away from the full fit, by the Sherman–Morrison formula (Rad & Maleki 2020,
    doi 10.1111/rssb.12374, equation 6).

    Parameters
    ----------
    fit : NewtonFit
    design, y, weight
        What the fit was made with.

    Returns
    -------
    ndarray of shape (n_women,)
    """
    response = expit(fit.log_odds)
    spread = _spread(fit, design)
    leverage = spread * weight * response * (1 - response)
    shift = spread * weight * (response - y) / np.maximum(1.0 - leverage, LEAST_SLACK)
    return np.asarray(fit.log_odds + shift, dtype=np.float64)


def _spread(fit: NewtonFit, design: FloatArray) -> FloatArray:
    """Variance of each woman's log-odds under the model's curvature, shape (n_women,)."""
    return np.asarray(((design @ fit.inverse_hessian) * design).sum(axis=1))


def _effective_df(fit: NewtonFit, design: FloatArray, weight: FloatArray) -> float:
    """Trace of the hat matrix, the intercept aside."""
    response = expit(fit.log_odds)
    return float(_spread(fit, design) @ (weight * response * (1 - response)) - 1.0)
