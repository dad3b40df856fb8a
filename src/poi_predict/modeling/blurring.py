"""What a stored model says of its women, blurred by more than one woman changes it by.

One woman moves the mean of the coefficients along their covariance times her columns, and adds her columns' products to
the information that the covariance is made of. So both are blurred, in the directions in which the women taught the
model something: two models of cohorts that differ by one woman would else point at her.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.linear import LinearClassifier
from poi_predict.modeling.newton import with_intercept
from poi_predict.privacy import blur_posterior, find_blur, seed_noise

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = ["blur_coefficients"]

NEWTON_STEPS = 20
DIGITS = 3


def blur_coefficients(pipeline: Pipeline, X: pd.DataFrame, y: NDArray[np.int64]) -> Pipeline:
    """Blur mean and covariance of a fitted model's coefficients; see `poi_predict.privacy.blur_posterior`.

    The covariance is widened by what the noise adds to the mean, so intervals hold it; the mean prediction of a linear
    model stays what it was. A linear model that does not say how sure it is (elastic net, separated classes) is moved
    as if its coefficients had a standard normal prior.

    Parameters
    ----------
    pipeline : Pipeline
        From `fit_model`; returned as it is where no least number of women is set, and where it has no coefficients.
    X, y
        What it was fitted to. The noise follows from the women's own values, before anything is put in for a missing
        one, so the same women give the same model in whatever order they stand.
    """
    model = pipeline[-1]
    least = getattr(model, "least", 0) or getattr(pipeline.named_steps.get("impute"), "least", 0)
    if not least or not len(X) or not isinstance(model, LinearClassifier | EvidenceLogisticRegression):
        return pipeline
    rng = seed_noise(np.column_stack([np.asarray(pipeline[:1].transform(X), dtype=np.float64), y]))
    columns, blurred = pipeline[:-1].transform(X), copy.deepcopy(pipeline)
    if isinstance(model, EvidenceLogisticRegression):
        blurred[-1].blur(least, rng, columns)
    else:
        _blur_linear(blurred[-1], np.asarray(columns, dtype=np.float64), least, rng)
    return blurred


def _blur_linear(model: LinearClassifier, columns: FloatArray, least: int, rng: np.random.Generator) -> None:
    design = with_intercept(columns)
    response = expit(columns @ model.coef_[0] + model.intercept_[0])
    information = (design.T * (response * (1 - response))) @ design
    sure = model.has_posterior
    covariance = model.covariance_ if sure else _cover(information, np.append(True, model.coef_[0] != 0))
    blur = find_blur(len(columns), least)
    moved, wider = blur_posterior(covariance, information, len(columns), blur, rng)
    if sure:
        model.posterior_mean_, model.covariance_ = model.posterior_mean_ + moved, wider
    attenuation = round(model.attenuation_, DIGITS)
    model.coef_ = attenuation * (model.coef_ / model.attenuation_ + moved[None, 1:])
    model.attenuation_ = attenuation
    for name in ("penalty_", "effective_df_", "C_"):
        if hasattr(model, name):
            setattr(model, name, float(f"{getattr(model, name):.2g}"))
    shift = _find_shift(columns @ model.coef_[0] + model.intercept_[0], float(response.mean()))
    model.intercept_ = model.intercept_ + shift


def _cover(information: FloatArray, kept: NDArray[np.bool_]) -> FloatArray:
    """Covariance of the coefficients that are not zero, under a standard normal prior of all but the intercept."""
    covariance, at = np.zeros_like(information), np.ix_(kept, kept)
    prior = np.eye(int(kept.sum()))
    prior[0, 0] = 0.0
    covariance[at] = np.linalg.pinv(information[at] + prior)
    return covariance


def _find_shift(eta: NDArray[np.float64], mean: float) -> float:
    """Return what must be added to log-odds so that probabilities have a mean."""
    shift = 0.0
    for _ in range(NEWTON_STEPS):
        p = expit(eta + shift)
        shift -= (float(p.mean()) - mean) / max(float((p * (1 - p)).mean()), 1e-9)
    return shift
