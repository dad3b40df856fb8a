"""Error bars of an explanation: the shown sum stays exact, the draws are the posterior's, an unsure sign is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import read_codebook
from poi_predict.errors import ModelError
from poi_predict.explain.drawn_terms import DrawnTerms
from poi_predict.explain.uncertainty import UncertainExplanation, compute_spread, explain_with_uncertainty
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model, predict_response, recalibrate_pipeline
from poi_predict.modeling.borrowing import Arm, Marginal, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.imputed import MultiplyImputed

COLUMNS = ["age__years", "fsh__log", "amh__log", "dose_cells__log10", "centre__code"]
VARIABLES = ("age", "fsh", "amh", "dose_cells", "centre")


@pytest.fixture(scope="module")
def women() -> pd.DataFrame:
    """Derived columns of ninety women of three centres, with gaps."""
    rng = np.random.default_rng(5)
    n = 90
    frame = pd.DataFrame(
        {
            "age__years": rng.normal(33, 5, n),
            "fsh__log": rng.normal(4.1, 0.5, n),
            "amh__log": rng.normal(-2.5, 1, n),
            "dose_cells__log10": rng.normal(7, 0.6, n),
            "centre__code": rng.integers(1, 4, n).astype(float),
        }
    )
    frame.loc[::7, "amh__log"] = np.nan
    frame.loc[::11, "fsh__log"] = np.nan
    frame.loc[::13, "dose_cells__log10"] = np.nan
    return frame


@pytest.fixture(scope="module")
def evidence(women: pd.DataFrame) -> Pipeline:
    """A model of them, in which FSH acts, age does not, and dose and FSH depend on one another."""
    rng = np.random.default_rng(6)
    eta = -0.4 - 2.0 * (women["fsh__log"].fillna(4.1) - 4.1)
    y = (rng.random(len(women)) < 1 / (1 + np.exp(-eta))).astype(int).to_numpy()
    model = EvidenceLogisticRegression(
        arms=(Arm("NH02", "Paris", 117, 507, treated=False),),
        population=(Marginal(("fsh__log",), "log_normal", 66.0, 35.0, transform="log"),),
        priors=(Prior("fsh__log", -1.0, 1.0), Prior("age__years", 0.0, 0.03)),
        treatment=("dose_cells__log10",),
        interactions=(("dose_cells__log10", "fsh__log"),),
        centre="centre__code",
    )
    return Pipeline([("features", "passthrough"), ("model", model.fit(women, y))])


@pytest.fixture(scope="module")
def found(evidence: Pipeline, women: pd.DataFrame) -> UncertainExplanation:
    return explain_with_uncertainty(evidence, women, random_state=3)


def test_baseline_and_mean_attributions_are_the_probability_shown(
    found: UncertainExplanation, evidence: Pipeline, women: pd.DataFrame
) -> None:
    total = found.explanation.baseline + found.spread.mean.sum(axis=1)
    np.testing.assert_allclose(total, logit(predict_response(evidence, women)), atol=1e-6)
    frame = found.frame()
    shares = frame.groupby("row")["probability_share"].sum() + found.explanation.baseline_probability
    np.testing.assert_allclose(shares, predict_response(evidence, women), atol=1e-6)
    assert found.kind == "posterior"
    assert found.variables == VARIABLES


def test_a_recalibrated_model_stretches_the_bars_as_it_stretches_the_mean(
    found: UncertainExplanation, evidence: Pipeline, women: pd.DataFrame
) -> None:
    moved = recalibrate_pipeline(evidence, 0.4, 0.7)
    after = explain_with_uncertainty(moved, women, random_state=3)
    total = after.explanation.baseline + after.spread.mean.sum(axis=1)
    np.testing.assert_allclose(total, logit(predict_response(moved, women)), atol=1e-6)
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(after.spread, name), 0.7 * getattr(found.spread, name), atol=1e-9)
    np.testing.assert_array_equal(after.stable, found.stable)


def test_terms_of_a_draw_add_up_to_the_log_odds_of_that_draw(evidence: Pipeline, women: pd.DataFrame) -> None:
    model: EvidenceLogisticRegression = evidence[-1]
    complete = women.dropna()
    centre = pd.DataFrame([model.centre_], columns=COLUMNS).assign(centre__code=0.0)
    both = pd.concat([complete, centre], ignore_index=True)
    drawn = model.sample_log_odds(both, 400, np.random.default_rng(8))
    terms = [of_variables for of_variables, _ in DrawnTerms(model, 400, np.random.default_rng(8)).draw(both.to_numpy())]
    first = drawn[:, :-1] - drawn[:, [0]]  # less the first woman: the intercepts and nothing else drop out
    ours = np.stack([term.sum(axis=1) for term in terms[:-1]], axis=1)
    np.testing.assert_allclose(ours - ours[:, [0]], first, atol=1e-9)
    np.testing.assert_allclose(terms[-1], 0.0, atol=1e-12)


def test_what_is_missing_widens_the_range_by_the_variance_of_the_gap(evidence: Pipeline, women: pd.DataFrame) -> None:
    model: EvidenceLogisticRegression = evidence[-1]
    gappy = women.iloc[[7]]
    assert gappy["amh__log"].isna().all()
    terms = next(DrawnTerms(model, 40_000, np.random.default_rng(1)).draw(gappy.to_numpy()))[0]
    placed = model.fit_.place(gappy.to_numpy())
    moved = placed.rows.copy()
    moved[:, : len(model.fit_.design.coefficients)] -= model.fit_.design.rows(np.zeros((1, len(COLUMNS))), np.ones(1))
    assert moved[0, model.parameters_.index(f"centre:{gappy['centre__code'].iloc[0]:.0f}")] == 1.0
    variance = (moved @ model.covariance_ @ moved.T)[0, 0]
    assert placed.gap_variance[0] > 0.01
    assert terms.sum(axis=1).var() == pytest.approx(variance + placed.gap_variance[0], rel=0.04)


def test_a_value_that_is_not_known_has_a_wider_range_than_the_same_value_known(
    evidence: Pipeline, women: pd.DataFrame
) -> None:
    known = women.iloc[[1, 1]].assign(fsh__log=[4.0, np.nan])
    spread = explain_with_uncertainty(evidence, known).spread
    width = (spread.high - spread.low)[:, VARIABLES.index("fsh")]
    assert width[1] > 1.5 * width[0]


def test_a_strong_effect_is_stable_and_one_of_nothing_is_not(evidence: Pipeline, women: pd.DataFrame) -> None:
    far = women.iloc[[1]].assign(fsh__log=5.2, age__years=39.0, centre__code=1.0)
    frame = explain_with_uncertainty(evidence, far).frame().set_index("variable")
    assert frame.loc["fsh", "stable"]
    assert frame.loc["fsh", "high"] < 0
    assert not frame.loc["age", "stable"]
    assert frame.loc["age", "low"] < 0 < frame.loc["age", "high"]


def test_a_protocol_that_is_not_known_does_nothing_in_any_draw(evidence: Pipeline, women: pd.DataFrame) -> None:
    found = explain_with_uncertainty(evidence, women.iloc[[1]].assign(dose_cells__log10=np.nan, fsh__log=4.3))
    dose = found.frame().set_index("variable").loc["dose_cells"]
    assert dose[["log_odds", "low", "high"]].abs().max() < 1e-9
    assert dose["same_sign"] == 1.0
    assert found.pair_frame()["log_odds"].abs().max() < 1e-12


def test_an_interaction_is_shown_and_half_of_it_is_in_either_variable(evidence: Pipeline, women: pd.DataFrame) -> None:
    model: EvidenceLogisticRegression = evidence[-1]
    woman = women.iloc[[1]].assign(dose_cells__log10=8.2, fsh__log=5.0)
    terms = DrawnTerms(model, 300, np.random.default_rng(2))
    of_variables, of_pairs = next(terms.draw(woman.to_numpy()))
    assert terms.pairs == (("dose_cells", "fsh"),)
    draws = model.sample_posterior(300, np.random.default_rng(2))
    away = {name: woman[name].iloc[0] - model.centre_[name] for name in ("dose_cells__log10", "fsh__log")}
    product = draws["dose_cells__log10:fsh__log"] * away["dose_cells__log10"] * away["fsh__log"]
    np.testing.assert_allclose(of_pairs[:, 0], product, atol=1e-12)
    alone = draws["dose_cells__log10"] * away["dose_cells__log10"]
    np.testing.assert_allclose(of_variables[:, VARIABLES.index("dose_cells")] - alone, product / 2, atol=1e-12)
    pair = explain_with_uncertainty(evidence, woman).pair_frame()
    assert pair.loc[0, ["first", "second"]].tolist() == ["dose_cells", "fsh"]
    assert pair.loc[0, "low"] <= pair.loc[0, "log_odds"] <= pair.loc[0, "high"]


def test_same_seed_same_numbers_whoever_else_is_in_the_table(
    found: UncertainExplanation, evidence: Pipeline, women: pd.DataFrame
) -> None:
    some = explain_with_uncertainty(evidence, women.iloc[[14, 3]], random_state=3)
    for name in ("low", "high", "same_sign"):
        np.testing.assert_allclose(getattr(some.spread, name), getattr(found.spread, name)[[14, 3]], atol=1e-9)
    other = explain_with_uncertainty(evidence, women.iloc[[14, 3]], random_state=4)
    assert np.abs(other.spread.low - some.spread.low).max() > 1e-6
    np.testing.assert_allclose(other.spread.mean, some.spread.mean, atol=1e-12)


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 120
    X = pd.DataFrame(
        {"age": rng.normal(33, 5, n), "fsh": rng.gamma(6, 13, n), "cell_source": rng.choice(["adipose", "none"], n)}
    )
    y = (rng.random(n) < 1 / (1 + np.exp(0.06 * (X["fsh"] - 60)))).astype(int).to_numpy()
    X.loc[rng.random(n) < 0.1, "age"] = np.nan
    return X, y


def fit_linear(name: str, table: tuple[pd.DataFrame, np.ndarray]) -> Pipeline:
    X, y = table
    features = build_features(read_codebook(), FeatureSettings(predictors=tuple(X)))
    if name == "several imputations":
        steps = [("features", features), ("model", MultiplyImputed(n_imputations=4))]
        return fit_model(Pipeline(steps).set_output(transform="pandas"), X, y)
    return fit_model(build_pipeline(name, features, monotone={}, random_state=1), X, y)


@pytest.mark.parametrize("name", ["ridge", "firth", "several imputations"])
def test_a_linear_model_has_the_bars_of_its_posterior(name: str, table: tuple[pd.DataFrame, np.ndarray]) -> None:
    pipeline = fit_linear(name, table)
    far = table[0].iloc[[0, 0]].assign(fsh=150.0, age=[33.0, np.nan])
    found = explain_with_uncertainty(pipeline, far)
    assert (found.kind, found.n_draws, found.pairs) == ("posterior", 1000, ())
    total = found.explanation.baseline + found.spread.mean.sum(axis=1)
    np.testing.assert_allclose(total, logit(predict_response(pipeline, far)), atol=1e-6)
    frame = found.frame().set_index(["row", "variable"])
    assert frame.loc[(0, "fsh"), "same_sign"] > 0.99
    assert frame.loc[(0, "age"), "same_sign"] < 0.99
    width = frame["high"] - frame["low"]
    assert width[1, "age"] > 1.5 * width[0, "age"]  # of the second woman it is not known
    assert found.pair_frame().empty
    alone = explain_with_uncertainty(pipeline, far.iloc[[1]])
    np.testing.assert_allclose(alone.spread.low[0], found.spread.low[1], atol=1e-12)


def test_bars_of_a_recalibrated_linear_model_are_stretched(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    pipeline = fit_linear("ridge", table)
    before = explain_with_uncertainty(pipeline, table[0].head(3))
    after = explain_with_uncertainty(recalibrate_pipeline(pipeline, 0.4, 0.7), table[0].head(3))
    np.testing.assert_allclose(after.spread.low, 0.7 * before.spread.low, atol=1e-9)


def test_without_a_posterior_there_is_no_error_bar(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    with pytest.raises(ModelError, match="this model has none"):
        explain_with_uncertainty(fit_linear("elastic_net", table), table[0])


def test_range_holds_nine_draws_of_ten_and_the_mean() -> None:
    draws = np.arange(-100.0, 901.0).reshape(1, 1, -1)
    spread = compute_spread(np.array([[400.0]]), draws)
    assert (spread.low[0, 0], spread.high[0, 0]) == (-50.0, 850.0)
    assert spread.same_sign[0, 0] == pytest.approx(900 / 1001)
    assert not spread.stable[0, 0]
    assert compute_spread(np.array([[2000.0]]), draws).high[0, 0] == 2000.0
