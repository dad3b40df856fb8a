"""Importance weights smoothed by a Pareto tail, and whether they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["MOST_PARETO_K", "compute_effective_draws", "fit_pareto_shape", "smooth_weights"]

MOST_PARETO_K = 0.7
"""Above it the mean of the weights converges too slowly for any number of draws one would make."""

FEWEST_TAIL_DRAWS = 5
PRIOR_DRAWS = 10


def smooth_weights(log_ratio: FloatArray) -> tuple[FloatArray, float]:
    """Return normalised weights and the shape k of the tail of the raw ones.

    Parameters
    ----------
    log_ratio : ndarray of shape (n_draws,)
        Log of target over proposal density, up to a constant.

    Returns
    -------
    ndarray of shape (n_draws,)
        Non-negative, adding to 1; the largest are replaced by quantiles of a fitted Pareto tail.
    float
        k: below 0.5 good, up to 0.7 usable, above not to be trusted.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry 2024, Pareto smoothed importance sampling, JMLR 25(72).

    Examples
    --------
    A proposal that equals its target has equal weights and no tail:

    >>> weights, k = smooth_weights(np.zeros(100))
    >>> bool(np.allclose(weights, 0.01)), k
    (True, -inf)
    """
    shifted = log_ratio - log_ratio.max()
    n_tail = int(np.ceil(min(0.2 * len(shifted), 3.0 * np.sqrt(len(shifted)))))
    order = np.argsort(shifted, kind="stable")
    tail = order[-n_tail:]
    cutoff = np.exp(shifted[order[-n_tail - 1]]) if n_tail < len(shifted) else 0.0
    excess = np.exp(shifted[tail]) - cutoff
    weights = np.exp(shifted)
    k = -np.inf
    if n_tail >= FEWEST_TAIL_DRAWS and excess[-1] > 1e-10 * max(cutoff, 1e-300):
        k, scale = fit_pareto_shape(np.maximum(excess, 1e-300))
        share = (np.arange(n_tail) + 0.5) / n_tail
        quantile = scale * np.expm1(-k * np.log1p(-share)) / k if abs(k) > 1e-12 else -scale * np.log1p(-share)
        weights[tail] = np.minimum(cutoff + quantile, 1.0)
    return weights / weights.sum(), float(k)


def fit_pareto_shape(excess: FloatArray) -> tuple[float, float]:
    """Fit a generalised Pareto distribution to ascending positive excesses: shape and scale.

    The shape is drawn towards 0.5 as if by ten more draws, which steadies it in short tails.

    References
    ----------
    Zhang & Stephens 2009, doi 10.1198/tech.2009.08017.
    """
    n = len(excess)
    n_grid = 30 + int(np.sqrt(n))
    grid = 1.0 - np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    grid = grid / (3.0 * excess[int(n / 4 + 0.5) - 1]) + 1.0 / excess[-1]
    shapes = np.mean(np.log1p(-grid[:, None] * excess), axis=1)
    log_likelihood = n * (np.log(-grid / shapes) - shapes - 1.0)
    weights = np.exp(log_likelihood - log_likelihood.max())
    best = float(grid @ weights / weights.sum())
    shape = float(np.mean(np.log1p(-best * excess)))
    scale = -shape / best
    return (shape * n + 0.5 * PRIOR_DRAWS) / (n + PRIOR_DRAWS), float(scale)


def compute_effective_draws(weights: FloatArray) -> float:
    """Return how many equally weighted draws are worth as much (Kong 1992)."""
    return float(1.0 / (weights**2).sum())
