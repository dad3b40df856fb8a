"""How far a woman's centre may lie from the others, which a linear model does not know: a part of her interval.

Centres differ beyond what their women's predictors say. A linear model has one intercept for all, so the standard
deviation of centres' log-odds (tau) belongs into the interval of a woman of any centre. With two centres or more it is
estimated from their women; otherwise the prior stands in: half-normal of scale 0.5, that of the evidence model.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from poi_predict.evidence.settings import EvidenceSettings
from poi_predict.features import CENTRE_CODE, digest_label
from poi_predict.modeling.imputed import MultiplyImputed
from poi_predict.modeling.linear import LinearClassifier
from poi_predict.modeling.newton import with_intercept

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.evaluation import TrainingData

    FloatArray = NDArray[np.float64]

__all__ = [
    "add_centre_variance",
    "compute_centre_variance",
    "estimate_centre_variance",
    "find_unknown_centres",
    "widen_by_centre",
]

CENTRE = "centre"
TAU_SCALE = EvidenceSettings.tau_scale
TAUS = TAU_SCALE * np.linspace(0.02, 4.0, 100)


def add_centre_variance(pipeline: Pipeline, data: TrainingData, centre: NDArray[np.object_] | None) -> Pipeline:
    """Return a fitted linear model that knows how far centres lie apart; any other model as it is.

    Parameters
    ----------
    pipeline : Pipeline
        From `fit_model`.
    data : TrainingData
        What it was fitted to.
    centre : ndarray of str, shape (n_rows,), or None
        Where each row's woman was treated; missing where not recorded.

    Notes
    -----
    The coefficients stay; their covariance grows by what centres add to it: an effect of a level that one centre alone
    used is known no better than that centre.
    """
    model = pipeline[-1]
    if not isinstance(model, LinearClassifier | MultiplyImputed) or not model.has_posterior:
        return pipeline
    if CENTRE_CODE in pipeline[0].get_feature_names_out():
        return pipeline
    names = np.full(len(data.y_true), None, dtype=object) if centre is None else centre
    keys = [digest_label(name) if isinstance(name, str) else None for name in names]
    codes, labels = pd.factorize(np.array(keys, dtype=object))
    widened = copy.deepcopy(pipeline)
    found = widened[-1]
    if len(labels) < 2:
        # That of her centre and that of the centre of training: neither is the average one.
        found.centre_variance_ = 2.0 * TAU_SCALE**2
        found.home_ = str(labels[0]) if len(labels) and (codes == 0).all() else ""
        return widened
    columns, women = pipeline[:-1].transform(data.X), (data.y_true, data.fit_weight, codes)
    if isinstance(found, LinearClassifier):
        designs, means, covariances = (
            [with_intercept(np.asarray(columns))],
            [found.posterior_mean_],
            [found.covariance_],
        )
    else:
        designs, means, covariances = found.standardise(columns), found.posterior_means_, found.covariances_
    each = [
        estimate_centre_variance(design, *women, *its) for design, *its in zip(designs, means, covariances, strict=True)
    ]
    grown = np.array([covariance + added for covariance, (_, added) in zip(covariances, each, strict=True)])
    if isinstance(found, LinearClassifier):
        found.covariance_ = grown[0]
    else:
        found.covariances_ = grown
    found.centre_variance_ = float(f"{np.mean([tau_square for tau_square, _ in each]):.2g}")
    return widened


def estimate_centre_variance(
    design: FloatArray, y: NDArray[np.int64], weight: FloatArray, codes: NDArray[np.intp],
    mean: FloatArray, covariance: FloatArray,
) -> tuple[float, FloatArray]:  # fmt: skip
    """Estimate the variance of centres' log-odds, and what it adds to the covariance of a model without centres.

    The posterior mean of tau squared over a grid, its marginal likelihood by the normal approximation of the women's
    log-odds about the model (Breslow & Clayton 1993, doi 10.1080/01621459.1993.10594284), the coefficients integrated.

    Parameters
    ----------
    design : ndarray of shape (n_rows, k)
        The intercept's column first.
    y, weight : ndarray of shape (n_rows,)
    codes : ndarray of int, shape (n_rows,)
        Centre of each row; -1 where not recorded.
    mean, covariance : ndarray of shape (k,) and (k, k)
        Posterior of intercept and coefficients.

    Returns
    -------
    float
        Posterior mean of tau squared.
    ndarray of shape (k, k)

    Examples
    --------
    In one of two centres 12 of 16 women respond, in the other 4 of 16:

    >>> y = np.repeat([1, 0, 1, 0], [12, 4, 4, 12])
    >>> centre = np.repeat([0, 1], 16)
    >>> found = estimate_centre_variance(np.ones((32, 1)), y, np.ones(32), centre, np.zeros(1), np.array([[1 / 8]]))
    >>> round(found[0], 2), found[1].round(2).tolist()
    (0.5, [[0.25]])
    """
    p = expit(design @ mean)
    curvature = weight * p * (1.0 - p)
    of_centre = (codes[:, None] == np.arange(codes.max() + 1)).astype(np.float64)
    crossed = (design * curvature[:, None]).T @ of_centre
    score = of_centre.T @ (weight * (y - p))
    information = np.diag(of_centre.T @ curvature) - crossed.T @ covariance @ crossed
    value, vector = np.linalg.eigh(information)
    value = np.maximum(value, 0.0)
    rotated = (vector.T @ score) ** 2
    square = TAUS[:, None] ** 2
    log = 0.5 * (square * rotated / (1.0 + square * value) - np.log1p(square * value)).sum(axis=1)
    log -= 0.5 * (TAUS / TAU_SCALE) ** 2
    share = np.exp(log - log.max())
    tau_square = float(share @ TAUS**2 / share.sum())
    spread = covariance @ crossed @ vector
    return tau_square, np.asarray((spread / (1.0 / tau_square + value)) @ spread.T)


def compute_centre_variance(pipeline: Pipeline, X: pd.DataFrame) -> FloatArray:
    """Return the variance that each woman's centre adds to her log-odds, shape (n_women,).

    Nothing at the one centre of training; nothing either in a model that knows centres itself, or was recalibrated in
    hers.
    """
    variance = float(getattr(pipeline[-1], "centre_variance_", 0.0))
    return np.where(_is_at_home(pipeline, X), 0.0, variance)


def find_unknown_centres(pipeline: Pipeline, X: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which women are not known to be of the one centre of training, shape (n_women,).

    Nobody, for a model of several centres: its intervals hold how far these lie apart.
    """
    home = getattr(pipeline[-1], "home_", None)
    return ~_is_at_home(pipeline, X) if home is not None else np.zeros(len(X), dtype=bool)


def _is_at_home(pipeline: Pipeline, X: pd.DataFrame) -> NDArray[np.bool_]:
    home = getattr(pipeline[-1], "home_", None)
    if not home or CENTRE not in X:
        return np.zeros(len(X), dtype=bool)
    codes, labels = pd.factorize(X[CENTRE])
    return np.array([*(digest_label(str(label)) == home for label in labels), False])[codes]


def widen_by_centre(pipeline: Pipeline, X: pd.DataFrame, interval: FloatArray, z: float) -> FloatArray:
    """Return intervals of probabilities, shape (n_women, 2), widened by what is not known of the women's centres.

    Parameters
    ----------
    pipeline : Pipeline
    X : DataFrame of shape (n_women, n_inputs)
    interval : ndarray of shape (n_women, 2)
        Even about their middle on the log-odds scale.
    z : float
        Half their width in standard deviations.
    """
    variance = compute_centre_variance(pipeline, X)
    if not variance.any():
        return interval
    low, high = logit(np.clip(interval, 1e-15, 1.0 - 1e-15)).T
    half = np.hypot((high - low) / 2.0, z * np.sqrt(variance))
    return np.asarray(expit((low + high)[:, None] / 2.0 + np.outer(half, [-1.0, 1.0])), dtype=np.float64)
