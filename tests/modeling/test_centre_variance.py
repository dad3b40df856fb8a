"""What a woman's centre adds to the interval of a model that knows none: at home, elsewhere, unrecorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import ReadingSettings, read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    FirthLogistic,
    FittedModel,
    RidgeLogistic,
    add_centre_variance,
    build_pipeline,
    fit_model,
    recalibrate_pipeline,
)
from poi_predict.modeling.centre_variance import estimate_centre_variance
from poi_predict.modeling.evaluation import TrainingData
from poi_predict.modeling.imputed import MultiplyImputed
from poi_predict.regimen import (
    CrossFitSettings,
    TreatedCohort,
    build_regimen_settings,
    describe_regimens,
    prepare_comparison,
)
from poi_predict.regimen.draws import NO_CENTRE, LinearDraws
from poi_predict.regimen.options import Option
from poi_predict.report.regimen_sections import build_regimen_sections
from poi_predict.scoring import Bundle, add_centre, build_contract, score_frame
from poi_predict.scoring.contract import Provenance

PREDICTORS = ("age", "fsh")


def make_women(n: int, seed: int, tau: float = 0.0, n_centres: int = 1) -> tuple[TrainingData, np.ndarray, np.ndarray]:
    """Women of some centres, where each was treated, and their true log-odds."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.normal(31, 4, n), "fsh": rng.lognormal(4, 0.4, n)})
    at = rng.integers(0, n_centres, n)
    log_odds = -0.7 - 1.2 * (np.log(X["fsh"].to_numpy()) - 4.0) + tau * rng.normal(size=n_centres)[at]
    centre = np.array([f"Clinic {code}" for code in at], dtype=object)
    y = (rng.random(n) < expit(log_odds)).astype(int)
    return TrainingData(X.assign(centre=centre), y, np.ones(n), np.arange(n)), centre, log_odds


def train(data: TrainingData, centre: np.ndarray | None, model: str = "ridge") -> Pipeline:
    features = build_features(read_codebook(), FeatureSettings(PREDICTORS))
    name = "ridge" if model == "several" else model
    pipeline = build_pipeline(name, features, monotone={}, random_state=0)
    if model == "several":
        pipeline = Pipeline([pipeline.steps[0], ("model", MultiplyImputed(RidgeLogistic(), n_imputations=2))])
    return add_centre_variance(fit_model(pipeline, data.X, data.y_true), data, centre)


def measure_spread(pipeline: Pipeline, X: pd.DataFrame) -> np.ndarray:
    low, high = logit(FittedModel("ridge", pipeline).predict_interval(X)).T
    return (high - low) / (2 * 1.959964)


def test_the_only_centre_of_training_adds_nothing_and_any_other_that_of_two_centres() -> None:
    data, centre, _ = make_women(90, 1)
    known = train(data, centre)
    plain = measure_spread(fit_model(known, data.X, data.y_true), data.X)
    np.testing.assert_allclose(measure_spread(known, data.X), plain)
    for elsewhere in (data.X.assign(centre="Clinic 8"), data.X.assign(centre=None), data.X.drop(columns="centre")):
        np.testing.assert_allclose(measure_spread(known, elsewhere) ** 2 - plain**2, 2 * 0.5**2)
    unrecorded = train(data, None)
    np.testing.assert_allclose(measure_spread(unrecorded, data.X) ** 2 - plain**2, 2 * 0.5**2)


def test_a_recalibrated_model_is_of_the_centre_that_it_was_recalibrated_in() -> None:
    data, centre, _ = make_women(90, 1)
    moved = recalibrate_pipeline(train(data, centre), 0.4, 1.0, np.zeros((2, 2)))
    away = data.X.assign(centre="Clinic 8")
    np.testing.assert_allclose(measure_spread(moved, away), measure_spread(moved, data.X))


@pytest.mark.parametrize("model", ["ridge", "firth"])
def test_women_of_several_centres_are_covered(model: str) -> None:
    """Five centres that lie 0.8 apart, of which the model knows nothing; and the same without a difference."""
    held: dict[float, list[tuple[float, float]]] = {0.8: [], 0.0: []}
    for tau, found in held.items():
        for seed in range(12):
            data, centre, log_odds = make_women(400, seed, tau, 5)
            learn, rows = data.take(np.arange(150)), np.arange(150, 400)
            covered = []
            for names in (None, centre[:150]):
                pipeline = fit_model(train(learn, names, model), learn.X, learn.y_true)
                pipeline = pipeline if names is None else add_centre_variance(pipeline, learn, names)
                low, high = logit(FittedModel(model, pipeline).predict_interval(data.X.iloc[rows])).T
                covered.append(float(((low < log_odds[rows]) & (log_odds[rows] < high)).mean()))
            found.append((covered[0], covered[1]))
    without, with_centres = np.mean(held[0.8], axis=0)
    assert without < 0.85
    assert 0.9 < with_centres < 0.99
    assert np.mean(held[0.0], axis=0)[1] < 0.995


def test_the_variance_of_centres_is_found() -> None:
    """Twelve centres of thirty women; a posterior mean lies between the truth and the prior's 0.25."""
    found = {}
    for tau in (0.0, 1.0):
        each = []
        for seed in range(15):
            data, centre, _ = make_women(360, seed, tau, 12)
            codes = pd.factorize(centre)[0]
            model = FirthLogistic().fit(np.log(data.X[["fsh"]]) - 4.0, data.y_true)
            design = np.column_stack([np.ones(360), np.log(data.X["fsh"]) - 4.0])
            parts = design, data.y_true, np.ones(360), codes, model.posterior_mean_, model.covariance_
            each.append(estimate_centre_variance(*parts)[0])
        found[tau] = np.mean(each)
    assert found[0.0] < 0.1
    assert 0.5 < found[1.0] < 1.3


def test_scores_flag_whoever_is_not_known_to_be_of_the_only_centre() -> None:
    data, centre, _ = make_women(90, 1)
    contract = build_contract(
        "menses_12m", {"event": "menses_resumed"}, PREDICTORS, read_codebook(), ReadingSettings(), {}, synthetic=False
    )
    provenance = Provenance("2026-01-02", "3.11.7", {}, None, "5e" * 32, "da" * 32, 90, 3, 7)
    for model in ("ridge", "several"):
        pipeline = train(data, centre, model)
        bundle = Bundle(pipeline, add_centre(contract, pipeline), {}, provenance, "# Card\n")
        assert bundle.contract.input_columns == (*PREDICTORS, "centre")
        women = data.X.head(3).assign(centre=["Clinic 0", "Clinic 9", None], patient_id=["a", "b", "c"])
        scored = score_frame(bundle, women)
        assert scored["flags"].tolist() == ["", "centre_unknown", "centre_unknown"]
        interval = FittedModel(model, pipeline).predict_interval(women)
        np.testing.assert_allclose(scored[["ci_low", "ci_high"]].to_numpy(), interval, atol=1e-9)
    several, names, _ = make_women(90, 1, 0.5, 3)
    pipeline = train(several, names)
    bundle = Bundle(pipeline, add_centre(contract, pipeline), {}, provenance, "# Card\n")
    assert "centre" not in bundle.contract.input_columns
    assert score_frame(bundle, several.X.assign(patient_id="a"))["flags"].eq("").all()


def test_what_a_centre_adds_is_the_same_for_all_regimens_of_a_woman() -> None:
    data, centre, _ = make_women(90, 1)
    pipeline = train(data, centre)
    two = [Option("young", "at 25", {"age": 25.0}), Option("old", "at 39", {"age": 39.0})]
    for women, spread in ((data.X.head(4), 0.0), (data.X.head(4).assign(centre="Clinic 8"), 0.5**0.5)):
        drawn = logit(LinearDraws(pipeline, 4000).compute(women, two)[1])
        if not spread:
            at_home = drawn
    contrast = [(one[:, 0] - one[:, 1]).std(axis=-1) for one in (at_home, drawn)]
    np.testing.assert_allclose(*contrast, rtol=1e-6)
    np.testing.assert_allclose(drawn.var(axis=-1) - at_home.var(axis=-1), 0.5, atol=0.1)


def test_a_level_of_one_centre_is_known_no_better_than_the_centre() -> None:
    rng = np.random.default_rng(3)
    centre = np.repeat([0, 1, 2, 3], 30)
    level = (centre == 0).astype(float)
    design = np.column_stack([np.ones(120), level])
    y = rng.integers(0, 2, 120)
    covariance = np.linalg.inv(0.25 * design.T @ design)
    tau_square, added = estimate_centre_variance(design, y, np.ones(120), centre, np.zeros(2), covariance)
    assert added[1, 1] == pytest.approx(tau_square * (1 + 1 / 3), rel=0.35)  # that of one centre and the mean of three
    spread_over = replace_level(centre)
    covariance = np.linalg.inv(0.25 * spread_over.T @ spread_over)
    assert estimate_centre_variance(spread_over, y, np.ones(120), centre, np.zeros(2), covariance)[1][1, 1] < 1e-9


def replace_level(centre: np.ndarray) -> np.ndarray:
    """Return a design whose level every centre used alike."""
    return np.column_stack([np.ones(len(centre)), np.arange(len(centre)) % 2])


def test_regimens_of_women_of_no_recorded_centre_say_what_a_difference_can_be() -> None:
    data, centre, _ = make_women(90, 1)
    X = data.X.assign(cell_source=np.resize(["adipose", "bone_marrow"], 90))
    women = TrainingData(X, data.y_true, data.weight, data.patient)
    several = np.resize(["Bath", "York", "Leeds"], 90).astype(object)
    settings = build_regimen_settings({}, read_codebook(), (*PREDICTORS, "cell_source"))
    features = build_features(read_codebook(), FeatureSettings((*PREDICTORS, "cell_source")))
    fitted = fit_model(build_pipeline("ridge", features, monotone={}, random_state=0), X, data.y_true)
    cases = ((None, False, True), (centre, False, True), (several, False, False), (None, True, False))
    for names, randomised, said in cases:
        pipeline = add_centre_variance(fitted, women, names)
        rule = replace(settings, randomised=randomised)
        cohort = TreatedCohort(X, data.y_true, data.weight, data.patient, names)
        comparable = prepare_comparison(pipeline, X, read_codebook(), rule)
        assert comparable is not None
        fit = CrossFitSettings(2, 1)
        found = describe_regimens(pipeline, cohort, read_codebook(), comparable, cross_fit=fit, seed=0)
        assert (found["no_centre"] == NO_CENTRE) is said
        pages = build_regimen_sections({"regimens": found}, read_codebook())
        assert (NO_CENTRE in str([section.paragraphs for section in pages])) is said
