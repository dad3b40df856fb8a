"""Women of an arm, made up so that they have its published distributions: quasi-Monte Carlo points.

A model's probability at an arm's mean woman is not the mean of its women's probabilities. So each arm is
represented by equally likely points whose marginals are those published and whose ranks are correlated by a
Gaussian copula (Phillippo et al. 2020, doi 10.1111/rssa.12579).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, gammaincinv, ndtr, ndtri
from scipy.stats import qmc

from poi_predict.errors import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.arms import Marginal

    FloatArray = NDArray[np.float64]

__all__ = ["compute_moments", "draw_normal_points", "place_points"]

LEAST = 1e-12
MOST_POINTS = 2**14


@lru_cache(maxsize=32)  # a model is fitted anew in hundreds of resamples, with the same points
def draw_normal_points(n_points: int, n_variables: int, seed: int) -> FloatArray:
    """Return standard normal points that fill space evenly, shape (n_points, n_variables).

    Scrambled Sobol' points (Owen 1998, doi 10.1006/jcom.1998.0487), then brought to mean 0 and SD 1 exactly, so
    that an arm's mean is met with few points. The array is read-only: the same arguments give the same one.

    Raises
    ------
    EvidenceError
        If the number of points is not a power of two from 8 to 16384.
    """
    if not 8 <= n_points <= MOST_POINTS or n_points & (n_points - 1):
        raise EvidenceError(f"points must be a power of two from 8 to {MOST_POINTS}; it is {n_points}. 64 are plenty.")
    if n_variables == 0:
        return np.empty((n_points, 0))
    sampler = qmc.Sobol(n_variables, scramble=True, rng=np.random.default_rng(seed))
    normal = ndtri(np.clip(sampler.random(n_points), LEAST, 1 - LEAST))
    points = np.asarray((normal - normal.mean(axis=0)) / normal.std(axis=0), dtype=np.float64)
    points.flags.writeable = False
    return points


def place_points(
    marginals: Sequence[Marginal],
    normal: FloatArray,
    variable: Mapping[str, int],
    column: Mapping[str, int],
) -> FloatArray:
    """Turn normal points into an arm's derived columns.

    Parameters
    ----------
    marginals : sequence of Marginal
    normal : ndarray of shape (n_points, n_variables)
        Correlated as the variables are.
    variable : mapping of str to int
        First derived column of a marginal to the column of `normal` that moves it; a "fixed" one has none.
    column : mapping of str to int
        Derived column to its place in the result.

    Returns
    -------
    ndarray of shape (n_points, n_columns)
        NaN where no marginal says anything.
    """
    points = np.full((len(normal), len(column)), np.nan)
    for marginal in marginals:
        moved = variable.get(marginal.columns[0])  # none moves what is the same for every woman
        scores = np.zeros(len(normal)) if moved is None else normal[:, moved]
        if marginal.family == "categorical":
            level = np.searchsorted(np.cumsum(marginal.shares), 1.0 - ndtr(scores))
            for place, name in enumerate(marginal.columns):
                points[:, column[name]] = level == place
        else:
            points[:, column[marginal.columns[0]]] = _transform(marginal, _quantile(marginal, scores))
    return points


def compute_moments(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and covariance of points, shapes (n_columns,) and (n_columns, n_columns); NaN columns stay NaN."""
    mean = points.mean(axis=0)
    centred = points - mean
    return mean, centred.T @ centred / len(points)


def _quantile(marginal: Marginal, z: FloatArray) -> FloatArray:
    family, mean, sd = marginal.family, marginal.mean, marginal.sd
    if family == "fixed" or (sd == 0 and family not in ("bernoulli", "logit_normal")):
        return np.full(len(z), mean)
    if family == "log_normal":
        log_variance = np.log1p((sd / mean) ** 2)
        values = mean * np.exp(np.sqrt(log_variance) * z - 0.5 * log_variance)
    elif family == "gamma":
        values = gammaincinv((mean / sd) ** 2, ndtr(z)) * sd**2 / mean
    elif family == "bernoulli":
        values = ndtr(z) > 1.0 - mean
    elif family == "logit_normal":
        values = expit(mean + sd * z)
    else:
        values = _truncate(marginal, z) if family == "truncated_normal" else mean + sd * z
    return np.asarray(values, dtype=np.float64)


def _truncate(marginal: Marginal, z: FloatArray) -> FloatArray:
    low, high = (ndtr((limit - marginal.mean) / marginal.sd) for limit in (marginal.low, marginal.high))
    inside = np.clip(low + ndtr(z) * (high - low), LEAST, 1 - LEAST)
    return np.asarray(np.clip(marginal.mean + marginal.sd * ndtri(inside), marginal.low, marginal.high))


def _transform(marginal: Marginal, values: FloatArray) -> FloatArray:
    if marginal.transform == "identity":
        return values
    floor = 0.0 if marginal.transform in ("log1p", "sqrt") else LEAST
    if (values < floor).any():
        raise EvidenceError(
            f"The distribution of {marginal.columns[0]} must not reach below zero, where its {marginal.transform} "
            "has no value; it does. Use log_normal, gamma, or a truncated_normal with low = 0."
        )
    function = {"log": np.log, "log1p": np.log1p, "log10": np.log10, "sqrt": np.sqrt}[marginal.transform]
    return np.asarray(function(values), dtype=np.float64)
