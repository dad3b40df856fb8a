"""Attributions add up to what the model says, for every model of the catalogue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import read_codebook
from poi_predict.errors import ModelError
from poi_predict.explain import Explanation, explain_predictions
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    CATALOG,
    build_pipeline,
    fit_model,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

PREDICTORS = ("age", "fsh", "amh", "amenorrhea_months", "cell_source", "adjuvant")


@pytest.fixture(scope="module")
def women() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 150
    frame = pd.DataFrame(
        {
            "age": rng.normal(33, 5, n),
            "fsh": rng.gamma(6, 13, n),
            "amh": rng.exponential(0.1, n),
            "amh__below": rng.random(n) < 0.6,
            "amenorrhea_months": rng.exponential(40, n),
            "cell_source": rng.choice(["adipose", "bone_marrow", "umbilical_cord"], n),
            "adjuvant": rng.choice(["none", "hrt+prp", "prp"], n),
        }
    )
    response = (rng.random(n) < 1 / (1 + np.exp(0.03 * (frame["fsh"] - 60)))).astype(int).to_numpy()
    frame.loc[rng.random(n) < 0.15, "fsh"] = np.nan
    frame.loc[rng.random(n) < 0.1, "cell_source"] = np.nan
    return frame, response


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_baseline_and_attributions_are_the_models_output(name: str, women: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = women
    features = build_features(read_codebook(), FeatureSettings(predictors=PREDICTORS))
    pipeline = fit_model(build_pipeline(name, features, monotone={"fsh": -1}, random_state=1), X, y, np.ones(len(y)))
    explanation = explain_predictions(pipeline, X)
    p = predict_response(pipeline, X)
    np.testing.assert_allclose(explanation.baseline + explanation.attributions.sum(axis=1), logit(p), atol=1e-6)
    share = explanation.baseline_probability + explanation.probability_share.sum(axis=1)
    np.testing.assert_allclose(share, p, atol=1e-6)
    assert set(explanation.variables) == set(PREDICTORS)


def test_closed_form_of_a_linear_model_equals_the_libraries(women: tuple[pd.DataFrame, np.ndarray]) -> None:
    shap = pytest.importorskip("shap")
    X, y = women
    features = build_features(read_codebook(), FeatureSettings(predictors=("age", "fsh", "amenorrhea_months")))
    pipeline = fit_model(build_pipeline("ridge", features, monotone={}, random_state=1), X, y, np.ones(len(y)))
    columns = pipeline[:-1].transform(X).to_numpy()
    model = pipeline[-1]
    library = shap.LinearExplainer(
        (np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])), np.zeros((1, columns.shape[1]))
    )
    ours = explain_predictions(pipeline, X)
    np.testing.assert_allclose(library.shap_values(columns).sum(axis=1), ours.attributions.sum(axis=1), atol=1e-9)


def test_a_woman_like_the_average_gets_the_baseline(women: tuple[pd.DataFrame, np.ndarray]) -> None:
    X, y = women
    features = build_features(read_codebook(), FeatureSettings(predictors=("age",)))
    pipeline = fit_model(build_pipeline("firth", features, monotone={}, random_state=1), X, y, np.ones(len(y)))
    average = pd.DataFrame({"age": [X["age"].mean()]})
    explanation = explain_predictions(pipeline, average)
    assert abs(explanation.attributions).max() < 1e-9


@pytest.fixture(scope="module")
def borrowed(women: tuple[pd.DataFrame, np.ndarray]) -> Pipeline:
    """A model of these women and of published arms, which averages over its posterior."""
    model = EvidenceLogisticRegression(
        arms=(Arm("A01", "Mashayekhi", 4, 9, treated=True), Arm("NH02", "Paris", 117, 507, treated=False)),
        priors=(Prior("treated", 0.0, 0.6), Prior("fsh__log", -1.1, 1.9)),
        population=(Marginal(("fsh__log",), "log_normal", 66.0, 35.0, transform="log"),),
    )
    features = build_features(read_codebook(), FeatureSettings(predictors=PREDICTORS))
    X, y = women
    return fit_model(Pipeline([("features", features), ("model", model)]).set_output(transform="pandas"), X, y)


def test_a_model_that_averages_over_its_posterior_shares_its_own_log_odds(
    borrowed: Pipeline, women: tuple[pd.DataFrame, np.ndarray]
) -> None:
    X, _ = women
    explanation = explain_predictions(borrowed, X)
    p = predict_response(borrowed, X)
    assert X["fsh"].isna().any()
    np.testing.assert_allclose(explanation.probability, p, atol=1e-9)
    mean_of_log_odds = borrowed[-1].decision_function(borrowed[:-1].transform(X))
    assert np.abs(mean_of_log_odds - logit(p)).max() > 0.01  # so an explanation of that would miss the prediction
    columns, baseline = borrowed[-1].compute_attributions(borrowed[:-1].transform(X))
    assert explanation.baseline == baseline
    np.testing.assert_allclose(explanation.attributions.sum(axis=1), columns.sum(axis=1), atol=1e-12)
    assert set(explanation.variables) == set(PREDICTORS)


def test_a_woman_of_whom_nothing_is_known_gets_no_reason(borrowed: Pipeline) -> None:
    nothing = pd.DataFrame({name: [np.nan] for name in PREDICTORS}).astype({"cell_source": "str", "adjuvant": "str"})
    explanation = explain_predictions(borrowed, nothing)
    known = explain_predictions(borrowed, nothing.assign(fsh=20.0))
    assert known.attributions[0, known.variables.index("fsh")] > 0.2
    assert np.abs(explanation.attributions).sum() < np.abs(known.attributions).sum()


def test_a_recalibrated_explanation_is_moved_and_stretched(
    borrowed: Pipeline, women: tuple[pd.DataFrame, np.ndarray]
) -> None:
    X, _ = women
    before, after = (explain_predictions(p, X) for p in (borrowed, recalibrate_pipeline(borrowed, 0.3, 0.8)))
    np.testing.assert_allclose(after.attributions, 0.8 * before.attributions, atol=1e-12)
    np.testing.assert_allclose(after.output, 0.3 + 0.8 * before.output, atol=1e-12)
    assert after.baseline == pytest.approx(0.3 + 0.8 * before.baseline)


def test_an_explanation_that_does_not_add_up_cannot_be_made() -> None:
    with pytest.raises(ModelError, match="must add up"):
        Explanation(("fsh",), np.array([[0.5]]), -1.0, np.array([-1.0]))


def test_leading_variables_are_the_strongest_either_way() -> None:
    explanation = Explanation(("age", "fsh", "amh"), np.array([[0.1, -0.7, 0.3]]), 0.0, np.array([-0.3]))
    order, strength = explanation.leading(2)
    assert order.tolist() == [[1, 2]]
    np.testing.assert_allclose(strength, [[-0.7, 0.3]])
