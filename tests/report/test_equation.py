"""The equation is the model: what a person works out by hand is what the pipeline predicts."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import read_codebook
from poi_predict.errors import ModelError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model, linear_terms, predict_response
from poi_predict.report.derivations import apply_derivation, describe_derivations
from poi_predict.report.equation import build_equation, build_equation_section

CODEBOOK = read_codebook()
PREDICTORS = (
    "age",
    "fsh",
    "amh",
    "afc",
    "amenorrhea_months",
    "aetiology",
    "follicles_visible",
    "previous_births",
    "dose_cells",
    "dose_basis",
    "sides",
    "adjuvant",
)


def make_women(n=140, seed=5):
    rng = np.random.default_rng(seed)
    amh = np.round(rng.lognormal(-2, 1, n), 3)
    below = rng.random(n) < 0.3
    causes = rng.choice(["idiopathic", "surgical", "chromosomal", "fmr1"], n, p=[0.5, 0.27, 0.2, 0.03])
    return pd.DataFrame(
        {
            "age": rng.uniform(24, 42, n).round(1),
            "fsh": np.where(rng.random(n) < 0.03, 0.0, rng.lognormal(4, 0.4, n).round(1)),
            "amh": np.where(below, 0.02, amh),
            "amh__below": below,
            "afc": rng.integers(0, 5, n).astype(float),
            "amenorrhea_months": rng.integers(0, 120, n).astype(float),
            "aetiology": causes,
            "follicles_visible": rng.integers(0, 2, n).astype(float),
            "previous_births": rng.integers(0, 3, n).astype(float),
            "dose_cells": 10 ** rng.uniform(6, 8, n),
            "dose_basis": rng.choice(["total", "per_ovary"], n),
            "sides": rng.choice(["unilateral", "bilateral"], n),
            "adjuvant": rng.choice(["none", "prp", "hrt", "hrt+prp", "iva"], n, p=[0.4, 0.25, 0.2, 0.1, 0.05]),
        }
    )


def make_outcome(women, rng):
    """Strong enough that no penalty leaves every column without weight."""
    log_odds = 1.5 - 0.15 * (women["age"] - 32) - 0.04 * women["amenorrhea_months"] + 1.5 * women["follicles_visible"]
    log_odds = log_odds - 1.2 * (women["aetiology"] == "surgical")
    return (rng.random(len(women)) < 1 / (1 + np.exp(-log_odds))).astype(int)


def fit(name="ridge", *, predictors=PREDICTORS, missing=False):
    women = make_women()
    rng = np.random.default_rng(1)
    if missing:
        women.loc[rng.random(len(women)) < 0.3, "fsh"] = np.nan
    y = make_outcome(women, rng)
    features = build_features(CODEBOOK, FeatureSettings(predictors))
    fitted = fit_model(build_pipeline(name, features, monotone={}, random_state=0), women, y)
    equation = build_equation(
        linear_terms(fitted),
        fitted.named_steps["features"],
        CODEBOOK,
        study="menses_12m",
        endpoint="Menses resumed within 12 months",
        model="Ridge logistic regression",
    )
    return women, fitted, equation


@pytest.mark.parametrize("name", ["ridge", "firth", "elastic_net"])
@pytest.mark.parametrize("missing", [False, True])
def test_equation_reproduces_the_pipeline_for_complete_women(name, missing):
    women, fitted, equation = fit(name, missing=missing)
    complete = women[women.notna().all(axis=1)]
    by_hand = [equation.compute_response(woman) for woman in complete.to_dict("records")]
    np.testing.assert_allclose(by_hand, predict_response(fitted, complete), rtol=0, atol=1e-9)


def test_equation_read_back_from_json_and_computed_without_our_code():
    women, fitted, equation = fit(predictors=("age", "fsh", "amh", "amenorrhea_months", "aetiology"))
    read = json.loads(json.dumps(equation.as_dict()))
    b = {term["column"]: term["coefficient"] for term in read["terms"]}
    woman = women[women["fsh"] > 0].iloc[0]
    placed = woman["amh"] / math.sqrt(2) if woman["amh__below"] else woman["amh"]
    log_odds = (
        read["intercept"]
        + b["age__years"] * woman["age"]
        + b["fsh__log"] * math.log(woman["fsh"])
        + b["amh__log"] * math.log(placed)
        + b["amh__detectable"] * (not woman["amh__below"])
        + b["amenorrhea_months__log"] * math.log(1 + woman["amenorrhea_months"])
        + b["amenorrhea_months__under_12"] * (woman["amenorrhea_months"] < 12)
        + b["amenorrhea_months__under_48"] * (woman["amenorrhea_months"] < 48)
        + sum(b.get(f"aetiology__{level}", 0) * (woman["aetiology"] == level) for level in ("surgical", "chromosomal"))
        + b["aetiology__other"] * (woman["aetiology"] == "fmr1")
    )
    expected = predict_response(fitted, women.loc[[woman.name]])[0]
    assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(expected, abs=1e-9)
    assert read["link"] == "logit"


def test_derivations_equal_the_features_column_by_column():
    women, fitted, _ = fit()
    features = fitted.named_steps["features"]
    derived = features.transform(women)
    known = describe_derivations(features, CODEBOOK)
    assert list(known)
    assert set(known) == set(derived.columns)
    for column, derivation in known.items():
        by_hand = [apply_derivation(derivation.rule, woman) for woman in women.to_dict("records")]
        np.testing.assert_allclose(by_hand, derived[column], atol=1e-12, err_msg=column)


def test_each_term_says_what_it_is():
    _, _, equation = fit()
    said = {term["column"]: term for term in equation.as_dict()["terms"]}
    assert said["fsh__log"]["transformation"].startswith("natural logarithm of FSH in IU/L")
    assert said["fsh__log"]["unit"] == "IU/L"
    assert said["fsh__log"]["origin"] == "fsh"
    assert "compared with idiopathic" in said["aetiology__surgical"]["transformation"]
    assert "none of" in said["aetiology__other"]["transformation"]
    assert "doubled" in said["dose_cells__log10"]["transformation"]
    assert all(term["transformation"] and term["expression"] and term["label"] for term in said.values())


def test_text_is_an_equation_for_a_calculator():
    _, _, equation = fit(predictors=("age", "fsh"))
    text = equation.text()
    assert "log-odds = " in text
    assert "× ln(FSH in IU/L)" in text
    assert "chance = 1 / (1 + exp(−log-odds))" in text
    assert "e-0" not in text
    assert "SYNTHETIC" not in text


def test_synthetic_models_say_so_first():
    _, fitted, _ = fit(predictors=("age",))
    equation = build_equation(
        linear_terms(fitted), fitted.named_steps["features"], CODEBOOK, study="s", endpoint="e", synthetic=True
    )
    assert equation.text().startswith("SYNTHETIC")
    assert equation.as_dict()["synthetic"] is True


def test_a_missing_value_is_refused_without_quoting_any():
    women, _, equation = fit(predictors=("age", "fsh"))
    woman = {**women.iloc[0].to_dict(), "fsh": np.nan}
    with pytest.raises(ModelError, match="fsh is not") as caught:
        equation.compute_response(woman)
    assert str(woman["age"]) not in str(caught.value)


def test_a_level_never_seen_is_refused_where_nothing_was_pooled():
    rule = {"kind": "level", "variable": "aetiology", "level": "surgical", "named": ["surgical"], "pooled": False}
    with pytest.raises(ModelError, match="aetiology is not"):
        apply_derivation(rule, {"aetiology": "fmr1"})


def test_a_variable_without_any_value_is_silent():
    women = make_women().assign(afc=np.nan)
    features = build_features(CODEBOOK, FeatureSettings(("age", "afc"))).fit(women)
    known = describe_derivations(features, CODEBOOK)
    assert apply_derivation(known["afc__sqrt"].rule, {"age": 30.0, "afc": 3.0}) == 0.0


def test_an_unknown_builder_is_refused():
    features = build_features(CODEBOOK, FeatureSettings(("age",))).fit(make_women())

    class Strange:
        pass

    features.builders_ = [("patient", Strange(), ["age"])]
    with pytest.raises(ModelError, match="Strange"):
        describe_derivations(features, CODEBOOK)


def test_the_models_tested_have_something_to_compute():
    women, fitted, equation = fit()
    assert np.ptp(predict_response(fitted, women)) > 0.5
    assert sum(term.is_used for term in equation.terms) >= 10


def test_coefficients_of_zero_are_left_out_of_the_text_and_counted():
    _, _, equation = fit("elastic_net")
    unused = sum(not term.is_used for term in equation.terms)
    if unused:
        assert f"{unused} columns have no weight" in equation.text()
    section = build_equation_section(equation)
    assert len(section.tables[0].frame) == 1 + len(equation.terms) - unused


def test_the_prespecified_model_is_an_equation_too():
    """One column each: a category is the indicator of its commonest level, which no builder offers."""
    build = pytest.importorskip("poi_predict.modeling.prespecified").build_prespecified
    women = make_women()
    rng = np.random.default_rng(2)
    y = make_outcome(women, rng)
    variables = ("amenorrhea_months", "aetiology", "dose_cells")
    fitted = fit_model(build(CODEBOOK, FeatureSettings(PREDICTORS), variables), women, y)
    equation = build_equation(
        linear_terms(fitted), fitted.named_steps["features"], CODEBOOK, study="s", endpoint="Menses resumed"
    )
    assert [term.derivation.column for term in equation.terms][1] == "aetiology__idiopathic"
    assert "compared with all other levels together" in equation.text()
    by_hand = [equation.compute_response(woman) for woman in women.to_dict("records")]
    np.testing.assert_allclose(by_hand, predict_response(fitted, women), rtol=0, atol=1e-9)
