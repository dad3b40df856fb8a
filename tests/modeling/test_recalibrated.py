"""Recalibrated models: log-odds moved and stretched, stored, explained, and never refitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from poi_predict.cohort import read_codebook
from poi_predict.errors import ModelError
from poi_predict.explain import explain_predictions
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    CATALOG,
    FittedModel,
    RecalibratedClassifier,
    build_pipeline,
    fit_model,
    linear_terms,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.recalibrated import recalibrate_moments
from poi_predict.scoring.model_files import dump_pipelines, load_pipelines
from poi_predict.scoring.trusted import TRUSTED_TYPES

PREDICTORS = ("age", "fsh", "amh", "aetiology")


def make_women(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    women = pd.DataFrame(
        {
            "age": rng.uniform(20, 40, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "amh": rng.lognormal(-2, 0.6, n),
            "amh__below": rng.random(n) < 0.5,
            "aetiology": pd.Series(rng.choice(["idiopathic", "surgical", "autoimmune"], n), dtype="str"),
        }
    )
    women.loc[rng.random(n) < 0.1, "fsh"] = np.nan
    return women


@pytest.fixture(scope="module", params=list(CATALOG))
def fitted(request: pytest.FixtureRequest) -> Pipeline:
    X = make_women()
    p = 1 / (1 + np.exp(0.15 * (X["age"].to_numpy() - 30) + 0.5))
    y = (np.random.default_rng(1).random(len(X)) < p).astype(int)
    features = build_features(read_codebook(), FeatureSettings(predictors=PREDICTORS))
    return fit_model(build_pipeline(request.param, features, monotone={"fsh": -1}, random_state=0), X, y)


def test_the_log_odds_are_moved_and_stretched(fitted: Pipeline) -> None:
    X = make_women(60, 3)
    before, after = predict_response(fitted, X), predict_response(recalibrate_pipeline(fitted, -0.4, 0.7), X)
    np.testing.assert_allclose(logit(after), -0.4 + 0.7 * logit(before), atol=1e-9)
    kept = np.argsort(before, kind="stable")
    assert (np.diff(after[kept]) >= -1e-12).all()


def test_no_recalibration_changes_nothing(fitted: Pipeline) -> None:
    X = make_women(60, 3)
    np.testing.assert_allclose(
        predict_response(recalibrate_pipeline(fitted, 0.0, 1.0), X), predict_response(fitted, X), atol=1e-12
    )


@settings(max_examples=4, deadline=None)
@given(intercept=st.floats(-2, 2), slope=st.floats(0.1, 3))
def test_attributions_stay_exact(fitted: Pipeline, intercept: float, slope: float) -> None:
    X = make_women(40, 4)
    before = explain_predictions(fitted, X)
    mended = recalibrate_pipeline(fitted, intercept, slope)
    after = explain_predictions(mended, X)
    np.testing.assert_allclose(after.attributions, slope * before.attributions, atol=1e-9)
    assert after.baseline == pytest.approx(intercept + slope * before.baseline)
    total = after.baseline + after.attributions.sum(axis=1)
    np.testing.assert_allclose(total, logit(predict_response(mended, X)), atol=1e-6)
    share = after.baseline_probability + after.probability_share.sum(axis=1)
    np.testing.assert_allclose(share, predict_response(mended, X), atol=1e-6)


def test_it_is_stored_without_pickle_and_comes_back_the_same(fitted: Pipeline, tmp_path: Path) -> None:
    mended = recalibrate_pipeline(fitted, 0.3, 0.8)
    archive = dump_pipelines([mended])
    assert archive == dump_pipelines([mended])
    (back,) = load_pipelines(archive, "pipeline.skops", TRUSTED_TYPES)
    X = make_women(30, 5)
    np.testing.assert_array_equal(predict_response(back, X), predict_response(mended, X))


def test_a_second_recalibration_is_one_step_not_two(fitted: Pipeline) -> None:
    once = recalibrate_pipeline(fitted, 0.3, 0.8)
    twice = recalibrate_pipeline(once, -0.2, 1.5)
    assert not isinstance(twice[-1].base, RecalibratedClassifier)
    X = make_women(30, 5)
    np.testing.assert_allclose(
        logit(predict_response(twice, X)), -0.2 + 1.5 * logit(predict_response(once, X)), atol=1e-9
    )


def test_an_interval_holds_what_is_not_known_of_the_recalibration(fitted: Pipeline) -> None:
    X = make_women(10, 6)
    plain, few = (
        FittedModel("x", recalibrate_pipeline(fitted, 0.3, 0.8, known)) for known in (None, [[0.3, 0], [0, 0]])
    )
    if np.isnan(plain.predict_interval(X)).all():
        return
    width = [np.ptp(logit(model.predict_interval(X)), axis=1) for model in (plain, few)]
    np.testing.assert_allclose(width[1] ** 2, width[0] ** 2 + (2 * 1.96) ** 2 * 0.3, rtol=1e-3)
    np.testing.assert_array_equal(plain.predict_response(X), few.predict_response(X))
    twice = FittedModel("x", recalibrate_pipeline(few.pipeline, -0.1, 0.5, [[0.1, 0], [0, 0]]))
    again = np.ptp(logit(twice.predict_interval(X)), axis=1)
    np.testing.assert_allclose(again**2, 0.25 * width[1] ** 2 + (2 * 1.96) ** 2 * 0.1, rtol=1e-3)


def test_the_recalibrations_own_error_is_that_of_a_line_at_each_womans_log_odds() -> None:
    covariance = [[0.20, 0.03], [0.03, 0.05]]
    mean, variance = np.array([-2.0, 0.5]), np.array([0.1, 0.4])
    model = RecalibratedClassifier(DummyClassifier(), 0.2, 0.8, covariance)
    moved, spread = recalibrate_moments(model, mean, variance)
    np.testing.assert_allclose(moved, [-1.4, 0.6])
    # 0.64 v + (1, m) C (1, m)', by hand
    np.testing.assert_allclose(spread, [0.064 + 0.20 - 0.12 + 0.20, 0.256 + 0.20 + 0.03 + 0.0125])


def test_the_equation_of_a_linear_model_is_recalibrated(fitted: Pipeline) -> None:
    mended = recalibrate_pipeline(fitted, 0.3, 0.8)
    if not hasattr(fitted[-1], "coef_"):
        assert not hasattr(mended[-1], "coef_")
        with pytest.raises(ModelError, match="linear"):
            linear_terms(mended)
        return
    before, after = linear_terms(fitted), linear_terms(mended)
    np.testing.assert_allclose(after.coefficients, 0.8 * before.coefficients)
    assert after.intercept == pytest.approx(0.3 + 0.8 * before.intercept)


def test_it_is_never_fitted_again(fitted: Pipeline) -> None:
    with pytest.raises(ModelError, match="must not be fitted again"):
        fit_model(recalibrate_pipeline(fitted, 0.3), make_women(), np.arange(120) % 2)


@pytest.mark.parametrize(("intercept", "slope"), [(np.nan, 1.0), (0.0, np.inf), (0.0, 0.0), (0.0, -0.5)])
def test_a_recalibration_that_makes_no_sense_is_refused(fitted: Pipeline, intercept: float, slope: float) -> None:
    with pytest.raises(ModelError, match="positive slope"):
        recalibrate_pipeline(fitted, intercept, slope)
