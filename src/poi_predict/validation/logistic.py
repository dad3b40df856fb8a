"""Maximum-likelihood logistic regression, many fits at once.

One Newton loop serves every logistic fit of this room: recalibration of each repeat of a cross-validation
(another design each), and hundreds of bootstrap resamples of one model (another weight vector each). Fits
that have converged leave the loop, so the slowest resample does not hold up the others.

Separation is a finding, not an accident: where the outcome is perfectly separated the likelihood has no
maximum, the deviance settles while the linear predictor keeps walking away, and that is what is tested
(Albert & Anderson 1984, doi:10.1093/biomet/71.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from .arrays import FloatArray, check_outcome

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LogisticFits", "fit_logistic_batch", "fit_logistic_designs", "predict_logistic_batch"]

MAX_ITERATIONS = 60
DEVIANCE_TOLERANCE = 1e-10
WALKING_STEP = 0.05
"""Largest move of a linear predictor that still counts as standing still once the deviance has settled."""
CHUNK_VALUES = 4_000_000
"""Design values held at a time (32 MB), so that a thousand resamples do not need a gigabyte."""


@dataclass(frozen=True)
class LogisticFits:
    """Coefficients of a batch of logistic fits, and how each of them ended.

    Attributes
    ----------
    coefficients : ndarray of shape (batch, k)
        Maximum-likelihood coefficients, intercept first when one was asked for. Where `separated`, the
        coefficients at which the iteration stopped: they rank and predict, but estimate nothing.
    separated : ndarray of bool, shape (batch,)
        The outcome is completely or quasi-completely separated, or only one class carries weight.
    singular : ndarray of bool, shape (batch,)
        The design has no full rank under these weights (a constant predictor); coefficients are the
        minimum-norm ones.
    converged : ndarray of bool, shape (batch,)
        The deviance settled within the iterations allowed.
    """

    coefficients: FloatArray
    separated: NDArray[np.bool_]
    singular: NDArray[np.bool_]
    converged: NDArray[np.bool_]

    @property
    def is_estimable(self) -> NDArray[np.bool_]:
        """Fits whose coefficients are proper maximum-likelihood estimates."""
        return self.converged & ~self.separated & ~self.singular


def _compute_deviance(y: FloatArray, eta: FloatArray, weight: FloatArray) -> FloatArray:
    log_loss: FloatArray = np.logaddexp(0.0, eta) - y * eta
    deviance: FloatArray = 2.0 * np.sum(weight * log_loss, axis=1)
    return deviance


def _solve(information: FloatArray, score: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Newton steps, minimum-norm where the information is numerically singular."""
    scale = np.sqrt(np.maximum(np.einsum("bii->bi", information), 1e-300))
    scaled = information / (scale[:, :, np.newaxis] * scale[:, np.newaxis, :])
    singular = np.linalg.eigvalsh(scaled)[:, 0] < 1e-10
    step = np.empty_like(score)
    regular = ~singular
    if regular.any():
        step[regular] = np.linalg.solve(scaled[regular], (score / scale)[regular][:, :, np.newaxis])[:, :, 0]
    for index in np.flatnonzero(singular):
        step[index] = np.linalg.pinv(scaled[index], rcond=1e-10, hermitian=True) @ (score / scale)[index]
    return step / scale, singular


def _halve_until_better(
    y: FloatArray, eta: FloatArray, move: FloatArray, weight: FloatArray, deviance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Step lengths that do not raise the deviance, and the deviance reached."""
    length = np.ones(eta.shape[0])
    reached = _compute_deviance(y, eta + move, weight)
    for _ in range(20):
        worse = reached > deviance * (1.0 + 1e-12) + 1e-12
        if not worse.any():
            break
        length[worse] /= 2.0
        reached[worse] = _compute_deviance(y, eta[worse] + length[worse, np.newaxis] * move[worse], weight[worse])
    return length, reached


def _fit_chunk(design: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray) -> LogisticFits:
    """Newton–Raphson with step halving; `design` is (batch or 1, n, k), `weight` and `offset` (batch, n)."""
    batch, k = weight.shape[0], design.shape[2]
    beta, separated = np.zeros((batch, k)), np.zeros(batch, dtype=bool)
    singular, converged = np.zeros(batch, dtype=bool), np.zeros(batch, dtype=bool)
    eta = offset.copy()
    deviance = _compute_deviance(y, eta, weight)
    active = np.arange(batch)
    shared = design.shape[0] == 1
    for _ in range(MAX_ITERATIONS):
        rows, w, current = (design if shared else design[active]), weight[active], eta[active]
        p = expit(current)
        score = np.einsum("bn,bnk->bk", w * (y - p), np.broadcast_to(rows, (active.size, *rows.shape[1:])))
        curved = rows * (w * p * (1.0 - p))[:, :, np.newaxis]
        step, is_singular = _solve(np.matmul(curved.transpose(0, 2, 1), rows), score)
        move = np.matmul(rows, step[:, :, np.newaxis])[:, :, 0]
        length, reached = _halve_until_better(y, current, move, w, deviance[active])
        moved = length[:, np.newaxis] * move
        beta[active] += length[:, np.newaxis] * step
        eta[active] = current + moved
        settled = np.abs(deviance[active] - reached) <= DEVIANCE_TOLERANCE * (reached + 0.1)
        deviance[active], singular[active], converged[active] = reached, is_singular, settled
        separated[active] = np.max(np.abs(moved) * (w > 0.0), axis=1) > WALKING_STEP
        active = active[~settled]
        if active.size == 0:
            break
    return LogisticFits(beta, separated, singular & ~separated, converged)


def fit_logistic_designs(
    design: FloatArray, y: FloatArray, weight: FloatArray, offset: FloatArray | None = None
) -> LogisticFits:
    """Fit a batch of logistic regressions whose designs, weights and offsets may differ.

    Parameters
    ----------
    design : ndarray of shape (n, k) or (batch, n, k)
        Columns as they enter the linear predictor; no intercept is added.
    y : ndarray of shape (n,)
        Outcome, 0 or 1, shared by the batch.
    weight : ndarray of shape (batch, n)
        Frequency or sampling weights.
    offset : ndarray of shape (batch, n), optional
        Part of the linear predictor with coefficient one.
    """
    stacked = design[np.newaxis] if design.ndim == 2 else design
    batch, n = weight.shape
    offsets = np.zeros((batch, n)) if offset is None else offset
    chunk = max(1, CHUNK_VALUES // (n * stacked.shape[2]))
    parts = [
        _fit_chunk(
            stacked if stacked.shape[0] == 1 else stacked[start : start + chunk],
            y,
            weight[start : start + chunk],
            offsets[start : start + chunk],
        )
        for start in range(0, batch, chunk)
    ]
    return LogisticFits(
        np.concatenate([part.coefficients for part in parts]),
        np.concatenate([part.separated for part in parts]),
        np.concatenate([part.singular for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


def fit_logistic_batch(X: ArrayLike, y: ArrayLike, weights: ArrayLike) -> LogisticFits:
    """Fit one unpenalised logistic model under many weight vectors, such as bootstrap counts.

    Parameters
    ----------
    X : array of shape (n, p)
        Predictors; an intercept is added as the first coefficient.
    y : array of shape (n,)
        Outcome, 0 or 1.
    weights : array of shape (batch, n)
        One row of non-negative weights a fit; ``[[1, 1, …]]`` is the ordinary fit.

    Returns
    -------
    LogisticFits
        Coefficients of shape (batch, p + 1).

    Raises
    ------
    ValueError
        If shapes disagree or values are not finite.

    Examples
    --------
    Two of four women respond without a trait, three of four with it: an odds ratio of 3.

    >>> trait, y = [[0]] * 4 + [[1]] * 4, [1, 1, 0, 0, 1, 1, 1, 0]
    >>> fits = fit_logistic_batch(trait, y, np.ones((1, 8)))
    >>> round(float(np.exp(fits.coefficients[0, 1])), 6)
    3.0
    >>> bool(fit_logistic_batch(trait, [0] * 4 + [1] * 4, np.ones((1, 8))).separated[0])
    True
    """
    outcome = check_outcome(y)
    predictors = np.asarray(X, dtype=np.float64)
    weight = np.asarray(weights, dtype=np.float64)
    if predictors.ndim != 2 or predictors.shape[0] != outcome.size or not np.isfinite(predictors).all():
        raise ValueError(f"X must be finite, with {outcome.size} rows; its shape is {predictors.shape}")
    if weight.ndim != 2 or weight.shape[1] != outcome.size:
        raise ValueError(f"weights must have {outcome.size} columns; their shape is {weight.shape}")
    if not np.isfinite(weight).all() or (weight < 0.0).any() or (weight.sum(axis=1) <= 0.0).any():
        raise ValueError("weights must be finite, not negative, and positive somewhere in every row")
    return fit_logistic_designs(np.column_stack([np.ones(outcome.size), predictors]), outcome, weight)


def predict_logistic_batch(X: ArrayLike, fits: LogisticFits) -> FloatArray:
    """Probabilities of shape (n, batch) for the rows of `X` under every fit of `fit_logistic_batch`."""
    predictors = np.asarray(X, dtype=np.float64)
    design = np.column_stack([np.ones(predictors.shape[0]), predictors])
    probability: FloatArray = expit(design @ fits.coefficients.T)
    return probability
