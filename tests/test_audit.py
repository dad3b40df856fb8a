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
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from poi_predict.audit import audit_bundle, run_attacks
from poi_predict.cohort import ReadingSettings, read_codebook
from poi_predict.errors import BundleError, OutputError
from poi_predict.features import FeatureSettings, build_features
from poi_predict.files import make_private_folder, staged_file
from poi_predict.modeling import build_pipeline, fit_model, predict_response
from poi_predict.modeling.blurring import blur_coefficients
from poi_predict.modeling.borrowing import Arm, Prior
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.scoring import Bundle, build_contract, read_bundle, write_bundle
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.contract import Provenance
from poi_predict.scoring.drift import summarise_training
from poi_predict.scoring.stripping import describe_exposure, strip_bundle, strip_model
from poi_predict.scoring.writing import write_whole_table
from poi_predict.validation import make_bootstrap
from support import EARLIER

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
    with pytest.raises(BundleError, match="Use it as it is"):
        strip_model(tmp_path / "new", tmp_path / "newer")


@pytest.mark.parametrize("model", ["ridge", "gradient_boosting"])
def test_stored_models_of_earlier_versions_are_audited_and_break(model: str) -> None:
    found = {each.name: each for each in audit_bundle(EARLIER / model, EARLIER / "women.csv").attacks}
    assert found["Counts of fewer than five"].verdict == "BROKEN"
    assert "members are told with c 0." in found["Membership by likelihood"].finding


def test_a_stripped_model_of_an_earlier_version_is_audited_to_the_end(tmp_path: Path) -> None:
    strip_model(EARLIER / "ridge", tmp_path / "clean")
    found = {each.name: each.verdict for each in audit_bundle(tmp_path / "clean", EARLIER / "women.csv").attacks}
    assert found.pop("Membership by likelihood") != "not tried"
    assert "BROKEN" not in found.values()


def test_coefficients_are_blurred_by_the_share_of_a_standard_error_that_is_said_and_keep_the_rate() -> None:
    X, _ = make_women()
    pipeline, share = make_bundle(5).pipeline, 5 / (2 * np.sqrt(N))
    rng, moves, wider = np.random.default_rng(7), [], []
    for _ in range(60):
        y = (rng.random(N) < 0.4).astype(np.int64)
        exact = fit_model(clone(pipeline), X, y)
        if not exact[-1].has_posterior:  # separated
            continue
        blurred = blur_coefficients(exact, X, y)
        sd, after = (np.sqrt(np.diag(each[-1].covariance_)) for each in (exact, blurred))
        moves.append((blurred[-1].posterior_mean_ - exact[-1].posterior_mean_)[sd > 0] / sd[sd > 0] / share)
        wider.append((after[sd > 0] / sd[sd > 0]) ** 2)
        assert abs(predict_response(blurred, X).mean() - predict_response(exact, X).mean()) < 1e-6
    drawn = np.concatenate(moves)  # standard normal: some 300 of them lie within four, their SD within 0.15 of one
    assert drawn.size > 200
    assert 0.85 < drawn.std() < 1.15
    assert abs(drawn).max() < 4.0
    assert np.exp(np.log(np.concatenate(wider)).mean()) == pytest.approx(1 + share**2, rel=0.02)


def test_two_evidence_models_of_cohorts_that_differ_by_one_woman_do_not_point_at_her() -> None:
    """Arms of 400 women, 60 women of the clinic; one at a time is left out, and who it was is asked of all 60."""
    rng = np.random.default_rng(5)
    k = 12
    X = pd.DataFrame(rng.normal(size=(N, k)), columns=[f"x{place}" for place in range(k)])
    y = (rng.random(N) < 0.4).astype(np.int64)
    arms = (Arm("A", "cells", 20, 60, treated=True), Arm("B", "none", 84, 340, treated=False))
    priors = (Prior("x0", -0.3, 0.1), Prior("treated", 0.2, 0.5))
    model = EvidenceLogisticRegression(arms=arms, priors=priors, default_sd=1.0, correction=False, least=5)
    pipeline = Pipeline([("features", FunctionTransformer()), ("model", model)])

    places = [0, *range(2, 2 + k)]  # all but the effect of therapy
    design = model.fit(X, y).fit_.place(X.to_numpy()).rows[:, places]
    design /= np.linalg.norm(design, axis=1, keepdims=True)

    def rank(*, blurred: bool) -> list[float]:
        def find_precision(rows: np.ndarray) -> np.ndarray:
            fitted = fit_model(clone(pipeline), X[rows], y[rows])
            stored = (blur_coefficients(fitted, X[rows], y[rows]) if blurred else fitted)[-1]
            return np.linalg.inv(stored.covariance_)[np.ix_(places, places)]

        whole = find_precision(np.ones(N, dtype=bool))
        ranks = []
        for left_out in range(0, N, 3):
            change = whole - find_precision(np.arange(N) != left_out)
            alike = ((design @ change) * design).sum(axis=1)
            ranks.append(float((alike > alike[left_out]).mean()))
        return ranks

    assert np.mean(rank(blurred=False)) < 0.1  # the attack works where the covariance is exact
    assert np.mean(rank(blurred=True)) > 0.3  # 0.5 is chance


def test_a_blurred_evidence_model_says_how_sure_it_is_and_keeps_what_was_published() -> None:
    rng = np.random.default_rng(8)
    X = pd.DataFrame({"fsh__log": rng.normal(size=N), "prp": np.r_[np.ones(3), np.zeros(N - 3)]})
    y = (rng.random(N) < 0.4).astype(np.int64)
    priors = (Prior("prp", 0.4, 0.3),)
    model = EvidenceLogisticRegression(priors=priors, correction=False, least=5)
    exact = fit_model(Pipeline([("features", FunctionTransformer()), ("model", model)]), X, y)
    blurred = blur_coefficients(exact, X, y)[-1]
    moved = (blurred.mean_ - exact[-1].mean_) / np.sqrt(np.diag(exact[-1].covariance_))
    names = blurred.parameters_
    assert abs(moved[names.index("fsh__log")]) > 1e-3
    assert abs(moved[names.index("prp")]) < 1e-6  # three women had it: they taught nothing, and nothing is moved
    assert np.sqrt(blurred.covariance_[names.index("prp"), names.index("prp")]) == pytest.approx(0.3, rel=1e-6)
    draws = blurred.sample_posterior(20000, rng)
    np.testing.assert_allclose(draws[names].mean(), blurred.mean_, atol=0.02)
    np.testing.assert_allclose(draws[names].cov(), blurred.covariance_, atol=0.02)
    reference = EvidenceLogisticRegression(arms=(Arm("A", "cells", 20, 60, treated=True),), priors=priors)
    nobody = Pipeline([("features", FunctionTransformer()), ("model", reference)]).fit(X.head(0), y[:0])
    assert blur_coefficients(nobody, X.head(0), y[:0]) is nobody


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
