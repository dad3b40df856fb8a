"""One log posterior for a clinic's women and published arms, with its exact gradient and Hessian.

Parameters are ``theta = (phi, w)``: phi the coefficients, ``w`` the standardised deviations of studies and centres
from the common intercept and from the common effect of therapy, so that ``u = tau * w`` and a between-study SD of zero
is no special case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, gammaln, polygamma

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.links import Link

    FloatArray = NDArray[np.float64]

__all__ = ["ArmData", "JointData", "LogPosterior", "Women"]

DEGREES_OF_FREEDOM = 4.0
"""Of the heavier-tailed priors: finite variance, and a prior five SDs away from the data lets go of them."""
LEAST_SHARE = 1e-12
ELEMENTS_AT_ONCE = 2**16


@dataclass(frozen=True)
class Women:
    """Rows of patients, ready for the likelihood.

    Attributes
    ----------
    design : ndarray of shape (n_women, n_coefficients)
    sign : ndarray of shape (n_women,)
        1 for a response, -1 for none.
    weight : ndarray of shape (n_women,)
    groups : ndarray of shape (n_women, n_groups)
        How much of each deviation of a study or centre a woman has.
    """

    design: FloatArray
    sign: FloatArray
    weight: FloatArray
    groups: FloatArray


@dataclass(frozen=True)
class ArmData:
    """Published arms, each with as many points.

    Attributes
    ----------
    design : ndarray of shape (n_arms * n_points, n_coefficients)
    events, n, discount : ndarray of shape (n_arms,)
    groups : ndarray of shape (n_arms, n_groups)
    n_points : int
    """

    design: FloatArray
    events: FloatArray
    n: FloatArray
    discount: FloatArray
    groups: FloatArray
    n_points: int


@dataclass(frozen=True)
class JointData:
    """Women and arms, the number of deviations, the priors, and what ties intercept and effects (`curved`)."""

    women: Women
    arms: ArmData
    n_groups: int
    prior_mean: FloatArray
    prior_sd: FloatArray
    attenuation: FloatArray
    heavy_tail: bool = False
    two_parameter: bool = False

    @property
    def n_coefficients(self) -> int:
        """Coefficients, the deviations of studies and centres aside."""
        return len(self.prior_mean)


class LogPosterior:
    """The log posterior density of theta, up to a constant, at any SD between studies.

    Parameters
    ----------
    data : JointData
    link : Link
    """

    def __init__(self, data: JointData, link: Link) -> None:
        self.data, self.link = data, link
        n_women, n_arms = len(data.women.sign), len(data.arms.n)
        self._n_women, self._n_arms = n_women, n_arms
        of_points = np.repeat(data.arms.groups, data.arms.n_points, axis=0)
        self._rows = np.vstack(
            [np.hstack([data.women.design, data.women.groups]), np.hstack([data.arms.design, of_points])]
        )

    @property
    def n_rows(self) -> int:
        """Women and points of arms."""
        return len(self._rows)

    def evaluate(self, theta: FloatArray, tau: float) -> float:
        """Return the log density."""
        return float(self.evaluate_many(theta[None, :], tau)[0])

    def evaluate_many(self, thetas: FloatArray, tau: float) -> FloatArray:
        """Return the log density of each row of thetas, shape (n_draws,)."""
        data, found = self.data, self._log_prior(thetas)
        for part in self._parts(len(thetas)):
            eta = self._predict(thetas[part], tau)
            found[part] += self.link.log_probability(eta[:, : self._n_women] * data.women.sign) @ data.women.weight
            shares = self._by_arm(self.link.probability(eta[:, self._n_women :]))
            found[part] += self._arm_terms(shares.mean(axis=2), self._square(shares))[0] @ data.arms.discount
        return found

    def compute_gradients(self, thetas: FloatArray, tau: float) -> FloatArray:
        """Return the gradient at each row of thetas, shape (n_draws, d)."""
        found = self._prior_slopes(thetas)[0]
        for part in self._parts(len(thetas)):
            slope = self._slopes(self._predict(thetas[part], tau))
            found[part] += self._scale(slope @ self._rows, tau)
        return found

    def expand(self, theta: FloatArray, tau: float) -> tuple[float, FloatArray, FloatArray]:
        """Return the log density, its gradient and its negative Hessian; shapes (d,) and (d, d) of the last two."""
        data, link = self.data, self.link
        eta = self._predict(theta[None, :], tau)[0]
        own, weight = data.women.sign * eta[: self._n_women], data.women.weight
        of_arms, slope_of_arms, curve_of_arms, outer = self._expand_arms(eta[self._n_women :], tau)
        slope = np.concatenate([weight * data.women.sign * link.score(own), slope_of_arms])
        curve = np.concatenate([weight * link.score_slope(own), curve_of_arms])
        d_prior, c_prior = (slopes[0] for slopes in self._prior_slopes(theta[None, :]))
        value = weight @ link.log_probability(own) + of_arms + self._log_prior(theta[None, :])[0]
        gradient = d_prior + self._scale(slope @ self._rows, tau)
        hessian = -self._scale(self._scale(self._rows.T @ (curve[:, None] * self._rows), tau).T, tau) - outer
        hessian[np.diag_indices_from(hessian)] += c_prior
        return float(value), gradient, hessian

    def _parts(self, n: int) -> Iterator[slice]:
        """Draws that are worked on at once: few enough to stay in the processor's cache."""
        step = max(1, ELEMENTS_AT_ONCE // max(1, self.n_rows))
        return (slice(start, start + step) for start in range(0, n, step))

    def _slopes(self, eta: FloatArray) -> FloatArray:
        """Differentiate the log likelihood by each linear predictor, shape as eta."""
        women, slope = self.data.women, np.empty_like(eta)
        slope[:, : self._n_women] = women.weight * women.sign * self.link.score(women.sign * eta[:, : self._n_women])
        p, f, _ = (self._by_arm(curve) for curve in self.link.curves(eta[:, self._n_women :]))
        by_mean, by_square = self._arm_terms(p.mean(axis=2), self._square(p))[1] * self.data.arms.discount
        per_point = (by_mean[..., None] + 2.0 * p * by_square[..., None]) * f / self.data.arms.n_points
        slope[:, self._n_women :] = per_point.reshape(len(eta), -1)
        return slope

    def _square(self, shares: FloatArray) -> FloatArray:
        """Mean squared probability of each arm; not worked out where it is not asked for."""
        return (shares**2).mean(axis=-1) if self.data.two_parameter else np.zeros(shares.shape[:-1])

    def _predict(self, thetas: FloatArray, tau: float) -> FloatArray:
        return np.asarray(self._scale(thetas.copy(), tau) @ self._rows.T, dtype=np.float64)

    def _scale(self, rows: FloatArray, tau: float) -> FloatArray:
        """Bring standardised deviations, or derivatives by them, to units of tau, in place."""
        rows[..., self.data.n_coefficients :] *= tau
        return rows

    def _by_arm(self, values: FloatArray) -> FloatArray:
        return values.reshape(len(values), self._n_arms, self.data.arms.n_points)

    def _expand_arms(self, eta: FloatArray, tau: float) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """Log likelihood of the arms, its derivatives by the points, and the outer products of mean gradients."""
        arms, shape = self.data.arms, (self._n_arms, self.data.arms.n_points)
        p, f, s = (curve.reshape(shape) for curve in self.link.curves(eta))
        value, first, second = self._arm_terms(p.mean(axis=1), self._square(p))
        first, second = first * arms.discount, second * arms.discount
        by_mean, per_point = f / arms.n_points, first[0, :, None] / arms.n_points
        slope, curve = per_point * f, per_point * s
        gradients = [self._arm_gradient(by_mean, tau)]
        outer = (gradients[0].T * second[0]) @ gradients[0]
        if self.data.two_parameter:
            by_square, per_square = 2.0 * p * by_mean, 2.0 * first[1, :, None] / arms.n_points
            slope, curve = slope + per_square * p * f, curve + per_square * (f**2 + p * s)
            gradients.append(self._arm_gradient(by_square, tau))
            cross = (gradients[0].T * second[1]) @ gradients[1]
            outer = outer + cross + cross.T + (gradients[1].T * second[2]) @ gradients[1]
        return float(value @ arms.discount), slope.ravel(), curve.ravel(), outer

    def _arm_gradient(self, by_point: FloatArray, tau: float) -> FloatArray:
        """Gradient of each arm's mean over points, shape (n_arms, d)."""
        rows = self._rows[self._n_women :].reshape(self._n_arms, self.data.arms.n_points, self._rows.shape[1])
        return self._scale(np.matmul(by_point[:, None, :], rows)[:, 0, :], tau)

    def _arm_terms(self, mean: FloatArray, square: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log-likelihood of each arm, its derivatives by mean and mean square, and the second ones (mm, ms, ss)."""
        mean = np.clip(mean, LEAST_SHARE, 1 - LEAST_SHARE)
        if self.data.two_parameter:
            return _two_parameter_binomial(self.data.arms.events, self.data.arms.n, mean, square)
        r, other = self.data.arms.events, self.data.arms.n - self.data.arms.events
        value = r * np.log(mean) + other * np.log1p(-mean)
        first = r / mean - other / (1 - mean)
        second = -r / mean**2 - other / (1 - mean) ** 2
        zero = np.zeros_like(mean)
        return value, np.stack([first, zero]), np.stack([second, zero, zero])

    def _log_prior(self, thetas: FloatArray) -> FloatArray:
        k = self.data.n_coefficients
        z = (thetas[:, :k] - self.data.prior_mean) / self.data.prior_sd
        of_groups = -0.5 * (thetas[:, k:] ** 2).sum(axis=1)
        if not self.data.heavy_tail:
            return np.asarray(-0.5 * (z**2).sum(axis=1) + of_groups, dtype=np.float64)
        nu = DEGREES_OF_FREEDOM
        return np.asarray(-0.5 * (nu + 1) * np.log1p(z**2 / nu).sum(axis=1) + of_groups, dtype=np.float64)

    def _prior_slopes(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradient of the log prior, and its negative second derivatives; both shape (n_draws, d)."""
        k, sd = self.data.n_coefficients, self.data.prior_sd
        z = (thetas[:, :k] - self.data.prior_mean) / sd
        if self.data.heavy_tail:
            nu = DEGREES_OF_FREEDOM
            gradient = -(nu + 1) * z / (nu + z**2) / sd
            curve = (nu + 1) * (nu - z**2) / (nu + z**2) ** 2 / sd**2
        else:
            gradient, curve = -z / sd, np.broadcast_to(1.0 / sd**2, z.shape)
        of_groups = thetas[:, k:]
        return np.hstack([gradient, -of_groups]), np.hstack([curve, np.ones_like(of_groups)])


def _two_parameter_binomial(
    r: FloatArray, n: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Binomial whose size and share match mean and variance of a sum of women of unequal probability.

    With ``a`` the mean probability and ``b`` the mean squared one, ``size = n a² / b`` and ``share = n a / size``
    (Phillippo et al. 2020, doi 10.1111/rssa.12579, appendix). The size is never below the events; the mean is kept.
    """
    b = np.clip(b, a**2, a * (1 - LEAST_SHARE))
    short = n * a**2 / b < r + LEAST_SHARE
    size = np.where(short, r + LEAST_SHARE, n * a**2 / b)
    share, other, free = np.minimum(n * a / size, 1 - LEAST_SHARE), size - r, 1.0 - short
    value = gammaln(size + 1) - gammaln(other + 1) - gammaln(r + 1) + r * np.log(share) + other * np.log1p(-share)
    by_size = free * (digamma(size + 1) - digamma(other + 1) + np.log1p(-share))
    by_share = r / share - other / (1 - share)
    size_size = free * (polygamma(1, size + 1) - polygamma(1, other + 1))
    size_share = -free / (1 - share)
    share_share = -r / share**2 - other / (1 - share) ** 2
    size_a, size_b = free * 2 * n * a / b, -free * n * a**2 / b**2
    share_a, share_b = np.where(short, n / size, -b / a**2), free / a
    first = np.stack([by_size * size_a + by_share * share_a, by_size * size_b + by_share * share_b])
    aa = size_size * size_a**2 + 2 * size_share * size_a * share_a + share_share * share_a**2
    ab = size_size * size_a * size_b + size_share * (size_a * share_b + size_b * share_a)
    ab += share_share * share_a * share_b
    bb = size_size * size_b**2 + 2 * size_share * size_b * share_b + share_share * share_b**2
    aa += by_size * 2 * n / b + by_share * free * 2 * b / a**3
    ab += -by_size * 2 * n * a / b**2 - by_share * free / a**2
    bb += by_size * 2 * n * a**2 / b**3
    return value, first, np.stack([aa, ab, bb])
