"""Mean and covariance of one component of the posterior from Hamiltonian draws.

Importance draws in fifty dimensions waste themselves: a few hundred of eight thousand count. Chains that follow the
gradient (Duane et al. 1987, doi 10.1016/0370-2693(87)91197-X; Neal 2011, arXiv 1206.1901) do not. They start at even
points of a normal distribution that already fits well, so that a few steps are enough, and all of them move at once.

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

__all__ = ["MOST_R_HAT", "PLANS", "ChainPlan", "Chains", "integrate_slopes", "run_chains"]

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


def run_chains(
    density: CurvedPosterior, tau: float, centre: FloatArray, root: FloatArray, plan: ChainPlan, seed: int
) -> Chains:
    """Draw from a component of the posterior, and return its moments.

    Parameters
    ----------
    density : CurvedPosterior
    tau : float
    centre : ndarray of shape (d,)
    root : ndarray of shape (d, d)
        ``root @ root'`` is the covariance of a normal distribution near the component.
    plan : ChainPlan
    seed : int
    """
    rng = np.random.default_rng(seed)
    walkers = _Walkers(density, tau, centre, root, np.array(draw_normal_points(plan.n_chains, len(centre), seed)))
    step = FIRST_STEP
    for _ in range(plan.n_warm_up):
        accepted = walkers.move(step * rng.uniform(1 - JITTER, 1 + JITTER), rng)
        step = float(np.clip(step * np.exp(accepted - ACCEPTED), *STEP_LIMITS))
    draws, gradients = np.empty((2, plan.n_kept, *walkers.at.shape))
    for k in range(plan.n_kept):
        walkers.move(step * rng.uniform(1 - JITTER, 1 + JITTER), rng)
        draws[k], gradients[k] = walkers.at, walkers.gradient
    slopes = density.slope_by_tau(centre + draws.reshape(-1, len(centre)) @ root.T, tau)
    shift, covariance = _compute_moments(draws.reshape(-1, len(centre)), gradients.reshape(-1, len(centre)))
    r_hat, effective = _judge(draws)
    return Chains(
        shift, np.asarray(np.linalg.cholesky(covariance), dtype=np.float64), float(slopes.mean()), r_hat, effective
    )


def integrate_slopes(taus: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return the log marginal likelihood at each tau, up to a constant, from its derivatives; at 0 that is 0."""
    if len(taus) == 1:
        return np.zeros(1)
    curve = CubicSpline(np.append(0.0, taus), np.append(0.0, slopes))
    return np.array([curve.integrate(0.0, tau) for tau in taus])


class _Walkers:
    """Many chains at once, in units of the normal distribution they start from."""

    def __init__(
        self, density: CurvedPosterior, tau: float, centre: FloatArray, root: FloatArray, start: FloatArray
    ) -> None:
        self._density, self._tau, self._centre, self._root = density, tau, centre, root
        self.at = start
        self.value, self.gradient = self._value(start), self._slope(start)

    def move(self, step: float, rng: np.random.Generator) -> float:
        """Take one trajectory with every chain, and return the mean chance of its acceptance."""
        momentum = rng.standard_normal(self.at.shape)
        before = self.value - 0.5 * (momentum**2).sum(axis=1)
        at, gradient = self.at, self.gradient
        for _ in range(max(1, round(TRAJECTORY / step))):
            momentum = momentum + 0.5 * step * gradient
            at = at + step * momentum
            gradient = self._slope(at)
            momentum = momentum + 0.5 * step * gradient
        value = self._value(at)
        gain = np.nan_to_num(value - 0.5 * (momentum**2).sum(axis=1) - before, nan=-np.inf)
        taken = np.log(rng.random(len(at))) < gain
        self.at = np.where(taken[:, None], at, self.at)
        self.gradient = np.where(taken[:, None], gradient, self.gradient)
        self.value = np.where(taken, value, self.value)
        return float(np.exp(np.minimum(gain, 0.0)).mean())

    def _value(self, at: FloatArray) -> FloatArray:
        return self._density.evaluate_many(self._centre + at @ self._root.T, self._tau)

    def _slope(self, at: FloatArray) -> FloatArray:
        gradient = self._density.compute_gradients(self._centre + at @ self._root.T, self._tau)
        return np.asarray(gradient @ self._root, dtype=np.float64)


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
