"""Reference models: the tracked bytes, what they say, and that they score, explain and are validated at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.cohort import read_codebook
from poi_predict.evidence import read_field
from poi_predict.explain import explain_predictions
from poi_predict.external_validation import validate
from poi_predict.one_woman import explain_patient
from poi_predict.reference_models import REFERENCES, build_reference
from poi_predict.report.borrowed_words import NOT_FOR_COUNSELLING
from poi_predict.scoring import Bundle, read_bundle, read_scoring_cohort, score_frame
from poi_predict.scoring.contract import REFERENCE
from poi_predict.study import read_study
from support import ROOT

FILES = {
    "MODEL_CARD.md",
    "assessment.json",
    "contract.json",
    "manifest.json",
    "pipeline.skops.json",
    "provenance.json",
}
STUDIES = sorted(REFERENCES)


def tracked(study: str) -> Path:
    return ROOT / "models" / REFERENCES[study]


@pytest.fixture(scope="session", params=STUDIES)
def study(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def bundle(study: str) -> Bundle:
    return read_bundle(tracked(study))


def test_building_it_again_gives_the_tracked_bytes(study: str, tmp_path: Path) -> None:
    digest = build_reference(study, tmp_path / "reference")
    built, kept = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "reference", tracked(study))
    )
    assert set(kept) == FILES
    changed = [name for name in sorted(FILES) if built.get(name) != kept[name]]
    assert not changed, (
        "the study, the evidence or a package has changed: run `make reference` and commit what it wrote"
    )
    assert read_bundle(tracked(study)).digest == digest


def test_all_of_it_is_text_that_git_keeps(study: str) -> None:
    for file in tracked(study).iterdir():
        text = file.read_bytes().decode("utf-8")
        assert text.endswith("\n")
        assert "\r" not in text
        assert file.stat().st_size < 2**20


def test_it_is_branded_and_says_that_nothing_was_validated(bundle: Bundle, study: str) -> None:
    assert bundle.contract.brands == (REFERENCE,)
    assert REFERENCE == NOT_FOR_COUNSELLING  # the pages know the brand by the same words
    assert bundle.contract.is_reference
    assert not bundle.contract.synthetic
    found = bundle.assessment
    assert (found["n"], found["n_patients"], found["events"], found["champion"]) == (0, 0, 0, None)
    assert all(figures["estimate"] is None for figures in found["candidates"]["evidence"].values())
    assert all("no woman was used" in figures["reason"] for figures in found["candidates"]["evidence"].values())
    assert "not for counselling" in bundle.card
    assert "nothing was validated" in bundle.card
    assert bundle.contract.endpoint["label"] == read_study(study).endpoint_label


def test_where_it_comes_from_names_no_day_and_no_machine(bundle: Bundle, study: str) -> None:
    tables = ROOT / "src" / "poi_predict" / "evidence" / "tables"
    whole = hashlib.sha256()
    for table in sorted(tables.glob("*.csv")):
        content = table.read_bytes()
        whole.update(f"{table.name} {len(content)}\n".encode() + content)
    provenance = bundle.provenance
    assert provenance.data_sha256 == whole.hexdigest()
    assert provenance.study_sha256 == read_study(study).sha256
    assert (provenance.created, provenance.git_revision, provenance.data_rows) == ("", None, 0)
    shown = provenance.lines()
    assert shown["Evidence tables (SHA-256)"] == provenance.data_sha256
    assert not {"Trained on", "Cohort file (SHA-256)", "Source revision"} & set(shown)


def test_it_holds_published_arms_and_no_woman(bundle: Bundle) -> None:
    arms = bundle.assessment["evidence"]["arms"]
    model = bundle.pipeline[-1]
    assert [arm["row_id"] for arm in arms] == [arm.row_id for arm in model.arms]
    assert len({arm["row_id"] for arm in arms}) == len(arms)
    assert not any(name.startswith("centre:") for name in model.parameters_)
    assert bundle.contract.development == {}
    assert [point["n"] for point in bundle.assessment["evidence"]["learning_curve"]] == [0]
    assert all(abs(effect["share_patients"]) < 1e-6 for effect in bundle.assessment["evidence"]["effects"])


def test_the_rates_that_were_published_are_in_the_menses_model() -> None:
    """Four arms, 20 of 60 with cells; two cohorts, 165 of 669 without (PE01 and NH02 with NH03 of the tables)."""
    evidence = json.loads((tracked("menses_12m") / "assessment.json").read_bytes())["evidence"]
    for treated, events, n in ((True, 20, 60), (False, 165, 669)):
        chosen = [arm for arm in evidence["arms"] if arm["treated"] == treated]
        assert (sum(arm["events"] for arm in chosen), sum(arm["n"] for arm in chosen)) == (events, n)
    contrast = evidence["contrast"]
    assert not contrast["distinguishable"]
    assert contrast["odds_ratio"]["ci_low"] < 1 < contrast["odds_ratio"]["ci_high"]
    assert contrast["with"]["low"] < 20 / 60 < contrast["with"]["high"]
    assert contrast["without"]["low"] < 165 / 669 < contrast["without"]["high"]


def test_ranges_are_those_of_the_women_of_the_field(bundle: Bundle) -> None:
    field = read_field().set_index("variable")
    ranges = bundle.contract.training_ranges
    assert {"age", "fsh", "amenorrhea_months"} <= set(ranges)
    for name, limits in ranges.items():
        described = field.loc[[name]]
        described = described[described["level"] == ""].iloc[0]
        assert limits.low < limits.high
        assert limits.low < described["mean"] < limits.high
    fsh = np.log(np.array([ranges["fsh"].low, ranges["fsh"].high]))
    spread = np.sqrt(np.log1p((35 / 66) ** 2))
    np.testing.assert_allclose(fsh, np.log(66) - spread**2 / 2 + spread * np.array([-1.96, 1.96]), atol=0.05)
    assert ranges["afc"].low == 0


def test_it_scores_a_cohort_and_marks_every_row(study: str, demo_cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    scored = score(str(tracked(study)), demo_cohort, out, ScoringOptions(reasons=3))
    assert f"The model that scored them is {REFERENCE}." in scored.lines()
    rows = pd.read_csv(out)
    assert len(rows) + scored.n_rejected == scored.n_rows > 150
    assert rows["flags"].str.startswith("reference_model").all()
    assert ((rows["ci_low"] < rows["p_response"]) & (rows["p_response"] < rows["ci_high"])).all()
    assert rows["p_response"].between(0.001, 0.999).all()
    assert rows["p_response"].nunique() > 100
    assert set(rows["reason_1"]) <= set(read_study(study).features.predictors)


def test_reasons_and_baseline_make_the_prediction(bundle: Bundle, demo_cohort: Path) -> None:
    women = read_scoring_cohort(bundle, demo_cohort).data
    explanation = explain_predictions(bundle.pipeline, women)
    p = score_frame(bundle, women, reasons=0)["p_response"].to_numpy()
    np.testing.assert_allclose(explanation.baseline + explanation.attributions.sum(axis=1), logit(p), atol=1e-9)


def test_a_woman_of_whom_nothing_is_known_can_be_scored_but_hardly_narrowed_down(bundle: Bundle) -> None:
    codebook = read_codebook()
    text = {name: "str" for name in bundle.contract.predictors if codebook[name].kind in ("category", "multi")}
    nothing = pd.DataFrame({name: [np.nan] for name in bundle.contract.predictors}).astype(text)
    row = score_frame(bundle, nothing, reasons=0).iloc[0]
    assert row["ci_low"] < row["p_response"] < row["ci_high"]
    assert row["flags"].count("missing:") == len(bundle.contract.predictors)


def test_a_page_of_one_woman_can_be_written(study: str, demo_cohort: Path, tmp_path: Path) -> None:
    patient = str(read_scoring_cohort(read_bundle(tracked(study)), demo_cohort).patient_id.iloc[0])
    explain_patient(str(tracked(study)), demo_cohort, patient, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "made from published evidence alone" in page
    assert "developed on" not in page


def test_it_can_be_validated_and_keeps_its_brand_when_recalibrated(demo_cohort: Path, tmp_path: Path) -> None:
    found = validate(str(tracked("menses_12m")), demo_cohort, tmp_path / "validation")
    assert found.assessment.n_patients > 50
    written = [name for name in found.outputs if name.startswith("recalibrated")]
    assert written
    mended = read_bundle(tmp_path / "validation" / written[0].rstrip("/"))
    assert REFERENCE in mended.contract.brands


def test_the_shipped_studies_have_one_each() -> None:
    assert {name: read_study(name).evidence.outcome for name in STUDIES} == {
        "menses_12m": "menses",
        "pregnancy_12m": "pregnancy",
    }
    assert {path.name for path in (ROOT / "models").glob("reference-*")} == set(REFERENCES.values())


@pytest.mark.parametrize(("treated", "events", "n"), [(True, 20, 60), (False, 165, 669)])
def test_the_published_rates_are_reproduced(treated: bool, events: int, n: int) -> None:
    """Evidence README: menses in 20 of 60 women with cells, ovarian function in 165 of 669 without."""
    told = json.loads((tracked("menses_12m") / "assessment.json").read_text())["evidence"]
    arms = [arm for arm in told["arms"] if arm["treated"] is treated]
    assert (sum(arm["events"] for arm in arms), sum(arm["n"] for arm in arms)) == (events, n)
    fitted = sum(arm["fitted"] * arm["n"] for arm in arms) / n
    assert fitted == pytest.approx(events / n, abs=0.015)
    assert told["contrast"]["distinguishable"] is False
