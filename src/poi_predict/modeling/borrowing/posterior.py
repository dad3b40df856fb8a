"""The posterior as a mixture of normal distributions: one for each value of the between-study SD.

At every grid value of tau the log posterior is maximised by Newton's method, in coordinates in which it is nearly
normal (`curved`), and its curvature gives a normal distribution (Laplace's method; Tierney & Kadane 1986,
doi 10.1080/01621459.1986.10478240); the values are weighted by their marginal likelihood. Where few events leave the
posterior skewed, draws move mean and covariance: importance draws for one of many fits, Hamiltonian chains for a model
that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular
from scipy.special import ndtri

from poi_predict.errors import ModelError
from poi_predict.modeling.borrowing.correction import (
    Correction,
    choose_components,
    learn_by_chains,
    learn_correction,
    spread_over_mass,
)
from poi_predict.modeling.borrowing.curved import CurvedPosterior, straighten
from poi_predict.modeling.borrowing.hamiltonian import PLANS, ScaledDensity, integrate_slopes
from poi_predict.modeling.borrowing.likelihood import JointData, LogPosterior
from poi_predict.modeling.borrowing.points import draw_normal_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.links import Link

    FloatArray = NDArray[np.float64]

__all__ = ["Posterior", "compute_posterior", "make_tau_grid"]

MOST_STEPS = 100
MOST_HALVINGS = 40
DECREMENT = 1e-7
WHITE_POINTS, WHITE_SEED = 512, 11
UPPER_TAIL = 1.5


@dataclass(frozen=True)
class Posterior:
    """A mixture of distributions of theta = (coefficients, deviations u), each normal in straight coordinates psi.

    Attributes
    ----------
    taus, weights : ndarray of shape (n_components,)
        Between-study SD of each component, and its posterior weight.
    centres : ndarray of shape (n_components, d)
        Means in psi; deviations in units of tau.
    roots : ndarray of shape (n_components, d, d)
        ``root @ root'`` is the covariance in psi.
    attenuation : ndarray of shape (n_coefficients, n_coefficients)
        See `curved`.
    pareto_k, effective_draws : float
        Largest and smallest of the components that importance draws were made for; NaN where none were.
    corrected : bool
        Whether means, covariances and weights were moved by draws that can be trusted.
    r_hat : float
        Largest of the components that chains were run for; NaN where none were.
    """

    taus: FloatArray
    weights: FloatArray
    centres: FloatArray
    roots: FloatArray
    attenuation: FloatArray
    pareto_k: float
    effective_draws: float
    corrected: bool
    r_hat: float = float("nan")

    def place(self, epsilon: FloatArray, component: int) -> FloatArray:
        """Turn standard normal rows into parameters of one component, shape (n_draws, d)."""
        theta = straighten(self.centres[component] + epsilon @ self.roots[component].T, self.attenuation)
        theta[:, len(self.attenuation) :] *= self.taus[component]
        return theta

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw parameters, shape (n, d), and the tau of each, shape (n,)."""
        component = rng.choice(len(self.weights), size=n, p=self.weights)
        draws = rng.standard_normal((n, self.centres.shape[1]))
        for k in np.unique(component):
            draws[component == k] = self.place(draws[component == k], k)
        return draws, self.taus[component]

    @property
    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of theta in each component, shapes (n_components, d) and (n_components, d, d)."""
        epsilon = make_white_points(self.centres.shape[1])
        k, scale = len(self.attenuation), self._scale_deviations()
        means, roots = self.centres * scale, self.roots * scale[:, :, None]
        covariances = roots @ np.swapaxes(roots, 1, 2)
        for c, root in enumerate(self.roots):  # all but the intercept is linear in epsilon, so its moments are exact
            intercept = straighten(self.centres[c, :k] + epsilon @ root[:k].T, self.attenuation)[:, 0]
            means[c, 0] = intercept.mean()
            off = intercept - means[c, 0]
            covariances[c, 0] = covariances[c, :, 0] = roots[c] @ (off @ epsilon) / len(off)
            covariances[c, 0, 0] = off @ off / len(off)
        return means, covariances

    @property
    def mean(self) -> FloatArray:
        """Posterior mean, shape (d,)."""
        return self.collapse()[0]

    @property
    def covariance(self) -> FloatArray:
        """Posterior covariance, shape (d, d)."""
        return self.collapse()[1]

    def collapse(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and covariance of theta over all components."""
        means, covariances = self.moments
        mean = self.weights @ means
        off = means - mean
        within = np.einsum("k,kij->ij", self.weights, covariances)
        return mean, np.asarray(within + (off.T * self.weights) @ off, dtype=np.float64)

    def collapse_straight(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and covariance of psi over all components: there a normal distribution fits best."""
        mean = self.weights @ self.centres
        off = self.centres - mean
        within = np.einsum("k,kij,klj->il", self.weights, self.roots, self.roots)
        return mean, np.asarray(within + (off.T * self.weights) @ off, dtype=np.float64)

    def replace_parameters(self, mean: FloatArray, covariance: FloatArray, weights: FloatArray) -> Posterior:
        """Return the mixture with one distribution of the parameters, whatever tau: straight coefficients, deviations.

        Parameters
        ----------
        mean, covariance : ndarray of shape (d,) and (d, d)
            As `collapse_deviations` gives them.
        weights : ndarray of shape (n_components,)
            Of tau.
        """
        scale = self._scale_deviations()
        values, vectors = np.linalg.eigh(covariance)
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        inverse = np.where(scale > 0, 1.0 / np.where(scale > 0, scale, 1.0), 0.0)
        return replace(self, weights=weights, centres=mean * inverse, roots=root * inverse[:, :, None])

    def collapse_deviations(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and covariance over all components of psi with deviations in their own unit."""
        scale = self._scale_deviations()
        centres, roots = self.centres * scale, self.roots * scale[:, :, None]
        return replace(self, centres=centres, roots=roots).collapse_straight()

    def _scale_deviations(self) -> FloatArray:
        scale = np.ones(self.centres.shape)
        scale[:, len(self.attenuation) :] = self.taus[:, None]
        return scale

    @property
    def tau_square(self) -> float:
        """Posterior mean of the between-study variance."""
        return float(self.weights @ self.taus**2)


def make_tau_grid(scale: float, n_points: int) -> tuple[FloatArray, FloatArray]:
    """Return values of a half-normal SD and the prior share of each; only 0 where the scale is 0.

    A Gauss-Legendre rule in the share of the prior, drawn towards its upper tail: nine values give the prior's mean
    and SD to 0.2 %, and lie close enough for a posterior a sixth as wide as the prior.

    Examples
    --------
    >>> taus, shares = make_tau_grid(0.5, 9)
    >>> round(float(shares @ taus**2), 2)
    0.25
    """
    if scale == 0:
        return np.zeros(1), np.ones(1)
    nodes, weights = np.polynomial.legendre.leggauss(n_points)
    left = 0.5 - 0.5 * nodes
    shares = weights * left ** (UPPER_TAIL - 1.0)
    return np.asarray(-scale * ndtri(0.5 * left**UPPER_TAIL), dtype=np.float64), shares / shares.sum()


def compute_posterior(
    data: JointData,
    link: Link,
    grid: tuple[FloatArray, FloatArray],
    *,
    sampler: str,
    seed: int,
    coarse: JointData | None = None,
) -> Posterior:
    """Compute the posterior on a grid of between-study SDs.

    Parameters
    ----------
    data : JointData
    link : Link
    grid : tuple of two ndarray of shape (n_components,)
        Values of tau, ascending, and the prior share of each.
    sampler : {"none", "importance", "quick", "fine"}
        What corrects the normal approximation: nothing, importance draws, or chains.
    seed : int
        Of the draws.
    coarse : JointData, optional
        The same with fewer points in each arm: it shows the chains the way.

    Notes
    -----
    What draws teach of one component is held to be true of its neighbours as well, in units of their own normal
    distributions.

    Raises
    ------
    ModelError
        If the posterior has no maximum that can be found.
    """
    taus, shares = grid
    start = np.concatenate([data.prior_mean, np.zeros(data.n_groups)])
    near = _approximate(data, link, taus, start)
    led = near if coarse is None else _approximate(coarse, link, taus, start)
    learned = _learn(near, led, grid, sampler, seed)
    modes, roots, log_evidence = near.modes, near.roots, near.log_evidence
    places, found = list(learned), list(learned.values())
    if all(part.trusted for part in found):
        log_evidence = log_evidence + np.interp(taus, taus[places], [part.gain for part in found])
    nearest = [found[int(np.argmin(np.abs(taus[places] - tau)))] for tau in taus]
    centres = np.array([mode + root @ part.shift for mode, root, part in zip(modes, roots, nearest, strict=True)])
    return Posterior(
        taus=taus,
        weights=_weigh(shares, log_evidence),
        centres=centres,
        roots=roots @ np.array([part.lift for part in nearest]),
        attenuation=data.attenuation,
        pareto_k=max(part.pareto_k for part in found),
        effective_draws=min(part.effective_draws for part in found),
        corrected=all(part.trusted for part in found),
        r_hat=max(part.r_hat for part in found),
    )


@dataclass(frozen=True)
class _Approximation:
    """Mode, root of the covariance, and log marginal likelihood at each tau."""

    density: CurvedPosterior
    taus: FloatArray
    modes: FloatArray
    roots: FloatArray
    log_evidence: FloatArray

    def scale(self, k: int) -> ScaledDensity:
        """Return the density of a component in units of the normal distribution at its mode."""
        return ScaledDensity(self.density, float(self.taus[k]), self.modes[k], self.roots[k])


def _learn(
    near: _Approximation, led: _Approximation, grid: tuple[FloatArray, FloatArray], sampler: str, seed: int
) -> dict[int, Correction]:
    """Return what draws teach, by component; nothing, of the first one, where none are made."""
    taus, shares = grid
    d, weights = near.modes.shape[1], _weigh(shares, near.log_evidence)
    if sampler == "importance":
        chosen, n_draws = choose_components(weights, near.density.n_rows)
        return {k: learn_correction(near.scale(k), n_draws, seed) for k in chosen.tolist()}
    if sampler == "none":
        return {0: Correction(np.zeros(d), np.eye(d), 0.0, float("nan"), float("nan"))}
    plan = PLANS[sampler]
    chosen = np.arange(len(taus)) if plan.n_components >= len(taus) else spread_over_mass(weights, plan.n_components)
    learned = {}
    for k in chosen.tolist():
        scaled = near.scale(k)
        learned[k] = learn_by_chains(scaled, scaled if led is near else led.scale(k), plan, seed)
    integrated = integrate_slopes(taus[chosen], np.array([part.slope for part in learned.values()]))
    return {
        k: replace(part, gain=float(whole - near.log_evidence[k]))
        for (k, part), whole in zip(learned.items(), integrated, strict=True)
    }


def _approximate(data: JointData, link: Link, taus: FloatArray, start: FloatArray) -> _Approximation:
    density, d = CurvedPosterior(LogPosterior(data, link), data.attenuation), len(start)
    modes, roots, log_evidence = np.empty((len(taus), d)), np.empty((len(taus), d, d)), np.empty(len(taus))
    for k, tau in enumerate(taus):
        modes[k], value, chol = _maximise(density, start, float(tau))
        roots[k] = solve_triangular(chol, np.eye(d), lower=True).T
        log_evidence[k] = value - np.log(np.diag(chol)).sum()
        start = modes[k] if k == 0 else modes[k] + (modes[k] - modes[k - 1]) * _find_stride(taus, k)
    return _Approximation(density, taus, modes, roots, log_evidence)


def _weigh(shares: FloatArray, log_evidence: FloatArray) -> FloatArray:
    weights = shares * np.exp(log_evidence - log_evidence.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _find_stride(taus: FloatArray, k: int) -> float:
    """How far the next tau lies, in units of the last step: there the mode is looked for along a straight line."""
    return float((taus[k + 1] - taus[k]) / (taus[k] - taus[k - 1])) if k + 1 < len(taus) else 0.0


@lru_cache(maxsize=8)
def make_white_points(d: int) -> FloatArray:
    """Return points with mean 0 and covariance 1, to the last digit, in d dimensions; each with its mirror image."""
    half = draw_normal_points(max(WHITE_POINTS // 2, 2 ** int(np.ceil(np.log2(2 * d + 1)))), d, WHITE_SEED)
    values, vectors = np.linalg.eigh(half.T @ half / len(half))
    half = half @ (vectors / np.sqrt(values)) @ vectors.T
    points = np.vstack([half, -half])
    points.flags.writeable = False
    return points


def _maximise(density: CurvedPosterior, theta: FloatArray, tau: float) -> tuple[FloatArray, float, FloatArray]:
    """Newton's method with halving: the mode, the value there, and the Cholesky factor of the negative Hessian."""
    value, gradient, hessian = density.expand(theta, tau)
    for _ in range(MOST_STEPS):
        factor = _factorise(hessian)
        step = cho_solve((factor, True), gradient)
        decrement = float(gradient @ step)
        if decrement < DECREMENT:  # so near the mode, the last step need not be looked at
            return theta + step, value + 0.5 * decrement, factor
        for halving in range(MOST_HALVINGS):
            trial = density.expand(theta + step * 0.5**halving, tau)
            if trial[0] >= value:
                break
        else:
            return theta, value, factor
        theta = theta + step * 0.5**halving
        value, gradient, hessian = trial
    raise ModelError(
        "The posterior of the evidence model has no maximum that could be found. Narrow the priors, or leave out "
        "the arm or predictor that was added last."
    )


def _factorise(hessian: FloatArray) -> FloatArray:
    """Cholesky factor; where an arm's likelihood is not concave the diagonal is raised until there is one."""
    diagonal = np.abs(np.diag(hessian))
    for power in range(-1, 12):
        raised = hessian if power < 0 else hessian + np.diag(diagonal * 1e-6 * 10.0**power + 1e-12)
        try:
            return np.asarray(np.tril(cho_factor(raised, lower=True)[0]), dtype=np.float64)
        except LinAlgError:
            continue
    raise ModelError("The evidence model has no stable solution. Narrow the priors, or leave an arm out.")
