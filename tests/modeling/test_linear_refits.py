"""Refits multiplied out give what their pipelines give, whatever is missing, rare, censored or beyond the range."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from poi_predict.cohort.codebook import read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import (
    FittedModel,
    build_pipeline,
    compile_refits,
    fit_model,
    linear_refits,
    predict_refit_interval,
    predict_response,
    recalibrate_pipeline,
)
from poi_predict.modeling.prespecified import build_prespecified

PREDICTORS = ("age", "fsh", "amh", "afc", "amenorrhea_months", "aetiology", "cell_source", "adjuvant", "dose_cells")
N_WOMEN = 120
COVERAGE = 0.5  # with a few refits the percentiles lie among them, not at their ends


def make_women(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(22, 40, n),
            "fsh": rng.lognormal(4.0, 0.4, n),
            "amh": np.where(rng.random(n) < 0.6, 0.02, rng.lognormal(-2, 0.5, n)),
            "afc": rng.poisson(1.0, n).astype(float),
            "amenorrhea_months": rng.gamma(2, 20, n),
            "aetiology": pd.Series(rng.choice(["idiopathic", "surgical", "fmr1"], n, p=[0.6, 0.3, 0.1]), dtype="str"),
            "cell_source": pd.Series(rng.choice(["adipose", "bone_marrow"], n), dtype="str"),
            "adjuvant": pd.Series(rng.choice(["none", "prp", "hrt+prp"], n), dtype="str"),
        }
    )
    X["dose_cells"] = np.exp(12 + np.log1p(X["amenorrhea_months"]) + rng.normal(0, 0.2, n))
    X["amh__below"] = X["amh"] == 0.02
    for name in ("fsh", "afc", "aetiology", "dose_cells"):
        X.loc[rng.random(n) < 0.15, name] = np.nan
    return X


def make_odd_women() -> pd.DataFrame:
    """Women who bring what training never saw."""
    X = make_women(90, 77)
    X.loc[:4, "cell_source"] = "none"
    X.loc[3:9, "adjuvant"] = "prp+iva"
    X.loc[8:12, ["amh", "fsh"]] = 0.0
    X.loc[12:20, "amenorrhea_months"] = 5000.0  # the dose filled in beside it runs out of the range seen in training
    X.loc[12:17, ["amh", "dose_cells"]] = np.nan
    X.loc[21, [name for name in X if name != "amh__below"]] = np.nan
    return X


def fit_refits(name: str, n: int = 7) -> list[Pipeline]:
    """Refits, of which the second saw no woman with FMR1, the third no zero of AMH, the fourth no AFC at all."""
    settings = FeatureSettings(PREDICTORS, rare_level_below=2, early_amenorrhea_months=(12.0,))
    if name == "prespecified":
        pipeline = build_prespecified(read_codebook(), settings, ("aetiology", "amh", "adjuvant"))
    else:
        pipeline = build_pipeline(name, build_features(read_codebook(), settings), monotone={}, random_state=0)
    refits = []
    for seed in range(n):
        X = make_women(N_WOMEN, 10 + seed)
        chance = 1 / (1 + np.exp(0.03 * (X["fsh"].fillna(60) - 50)))
        y = (np.random.default_rng(seed).random(N_WOMEN) < chance).astype(int)
        X.loc[:1, "amh"] = 0.0 if seed != 2 else 0.1
        if seed == 1:
            X.loc[X["aetiology"] == "fmr1", "aetiology"] = "surgical"
        if seed == 3:
            X["afc"] = np.nan
        refits.append(fit_model(pipeline, X, y.to_numpy()))
    return refits


def ask_the_pipelines(refits: list[Pipeline], X: pd.DataFrame) -> np.ndarray:
    each = np.array([predict_response(refit, X) for refit in refits])
    return np.quantile(each, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0).T


@pytest.mark.parametrize("name", ["logistic", "firth", "ridge", "elastic_net", "prespecified"])
def test_refits_multiplied_out_give_what_their_pipelines_give(name: str) -> None:
    refits = fit_refits(name)
    X = make_odd_women()
    compiled = compile_refits(refits)
    assert compiled is not None
    np.testing.assert_allclose(compiled.predict_interval(X, COVERAGE), ask_the_pipelines(refits, X), rtol=0, atol=1e-11)
    again = X.assign(adjuvant="hrt+g_csf")  # a combination met after patterns were kept
    np.testing.assert_allclose(
        compiled.predict_interval(again, COVERAGE), ask_the_pipelines(refits, again), rtol=0, atol=1e-11
    )


def test_the_cases_that_make_refits_differ_do_occur() -> None:
    refits = fit_refits("firth")
    knows = ["aetiology__fmr1" in refit["features"].get_feature_names_out() for refit in refits]
    assert knows == [place != 1 for place in range(len(refits))]
    derived = [refit["features"].transform(make_odd_women()) for refit in refits]
    assert derived[1]["aetiology__surgical"].isna().sum() > derived[0]["aetiology__surgical"].isna().sum()
    assert refits[3]["features"].empty_.sum() == 1
    filled = refits[0]["impute"].transform(derived[0])
    gaps = derived[0]["dose_cells__log10"].isna()
    at = list(derived[0]).index("dose_cells__log10")
    edges = refits[0]["impute"].low_[at], refits[0]["impute"].high_[at]
    assert np.isin(filled.iloc[:, at][gaps], edges).any()


def test_recalibrated_refits_are_multiplied_out_as_well() -> None:
    refits = [recalibrate_pipeline(refit, -0.4, 1.3) for refit in fit_refits("ridge", 5)]
    compiled = compile_refits(refits)
    assert compiled is not None
    X = make_odd_women()
    np.testing.assert_allclose(compiled.predict_interval(X, COVERAGE), ask_the_pipelines(refits, X), rtol=0, atol=1e-11)


def test_a_cache_that_is_full_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    refits, X = fit_refits("firth", 3), make_odd_women()
    plenty, none = compile_refits(refits), compile_refits(refits)
    assert plenty is not None
    assert none is not None
    expected = plenty.predict_interval(X)
    monkeypatch.setattr(linear_refits, "MOST_BYTES", 1)
    np.testing.assert_array_equal(none.predict_interval(X), expected)
    assert len(none._kept) <= 1 < len(plenty._kept)


def test_a_fitted_model_widens_the_interval_to_hold_its_own_prediction() -> None:
    first, *refits = fit_refits("ridge", 4)
    X = make_odd_women()
    interval = FittedModel("ridge", first, tuple(refits)).predict_interval(X, COVERAGE)
    p = predict_response(first, X)
    narrow = ask_the_pipelines(refits, X)
    assert (narrow[:, 0] > p).any()
    np.testing.assert_allclose(interval[:, 0], np.minimum(narrow[:, 0], p), rtol=0, atol=1e-11)
    np.testing.assert_allclose(interval[:, 1], np.maximum(narrow[:, 1], p), rtol=0, atol=1e-11)


def test_trees_are_not_multiplied_out_but_asked() -> None:
    refits = fit_refits("gradient_boosting", 2)
    assert compile_refits(refits) is None
    assert compile_refits([]) is None
    X = make_odd_women()
    found = predict_refit_interval(refits, None, X, COVERAGE)
    np.testing.assert_allclose(found, ask_the_pipelines(refits, X), rtol=0, atol=1e-15)


def test_the_prevalence_looks_at_no_woman() -> None:
    refits = fit_refits("prevalence", 4)
    X = make_odd_women()
    np.testing.assert_allclose(
        predict_refit_interval(refits, None, X, COVERAGE), ask_the_pipelines(refits, X), rtol=0, atol=1e-15
    )
