"""Drift: counts that add up over blocks, a comparison that finds shifts and seldom noise, and no woman to be told."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from poi_predict.cohort import ReadingSettings, read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model, predict_response, recalibrate_pipeline
from poi_predict.scoring import Contract, build_contract, conform, read_bundle, read_scoring_cohort
from poi_predict.scoring.applicability import compute_flags
from poi_predict.scoring.case_mix import recalibrate_summary, summarise_women
from poi_predict.scoring.contract import REFERENCE, compute_training_ranges
from poi_predict.scoring.drift import Tally, compare_drift, recalibrate_women, summarise_training, tally_block
from poi_predict.scoring.drift.tally import list_scale
from poi_predict.scoring.packing import add_outcome_terms, add_women
from poi_predict.validation import summarise_case_mix

PREDICTORS = ("age", "fsh", "amh", "follicles_visible", "cell_source", "route", "adjuvant")
SOURCES = ("adipose", "umbilical_cord", "bone_marrow", "menstrual_blood")
CODEBOOK = read_codebook()


def make_women(n: int, seed: int, **changes: Any) -> pd.DataFrame:
    """Women with gaps, hormones below a limit, rare levels and several adjuvants at once."""
    rng = np.random.default_rng(seed)
    amh = rng.lognormal(-2.5, 1.2, n)
    limit = rng.choice([0.02, 0.1], n)
    women = pd.DataFrame(
        {
            "age": rng.normal(32 + changes.get("older", 0.0), 4, n).round(1),
            "fsh": rng.lognormal(4.2 + changes.get("fsh", 0.0), 0.4, n).round(1),
            "amh": np.maximum(amh, limit),
            "amh__below": amh < limit,
            "follicles_visible": rng.choice([0.0, 1.0], n),
            "cell_source": pd.Series(rng.choice(SOURCES, n, p=changes.get("sources", [0.3, 0.5, 0.19, 0.01]))),
            "route": pd.Series(rng.choice(["intravenous", "intraovarian_transvaginal"], n, p=[0.3, 0.7])),
            "adjuvant": pd.Series(
                rng.choice(["none", "hrt", "hrt+prp", "prp", "iva"], n, p=[0.5, 0.2, 0.1, 0.19, 0.01])
            ),
        }
    )
    for name, share in {"fsh": 0.05, "amh": changes.get("no_amh", 0.15), "route": 0.1}.items():
        women.loc[rng.random(n) < share, name] = np.nan
    women.loc[women["amh"].isna(), "amh__below"] = False
    return women.astype(dict.fromkeys(("cell_source", "route", "adjuvant"), "str"))


def summarise(pipeline: Pipeline, women: pd.DataFrame) -> Contract:
    ranges = compute_training_ranges(women, [name for name in PREDICTORS if CODEBOOK[name].is_numeric])
    contract = build_contract("menses_12m", {}, PREDICTORS, CODEBOOK, ReadingSettings(), ranges, synthetic=True)
    contract = add_outcome_terms(contract, CODEBOOK, ReadingSettings(), (), summarise_women(pipeline, women))
    return add_women(contract, summarise_training(pipeline, women, CODEBOOK, PREDICTORS))


def count(pipeline: Pipeline, contract: Contract, women: pd.DataFrame) -> Tally:
    derived = pipeline.named_steps["features"].transform(women)
    flags = compute_flags(women, contract, derived)
    return tally_block(women, derived, predict_response(pipeline, women), flags, contract)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    women = make_women(160, 0)
    y = (np.random.default_rng(1).random(160) < expit(-0.15 * (women["age"] - 32))).astype(int)
    features = build_features(CODEBOOK, FeatureSettings(PREDICTORS))
    return fit_model(build_pipeline("ridge", features, monotone={}, random_state=0), women, y)


@pytest.fixture(scope="module")
def contract(pipeline: Pipeline) -> Contract:
    return summarise(pipeline, make_women(160, 0))


def find(found: dict[str, Any], variable: str, aspect: str, level: str | None = None) -> dict[str, Any]:
    (one,) = [
        each
        for each in found["aspects"]
        if (each["variable"], each["aspect"], each["level"]) == (variable, aspect, level)
    ]
    return dict(one)


# --- counting ---------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 90), max_size=6))
def test_blocks_add_up_to_the_whole(pipeline: Pipeline, contract: Contract, cuts: list[int]) -> None:
    women = make_women(90, 3)
    bounds = [0, *sorted(cuts), 90]
    whole, parts = count(pipeline, contract, women), Tally()
    for start, end in pairwise(bounds):
        block = count(pipeline, contract, women.iloc[start:end].reset_index(drop=True))
        parts = parts.merge(Tally.from_dict(json.loads(json.dumps(block.as_dict()))))
    assert parts.variables == whole.variables
    assert (parts.flags, parts.n_flagged, parts.n_rows) == (whole.flags, whole.n_flagged, 90)
    assert parts.predictions["bins"] == whole.predictions["bins"]
    assert parts.moments is not None
    assert whole.moments is not None
    np.testing.assert_array_equal(parts.moments.known, whole.moments.known)
    np.testing.assert_allclose(parts.moments.products, whole.moments.products, rtol=1e-9, atol=1e-9)
    assert compare_drift(parts, contract) == compare_drift(whole, contract)  # rounded, so not a digit differs


@pytest.mark.parametrize(("n", "least", "kept"), [(19, 5, 0), (20, 5, 20), (39, 10, 0), (40, 10, 40)])
def test_few_women_are_not_summarised(pipeline: Pipeline, n: int, least: int, kept: int) -> None:
    summary = summarise_training(pipeline, make_women(n, 2), CODEBOOK, PREDICTORS, least=least)
    assert summary.get("n_women", 0) == kept


def test_a_tally_comes_back_to_the_last_bit(pipeline: Pipeline, contract: Contract) -> None:
    stored = count(pipeline, contract, make_women(90, 4)).as_dict()
    again = Tally.from_dict(json.loads(json.dumps(stored, allow_nan=False)))
    assert again.as_dict() == stored
    other = count(pipeline, contract, make_women(50, 5)).as_dict()
    merged = Tally.from_dict(stored).merge(Tally.from_dict(other)).as_dict()
    assert Tally.merge_dicts(stored, other) == merged
    assert Tally.merge_dicts({}, stored) == Tally.merge_dicts(stored, {}) == stored


def test_sums_give_the_means_and_covariances_of_the_rows(pipeline: Pipeline, contract: Contract) -> None:
    women = make_women(130, 6)
    moments = count(pipeline, contract, women).moments
    assert moments is not None
    columns, centre, spread = list_scale(contract)
    found = moments.summarise(columns, centre, spread)
    derived = pipeline.named_steps["features"].transform(women)[list(columns[1:])]
    expected = summarise_case_mix(logit(predict_response(pipeline, women)), derived.to_numpy(), columns[1:])
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-8, atol=1e-10)
    assert found.n_women == 130


def test_no_text_of_a_table_is_counted_by_name(pipeline: Pipeline, contract: Contract) -> None:
    women = make_women(40, 7)
    women.loc[3, "cell_source"] = "canary-4711"
    women.loc[4, "adjuvant"] = "hrt+canary-4711"
    tally = count(pipeline, contract, women)
    assert "canary" not in json.dumps(tally.as_dict())
    assert "canary" not in json.dumps(compare_drift(tally, contract))
    assert tally.variables["cell_source"]["levels"]["other_levels"] >= 1


# --- what is kept of the women of training ----------------------------------------------------------------------


def test_no_cell_of_fewer_than_five_women_and_no_value_of_one_is_kept(contract: Contract) -> None:
    women, X = contract.women, make_women(160, 0)
    text = json.dumps(women, allow_nan=False)
    exact = [repr(value) for value in X["fsh"].dropna().tolist() if value != float(f"{value:.2g}")]
    assert len(exact) > 100
    assert not any(f"[{value}," in text or f" {value}," in text or f" {value}]" in text for value in exact)
    for kept in women["variables"].values():
        known = 160 * (1 - kept["missing"])
        shares = [*kept.get("bins", ()), *kept.get("levels", {}).values(), kept["missing"], kept.get("below", 0.0)]
        assert all(share == 0 or round(share * known, 1) >= 2.5 for share in shares)
        assert all(round(share * known) >= 5 for share in kept.get("bins", ()))
    assert "iva" not in women["variables"]["adjuvant"]["levels"]
    assert "menstrual_blood" not in women["variables"]["cell_source"]["levels"]
    assert sum(women["predictions"]["bins"]) == pytest.approx(1.0, abs=1e-3)
    assert Contract.from_dict(json.loads(json.dumps(contract.as_dict()))) == contract


def test_of_fewer_than_twenty_women_nothing_is_kept(pipeline: Pipeline) -> None:
    assert summarise_training(pipeline, make_women(19, 1), CODEBOOK, PREDICTORS) == {}
    twice = pd.concat([make_women(19, 1)] * 2, ignore_index=True)
    assert summarise_training(pipeline, twice, CODEBOOK, PREDICTORS, np.tile(np.arange(19), 2)) == {}


def test_a_bundle_of_before_has_no_women_and_says_so(pipeline: Pipeline, contract: Contract) -> None:
    stored = contract.as_dict()
    del stored["women"]
    older = Contract.from_dict(stored)
    found = compare_drift(count(pipeline, older, make_women(60, 2)), older)
    assert (found["status"], found["n_training"], found["aspects"]) == ("no women of training", None, [])
    assert "no summary" in found["message"]
    reference = replace(older, brands=(REFERENCE,))
    assert "published aggregates" in compare_drift(count(pipeline, reference, make_women(9, 2)), reference)["message"]


def test_the_women_of_a_recalibrated_model_are_those_of_its_own_predictions(
    pipeline: Pipeline, contract: Contract
) -> None:
    moved = recalibrate_pipeline(pipeline, -0.5, 0.7)
    women = make_women(2000, 8)
    after = replace(
        contract,
        development=recalibrate_summary(contract.development, -0.5, 0.7),
        women=recalibrate_women(contract.women, contract.development, -0.5, 0.7),
    )
    p = predict_response(moved, make_women(160, 0))
    assert after.women["predictions"]["mean"] == pytest.approx(p.mean(), abs=0.01)
    assert after.women["predictions"]["sd"] == pytest.approx(p.std(), rel=0.25)
    before, found = (
        compare_drift(count(model, kept, women), kept)["predictions"]
        for model, kept in ((pipeline, contract), (moved, after))
    )
    np.testing.assert_allclose(found["here"], before["here"], atol=2e-3)  # the bounds moved with the predictions
    assert recalibrate_women({}, {}, 0.0, 1.0) == {}
    alone = recalibrate_women(contract.women, {}, -0.5, 0.7)["predictions"]  # no log-odds were kept
    assert alone["mean"] == pytest.approx(p.mean(), abs=0.02)


# --- the comparison ---------------------------------------------------------------------------------------------


def test_a_shift_is_found_where_it_is_and_said_in_the_clinics_units(pipeline: Pipeline, contract: Contract) -> None:
    found = compare_drift(count(pipeline, contract, make_women(400, 9, older=4.0, fsh=0.4, no_amh=0.5)), contract)
    assert found["status"] == "drift shown"
    age, fsh = (find(found, name, "location") for name in ("age", "fsh"))
    assert age["unit"] == "years"
    assert age["here"] - age["training"] == pytest.approx(age["difference"], abs=1e-3)
    assert age["difference"] == pytest.approx(4.0, abs=1.0)
    assert age["sd_units"] == pytest.approx(1.0, abs=0.3)
    assert age["shown"]
    assert fsh["training"] == pytest.approx(np.exp(4.2), rel=0.1)  # the geometric mean, in IU/L
    assert fsh["here"] == pytest.approx(np.exp(4.6), rel=0.1)
    assert fsh["ci_low"] > 0
    missing = find(found, "amh", "missing")
    assert missing["shown"]
    assert missing["difference"] == pytest.approx(0.35, abs=0.1)
    assert not find(found, "route", "missing")["shown"]
    assert found["membership"]["ci_low"] > 0.6
    assert found["predictions"]["difference"] < 0 > found["predictions"]["ci_high"]  # older women, smaller chances
    assert found["predictions"]["psi"] > 3 * found["predictions"]["psi_expected"]
    assert "Age" in found["message"]


@pytest.mark.parametrize("older", [-4.0, 4.0])
def test_both_directions_are_found(pipeline: Pipeline, contract: Contract, older: float) -> None:
    found = find(
        compare_drift(count(pipeline, contract, make_women(300, 10, older=older)), contract), "age", "location"
    )
    assert found["shown"]
    assert np.sign(found["difference"]) == np.sign(older)


def test_another_mix_of_sources_and_a_source_of_its_own_are_found(pipeline: Pipeline, contract: Contract) -> None:
    women = make_women(300, 11, sources=[0.05, 0.5, 0.1, 0.35])
    found = compare_drift(count(pipeline, contract, women), contract)
    assert find(found, "cell_source", "level", "adipose")["ci_high"] < 0
    assert find(found, "cell_source", "level", "other_levels")["ci_low"] > 0.05
    women["cell_source"] = "amniotic_msc"
    flags = compare_drift(count(pipeline, contract, women), contract)["applicability"]
    assert flags["flags"]["protocol_not_seen"] == flags["rows_flagged"] == 300
    assert (flags["share"], flags["ci_high"]) == (1.0, 1.0)


class Remembered:
    """A pipeline whose derived columns and predictions of a pool of women were worked out once."""

    def __init__(self, pipeline: Pipeline, pool: pd.DataFrame) -> None:
        self.derived, self.p = pipeline.named_steps["features"].transform(pool), predict_response(pipeline, pool)
        self.named_steps = {"features": self}

    def transform(self, women: pd.DataFrame) -> pd.DataFrame:
        return self.derived.loc[women.index]

    def predict_proba(self, women: pd.DataFrame) -> np.ndarray:
        return np.column_stack([1 - self.p[women.index], self.p[women.index]])


@pytest.mark.parametrize(("n_rows", "repeats"), [(40, 40), (200, 40), (5000, 20)])
def test_women_like_those_of_training_are_seldom_called_others(pipeline: Pipeline, n_rows: int, repeats: int) -> None:
    """At most 5 % of cohorts of the same women may be called others; the bound allows for chance (p < 0.003)."""
    rng = np.random.default_rng(n_rows)
    pool = make_women(12_000, 15)
    remembered: Any = Remembered(pipeline, pool)
    shown = 0
    for _ in range(repeats):
        women = pool.loc[rng.choice(len(pool), 160 + n_rows, replace=False)]
        trained = summarise(remembered, women.iloc[:160])
        shown += compare_drift(count(remembered, trained, women.iloc[160:]), trained)["status"] == "drift shown"
    assert shown <= {40: 7, 20: 5}[repeats]


def test_few_rows_say_what_they_could_have_shown(pipeline: Pipeline, contract: Contract) -> None:
    few = compare_drift(count(pipeline, contract, make_women(29, 12, older=9.0)), contract)
    assert (few["status"], few["aspects"], few["membership"]) == ("too few rows", [], None)
    assert few["power"]["smallest_shift_sd"] > 0.6
    forty = compare_drift(count(pipeline, contract, make_women(40, 13)), contract)["power"]
    assert forty["smallest_shift_sd"] > 0.5
    assert f"{forty['rows_for_half_sd'] - 40} more could show one of 0.5" in forty["message"]
    assert forty["rows_for_fifth_sd"] is None
    assert compare_drift(Tally(), contract)["status"] == "too few rows"


@pytest.mark.parametrize("n_rows", [30, 40, 90])
def test_one_to_four_women_are_never_told_apart(pipeline: Pipeline, contract: Contract, n_rows: int) -> None:
    tally = count(pipeline, contract, make_women(n_rows, n_rows))
    found = compare_drift(tally, contract)
    for aspect in found["aspects"]:
        if aspect["aspect"] == "location":
            continue
        missing = tally.variables[aspect["variable"]]["missing"]
        known = n_rows if aspect["aspect"] == "missing" else n_rows - missing
        women = aspect["here"] * known
        assert min(women, known - women) == pytest.approx(0, abs=1e-3) or min(women, known - women) > 2.49
        if aspect["aspect"] == "level" and aspect["variable"] == "cell_source":
            assert women == pytest.approx(0, abs=1e-3) or women > 4.99
    for bins in [*found["bins"].values(), found["predictions"]]:
        total = n_rows if bins is found["predictions"] else sum(share or 0 for share in bins["here"]) * n_rows
        assert all(share is None or share == 0 or share * total > 0.9 for share in bins["here"])
        assert bins["here"].count(None) != 1
    json.dumps(found, allow_nan=False)


def test_what_is_known_of_nobody_here_is_no_difference_of_its_mean(pipeline: Pipeline, contract: Contract) -> None:
    women = make_women(120, 14).assign(amh=np.nan, amh__below=False)
    found = compare_drift(count(pipeline, contract, women), contract)
    assert find(found, "amh", "missing")["shown"]
    assert not [each for each in found["aspects"] if (each["variable"], each["aspect"]) == ("amh", "location")]
    assert found["membership"]["ci_low"] == pytest.approx(0.5, abs=0.02)


def test_a_training_writes_the_women_it_was_of_into_its_bundle(trained: Path, demo_cohort: Path) -> None:
    bundle = read_bundle(trained / "bundle")
    women = bundle.contract.women
    assert women["n_women"] == bundle.contract.development["n_women"] > 100
    assert set(women["variables"]) == set(bundle.contract.predictors)
    assert sum(women["influence"].values()) == pytest.approx(1.0, abs=0.06)
    inputs = conform(read_scoring_cohort(bundle, demo_cohort).data, bundle.contract)
    found = compare_drift(count(bundle.pipeline, bundle.contract, inputs), bundle.contract)
    assert found["n_rows"] == len(inputs) >= women["n_women"]
    assert not find(found, "age", "missing")["shown"]
    assert "protocol_not_seen" not in found["applicability"]["flags"]
