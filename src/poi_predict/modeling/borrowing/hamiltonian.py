"""Mean and covariance of one component of the posterior from Hamiltonian draws.

Importance draws in fifty dimensions waste themselves: a few hundred of eight thousand count. Chains that follow the
gradient (Duane et al. 1987, doi 10.1016/0370-2693(87)91197-X; Neal 2011, arXiv 1206.1901) do not. They start at even
points of a normal distribution that already fits well, so that a few steps are enough, and all of them move at once.
A cheaper density, the same with fewer points in each arm, may show them the way; what is accepted is decided by the
right one, so that the draws are its own (Neal 2011, section 5.5.2: any reversible guide will do).

Of each draw the gradient is known, and the mean of the gradient, and of its product with the draw, is known exactly.
So what a draw is off by is mostly foretold by its gradient, and taken away (control variates: Mira, Solgi & Imparato
2013, doi 10.1007/s11222-012-9344-6). Of a normal distribution nothing is left: it is met exactly, with any draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

from poi_predict.modeling.borrowing.points import draw_normal_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.curved import CurvedPosterior

    FloatArray = NDArray[np.float64]

__all__ = ["MOST_R_HAT", "PLANS", "ChainPlan", "Chains", "ScaledDensity", "integrate_slopes", "run_chains"]

MOST_R_HAT = 1.02
"""Largest ratio of spreads, between and within groups of chains, at which their draws are used."""
TRAJECTORY = 1.6  # a quarter of the period of a standard normal distribution: a draw forgets where it came from
FIRST_STEP, STEP_LIMITS = 0.35, (0.01, 0.6)
ACCEPTED = 0.85
JITTER = 0.15
GROUPS = 8
EIGENVALUE_LIMITS = (1e-3, 1e3)


@dataclass(frozen=True)
class ChainPlan:
    """How many chains (a power of two), steps of each thrown away and kept, and values of tau they are run at."""

    n_chains: int
    n_warm_up: int
    n_kept: int
    n_components: int


PLANS = {"quick": ChainPlan(64, 12, 8, 3), "fine": ChainPlan(256, 16, 32, 5)}
"""For one of many fits, and for a model that is kept."""


@dataclass(frozen=True)
class Chains:
    """What the draws say of one component, in units of the normal distribution they started from.

    Attributes
    ----------
    shift : ndarray of shape (d,)
    lift : ndarray of shape (d, d)
        ``lift @ lift'`` is the covariance.
    slope : float
        Mean derivative of the log density by tau: that of the log marginal likelihood.
    r_hat : float
        Largest of all directions; 1 where groups of chains agree (Gelman & Rubin 1992).
    effective_draws : float
        Least of all directions, before control variates.
    """

    shift: FloatArray
    lift: FloatArray
    slope: float
    r_hat: float
    effective_draws: float


@dataclass(frozen=True)
class ScaledDensity:
    """The log density of one component, in units of a normal distribution near it.

    Attributes
    ----------
    density : CurvedPosterior
    tau : float
    centre : ndarray of shape (d,)
    root : ndarray of shape (d, d)
        ``root @ root'`` is the covariance of the normal distribution.
    """

    density: CurvedPosterior
    tau: float
    centre: FloatArray
    root: FloatArray

    def move(self, shift: FloatArray, lift: FloatArray) -> ScaledDensity:
        """Return the same in units of another normal distribution, which is given in units of this one."""
        return ScaledDensity(self.density, self.tau, self.centre + self.root @ shift, self.root @ lift)

    def evaluate(self, at: FloatArray) -> FloatArray:
        """Return the log density at each row, shape (n_draws,)."""
        return self.density.evaluate_many(self.centre + at @ self.root.T, self.tau)

    def compute_gradients(self, at: FloatArray) -> FloatArray:
        """Return the gradient at each row, shape (n_draws, d)."""
        gradient = self.density.compute_gradients(self.centre + at @ self.root.T, self.tau)
        return np.asarray(gradient @ self.root, dtype=np.float64)

    def slope_by_tau(self, at: FloatArray, gradients: FloatArray) -> FloatArray:
        """Differentiate the log density at each row by tau, shape (n_draws,), given its gradients there."""
        unscaled: FloatArray = np.linalg.solve(self.root.T, gradients.T).T.astype(np.float64, copy=False)
        return self.density.slope_by_tau(self.centre + at @ self.root.T, unscaled, self.tau)


def run_chains(target: ScaledDensity, guide: ScaledDensity, plan: ChainPlan, seed: int) -> Chains:
    """Draw from a component of the posterior, and return its moments.

    Parameters
    ----------
    target : ScaledDensity
        What is drawn from.
    guide : ScaledDensity
        Whose gradient the chains follow; `target` itself, or something much like it that costs less.
    plan : ChainPlan
    seed : int
    """
    rng, d = np.random.default_rng(seed), len(target.centre)
    walkers = _Walkers(target, guide, np.array(draw_normal_points(plan.n_chains, d, seed)))
    step = FIRST_STEP
    for _ in range(plan.n_warm_up):
        accepted = walkers.move(step * rng.uniform(1 - JITTER, 1 + JITTER), rng)
        step = float(np.clip(step * np.exp(accepted - ACCEPTED), *STEP_LIMITS))
    draws, gradients = np.empty((2, plan.n_kept, plan.n_chains, d))
    for k in range(plan.n_kept):
        walkers.move(step * rng.uniform(1 - JITTER, 1 + JITTER), rng)
        draws[k], gradients[k] = walkers.at, walkers.find_gradient()
    all_draws, all_gradients = draws.reshape(-1, d), gradients.reshape(-1, d)
    slope = float(target.slope_by_tau(all_draws, all_gradients).mean())
    shift, covariance = _compute_moments(all_draws, all_gradients)
    lift = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    return Chains(shift, lift, slope, *_judge(draws))


def integrate_slopes(taus: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the log marginal likelihood at each tau, up to a constant, from its derivatives; at 0 that is 0."""
    if len(taus) == 1:
        return np.zeros(1)
    curve = CubicSpline(np.append(0.0, taus), np.append(0.0, slopes))
    return np.array([curve.integrate(0.0, tau) for tau in taus])


class _Walkers:
    """Many chains at once, in units of the normal distribution they start from."""

    def __init__(self, target: ScaledDensity, guide: ScaledDensity, start: FloatArray) -> None:
        self._target, self._guide, self.at = target, guide, start
        self._value, self._gradient = target.evaluate(start), guide.compute_gradients(start)

    def find_gradient(self) -> FloatArray:
        """Return the gradient of the target at each chain, shape (n_chains, d)."""
        return self._gradient if self._guide is self._target else self._target.compute_gradients(self.at)

    def move(self, step: float, rng: np.random.Generator) -> float:
        """Take one trajectory with every chain, and return the mean chance of its acceptance."""
        momentum = rng.standard_normal(self.at.shape)
        before = self._value - 0.5 * (momentum**2).sum(axis=1)
        at, gradient = self.at, self._gradient
        for _ in range(max(1, round(TRAJECTORY / step))):
            momentum = momentum + 0.5 * step * gradient
            at = at + step * momentum
            gradient = self._guide.compute_gradients(at)
            momentum = momentum + 0.5 * step * gradient
        value = self._target.evaluate(at)
        gain = np.nan_to_num(value - 0.5 * (momentum**2).sum(axis=1) - before, nan=-np.inf)
        taken = np.log(rng.random(len(at))) < gain
        self.at = np.where(taken[:, None], at, self.at)
        self._gradient = np.where(taken[:, None], gradient, self._gradient)
        self._value = np.where(taken, value, self._value)
        return float(np.exp(np.minimum(gain, 0.0)).mean())


def _compute_moments(draws: FloatArray, gradients: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance with what the gradients foretell taken away.

    Known are ``E[g] = 0``, the control variate of the mean, and ``E[x g'] = -1``, that of the second moments.
    """
    n, d = draws.shape
    middle = gradients - gradients.mean(axis=0)
    coefficients = np.linalg.solve(middle.T @ middle / n, middle.T @ (draws - draws.mean(axis=0)) / n)
    mean = draws.mean(axis=0) - gradients.mean(axis=0) @ coefficients
    off = draws - mean
    # Elementwise regression of x_i x_j on (x_i g_j + x_j g_i) / 2, whose mean is -1 where i = j and 0 elsewhere.
    second, cross = off.T @ off / n, off.T @ gradients / n
    known = 0.5 * (cross + cross.T)
    squares, of_gradients = off**2, gradients**2
    mixed = squares.T @ (off * gradients) / n
    with_known = 0.5 * (mixed + mixed.T)
    product = off * gradients
    of_known = 0.5 * (squares.T @ of_gradients + product.T @ product) / n
    variance = 0.5 * (of_known + of_known.T) - known**2
    slope = (with_known - second * known) / np.maximum(variance, 1e-12)
    values, vectors = np.linalg.eigh(second - slope * (known + np.eye(d)))
    return mean, np.asarray((vectors * np.clip(values, *EIGENVALUE_LIMITS)) @ vectors.T, dtype=np.float64)


def _judge(draws: FloatArray) -> tuple[float, float]:
    """R-hat over groups of chains, each in two halves, and the number of independent draws that are worth as much."""
    n_kept, n_chains, d = draws.shape
    variance = np.maximum(draws.reshape(-1, d).var(axis=0), 1e-300)
    halves = draws[: 2 * (n_kept // 2)].reshape(2, -1, GROUPS, n_chains // GROUPS, d).mean(axis=(1, 3)).reshape(-1, d)
    r_hat = np.sqrt(1.0 + halves.var(axis=0, ddof=1) / variance)
    effective = n_chains * variance / np.maximum(draws.mean(axis=0).var(axis=0, ddof=1), 1e-300)
    return float(r_hat.max()), float(min(effective.min(), n_kept * n_chains))
