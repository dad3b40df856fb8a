"""Fitting a pipeline and asking it, with everything that can be wrong said in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone
from threadpoolctl import ThreadpoolController

from poi_predict.errors import ModelError
from poi_predict.features import origin_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = ["FittedModel", "LinearTerms", "fit_model", "linear_terms", "predict_response"]


@dataclass(frozen=True)
class FittedModel:
    """A fitted pipeline and its refits in resamples of the women.

    Attributes
    ----------
    candidate : str
        Name in the catalogue.
    pipeline : Pipeline
        Fitted on all women.
    refits : tuple of Pipeline
        The same pipeline fitted anew on bootstrap resamples; may be empty.
    """

    candidate: str
    pipeline: Pipeline
    refits: tuple[Pipeline, ...] = ()

    def predict_response(self, X: pd.DataFrame) -> FloatArray:
        """Return each woman's probability of response, shape (n_women,)."""
        return predict_response(self.pipeline, X)

    def predict_interval(self, X: pd.DataFrame, coverage: float = 0.95) -> FloatArray:
        """Return how far each woman's probability moves when the cohort is another.

        Parameters
        ----------
        X : DataFrame of shape (n_women, n_inputs)
        coverage : float
            Share of the refits' predictions inside, between 0 and 1.

        Returns
        -------
        ndarray of shape (n_women, 2)
            Percentiles over the refits (type 7 of Hyndman & Fan 1996, doi 10.1080/00031305.1996.10473566),
            widened where needed to hold the prediction itself; NaN without refits.

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise ModelError(f"coverage must be between 0 and 1; it is {coverage}. Use 0.95 for 95 %.")
        if not self.refits:
            return np.full((len(X), 2), np.nan)
        predictions = np.array([predict_response(refit, X) for refit in self.refits])
        tail = (1 - coverage) / 2
        low, high = np.quantile(predictions, [tail, 1 - tail], axis=0)
        point = self.predict_response(X)
        return np.column_stack([np.minimum(low, point), np.maximum(high, point)])


@dataclass(frozen=True)
class LinearTerms:
    """A linear model as an equation in its standardised columns.

    ``log-odds = intercept + sum(coefficients * (column - centre) / scale)``

    Attributes
    ----------
    names : tuple of str
        Derived columns.
    coefficients : ndarray of shape (n_columns,)
        Log odds ratio of one standard deviation.
    intercept : float
        Log-odds of a woman at every column's mean.
    centre, scale : ndarray of shape (n_columns,)
        Mean and standard deviation of each column in training.
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
        1 for a responder, 0 for a non-responder.
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
    fitted: Pipeline = clone(pipeline)
    with _thread_controller().limit(limits=1):
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

    Raises
    ------
    ModelError
        If a predictor is missing.
    """
    if len(X) == 0:
        return np.empty(0)
    with _thread_controller().limit(limits=1):
        return np.asarray(pipeline.predict_proba(X)[:, 1], dtype=np.float64)


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
    scaler = pipeline.named_steps["scale"]
    return LinearTerms(
        names=tuple(str(name) for name in pipeline[:-1].get_feature_names_out()),
        coefficients=np.ravel(model.coef_).astype(np.float64),
        intercept=float(np.ravel(model.intercept_)[0]),
        centre=np.asarray(scaler.mean_, dtype=np.float64),
        scale=np.asarray(scaler.scale_, dtype=np.float64),
    )


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
    responders, others = (int(((response == c) & (weight > 0)).sum()) for c in (1, 0))
    if not (responders and others):
        raise ModelError(
            "A model needs women who responded and women who did not; "
            f"there are {responders} and {others}. Gather more women or lengthen the horizon."
        )
    return response.astype(np.int64), weight
