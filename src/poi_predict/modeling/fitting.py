"""Fitting a pipeline and asking it, with everything that can be wrong said in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.base import clone
from threadpoolctl import ThreadpoolController

from poi_predict.errors import ModelError
from poi_predict.features import origin_of
from poi_predict.modeling.centre_variance import widen_by_centre
from poi_predict.modeling.linear import find_normal_quantile
from poi_predict.modeling.linear_pass import LinearPass, is_linear
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR, RecalibratedClassifier, recalibrate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = [
    "FittedModel",
    "LinearTerms",
    "clip_probabilities",
    "find_base",
    "fit_final_model",
    "fit_model",
    "has_posterior",
    "limit_threads",
    "linear_terms",
    "predict_own_interval",
    "predict_refit_interval",
    "predict_response",
]


@dataclass(frozen=True)
class FittedModel:
    """A fitted pipeline, asked for probabilities and for how sure they are.

    Attributes
    ----------
    candidate : str
        Name in the catalogue.
    pipeline : Pipeline
        Fitted on all women.
    refits : tuple of Pipeline
        Of a bundle of an earlier version: the pipeline fitted anew on bootstrap resamples. Models made now have none.
    """

    candidate: str
    pipeline: Pipeline
    refits: tuple[Pipeline, ...] = ()

    def predict_response(self, X: pd.DataFrame) -> FloatArray:
        """Return each woman's probability of response, shape (n_women,)."""
        return predict_response(self.pipeline, X)

    def predict_interval(self, X: pd.DataFrame, coverage: float = 0.95) -> FloatArray:
        """Return the interval of each woman's probability.

        Parameters
        ----------
        X : DataFrame of shape (n_women, n_inputs)
        coverage : float
            Share of the posterior inside; between 0 and 1.

        Returns
        -------
        ndarray of shape (n_women, 2)
            That of the model's posterior, moved and widened with a recalibration and widened by what is missing of
            her. NaN for a model that does not say how sure it is, but for bundles of earlier versions: percentiles
            over their refits (type 7 of Hyndman & Fan 1996, doi 10.1080/00031305.1996.10473566), which are too
            narrow. Widened where needed to hold the prediction itself.

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        z = find_normal_quantile(coverage)
        if len(X) == 0:
            return np.empty((0, 2))
        if has_posterior(self.pipeline) and is_linear(self.pipeline):
            with limit_threads():
                judged = LinearPass(self.pipeline).judge(np.asarray(self.pipeline[:1].transform(X), np.float64), z)
            own: FloatArray | None = np.column_stack([judged.low, judged.high])
        else:
            own = predict_own_interval(self.pipeline[-1], self.pipeline[:-1].transform(X), coverage)
        if own is None and self.refits:
            own = predict_refit_interval(self.refits, X, coverage)
        if own is None:
            return np.full((len(X), 2), np.nan)
        own = widen_by_centre(self.pipeline, X, own, z)
        point = self.predict_response(X)
        return np.column_stack([np.minimum(own[:, 0], point), np.maximum(own[:, 1], point)])


@dataclass(frozen=True)
class LinearTerms:
    """A linear model as an equation in its centred columns, standardised where the pipeline standardises them.

    ``log-odds = intercept + sum(coefficients * (column - centre) / scale)``

    Attributes
    ----------
    names : tuple of str
        Derived columns.
    coefficients : ndarray of shape (n_columns,)
        Log odds ratio of one `scale` of the column.
    intercept : float
        Log-odds of a woman at every column's centre.
    centre, scale : ndarray of shape (n_columns,)
        Mean and standard deviation of each column in training; for a model that centres its columns itself and
        keeps their units, its centre and 1.
    """

    names: tuple[str, ...]
    coefficients: FloatArray
    intercept: float
    centre: FloatArray
    scale: FloatArray

    @property
    def origins(self) -> tuple[str, ...]:
        """The clinical variable of each column."""
        return tuple(origin_of(name) for name in self.names)

    @property
    def raw_coefficients(self) -> FloatArray:
        """Log odds ratio of one unit of each column, shape (n_columns,)."""
        return np.asarray(self.coefficients / self.scale)

    @property
    def raw_intercept(self) -> float:
        """Log-odds where every column is zero."""
        return float(self.intercept - self.raw_coefficients @ self.centre)


def fit_model(pipeline: Pipeline, X: pd.DataFrame, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Pipeline:
    """Fit a copy of a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        From `build_pipeline`; left as it is.
    X : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns.
    y : array-like of shape (n_women,)
        1 for a responder, 0 for a non-responder. Both must occur, unless the model's class says
        ``accepts_one_class``: it stands on more than these women, and may even have none of them.
    sample_weight : array-like of shape (n_women,), optional
        Not negative, such as inverse probabilities of censoring; goes to the model step.

    Returns
    -------
    Pipeline
        Fitted, with numerical libraries held to one thread: small matrices gain nothing from more, and sums
        in another order would be other bytes.

    Raises
    ------
    ModelError
        If outcome or weights are unusable, or a predictor is missing.
    """
    y, weight = _check_outcome(X, y, sample_weight)
    if not getattr(type(pipeline[-1]), "accepts_one_class", False):
        _check_classes(y, weight)
    fitted: Pipeline = clone(pipeline)
    with limit_threads():
        try:
            fitted.fit(X, y, model__sample_weight=weight)
        except np.linalg.LinAlgError as error:
            raise ModelError(
                f"The {type(fitted[-1]).__name__} model has no stable solution on these {len(y)} rows "
                f"({int(y.sum())} responders). Use fewer predictors, or the ridge model."
            ) from error
    # A forest keeps every woman's weight, only to tell which rows a tree drew; a model may hold no row.
    vars(fitted[-1]).pop("_sample_weight", None)
    return fitted


def fit_final_model(
    pipeline: Pipeline, X: pd.DataFrame, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Pipeline:
    """Fit a copy of a pipeline as `fit_model` does, as finely as its model can: this one is kept."""
    if "sampler" in pipeline[-1].get_params(deep=False):
        pipeline = clone(pipeline).set_params(model__sampler="fine")
    return fit_model(pipeline, X, y, sample_weight)


def predict_response(pipeline: Pipeline, X: pd.DataFrame) -> FloatArray:
    """Return each woman's probability of response by a fitted pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        From `fit_model`.
    X : DataFrame of shape (n_women, n_inputs)

    Returns
    -------
    ndarray of shape (n_women,)
        Never nearer to 0 or 1 than `PROBABILITY_FLOOR`: no cohort of this field could tell.

    Raises
    ------
    ModelError
        If a predictor is missing.
    """
    if len(X) == 0:
        return np.empty(0)
    with limit_threads():
        return clip_probabilities(pipeline.predict_proba(X)[:, 1])


def clip_probabilities(p: ArrayLike) -> FloatArray:
    """Keep probabilities so far from 0 and 1 that they have log-odds, which calibration needs.

    Examples
    --------
    >>> clip_probabilities([0.0, 0.3]).tolist()
    [1e-06, 0.3]
    """
    clipped = np.clip(np.asarray(p, dtype=np.float64), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return np.asarray(clipped, dtype=np.float64)


def predict_refit_interval(refits: Sequence[Pipeline], X: pd.DataFrame, coverage: float = 0.95) -> FloatArray:
    """Return percentiles of the probabilities that the refits of a bundle of an earlier version give.

    Parameters
    ----------
    refits : sequence of Pipeline
        At least one.
    X : DataFrame of shape (n_women, n_inputs)
    coverage : float
        Between 0 and 1.

    Returns
    -------
    ndarray of shape (n_women, 2)
    """
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    predictions = np.array([predict_response(refit, X) for refit in refits])
    return np.asarray(np.quantile(predictions, tails, axis=0).T, dtype=np.float64)


def linear_terms(pipeline: Pipeline) -> LinearTerms:
    """Return a fitted linear model as an equation.

    Raises
    ------
    ModelError
        If the pipeline's model is not linear.
    """
    model = pipeline[-1]
    if not hasattr(model, "coef_"):
        raise ModelError(
            f"Only a linear model is an equation; a {type(model).__name__} is not. "
            "Choose logistic, firth, ridge or elastic_net."
        )
    names = tuple(str(name) for name in pipeline[:-1].get_feature_names_out())
    centre, scale = _find_centre_and_scale(pipeline, names)
    return LinearTerms(
        names=names,
        coefficients=np.ravel(model.coef_).astype(np.float64),
        intercept=float(np.ravel(model.intercept_)[0]),
        centre=centre,
        scale=scale,
    )


def _find_centre_and_scale(pipeline: Pipeline, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Look for where the columns are centred: in a step of the pipeline, or in the model itself."""
    if "scale" in pipeline.named_steps:
        scaler = pipeline.named_steps["scale"]
        return np.asarray(scaler.mean_, dtype=np.float64), np.asarray(scaler.scale_, dtype=np.float64)
    centre = getattr(_find_base(pipeline[-1]), "centre_", None)
    if centre is None:
        raise ModelError(
            "A model is written as an equation about the centre of its columns; this pipeline has none. "
            "Add a step that standardises."
        )
    return np.array([centre[name] for name in names], dtype=np.float64), np.ones(len(names))


def find_base(pipeline: Pipeline) -> Any:
    """Return the model of a pipeline, below a recalibration if there is one."""
    return _find_base(pipeline[-1])


def has_posterior(pipeline: Pipeline) -> bool:
    """Whether a fitted model says itself how sure it is of the women's differences, by draws of a posterior.

    The overall rate, which knows of no difference, has an interval but no such posterior.
    """
    base = find_base(pipeline)
    return hasattr(base, "sample_posterior") or bool(getattr(base, "has_posterior", False))


def _find_base(model: Any) -> Any:
    return model.base if isinstance(model, RecalibratedClassifier) else model


def predict_own_interval(model: Any, columns: pd.DataFrame, coverage: float = 0.95) -> FloatArray | None:
    """Return the interval of a model that knows how sure it is, shape (n_women, 2); None for one that does not.

    Parameters
    ----------
    model : estimator
        The last step of a pipeline.
    columns : DataFrame of shape (n_women, n_columns)
        What it takes.
    coverage : float
    """
    base = _find_base(model)
    if not hasattr(base, "predict_interval") or not getattr(base, "has_posterior", True):
        return None
    with limit_threads():
        interval = np.asarray(base.predict_interval(columns, coverage), dtype=np.float64)
    return interval if base is model else recalibrate_interval(model, interval, find_normal_quantile(coverage))


def limit_threads() -> AbstractContextManager[object]:
    """Hold numerical libraries to one thread: sums in another order would be other bytes."""
    return cast("AbstractContextManager[object]", _thread_controller().limit(limits=1))


@cache
def _thread_controller() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, limiting them microseconds.
    return ThreadpoolController()


def _check_outcome(
    X: pd.DataFrame, y: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[NDArray[np.int64], FloatArray]:
    response = np.asarray(y, dtype=np.float64)
    weight = np.ones(len(response)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if not len(X) == len(response) == len(weight):
        raise ModelError(
            "Predictors, outcomes and weights must be of the same women; there are "
            f"{len(X)}, {len(response)} and {len(weight)}."
        )
    wrong = int((~np.isin(response, (0.0, 1.0))).sum())
    if wrong:
        raise ModelError(
            f"An outcome must be 0 or 1 in every row; {wrong} of {len(response)} are not. "
            "Censored women belong out of the fit, by weight or by exclusion."
        )
    wrong = int((~(np.isfinite(weight) & (weight >= 0))).sum())
    if wrong:
        raise ModelError(f"Weights must be finite and not negative; {wrong} of {len(weight)} are not. Correct them.")
    return response.astype(np.int64), weight


def _check_classes(response: NDArray[np.int64], weight: FloatArray) -> None:
    responders, others = (int(((response == c) & (weight > 0)).sum()) for c in (1, 0))
    if not (responders and others):
        raise ModelError(
            "A model needs women who responded and women who did not; "
            f"there are {responders} and {others}. Gather more women or lengthen the horizon."
        )
