"""The attacks succeed on what earlier versions stored, and fail on what is stored now."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from poi_predict.audit import run_attacks
from poi_predict.cohort import ReadingSettings, read_codebook
from poi_predict.errors import OutputError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.files import make_private_folder, staged_file
from poi_predict.modeling import build_pipeline, fit_model, predict_response
from poi_predict.modeling.blurring import blur_coefficients
from poi_predict.scoring import Bundle, build_contract, read_bundle, write_bundle
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.contract import Provenance
from poi_predict.scoring.drift import summarise_training
from poi_predict.scoring.stripping import describe_exposure, strip_bundle, strip_model
from poi_predict.scoring.writing import write_whole_table
from poi_predict.validation import make_bootstrap

PREDICTORS = ("age", "fsh", "amenorrhea_months", "follicles_visible")
N, REFITS, SEED = 60, 75, 11


def make_women() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(2)
    women = pd.DataFrame(
        {
            "age": rng.normal(33, 4, N).round(1),
            "fsh": np.exp(rng.normal(4.3, 0.4, N)).round(1),
            "amenorrhea_months": np.exp(rng.normal(3.0, 0.8, N)).round(),
            "follicles_visible": np.r_[1.0, np.zeros(N - 1)],
        }
    )
    return women, (rng.random(N) < 0.4).astype(np.int64)


def make_bundle(least: int, n_refits: int = 0) -> Bundle:
    """Make a bundle as versions before (least 0, with refits and exact sums) or as this one (least 5) stored it."""
    X, y = make_women()
    codebook = read_codebook()
    pipeline = build_pipeline("logistic", build_features(codebook, FeatureSettings(PREDICTORS)), monotone={},
                              random_state=0)  # fmt: skip
    names = [name for name in pipeline.get_params() if name.rpartition("__")[2] == "least"]
    pipeline.set_params(**dict.fromkeys(names, least))
    fitted = blur_coefficients(fit_model(pipeline, X, y), X, y)
    seed = int(np.random.SeedSequence(SEED).spawn(4)[1].generate_state(1)[0])
    rows = make_bootstrap(y, None, n_resamples=n_refits, seed=seed).rows if n_refits else ()
    drawn = (np.unique(each, return_counts=True) for each in rows)
    refits = tuple(fit_model(clone(pipeline), X.iloc[who], y[who], counts) for who, counts in drawn)
    contract = build_contract("menses_12m", {}, PREDICTORS, codebook, ReadingSettings(), {}, synthetic=True)
    sums = summarise_women(fitted, X) if least else sum_exactly(fitted, X)
    women = summarise_training(fitted, X, codebook, PREDICTORS) if least else {}
    contract = replace(contract, development=sums, women=women, privacy={"least": least} if least else {})
    provenance = Provenance("2026-01-02", "3.11.7", {}, None, "5e" * 32, "da" * 32, N, 5, SEED)
    subgroups = [{"variable": "age", "n": 3, "events": 1}] if not least else []
    return Bundle(fitted, contract, {"n": N, "subgroups": subgroups}, provenance, "# Card\n", refits)


def sum_exactly(pipeline: object, X: pd.DataFrame) -> dict[str, object]:
    derived = pipeline.named_steps["features"].transform(X)  # type: ignore[attr-defined]
    table = pd.concat([pd.Series(np.linspace(-1, 1, N), name="linear_predictor"), derived], axis=1)
    covariance = [[float(f"{value:.6g}") for value in row] for row in table.cov().to_numpy()]
    mean = [float(f"{value:.6g}") for value in table.mean()]
    return {"n_women": N, "columns": list(table), "mean": mean, "covariance": covariance, "known": [1.0] * len(mean)}


def attack(bundle: Bundle) -> dict[str, str]:
    X, y = make_women()
    return {each.name: each.verdict for each in run_attacks(bundle, X, y, np.arange(N)).attacks}


@pytest.fixture(scope="module")
def old() -> Bundle:
    return make_bundle(0, REFITS)


def test_a_bundle_of_an_earlier_version_gives_its_women_away(old: Bundle) -> None:
    found = attack(old)
    for name in (
        "Reconstruction from refits and seed",
        "Read-off of women alone in a level",
        "Counts of fewer than five",
        "Difference of two bundles: sums",
    ):
        assert found[name] == "BROKEN", name


def test_a_bundle_of_this_version_holds() -> None:
    assert "BROKEN" not in attack(make_bundle(5)).values()


def test_a_stripped_bundle_holds_and_predicts_as_before(old: Bundle, tmp_path: Path) -> None:
    clean = strip_bundle(old)
    found = attack(clean)
    assert "BROKEN" not in {verdict for name, verdict in found.items() if name != "Membership by likelihood"}
    X, _ = make_women()
    np.testing.assert_allclose(clean.pipeline.predict_proba(X), old.pipeline.predict_proba(X), atol=1e-9)
    assert describe_exposure(clean.contract, has_refits=bool(clean.refits)) is None
    assert "refits" in str(describe_exposure(old.contract, has_refits=True))
    write_bundle(old, tmp_path / "old")
    assert "no interval any more" in clean.card
    strip_model(tmp_path / "old", tmp_path / "new")
    assert not read_bundle(tmp_path / "new").refits
    with pytest.raises(OutputError, match="not replaced unasked"):
        strip_model(tmp_path / "old", tmp_path / "new")


def test_coefficients_are_blurred_by_the_share_of_a_standard_error_that_is_said_and_keep_the_rate() -> None:
    X, _ = make_women()
    pipeline, share = make_bundle(5).pipeline, 5 / (2 * np.sqrt(N))
    rng, moves = np.random.default_rng(7), []
    for _ in range(60):
        y = (rng.random(N) < 0.4).astype(np.int64)
        exact = fit_model(clone(pipeline), X, y)
        if not exact[-1].has_posterior:  # separated
            continue
        blurred = blur_coefficients(exact, X, y)
        sd = np.sqrt(np.diag(exact[-1].covariance_))
        moves.append((blurred[-1].posterior_mean_ - exact[-1].posterior_mean_)[sd > 0] / sd[sd > 0] / share)
        assert abs(predict_response(blurred, X).mean() - predict_response(exact, X).mean()) < 1e-6
        np.testing.assert_allclose(blurred[-1].covariance_, exact[-1].covariance_ * (1 + share**2), rtol=1e-9)
    drawn = np.concatenate(moves)  # standard normal: some 300 of them lie within four, their SD within 0.15 of one
    assert drawn.size > 200
    assert 0.85 < drawn.std() < 1.15
    assert abs(drawn).max() < 4.0


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_files_with_rows_of_patients_are_their_owners_alone(tmp_path: Path) -> None:
    umask = os.umask(0o000)
    try:
        out = tmp_path / "scores.parquet"
        out.write_text("older, for all to read")
        write_whole_table(pd.DataFrame({"patient_id": ["0042"], "p_response": [0.3]}), out)
        make_private_folder(tmp_path / ".work")
        with staged_file(tmp_path / "page.html", private=True) as partial:
            assert stat.S_IMODE(partial.stat().st_mode) == 0o600
            partial.write_text("her page")
    finally:
        os.umask(umask)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("scores.parquet", "page.html")} == {0o600}
    assert stat.S_IMODE((tmp_path / ".work").stat().st_mode) == 0o700
    assert b"one row a patient" in pq.read_schema(out).metadata[b"poi_predict"]
