"""Ridge logistic regression whose penalty is integrated out: one posterior for point, interval and draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poi_predict.modeling.expectation_propagation import NormalTerms, fit_normal_terms
from poi_predict.modeling.firth import fit_offset_intercept
from poi_predict.modeling.linear import LinearClassifier, compute_weight_inflation
from poi_predict.modeling.newton import with_intercept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["RidgeLogistic"]

SPREADS = np.geomspace(0.01, 3.0, 20)
"""Standard deviations of the coefficients, over which is integrated: from none that matters to certainty."""
NEGLIGIBLE = 12.0
"""So much less of a log marginal likelihood adds nothing to the integral."""
TWO_VALUED = 0.75


class RidgeLogistic(LinearClassifier):
    """Logistic regression whose coefficients share a normal prior of unknown standard deviation.

    How strongly to penalise is not chosen but integrated: the standard deviation of the coefficients has a half-Cauchy
    prior (Gelman 2006, doi 10.1214/06-BA117A), cut at 3, and each of 20 values of it gives a fit with its marginal
    likelihood by expectation propagation. The mixture is collapsed to one mean and covariance. So intervals hold what
    is not known of the penalty, and are not those of an estimate that was drawn towards zero.

    One step of a yes or no is held to be worth as much as two standard deviations of a number (Gelman 2008, doi
    10.1002/sim.3107), not one standard deviation of itself, which for a rare level is a small part of the step.

    A probability at the posterior mean would be too far from the overall rate, as no coefficient is known. The
    equation therefore has the posterior mean times one factor, the average over these women by which averaging over
    the posterior flattens log-odds (MacKay 1992, doi 10.1162/neco.1992.4.5.720), and an intercept with which the mean
    prediction is the observed rate. Where the columns tell nothing, little but that rate is left.

    Expects columns of like scale. A weight counts as so many women, and unequal weights widen the covariance.

    Parameters
    ----------
    scale : float
        Of the half-Cauchy prior: the median standard deviation of the women's log-odds, were the columns independent.
        With 1.5, half of the prior lies on models of c-statistics up to about 0.81, however many columns are offered.

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
    >>> responds = np.tile([1, 0, 0, 1], 10)
    >>> noise = RidgeLogistic().fit(fsh, responds)
    >>> bool(abs(noise.coef_[0, 0]) < 0.2), round(float(noise.predict_proba(fsh)[:, 1].mean()), 3)
    (True, 0.5)
    >>> low, high = noise.predict_interval(fsh)[20]
    >>> bool(low < 0.5 < high)
    True
    """

    penalty_: float
    effective_df_: float

    def __init__(self, scale: float = 1.5) -> None:
        self.scale = scale

    def _solve(self, X: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, FloatArray]:
        design, reach = with_intercept(X), _find_reach(X)
        together = float(np.linalg.norm(reach))
        fits: list[NormalTerms] = []
        penalties, logs = [], []
        for spread in SPREADS:
            penalty = np.r_[0.0, (spread * reach) ** -2.0]
            fits.append(fit_normal_terms(design, y, weight, penalty, fits[-1] if fits else None))
            penalties.append(penalty)
            # The prior of the logarithm, in which the grid is even.
            logs.append(fits[-1].log_evidence + np.log(spread) - np.log1p((spread * together / self.scale) ** 2))
            if logs[-1] < max(logs) - NEGLIGIBLE:
                break
        share = np.exp(np.array(logs) - max(logs))
        share /= share.sum()
        inflation = compute_weight_inflation(weight)
        mean = share @ [fit.mean for fit in fits]
        off = np.array([fit.mean for fit in fits]) - mean
        information = [(design.T * fit.precision) @ design for fit in fits]
        within = [
            np.linalg.inv(told / inflation + np.diag(penalty))
            for told, penalty in zip(information, penalties, strict=True)
        ]
        self.posterior_mean_ = mean
        self.covariance_ = np.einsum("k,kij->ij", share, within) + (off.T * share) @ off
        self.penalty_ = float(np.exp(-2.0 * share @ np.log(SPREADS[: len(share)])))
        told_df = [(fit.covariance * told).sum() - 1.0 for fit, told in zip(fits, information, strict=True)]
        self.effective_df_ = float(share @ told_df)
        variance = ((design @ self.covariance_) * design).sum(axis=1)
        self.attenuation_ = float(np.average(1.0 / np.sqrt(1.0 + np.pi * variance / 8.0), weights=weight))
        coefficients = self.attenuation_ * mean[1:]
        return fit_offset_intercept(X @ coefficients, y, weight), coefficients


def _find_reach(X: FloatArray) -> FloatArray:
    """Return half the step of each yes or no, shape (n_columns,), upside down; 1 for numbers.

    A yes or no may have gaps that were filled with values in between.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    is_two_valued = (np.equal(X, low) | np.equal(X, high)).mean(axis=0) >= TWO_VALUED
    step = np.where(is_two_valued & (high > low), high - low, 2.0)
    return np.asarray(2.0 / step, dtype=np.float64)
