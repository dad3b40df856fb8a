"""One pass gives what the single questions give, for every model of the catalogue, gaps and odd levels and all."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from poi_predict.cohort import read_codebook
from poi_predict.evidence import EvidenceSettings
from poi_predict.explain import explain_predictions
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    CATALOG,
    FittedModel,
    build_pipeline,
    fit_model,
    limit_threads,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.modeling.imputed import MultiplyImputed
from poi_predict.modeling.ridge import RidgeLogistic
from poi_predict.scoring import reckoning
from poi_predict.scoring.bundle import Bundle
from poi_predict.scoring.contract import Contract, Provenance
from poi_predict.scoring.reckoning import prefers_processes, reckon

PREDICTORS = ("age", "fsh", "amh", "afc", "aetiology", "cell_source", "adjuvant", "dose_cells")
N_WOMEN = 110


def make_women(seed: int, n: int = N_WOMEN) -> pd.DataFrame:
    """Women with gaps, AMH below its limit, a printed zero, and a cause that some resamples have never seen."""
    rng = np.random.default_rng(seed)
    causes = rng.choice(["idiopathic", "surgical", "autoimmune"], n, p=[0.6, 0.3, 0.1])
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 41, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "amh": rng.lognormal(-2, 0.6, n),
            "amh__below": rng.random(n) < 0.5,
            "afc": rng.poisson(2, n).astype(float),
            "aetiology": pd.Series(causes, dtype="str"),
            "cell_source": pd.Series(rng.choice(["adipose", "bone_marrow"], n), dtype="str"),
            "adjuvant": pd.Series(rng.choice(["none", "prp", "hrt+prp"], n), dtype="str"),
            "dose_cells": rng.lognormal(16, 1, n),
        }
    )
    X.loc[:1, "amh"] = 0.0
    X.loc[2:4, "aetiology"] = "fmr1"
    for name in ("fsh", "afc", "aetiology", "dose_cells", "cell_source"):
        X.loc[rng.random(n) < 0.12, name] = np.nan
    return X


def make_scored(seed: int = 9) -> pd.DataFrame:
    """Women to be scored: levels never seen, values beyond the range of training, and one of whom nothing is known."""
    X = make_women(seed, 60)
    X.loc[5:9, "cell_source"] = "none"
    X.loc[8:12, "adjuvant"] = "iva+prp"
    X.loc[12:14, ["fsh", "dose_cells"]] = [900.0, 1.0]
    X.loc[13, "afc"] = np.nan
    X.loc[0, [name for name in X if name != "amh__below"]] = np.nan
    return X


def fit_candidate(name: str, seed: int) -> Pipeline:
    X = make_women(0)
    y = (np.random.default_rng(1).random(N_WOMEN) < 0.3 + 0.3 * (X["age"] < 30)).astype(int).to_numpy()
    drawn = np.arange(N_WOMEN) if seed == 0 else np.random.default_rng(seed).integers(0, N_WOMEN, N_WOMEN)
    settings = FeatureSettings(predictors=PREDICTORS, rare_level_below=1 if seed == 0 else 2)
    if name == "evidence":
        evidence = EvidenceSettings("menses")
        pipeline = build_evidence_pipeline(read_codebook(), settings, evidence, with_centre=False, random_state=0)
    else:
        features = build_features(read_codebook(), settings)
        pipeline = build_pipeline(name, features, monotone={"fsh": -1}, random_state=0)
    if name == "random_forest":
        pipeline.set_params(model__n_estimators=15)
    return fit_model(pipeline, X.iloc[drawn].reset_index(drop=True), y[drawn])


def make_bundle(pipeline: Pipeline, refits: tuple[Pipeline, ...] = ()) -> Bundle:
    contract = Contract("menses_12m", PREDICTORS, tuple(make_women(0)))
    provenance = Provenance("2026-11-22", "3.11.7", {}, None, "5e" * 32, "da" * 32, N_WOMEN, 9, 7)
    return Bundle(pipeline, contract, {}, provenance, "", refits)


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    found = {}
    for name in CATALOG:
        found[name] = make_bundle(fit_candidate(name, 0))
    return found


def ask_one_by_one(bundle: Bundle, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability and interval by the pipelines themselves, and attributions."""
    p = predict_response(bundle.pipeline, X)
    interval = FittedModel("any", bundle.pipeline, tuple(bundle.refits)).predict_interval(X)
    return p, interval, explain_predictions(bundle.pipeline, X).attributions


def check_against_single_questions(bundle: Bundle, X: pd.DataFrame) -> None:
    p, interval, attributions = ask_one_by_one(bundle, X)
    found = reckon(bundle, X, reasons=True)
    np.testing.assert_allclose(found.p_response, p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.column_stack([found.ci_low, found.ci_high]), interval, rtol=0, atol=1e-12)
    assert found.attributions is not None
    np.testing.assert_allclose(found.attributions, attributions, rtol=0, atol=1e-10)
    assert found.variables == explain_predictions(bundle.pipeline, X).variables


@pytest.mark.parametrize("name", CATALOG)
def test_one_pass_gives_what_the_single_questions_give(name: str, bundles: dict[str, Bundle]) -> None:
    check_against_single_questions(bundles[name], make_scored())


@pytest.mark.parametrize("name", ["evidence", "ridge", "gradient_boosting"])
def test_a_recalibrated_model_is_reckoned_as_it_answers(name: str, bundles: dict[str, Bundle]) -> None:
    moved = recalibrate_pipeline(bundles[name].pipeline, 0.3, 0.8, [[0.04, 0.01], [0.01, 0.09]])
    check_against_single_questions(make_bundle(moved), make_scored())


@pytest.mark.parametrize("name", ["evidence", "firth", "random_forest"])
def test_a_row_has_its_numbers_whatever_rows_are_beside_it(name: str, bundles: dict[str, Bundle]) -> None:
    X = make_scored()
    whole, part = reckon(bundles[name], X, reasons=True), reckon(bundles[name], X[20:23], reasons=True)
    np.testing.assert_allclose(part.ci_low, whole.ci_low[20:23], rtol=0, atol=1e-14)
    np.testing.assert_allclose(part.attributions, whole.attributions[20:23], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["evidence", "ridge", "prespecified", "gradient_boosting"])
def test_neither_threads_nor_the_order_of_blocks_changes_a_byte(name: str, bundles: dict[str, Bundle]) -> None:
    blocks = [make_scored(seed).assign(amh__below=seed % 2 == 0) for seed in range(20, 26)]
    blocks[4].loc[:30, "adjuvant"] = "collagen_scaffold+hrt"  # met first in one order, last in the other
    blocks[0].loc[:30, "adjuvant"] = "g_csf+growth_hormone"
    fresh = [make_bundle(bundles[name].pipeline) for _ in range(2)]  # nothing made ready yet
    with limit_threads(), ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda X: reckon(fresh[0], X, reasons=True), blocks))
    alone = [reckon(fresh[1], X, reasons=True) for X in reversed(blocks)][::-1]
    for one, other in zip(together, alone, strict=True):
        for field in ("p_response", "ci_low", "ci_high", "attributions"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_derived_columns_come_along_with_their_gaps(bundles: dict[str, Bundle]) -> None:
    X = make_scored()
    for name in ("evidence", "ridge", "gradient_boosting"):
        derived = reckon(bundles[name], X, reasons=False).derived
        pd.testing.assert_frame_equal(derived, bundles[name].pipeline["features"].transform(X))
        assert derived["fsh__log"].isna().equals(X["fsh"].isna())


def test_no_reasons_are_worked_out_unless_asked_for(bundles: dict[str, Bundle]) -> None:
    for name in ("evidence", "ridge", "prevalence"):
        found = reckon(bundles[name], make_scored(), reasons=False)
        assert found.attributions is None
        assert found.variables == ()
        assert found.leading(3)[0].shape == (60, 0)


def test_no_rows_give_no_numbers(bundles: dict[str, Bundle]) -> None:
    found = reckon(bundles["ridge"], make_scored()[:0], reasons=True)
    assert found.p_response.shape == found.ci_low.shape == found.ci_high.shape == (0,)
    assert found.leading(3)[0].shape == (0, 0)


@pytest.mark.parametrize("name", ["elastic_net", "random_forest", "gradient_boosting"])
def test_a_model_that_does_not_say_how_sure_it_is_has_no_interval(name: str, bundles: dict[str, Bundle]) -> None:
    found = reckon(bundles[name], make_scored(), reasons=False)
    assert np.isnan(found.ci_low).all()
    assert np.isnan(found.ci_high).all()
    assert np.isfinite(found.p_response).all()


@pytest.mark.parametrize("name", ["prevalence", "ridge", "firth", "prespecified", "evidence"])
def test_a_model_that_says_how_sure_it_is_has_one(name: str, bundles: dict[str, Bundle]) -> None:
    found = reckon(bundles[name], make_scored(), reasons=False)
    assert ((found.ci_low <= found.p_response) & (found.p_response <= found.ci_high)).all()
    assert (found.ci_low < found.ci_high).all()


def test_what_is_missing_of_a_woman_widens_her_interval(bundles: dict[str, Bundle]) -> None:
    known = make_women(31, 40).dropna().head(3)
    both = [reckon(bundles["ridge"], X, reasons=False) for X in (known, known.assign(fsh=np.nan, afc=np.nan))]
    variance = [((logit(found.ci_high) - logit(found.ci_low)) / 3.92) ** 2 for found in both]
    assert (variance[1] > variance[0]).all()


def test_a_bundle_of_an_earlier_version_has_the_interval_of_its_refits(bundles: dict[str, Bundle]) -> None:
    old = fit_candidate("ridge", 0)
    for name in ("posterior_mean_", "covariance_", "attenuation_"):
        delattr(old[-1], name)
    refits = tuple(fit_candidate("ridge", 1 + seed) for seed in range(4))
    found, X = reckon(make_bundle(old, refits), make_scored(), reasons=False), make_scored()
    each = np.array([predict_response(refit, X) for refit in refits])
    low = np.minimum(np.quantile(each, 0.025, axis=0), found.p_response)
    np.testing.assert_allclose(found.ci_low, low, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.p_response, reckon(bundles["ridge"], X, reasons=False).p_response, atol=1e-12)
    assert np.isnan(reckon(make_bundle(old), X, reasons=False).ci_low).all()


def test_models_of_another_make_are_asked_one_by_one() -> None:
    X = make_women(0)[["age", "amh"]].assign(amh=lambda frame: frame["amh"] + 0.1)
    plain = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).set_output(transform="pandas")
    check_against_single_questions(make_bundle(plain.fit(X, np.arange(N_WOMEN) % 2)), X)
    features = build_features(read_codebook(), FeatureSettings(predictors=("age", "amh")))
    several = Pipeline([("features", features), ("model", MultiplyImputed(RidgeLogistic(), n_imputations=2))])
    several.set_output(transform="pandas")
    check_against_single_questions(make_bundle(fit_model(several, X, np.arange(N_WOMEN) % 2)), X)


def test_trees_ask_for_processes_and_closed_forms_for_threads(bundles: dict[str, Bundle]) -> None:
    asking = {name for name, bundle in bundles.items() if prefers_processes(bundle)}
    assert asking == {"random_forest", "gradient_boosting"}


def test_what_was_made_ready_for_a_bundle_goes_with_it(bundles: dict[str, Bundle]) -> None:
    bundle = make_bundle(bundles["ridge"].pipeline)
    before = len(reckoning._READY)
    reckon(bundle, make_scored(), reasons=False)
    assert len(reckoning._READY) == before + 1
    del bundle
    gc.collect()
    assert len(reckoning._READY) == before


def test_the_strongest_reasons_are_those_a_stable_sort_gives(bundles: dict[str, Bundle]) -> None:
    found = reckon(bundles["elastic_net"], make_scored(), reasons=True)
    order, strength = found.leading(5)
    expected = np.argsort(-np.abs(found.attributions), axis=1, kind="stable")[:, :5]
    assert (found.attributions == 0).sum(axis=1).max() > 1  # equals, which the order of the variables decides
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(strength, np.take_along_axis(found.attributions, expected, axis=1))
