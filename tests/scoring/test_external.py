"""External assessment: arrays in, verdicts, options and their optimism out; and the case mix of stored summaries."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model, recalibrate_pipeline
from poi_predict.scoring import case_mix
from poi_predict.scoring.case_mix import compare_women, recalibrate_summary, summarise_women
from poi_predict.validation.external import EXTERNAL_METRICS, ExternalAssessment, assess_external

SEED = 3


def draw(
    n: int, seed: int, *, shift: float = 0.0, stretch: float = 1.0
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Outcomes, and predictions whose log-odds are off by a shift and a stretch: true = shift + stretch * said."""
    rng = np.random.default_rng(seed)
    said = rng.normal(-0.3, 1.0, n)
    return (rng.random(n) < expit(shift + stretch * said)).astype(int), expit(said)


def plain(found: ExternalAssessment) -> str:
    return json.dumps(found.as_dict(), allow_nan=False, default=float)


def test_a_true_model_is_left_alone() -> None:
    found = assess_external(*draw(400, 1), seed=SEED)
    assert found.verdict == "compatible"
    assert found.advised is None
    assert tuple(found.metrics) == EXTERNAL_METRICS
    assert all(estimate.is_estimable for estimate in found.metrics.values())


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_is_found_and_mended_in_both_directions(shift: float) -> None:
    y, p = draw(1200, 2, shift=shift)
    found = assess_external(y, p, seed=SEED)
    move, _ = found.options
    assert found.verdict == "miscalibrated"
    assert found.advised is move
    assert move.coefficients[0] == pytest.approx(shift, abs=0.25)
    fresh_y, fresh_p = draw(1200, 3, shift=shift)
    mended = assess_external(fresh_y, expit(move.coefficients[0] + logit(fresh_p)), seed=SEED)
    assert abs(mended.metrics["calibration_in_the_large"].estimate) < 0.25


@pytest.mark.parametrize("stretch", [0.4, 2.5])
def test_an_over_and_an_underconfident_model_are_mended(stretch: float) -> None:
    y, p = draw(1500, 4, stretch=stretch)
    found = assess_external(y, p, seed=SEED)
    assert found.advised is found.options[1]
    intercept, slope = found.options[1].coefficients
    assert slope == pytest.approx(stretch, rel=0.3)
    fresh_y, fresh_p = draw(1500, 5, stretch=stretch)
    mended = assess_external(fresh_y, expit(intercept + slope * logit(fresh_p)), seed=SEED)
    assert mended.metrics["calibration_slope"].estimate == pytest.approx(1.0, abs=0.3)


def test_what_is_learnt_from_the_same_women_is_corrected_for_it() -> None:
    """With few women the step is worth less than it seems; the corrected log loss is the worse one."""
    gains = []
    for seed in range(5):
        found = assess_external(*draw(60, 100 + seed), seed=SEED)
        stretch = found.options[1]
        assert stretch.is_offered
        result = stretch.corrected["log_loss"]
        assert stretch.apparent["calibration_slope"].estimate == pytest.approx(1.0, abs=1e-6)
        gains.append(result.corrected.estimate - result.apparent)
        assert stretch.as_dict()["after"]["log_loss"]["optimism"] == pytest.approx(result.optimism)
    assert min(gains) > 0


def test_the_corrected_log_loss_is_near_the_truth_on_average() -> None:
    corrected, true = [], []
    for seed in range(20):
        y, p = draw(80, 200 + seed)
        stretch = assess_external(y, p, seed=SEED).options[1]
        intercept, slope = stretch.coefficients
        corrected.append(stretch.corrected["log_loss"].corrected.estimate)
        fresh_y, fresh_p = draw(4000, 900 + seed)
        mended = expit(intercept + slope * logit(fresh_p))
        true.append(-np.mean(np.log(np.where(fresh_y == 1, mended, 1 - mended))))
    assert np.mean(corrected) == pytest.approx(np.mean(true), abs=0.03)


def test_a_model_that_ranks_the_wrong_way_round_is_not_turned() -> None:
    y, p = draw(300, 6, stretch=-1.0)
    found = assess_external(y, p, seed=SEED)
    assert found.verdict == "no_discrimination"
    assert "wrong way round" in str(found.options[1].refusal)


def test_too_few_events_give_reasons_and_no_number_that_compares() -> None:
    y = np.zeros(40, dtype=int)
    y[[3, 17, 29]] = 1
    found = assess_external(y, np.linspace(0.1, 0.6, 40), seed=SEED)
    assert found.verdict == "too_few"
    for name in ("c_statistic", "calibration_slope", "ici", "emax"):
        assert found.metrics[name].estimate is None
        assert "only 3 women" in str(found.metrics[name].reason)
    assert found.metrics["brier"].is_estimable
    assert [option.is_offered for option in found.options] == [False, False]
    assert found.decision_curve.empty
    assert "NaN" not in plain(found)


def test_below_ten_events_only_the_intercept_is_offered() -> None:
    y = np.zeros(60, dtype=int)
    y[::8] = 1
    found = assess_external(y, np.random.default_rng(1).uniform(0.05, 0.4, 60), seed=SEED)
    assert found.fewer == 8
    assert [option.is_offered for option in found.options] == [True, False]
    assert "10 are needed" in str(found.options[1].refusal)


def test_constant_predictions_are_said_so() -> None:
    y, _ = draw(100, 7)
    found = assess_external(y, np.full(100, 0.3), seed=SEED)
    assert found.options[0].is_offered
    assert found.options[1].refusal == "the predictions are constant"
    assert found.verdict == "no_discrimination"
    assert "NaN" not in plain(found)


def test_rows_of_a_woman_count_once_and_weights_as_rows() -> None:
    y, p = draw(120, 8)
    alone = assess_external(y, p, seed=SEED)
    twice = assess_external(np.tile(y, 2), np.tile(p, 2), patient=np.tile(np.arange(120), 2), seed=SEED)
    assert twice.n_patients == 120
    assert twice.fewer == alone.fewer
    for name in ("c_statistic", "calibration_slope"):
        assert twice.metrics[name].estimate == pytest.approx(alone.metrics[name].estimate)
        assert twice.metrics[name].ci_low == pytest.approx(alone.metrics[name].ci_low, abs=0.02)
    assert twice.options[0].coefficients[0] == pytest.approx(alone.options[0].coefficients[0])


def test_same_seed_same_figures() -> None:
    y, p = draw(80, 9)
    assert plain(assess_external(y, p, seed=4)) == plain(assess_external(y, p, seed=4))


# --- the women of training in sum -------------------------------------------------------------------------------


def make_women(n: int, seed: int, older: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"age": rng.normal(32 + older, 4, n), "fsh": rng.lognormal(4, 0.4, n), "afc": rng.poisson(2, n)}
    )


@pytest.fixture(scope="module")
def model() -> Pipeline:
    X = make_women(200, 0)
    y = (np.random.default_rng(1).random(200) < expit(-0.2 * (X["age"] - 32))).astype(int)
    features = build_features(read_codebook(), FeatureSettings(predictors=("age", "fsh", "afc")))
    return fit_model(build_pipeline("ridge", features, monotone={}, random_state=0), X, y)


def test_women_of_the_same_kind_are_not_told_apart_and_older_ones_are(model: Pipeline) -> None:
    summary = summarise_women(model, make_women(200, 0))
    alike = compare_women(summary, model, make_women(150, 5)).as_dict()
    older = compare_women(summary, model, make_women(150, 5, older=6.0)).as_dict()
    assert alike["membership_c"]["estimate"] < 0.62
    assert older["membership_c"]["estimate"] > 0.8
    age = next(row for row in older["columns"] if row["variable"] == "age")
    assert age["mean_difference"]["estimate"] == pytest.approx(1.5, abs=0.3)
    assert older["linear_predictor"]["mean_here"] < older["linear_predictor"]["mean_development"]
    json.dumps(older, allow_nan=False)


def test_a_summary_is_plain_rounded_and_holds_no_womans_value(model: Pipeline) -> None:
    X = make_women(200, 0)
    text = json.dumps(summarise_women(model, X), allow_nan=False)
    assert not any(repr(value) in text for value in X[["age", "fsh"]].to_numpy().ravel().tolist())
    assert summarise_women(model, X.head(19)) == {}


def test_what_is_known_of_too_few_women_is_not_kept(model: Pipeline) -> None:
    X = make_women(200, 0)
    X.loc[4:, "fsh"] = np.nan
    summary = summarise_women(model, X)
    place = summary["columns"].index("fsh__log")
    assert (summary["mean"][place], summary["known"][place], summary["covariance"][place][place]) == (0.0, 0.0, 0.0)
    compared = compare_women(summarise_women(model, make_women(200, 0)), model, make_women(19, 1))
    assert "too few to describe" in str(compared.reason)
    json.dumps(compare_women(summary, model, make_women(60, 2)).as_dict(), allow_nan=False)


def test_a_bundle_without_a_summary_says_so(model: Pipeline) -> None:
    compared = compare_women({}, model, make_women(30, 1))
    assert "keeps no summary" in str(compared.as_dict()["reason"])


def test_the_summary_of_a_recalibrated_model_is_that_of_its_own_predictions(
    model: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are exact here: blurred ones of other predictions have other noise."""
    X = make_women(200, 0)
    exact = lambda rows, mean, covariance, *_: (mean, covariance, (~np.isnan(rows)).mean(axis=0))  # noqa: E731
    monkeypatch.setattr(case_mix, "guard_moments", exact)
    moved = recalibrate_summary(summarise_women(model, X), -0.5, 0.7)
    anew = summarise_women(recalibrate_pipeline(model, -0.5, 0.7), X)
    np.testing.assert_allclose(moved["mean"], anew["mean"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moved["covariance"], anew["covariance"], rtol=1e-4, atol=1e-6)
    assert recalibrate_summary({}, 0.0, 1.0) == {}
