"""What a normal approximation at the mode misses, learned from the density away from it.

First the normal distribution is fitted again, to what the density is a standard deviation away on every axis; then
importance draws from a slightly wider t distribution move its mean, its covariance and its marginal likelihood. They
come with their mirror images, and everything is taken relative to what the same draws give of the fitted normal
distribution, so that a posterior that is normal is not moved at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv, ndtr

from poi_predict.modeling.borrowing.hamiltonian import MOST_R_HAT, ChainPlan, ScaledDensity, run_chains
from poi_predict.modeling.borrowing.pareto import MOST_PARETO_K, compute_effective_draws, smooth_weights
from poi_predict.modeling.borrowing.points import draw_normal_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["Correction", "choose_components", "learn_by_chains", "learn_correction", "spread_over_mass"]

FEWEST_DRAWS, MOST_DRAWS, MOST_EVALUATIONS = 512, 1024, 2_000_000
WIDENED = 1.05
EXTRA_DEGREES = 4
SPREAD_LIMITS = (0.5, 2.0)


@dataclass(frozen=True)
class Correction:
    """A better normal distribution, in units of the one at the mode.

    Attributes
    ----------
    shift : ndarray of shape (d,)
    lift : ndarray of shape (d, d)
        ``lift @ lift'`` is the covariance.
    gain : float
        Log of the marginal likelihood over Laplace's; 0 where the draws cannot be trusted.
    pareto_k, effective_draws : float
        Of the importance weights. From a k of 0.7 the draws are not used, and the fit by axes stands.
    r_hat : float
        Of chains, where they were run; from 1.02 they are not to be trusted.
    slope : float
        Derivative of the log marginal likelihood by tau, where chains were run.
    """

    shift: FloatArray
    lift: FloatArray
    gain: float
    pareto_k: float
    effective_draws: float
    r_hat: float = float("nan")
    slope: float = float("nan")

    @property
    def trusted(self) -> bool:
        """Whether the draws can be trusted."""
        return self.pareto_k < MOST_PARETO_K or self.r_hat < MOST_R_HAT


def spread_over_mass(weights: FloatArray, n: int) -> NDArray[np.intp]:
    """Return the components of a mixture at `n` even steps of its mass, each once."""
    middle = (np.arange(n) + 0.5) / n
    chosen = np.unique(np.searchsorted(np.cumsum(weights), middle * weights.sum()))
    return np.asarray(np.minimum(chosen, len(weights) - 1), dtype=np.intp)


def choose_components(weights: FloatArray, n_rows: int) -> tuple[NDArray[np.intp], int]:
    """Return which components of a mixture to learn from, evenly over its mass, and how many draws for each.

    The fewer rows a likelihood has, the cheaper a draw and the less normal the posterior.

    Examples
    --------
    >>> choose_components(np.array([0.1, 0.6, 0.3]), 150)
    (array([1, 2]), 1024)
    >>> choose_components(np.array([0.1, 0.6, 0.3]), 4000)
    (array([1]), 512)
    """
    affordable = MOST_EVALUATIONS // max(1, n_rows)
    n = int(np.clip(affordable // FEWEST_DRAWS, 1, len(weights)))
    chosen = spread_over_mass(weights, n)
    draws = 2 ** int(np.log2(max(1, affordable // len(chosen))))
    return chosen, int(np.clip(draws, FEWEST_DRAWS, MOST_DRAWS))


def learn_correction(scaled: ScaledDensity, n_draws: int, seed: int) -> Correction:
    """Learn what the normal distribution at the mode of one component misses.

    Parameters
    ----------
    scaled : ScaledDensity
        In units of the normal distribution at the mode.
    n_draws, seed : int
    """
    shift, lift = _refit_by_axes(scaled)
    d = len(shift)
    draws, log_proposal = _draw_t(n_draws, d, seed)
    log_ratio = scaled.evaluate(shift + draws @ lift.T) - log_proposal
    of_normal = -0.5 * (draws**2).sum(axis=1) - log_proposal
    weights, pareto_k = smooth_weights(log_ratio)
    effective = compute_effective_draws(weights)
    if pareto_k >= MOST_PARETO_K:
        return Correction(shift, lift, 0.0, pareto_k, effective)
    relative = weights - smooth_weights(of_normal)[0]
    move = relative @ draws
    change = _clip((draws.T * relative) @ draws - np.outer(move, move) + np.eye(d))
    at_mode = float(scaled.evaluate(np.zeros((1, d)))[0])
    gain = _log_mean(log_ratio) - _log_mean(of_normal) + np.log(np.diag(lift)).sum() - at_mode
    moved = np.asarray(np.linalg.cholesky(lift @ change @ lift.T), dtype=np.float64)
    return Correction(shift + lift @ move, moved, float(gain), pareto_k, effective)


def learn_by_chains(scaled: ScaledDensity, guide: ScaledDensity, plan: ChainPlan, seed: int) -> Correction:
    """Learn the same from Hamiltonian draws, which cost more and do not depend on the seed nearly as much.

    `guide` is in units of its own normal distribution at the mode, as `scaled` is: there both look alike.
    """
    shift, lift = _refit_by_axes(scaled)
    target = scaled.move(shift, lift)
    led = target if guide is scaled else guide.move(*_refit_by_axes(guide))
    found = run_chains(target, led, plan, seed)
    return Correction(
        shift + lift @ found.shift,
        lift @ found.lift,
        0.0,
        float("nan"),
        found.effective_draws,
        found.r_hat,
        found.slope,
    )


def _log_mean(log_values: FloatArray) -> float:
    most = log_values.max()
    return float(most + np.log(np.exp(log_values - most).mean()))


def _draw_t(n: int, d: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw from a t distribution, each draw with its mirror image, and return the log density up to a constant.

    The degrees of freedom grow with the dimension, so that the draws' distance from the middle varies as little as
    that of normal ones, and yet no tail outruns them.
    """
    freedom = d + EXTRA_DEGREES
    points = draw_normal_points(n // 2, d + 1, seed)
    chi_square = 2.0 * gammaincinv(0.5 * freedom, ndtr(points[:, [d]]))
    half = points[:, :d] * np.sqrt(freedom / chi_square)
    draws = np.vstack([half, -half])
    return WIDENED * draws, -0.5 * (freedom + d) * np.log1p((draws**2).sum(axis=1) / freedom)


def _refit_by_axes(scaled: ScaledDensity) -> tuple[FloatArray, FloatArray]:
    """Shift of the normal distribution whose mean gradient is 0 and whose curvature is the mean one, and its root.

    The means are over two points on each axis, one standard deviation from the mode (Opper & Archambeau 2009,
    doi 10.1162/neco.2008.08-07-592, with the expectations by sigma points).
    """
    d = len(scaled.centre)
    gradients = scaled.compute_gradients(np.vstack([np.eye(d), -np.eye(d)]))
    forth, back = gradients[:d], gradients[d:]
    curvature = 0.5 * (back - forth)
    spread = _clip(np.asarray(np.linalg.inv(_clip(0.5 * (curvature + curvature.T))), dtype=np.float64))
    shift = np.clip(0.5 * spread @ (forth + back).sum(axis=0), -1.0, 1.0)
    return shift, np.asarray(np.linalg.cholesky(spread), dtype=np.float64)


def _clip(matrix: FloatArray) -> FloatArray:
    """Keep the eigenvalues of a symmetric matrix within `SPREAD_LIMITS`."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.clip(values, *SPREAD_LIMITS)) @ vectors.T, dtype=np.float64)
