"""A model that knows centres apart: asked with the centre, without it, and with one it has never seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import ReadingSettings, read_codebook
from poi_predict.evidence import EvidenceSettings
from poi_predict.explain import explain_predictions
from poi_predict.features import FeatureSettings
from poi_predict.modeling import fit_model
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.scoring import Bundle, add_centre, build_contract, read_bundle, score_frame, write_bundle
from poi_predict.scoring.case_mix import compare_women, summarise_women
from poi_predict.scoring.contract import Contract, Provenance, compute_training_ranges
from poi_predict.tracking.signature import input_types

PREDICTORS = ("age", "fsh", "cell_source")
NAMES = ("Saint Bartholomew", "Port Harcourt")


def make_women(n: int = 80) -> tuple[pd.DataFrame, np.ndarray]:
    """Women of two centres; in the first nearly all respond, in the second nearly none."""
    rng = np.random.default_rng(8)
    first = np.arange(n) % 2 == 0
    X = pd.DataFrame(
        {
            "age": rng.uniform(24, 39, n),
            "fsh": rng.lognormal(4, 0.4, n),
            "cell_source": rng.choice(["adipose", "bone_marrow"], n),
            "centre": np.where(first, *NAMES),
        }
    )
    return X, (rng.random(n) < np.where(first, 0.85, 0.1)).astype(int)


def make_contract(X: pd.DataFrame) -> Contract:
    codebook, endpoint = read_codebook(), {"event": "menses_resumed"}
    ranges = compute_training_ranges(X, [name for name in PREDICTORS if codebook[name].is_numeric])
    return build_contract("menses_12m", endpoint, PREDICTORS, codebook, ReadingSettings(), ranges, synthetic=False)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    X, y = make_women()
    features, evidence = FeatureSettings(PREDICTORS), EvidenceSettings("menses")
    pipeline = build_evidence_pipeline(read_codebook(), features, evidence, with_centre=True, random_state=0)
    fitted = fit_model(pipeline, X, y)
    provenance = Provenance("2026-01-02", "3.11.7", {}, None, "5e" * 32, "da" * 32, 80, 5, 7)
    return Bundle(fitted, add_centre(make_contract(X), fitted), {"primary": "evidence"}, provenance, "# Card\n")


def test_the_centre_is_asked_for_by_a_model_that_knows_it_and_by_no_other(bundle: Bundle) -> None:
    X, y = make_women()
    assert bundle.contract.input_columns == (*PREDICTORS, "centre")
    assert bundle.contract.predictors == PREDICTORS
    assert input_types(bundle.contract)["centre"] == "string"
    assert list(bundle.contract.training_ranges) == ["age", "fsh"]
    evidence = EvidenceSettings("menses")
    plain = build_evidence_pipeline(
        read_codebook(), FeatureSettings(PREDICTORS), evidence, with_centre=False, random_state=0
    )
    contract = make_contract(X)
    assert add_centre(contract, fit_model(plain, X, y)) == contract


def test_a_known_centre_counts_and_an_unknown_one_is_like_none(bundle: Bundle) -> None:
    X, _ = make_women()
    scores = {name: score_frame(bundle, X.assign(centre=name), reasons=1) for name in (*NAMES, "Reykjavik", None)}
    first, second, new, silent = (scores[name] for name in (*NAMES, "Reykjavik", None))
    assert (first["p_response"] > second["p_response"] + 0.15).all()
    pd.testing.assert_frame_equal(new.drop(columns="flags"), silent.drop(columns="flags"))
    pd.testing.assert_frame_equal(first, score_frame(bundle, X.assign(centre=f"{NAMES[0].upper()} "), reasons=1))
    pd.testing.assert_frame_equal(silent, score_frame(bundle, X.drop(columns="centre"), reasons=1))
    width = [(found["ci_high"] - found["ci_low"]).mean() for found in (first, second, new)]
    assert width[2] > max(width[:2])  # a new centre draws its own level
    assert new["flags"].str.contains("centre_unknown").all()
    assert not pd.concat([first, second, silent])["flags"].str.contains("centre").any()


def test_the_centre_has_its_part_in_an_explanation(bundle: Bundle) -> None:
    X, _ = make_women()
    explanation = explain_predictions(bundle.pipeline, X)
    at = explanation.variables.index("centre")
    first = (X["centre"] == NAMES[0]).to_numpy()
    assert explanation.attributions[first, at].min() > 0 > explanation.attributions[~first, at].max()


def test_no_name_of_a_centre_is_stored(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(replace(bundle, card="# Card\n"), tmp_path / "bundle", as_text=True)
    for file in (tmp_path / "bundle").iterdir():
        content = file.read_text(encoding="utf-8")
        assert not any(word in content for name in NAMES for word in name.split())
    X, _ = make_women()
    again = score_frame(read_bundle(tmp_path / "bundle"), X, reasons=0)
    pd.testing.assert_frame_equal(again, score_frame(bundle, X, reasons=0))


def test_a_centres_code_is_no_part_of_the_case_mix(bundle: Bundle) -> None:
    X, _ = make_women()
    summary = summarise_women(bundle.pipeline, X)
    assert "age__years" in summary["columns"]
    assert not any(str(name).startswith("centre") for name in summary["columns"])
    compared = compare_women(summary, bundle.pipeline, X.drop(columns="centre"))
    assert compared.case_mix is not None
