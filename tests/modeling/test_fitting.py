from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import NotFittedError

from poi_predict.errors import ModelError
from poi_predict.modeling import FittedModel, build_pipeline, fit_model, linear_terms, predict_response


@pytest.fixture
def ridge(women):
    return build_pipeline("ridge", women.features, monotone={}, random_state=0)


def test_the_pipeline_given_stays_unfitted(women, ridge) -> None:
    fit_model(ridge, women.X, women.y)
    with pytest.raises(NotFittedError):
        ridge.predict_proba(women.X)


def test_refits_depend_on_their_own_women_only(women, ridge) -> None:
    part, rest = np.arange(60), np.arange(60, 120)
    first = fit_model(ridge, women.X.iloc[part], women.y[part])
    fit_model(ridge, women.X.iloc[rest], women.y[rest])
    again = fit_model(ridge, women.X.iloc[part], women.y[part])
    assert predict_response(first, women.X).tobytes() == predict_response(again, women.X).tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, w: (np.ones_like(y), w), "there are 120 and 0"),
        (lambda y, w: (y, w * (y == 0)), "there are 0 and"),
        (lambda y, w: (np.where(np.arange(120) < 2, np.nan, y), w), "2 of 120 are not"),
        (lambda y, w: (y * 2, w), "An outcome must be 0 or 1"),
        (lambda y, w: (y, np.where(np.arange(120) < 3, -1.0, w)), "3 of 120 are not"),
        (lambda y, w: (y, w * np.inf), "Weights must be finite"),
        (lambda y, w: (y[:-1], w), "there are 120, 119 and 120"),
    ],
)
def test_unusable_outcomes_and_weights_are_refused(women, ridge, change, message: str) -> None:
    y, weight = change(women.y, women.weight)
    with pytest.raises(ModelError, match=message):
        fit_model(ridge, women.X, y, weight)


def test_a_missing_predictor_is_named(women, ridge) -> None:
    fitted = fit_model(ridge, women.X, women.y)
    with pytest.raises(ModelError, match=r"1 are missing: fsh\."):
        predict_response(fitted, women.X.drop(columns="fsh"))


def test_no_women_no_prediction(women, ridge) -> None:
    assert predict_response(fit_model(ridge, women.X, women.y), women.X.head(0)).shape == (0,)


@pytest.mark.parametrize("name", ["logistic", "firth", "ridge", "elastic_net"])
def test_a_linear_model_is_its_equation(women, name: str) -> None:
    pipeline = build_pipeline(name, women.features, monotone={}, random_state=0)
    fitted = fit_model(pipeline, women.X, women.y, women.weight)
    terms = linear_terms(fitted)
    raw = fitted[:-2].transform(women.X)[list(terms.names)].to_numpy()
    standardised = terms.intercept + ((raw - terms.centre) / terms.scale) @ terms.coefficients
    plain = terms.raw_intercept + raw @ terms.raw_coefficients
    np.testing.assert_allclose(expit(standardised), predict_response(fitted, women.X), atol=1e-10)
    np.testing.assert_allclose(expit(plain), predict_response(fitted, women.X), atol=1e-8)
    assert set(terms.origins) == set(women.X) - {"amh__below"}


def test_a_forest_is_no_equation(women) -> None:
    pipeline = build_pipeline("prevalence", women.features, monotone={}, random_state=0)
    with pytest.raises(ModelError, match="Only a linear model is an equation"):
        linear_terms(fit_model(pipeline, women.X, women.y))


def test_intervals_are_percentiles_over_the_refits(women, ridge) -> None:
    rng = np.random.default_rng(0)
    resamples = [rng.integers(0, 120, 120) for _ in range(20)]
    refits = tuple(fit_model(ridge, women.X.iloc[rows], women.y[rows]) for rows in resamples)
    model = FittedModel("ridge", fit_model(ridge, women.X, women.y), refits)
    interval = model.predict_interval(women.X, coverage=0.9)
    predictions = np.array([predict_response(refit, women.X) for refit in refits])
    point = model.predict_response(women.X)
    low, high = np.percentile(predictions, [5, 95], axis=0)
    np.testing.assert_allclose(interval, np.column_stack([np.minimum(low, point), np.maximum(high, point)]))
    assert ((interval >= 0) & (interval <= 1)).all()


def test_without_refits_there_is_no_interval(women, ridge) -> None:
    model = FittedModel("ridge", fit_model(ridge, women.X, women.y))
    assert np.isnan(model.predict_interval(women.X)).all()
    with pytest.raises(ModelError, match="coverage must be between 0 and 1"):
        model.predict_interval(women.X, coverage=95)
