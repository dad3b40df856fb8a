"""Real randomised trials (R package medicaldata, MIT) whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import Codebook, Variable, read_codebook
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import build_pipeline, fit_model
from poi_predict.regimen.compared import RegimenComparison
from poi_predict.regimen.comparison import compare_regimens
from poi_predict.regimen.draws import build_draws
from poi_predict.regimen.options import list_options
from poi_predict.regimen.settings import build_regimen_settings
from poi_predict.regimen.support import summarise_support


def declare(name: str, role: str, kind: str, levels: tuple[str, ...] = ()) -> Variable:
    known_at = "treatment" if role == "protocol" else "baseline"
    return Variable.declared(
        name=name, label=name, kind=kind, role=role, known_at=known_at, levels=dict.fromkeys(levels, ())
    )


def compare(
    table: pd.DataFrame, y: np.ndarray, codebook: Codebook, reference: str, *, favourable: bool, smallest: float
) -> RegimenComparison:
    """Fit a plain logistic regression, and compare the arms for every patient."""
    features = build_features(codebook, FeatureSettings(tuple(table.columns), rare_level_below=1))
    pipeline = fit_model(build_pipeline("logistic", features, monotone={}, random_state=0), table, y)
    settings = build_regimen_settings({"smallest_difference": smallest}, codebook, tuple(table.columns))
    settings = replace(settings, reference=reference)
    draws_of = build_draws(pipeline)
    support = summarise_support(pipeline, table, settings, codebook)
    options = list_options(settings, codebook, support.seen, without_therapy=draws_of.says_no_therapy)
    return compare_regimens(draws_of, table, options, settings, support, favourable=favourable)


def test_indomethacin_prevents_pancreatitis(shared_datasets: Path) -> None:
    raw = pd.read_csv(shared_datasets / "indomethacin_trial.csv")
    table = pd.DataFrame(
        {
            "risk": raw["risk"],
            "sod": raw["sod"].str.endswith("yes").astype(float),
            "rx": raw["rx"].str.split("_").str[1],
        }
    )
    y = (raw["outcome"] == "1_yes").to_numpy(dtype=int)
    codebook = read_codebook().extended(
        [
            declare("risk", "baseline", "continuous"),
            declare("sod", "baseline", "binary"),
            declare("rx", "protocol", "category", ("placebo", "indomethacin")),
        ]
    )
    found = compare(table, y, codebook, "placebo", favourable=False, smallest=0.05)
    average = found.average.set_index("option").loc["indomethacin"]
    # 27 of 295 against 52 of 307: 9.2 % less 16.9 %.
    assert average["difference"] == pytest.approx(-0.077, abs=0.01)
    assert average["difference_high"] < 0
    kinds = pd.Series([verdict.best for verdict in found.verdicts], dtype=object)
    assert set(kinds.dropna()) == {"indomethacin"}
    assert kinds.notna().mean() > 0.5
    assert (found.better_than_reference[:, list(found.average["option"]).index("indomethacin")] > 0.95).all()


def test_streptomycin_is_better(shared_datasets: Path) -> None:
    raw = pd.read_csv(shared_datasets / "streptomycin_trial.csv")
    table = pd.DataFrame({"condition": raw["baseline_condition"].str[0].astype(float), "arm": raw["arm"].str.lower()})
    codebook = read_codebook().extended(
        [
            declare("condition", "baseline", "continuous"),
            declare("arm", "protocol", "category", ("control", "streptomycin")),
        ]
    )
    y = raw["improved"].to_numpy(dtype=int)
    found = compare(table, y, codebook, "control", favourable=True, smallest=0.10)
    average = found.average.set_index("option").loc["streptomycin"]
    # 38 of 55 against 17 of 52: 69 % less 33 %.
    assert average["difference"] == pytest.approx(0.364, abs=0.05)
    assert average["difference_low"] > 0.1
    # Those who do well anyway gain less than ten points; of all others it is said.
    gain = found.difference[:, [option.name for option in found.options].index("streptomycin")]
    said = np.array([verdict.best == "streptomycin" for verdict in found.verdicts])
    np.testing.assert_array_equal(said, gain >= 0.1)
    assert said.mean() > 0.8
