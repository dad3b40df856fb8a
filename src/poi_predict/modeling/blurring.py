"""Coefficients blurred by more than one woman moves them, before a model is stored."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from poi_predict.modeling.linear import LinearClassifier
from poi_predict.privacy import seed_noise

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

__all__ = ["blur_coefficients"]

NEWTON_STEPS = 20


def blur_coefficients(pipeline: Pipeline, X: pd.DataFrame, y: NDArray[np.int64]) -> Pipeline:
    """Move the coefficients of a fitted linear model by ``least / (2 sqrt(n))`` of their posterior.

    One woman moves them by about ``1 / sqrt(n)`` of it. Without the noise, the difference of two models of cohorts that
    differ by one woman, times the inverse of the covariance, points at her. The covariance is widened by what the noise
    adds, so intervals hold it; the mean prediction stays what it was.

    Parameters
    ----------
    pipeline : Pipeline
        From `fit_model`; returned as it is where it has no posterior, or no least number of women.
    X, y
        What it was fitted to. The noise follows from the women's own values, before anything is put in for a missing
        one, so the same women give the same model in whatever order they stand.
    """
    model = pipeline[-1]
    least = getattr(pipeline.named_steps.get("impute"), "least", 0)
    if not least or not isinstance(model, LinearClassifier) or not model.has_posterior:
        return pipeline
    columns = np.asarray(pipeline[:-1].transform(X), dtype=np.float64)
    blur = least / (2.0 * math.sqrt(len(columns)))
    values, vectors = np.linalg.eigh(model.covariance_)
    rng = seed_noise(np.column_stack([np.asarray(pipeline[:1].transform(X), dtype=np.float64), y]))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    noise = root @ rng.normal(size=len(values))
    blurred = copy.deepcopy(pipeline)
    moved = blurred[-1]
    moved.posterior_mean_ = model.posterior_mean_ + blur * noise
    moved.covariance_ = model.covariance_ * (1.0 + blur**2)
    moved.coef_ = model.coef_ + model.attenuation_ * blur * noise[None, 1:]
    rate = float(expit(columns @ model.coef_[0] + model.intercept_[0]).mean())
    moved.intercept_ = model.intercept_ + _find_shift(columns @ moved.coef_[0] + model.intercept_[0], rate)
    return blurred


def _find_shift(eta: NDArray[np.float64], mean: float) -> float:
    """Return what must be added to log-odds so that probabilities have a mean."""
    shift = 0.0
    for _ in range(NEWTON_STEPS):
        p = expit(eta + shift)
        shift -= (float(p.mean()) - mean) / max(float((p * (1 - p)).mean()), 1e-9)
    return shift
