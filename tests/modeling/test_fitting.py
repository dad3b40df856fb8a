from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from poi_predict.cohort.codebook import read_codebook
from poi_predict.errors import ModelError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    FittedModel,
    build_pipeline,
    fit_model,
    linear_terms,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

ARMS = (
    Arm("A01", "Mashayekhi", 4, 9, treated=True, marginals=(Marginal(("age__years",), "normal", 33.0, 4.0),)),
    Arm("NH02", "Paris", 117, 507, treated=False),
)
FIELD = (
    Marginal(("age__years",), "truncated_normal", 32.0, 6.0, 18.0, 40.0),
    Marginal(("fsh__log",), "log_normal", 66.0, 35.0, transform="log"),
)


def borrow(women) -> Pipeline:
    """The model of women and published arms, unfitted."""
    priors = (Prior("treated", 0.0, 0.6), Prior("fsh__log", -1.1, 1.9))
    model = EvidenceLogisticRegression(arms=ARMS, priors=priors, population=FIELD)
    return Pipeline([("features", women.features), ("model", model)]).set_output(transform="pandas")


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


def test_bundles_of_earlier_versions_have_percentiles_over_their_refits(women) -> None:
    net = build_pipeline("elastic_net", women.features, monotone={}, random_state=0)
    rng = np.random.default_rng(0)
    resamples = [rng.integers(0, 120, 120) for _ in range(6)]
    refits = tuple(fit_model(net, women.X.iloc[rows], women.y[rows]) for rows in resamples)
    model = FittedModel("elastic_net", fit_model(net, women.X, women.y), refits)
    interval = model.predict_interval(women.X, coverage=0.9)
    predictions = np.array([predict_response(refit, women.X) for refit in refits])
    point = model.predict_response(women.X)
    low, high = np.percentile(predictions, [5, 95], axis=0)
    np.testing.assert_allclose(interval, np.column_stack([np.minimum(low, point), np.maximum(high, point)]))
    without = FittedModel("elastic_net", model.pipeline)
    assert np.isnan(without.predict_interval(women.X)).all()
    with pytest.raises(ModelError, match="coverage must be between 0 and 1"):
        without.predict_interval(women.X, coverage=95)


def test_no_probability_is_0_or_1(women) -> None:
    apart = women.X.assign(fsh=np.where(women.y == 1, 20.0, 180.0)).drop(columns=["afc", "aetiology"])
    features = build_features(read_codebook(), FeatureSettings(("age", "fsh")))
    p = predict_response(
        fit_model(build_pipeline("logistic", features, monotone={}, random_state=0), apart, women.y), apart
    )
    assert p.min() >= 1e-6
    assert p.max() <= 1 - 1e-6
    assert np.isfinite(logit(p)).all()


def test_a_model_that_knows_how_sure_it_is_gives_its_own_interval(women) -> None:
    fitted = fit_model(borrow(women), women.X, women.y, women.weight)
    model = FittedModel("evidence", fitted)
    own = fitted[-1].predict_interval(fitted[:-1].transform(women.X), 0.8)
    np.testing.assert_array_equal(model.predict_interval(women.X, 0.8), own)
    narrow, wide = (np.diff(model.predict_interval(women.X, level)) for level in (0.5, 0.95))
    assert (narrow < wide).all()
    point = model.predict_response(women.X)
    assert ((own[:, 0] <= point) & (point <= own[:, 1])).all()
    refits = (fit_model(borrow(women), women.X.iloc[:60], women.y[:60]),)
    with_refits = FittedModel("evidence", fitted, refits)
    np.testing.assert_array_equal(with_refits.predict_interval(women.X, 0.8), own)
    assert model.predict_interval(women.X.head(0)).shape == (0, 2)
    with pytest.raises(ModelError, match="coverage must be between 0 and 1"):
        model.predict_interval(women.X, coverage=95)


@pytest.mark.parametrize(("intercept", "slope"), [(0.7, 1.0), (-0.4, 0.6), (0.0, 1.8)])
def test_a_recalibrated_model_moves_its_own_interval_along(women, intercept: float, slope: float) -> None:
    fitted = fit_model(borrow(women), women.X, women.y, women.weight)
    before = FittedModel("evidence", fitted).predict_interval(women.X)
    after = FittedModel("evidence", recalibrate_pipeline(fitted, intercept, slope)).predict_interval(women.X)
    np.testing.assert_allclose(logit(after), intercept + slope * logit(before), atol=1e-9)


def test_a_model_that_centres_its_columns_itself_is_an_equation_in_their_units(women) -> None:
    fitted = fit_model(borrow(women), women.X, women.y, women.weight)
    known = fitted[:-1].transform(women.X.dropna())
    terms = linear_terms(fitted)
    np.testing.assert_array_equal(terms.scale, 1.0)
    assert dict(zip(terms.names, terms.centre, strict=True)) == fitted[-1].centre_
    said = terms.raw_intercept + known[list(terms.names)].to_numpy() @ terms.raw_coefficients
    np.testing.assert_allclose(said, fitted[-1].decision_function(known), atol=1e-10)


def test_a_model_whose_columns_are_nowhere_centred_is_no_equation(women) -> None:
    plain = Pipeline([("impute", SimpleImputer()), ("model", LogisticRegression())]).fit(women.X[["age"]], women.y)
    with pytest.raises(ModelError, match="about the centre of its columns"):
        linear_terms(plain)


def test_a_model_that_borrows_needs_no_women_of_both_outcomes(women) -> None:
    few = women.X.head(12)
    all_responded, none_did = (fit_model(borrow(women), few, np.full(12, outcome)) for outcome in (1, 0))
    assert (predict_response(all_responded, women.X) > predict_response(none_did, women.X) + 0.05).all()
    with pytest.raises(ModelError, match="women who responded and women who did not"):
        fit_model(build_pipeline("ridge", women.features, monotone={}, random_state=0), few, np.ones(12))


def test_a_model_that_borrows_still_refuses_what_is_no_outcome(women) -> None:
    with pytest.raises(ModelError, match="An outcome must be 0 or 1"):
        fit_model(borrow(women), women.X, women.y * 2)
