from __future__ import annotations

import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from scipy.stats import spearmanr

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.endpoint import EndpointSettings, build_endpoint
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.population import build_analysis_set
from poi_predict.cohort.reading import read_cohort
from poi_predict.cohort.synthetic import (
    SyntheticCohort,
    SyntheticSettings,
    make_synthetic_cohort,
    write_synthetic_cohort,
)
from poi_predict.cohort.synthetic_response import ResponseRates, draw_follow_up, draw_response
from poi_predict.cohort.synthetic_women import draw_women
from poi_predict.errors import OutputError, StudyError
from poi_predict.evidence import read_baseline_distributions

N = 20_000
MENSES = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)
PREGNANCY = EndpointSettings("clinical_pregnancy", "months_to_pregnancy", "follow_up_months", 12)


@pytest.fixture(scope="module")
def women():
    return draw_women(N, 6, np.random.default_rng(11))


@pytest.fixture(scope="module")
def response(women):
    return draw_response(women, ResponseRates(0.33, 0.05, 0.15, 0.15), np.random.default_rng(12))


@pytest.fixture(scope="module")
def seen(women, response):
    return draw_follow_up(women, response, (3.0, 24.0), np.random.default_rng(13))


@pytest.fixture(scope="module")
def cohort() -> SyntheticCohort:
    return make_synthetic_cohort(SyntheticSettings(n=240), np.random.default_rng(7))


def expected_c(probability: np.ndarray) -> float:
    """The c-statistic that the true probabilities themselves reach, over all pairs."""
    ranked = np.sort(probability)
    below = np.cumsum(1 - ranked) - (1 - ranked)
    pairs = ranked.sum() * (1 - ranked).sum() - (ranked * (1 - ranked)).sum()
    return float((ranked * below).sum() / pairs)


def test_fsh_is_truncated_at_the_diagnosis_and_spread_as_published(women):
    fsh = women["fsh"]
    assert fsh.min() >= 25
    assert 55 <= fsh.mean() <= 84
    assert 33 <= fsh.std() <= 38
    above_40 = read_baseline_distributions().loc["BD17", "value"] / 100
    assert (fsh > 40).mean() == pytest.approx(above_40, abs=0.06)


@pytest.mark.parametrize(("aetiology", "row"), [("idiopathic", "BD40"), ("autoimmune", "BD41")])
def test_amh_is_detectable_as_rarely_as_published(women, aetiology, row):
    amh = women.loc[women["aetiology"] == aetiology, "amh"]
    found = read_baseline_distributions().loc[row]
    assert amh.notna().mean() == pytest.approx(found["events"] / found["n"], abs=0.05)


def test_causes_and_amenorrhea_are_mixed_as_published(women):
    shares = women["aetiology"].value_counts(normalize=True)
    assert shares["idiopathic"] >= 0.5
    assert set(shares.index) == set(read_codebook()["aetiology"].levels)
    assert (women["amenorrhea_type"] == "secondary").mean() == pytest.approx(0.86, abs=0.01)
    assert 0.28 <= women["follicles_visible"].mean() <= 0.73
    assert women["age"].between(18, 40).all()
    assert ((women["afc"] > 0) == (women["follicles_visible"] == 1)).all()
    assert (women["karyotype"] == "46xx").equals(women["aetiology"] != "chromosomal")


def test_amenorrhea_began_after_menarche(women):
    secondary = women[women["amenorrhea_type"] == "secondary"]
    assert (secondary["amenorrhea_months"] >= 4).all()
    assert (secondary["amenorrhea_months"] <= 12 * (secondary["age"] - 12) + 1e-9).all()
    assert women.loc[women["amenorrhea_type"] == "primary", "amenorrhea_months"].isna().all()


@pytest.mark.parametrize(
    ("one", "other", "published"), [("age", "fsh", 0.38), ("age", "afc", -0.55), ("fsh", "afc", -0.41)]
)
def test_borrowed_correlations_are_halved(women, one, other, published):
    assert spearmanr(women[one], women[other]).statistic == pytest.approx(published / 2, abs=0.06)


def test_amh_goes_with_duration_only_in_autoimmune_disease(women):
    found = women.fillna({"amh": 0}).dropna(subset="amenorrhea_months")
    rho = {
        cause: spearmanr(rows["amh"], rows["amenorrhea_months"]).statistic for cause, rows in found.groupby("aetiology")
    }
    assert rho["autoimmune"] < -0.3
    assert abs(rho["idiopathic"]) < 0.1


def test_rates_are_right_on_average(response, seen):
    assert response.p_menses.mean() == pytest.approx(0.33, abs=1e-6)
    assert response.p_pregnancy.mean() == pytest.approx(0.05, abs=1e-6)
    assert (response.months_to_menses <= 12).mean() == pytest.approx(0.33, abs=0.012)
    assert (response.months_to_pregnancy <= 12).mean() == pytest.approx(0.05, abs=0.006)
    for settings, rate in ((MENSES, 0.33), (PREGNANCY, 0.05)):
        endpoint = build_endpoint(seen, settings)
        known = ~np.isnan(endpoint.y_true)
        assert np.average(endpoint.y_true[known], weights=endpoint.weight[known]) == pytest.approx(rate, abs=0.015)


def test_event_times_are_calibrated_woman_by_woman(response):
    happened = response.months_to_menses <= 12
    for decile in np.array_split(np.argsort(response.p_menses), 10):
        assert happened[decile].mean() == pytest.approx(response.p_menses[decile].mean(), abs=0.04)


def test_the_truth_is_no_better_than_published_models(response):
    assert 0.62 <= expected_c(response.p_menses) <= 0.75
    assert 0.62 <= expected_c(response.p_pregnancy) <= 0.75


def test_directions_are_those_of_the_evidence(women, response):
    p = response.p_menses
    assert spearmanr(women["fsh"], p).statistic < -0.3
    assert spearmanr(women["amenorrhea_months"], p, nan_policy="omit").statistic < -0.2
    for name, better in (("amenorrhea_type", "secondary"), ("follicles_visible", 1.0)):
        assert p[women[name] == better].mean() > p[women[name] != better].mean()
    young = women["age"] < 35
    assert response.p_pregnancy[young].mean() > response.p_pregnancy[~young].mean()
    chromosomal = women["aetiology"] == "chromosomal"
    assert response.p_pregnancy[chromosomal].mean() < response.p_pregnancy[~chromosomal].mean()


def test_no_protocol_is_built_in_as_better(women):
    rates = ResponseRates(0.33, 0.05, 0.15, 0.15)
    contrasts = []
    for seed in range(12):
        log_odds = logit(draw_response(women, rates, np.random.default_rng(seed)).p_menses)
        means = pd.Series(log_odds).groupby(women["route"]).mean()
        contrasts.append(means["intravenous"] - means["intraovarian_transvaginal"])
    assert abs(np.mean(contrasts)) < 0.25
    assert np.max(np.abs(contrasts)) < 1.0


def test_without_unknown_effects_protocols_are_equal(women):
    rates = ResponseRates(0.33, 0.05, 0.0, 0.0)
    log_odds = pd.Series(logit(draw_response(women, rates, np.random.default_rng(0)).p_menses))
    assert np.ptp(log_odds.groupby(women["cell_source"]).mean()) < 0.1


def test_follow_up_censors_and_events_come_within_it(seen):
    assert seen["follow_up_months"].between(3, 24).all()
    assert 0.2 < (seen["follow_up_months"] < 12).mean() < 0.5
    for month in ("months_to_menses", "months_to_pregnancy"):
        known = seen.dropna(subset=[month])
        assert (known[month] <= known["follow_up_months"]).all()
        assert (known[month] > 0).all()
    both = seen.dropna(subset=["months_to_pregnancy"])
    assert (both["months_to_pregnancy"] >= both["months_to_menses"]).all()
    assert (seen["live_birth"].fillna(0) <= seen["clinical_pregnancy"]).all()
    assert (seen["fsh_after_month"] <= seen["follow_up_months"]).all()


def test_every_row_says_synthetic(cohort):
    assert (cohort.table["data_origin"] == "SYNTHETIC").all()
    assert (cohort.truth["data_origin"] == "SYNTHETIC").all()
    assert cohort.truth["patient_id"].tolist() == cohort.table["Patient ID"].tolist()
    assert cohort.table["Patient ID"].is_unique


def test_undetectable_amh_is_written_with_its_limit(cohort):
    amh = cohort.table["AMH (ng/mL)"].dropna()
    below = amh.str.startswith("<")
    assert 0.75 < below.mean() < 0.95
    assert set(amh[below]) == {"<0.01", "<0.02", "<0.10"}
    assert (amh[~below].astype(float) > 0).all()


def test_a_small_cohort_is_the_head_of_a_larger_one():
    small, large = (make_synthetic_cohort(SyntheticSettings(n=n), np.random.default_rng(5)) for n in (12, 300))
    pd.testing.assert_frame_equal(small.table, large.table.head(12))


def test_gaps_can_be_switched_off():
    settings = SyntheticSettings(n=100, missingness=False)
    complete = make_synthetic_cohort(settings, np.random.default_rng(7)).table
    gappy = make_synthetic_cohort(SyntheticSettings(n=100), np.random.default_rng(7)).table
    assert complete["FSH (IU/L)"].notna().all()
    assert complete["Karyotype"].notna().all()
    assert 0.05 < gappy["Karyotype"].isna().mean() < 0.4
    kept = gappy["FSH (IU/L)"].notna()
    assert gappy.loc[kept, "FSH (IU/L)"].equals(complete.loc[kept, "FSH (IU/L)"])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "parquet"])
def test_same_seed_same_bytes_and_no_error_at_the_door(tmp_path, suffix):
    written = []
    for name in ("one", "two"):
        made = make_synthetic_cohort(SyntheticSettings(n=120), np.random.default_rng(7))
        out, truth = tmp_path / f"{name}.{suffix}", tmp_path / f"{name}_truth.{suffix}"
        write_synthetic_cohort(made, out, truth)
        written.append((out.read_bytes(), truth.read_bytes()))
    assert written[0] == written[1]
    assert len(list(tmp_path.iterdir())) == 4

    codebook = read_codebook()
    cohort = read_cohort(tmp_path / f"one.{suffix}", codebook, ReadingSettings(), required=list(codebook))
    assert cohort.findings.errors == ()
    assert cohort.synthetic
    assert cohort.n_patients == 120
    assert not [finding for finding in cohort.findings if "unit" in finding.rule]
    analysis = build_analysis_set(cohort, [], MENSES)
    assert analysis.n_censored > 0
    assert 0 < analysis.y_true.mean() < 1


def test_a_workbook_does_not_hold_the_moment_of_writing(tmp_path, cohort):
    write_synthetic_cohort(cohort, tmp_path / "cohort.xlsx")
    with zipfile.ZipFile(tmp_path / "cohort.xlsx") as workbook:
        assert {entry.date_time for entry in workbook.infolist()} == {(2024, 1, 1, 0, 0, 0)}
        stamps = re.findall(r"\d{4}-\d\d-\d\d", workbook.read("docProps/core.xml").decode())
    assert set(stamps) == {"2024-01-01"}


def test_other_seeds_give_other_women():
    tables = [make_synthetic_cohort(SyntheticSettings(n=20), np.random.default_rng(seed)).table for seed in (1, 2)]
    assert not tables[0].equals(tables[1])


@pytest.mark.parametrize("name", ["cohort.sav", "cohort", "cohort.csv.gz"])
def test_unknown_formats_are_refused_and_leave_nothing(tmp_path, cohort, name):
    with pytest.raises(OutputError, match=r"\.csv, \.tsv, \.xlsx or \.parquet"):
        write_synthetic_cohort(cohort, tmp_path / "good.csv", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path, cohort):
    with pytest.raises(OutputError):
        write_synthetic_cohort(cohort, tmp_path / "nowhere" / "cohort.csv")


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0},
        {"n_centres": 0},
        {"menses_rate": 1.0},
        {"pregnancy_rate": 0.0},
        {"pregnancy_rate": 0.4},
        {"protocol_effect_sd": -0.1},
        {"follow_up_months": (12.0, 3.0)},
    ],
)
def test_settings_check_themselves(changes):
    with pytest.raises(StudyError):
        SyntheticSettings(**({"n": 10} | changes))
