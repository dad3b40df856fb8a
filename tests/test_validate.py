"""External validation from the model's folder to the report: what is found, what is offered, what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.cli import main
from poi_predict.errors import BundleError, CohortError, OutputError
from poi_predict.explain import explain_predictions
from poi_predict.external_validation import validate
from poi_predict.modeling import predict_response
from poi_predict.scoring import read_bundle, write_bundle
from poi_predict.scoring.case_mix import summarise_women
from poi_predict.scoring.packing import add_outcome_terms
from poi_predict.study import Study, read_study
from poi_predict.workflow import simulate, train
from support import CREATED, ROOT, quicken

OUTCOME, MONTH, FOLLOW_UP = "Menses resumed", "Months to menses", "Follow-up (months)"


def store_model(study: Study, cohort: Path, folder: Path) -> Path:
    """Train a model and store it with all that a validation needs."""
    run = train(study, cohort, folder / "training", n_jobs=1, track=False, created=CREATED)
    bundle, analysis = read_bundle(folder / "training" / "bundle"), run.training.analysis
    X = analysis.data[[name for name in bundle.contract.input_columns if name in analysis.data]]
    summary = summarise_women(bundle.pipeline, X, analysis.patient)
    contract = add_outcome_terms(bundle.contract, study.codebook, study.reading, study.inclusion, summary)
    write_bundle(dataclasses.replace(bundle, contract=contract), folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="module")
def model(demo_cohort: Path, quick_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two hundred SYNTHETIC women."""
    return store_model(quick_study, demo_cohort, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def other_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred other women from the same generator.

    Its centres differ from seed to seed and the model knows two hundred women only, so calibration-in-the-large
    varies between seeds with a standard deviation of about 0.2; on average it is 0.
    """
    file = tmp_path_factory.mktemp("other") / "other.csv"
    simulate(400, 78, file)
    return file


@pytest.fixture(scope="module")
def validated(model: Path, other_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished validation."""
    folder = tmp_path_factory.mktemp("validation") / "out"
    validate(str(model), other_cohort, folder, created=CREATED)
    return folder


def read_table(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str)


def read_scores(model: Path, cohort: Path, out: Path, options: ScoringOptions | None = None) -> pd.DataFrame:
    score(str(model), cohort, out, options)
    return pd.read_csv(out, dtype={"patient_id": str})


def write_outcomes(cohort: Path, model: Path, out: Path, shift: float) -> Path:
    """The same women with outcomes drawn from the model's own log-odds plus a shift."""
    p = read_scores(model, cohort, out.with_suffix(".scores.csv"))["p_response"].to_numpy(dtype=float)
    rng = np.random.default_rng(8)
    event = rng.random(len(p)) < expit(logit(p) + shift)
    table = read_table(cohort)
    table[OUTCOME] = np.where(event, "1", "0")
    table[MONTH] = np.where(event, "6", "")
    table[FOLLOW_UP] = "14"
    table.to_csv(out, index=False)
    return out


def read_record(folder: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads((folder / "validation.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_another_cohort_of_the_same_kind_is_predicted_as_well(validated: Path) -> None:
    record = read_record(validated)
    metrics = record["metrics"]
    assert metrics["calibration_in_the_large"]["ci_low"] < 0 < metrics["calibration_in_the_large"]["ci_high"]
    assert metrics["calibration_slope"]["ci_low"] < 1 < metrics["calibration_slope"]["ci_high"]
    assert metrics["c_statistic"]["estimate"] > 0.6
    assert {"joint_intercept", "ici", "e50", "e90", "emax", "o_e_ratio", "scaled_brier", "log_loss"} <= set(metrics)
    assert all(figure["estimate"] is not None or figure["reason"] for figure in metrics.values())
    assert record["verdict_code"] == "compatible"
    assert record["advised"] is None
    assert record["case_mix"]["linear_predictor"]["sd_ratio"]["estimate"] == pytest.approx(1.0, abs=0.25)


def test_the_inclusion_rules_and_the_losses_are_the_studys(validated: Path) -> None:
    record = read_record(validated)
    steps = pd.DataFrame(record["attrition"])
    assert {"Age 12 to 40 years", "FSH at least 25 IU/L", "outcome known"} <= set(steps["step"])
    assert steps["remaining_rows"].iloc[-1] == record["n"]
    assert steps["excluded_rows"].sum() + record["n"] == 400
    assert record["calibration_curve"]["points"]
    assert {row["strategy"] for row in record["decision_curve"]} >= {"model", "treat_all", "treat_none"}


def test_nothing_written_holds_an_identifier_and_everything_its_brand(validated: Path, other_cohort: Path) -> None:
    identifiers = read_table(other_cohort)["Patient ID"]
    files = [path for path in validated.rglob("*") if path.is_file()]
    assert {"report.html", "validation.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert not any(identifier.encode() in content for identifier in identifiers)
    for name in ("report.html", "recalibrated-intercept/MODEL_CARD.md", "recalibrated-intercept/contract.json"):
        assert "SYNTHETIC" in (validated / name).read_text(encoding="utf-8")
    report = (validated / "report.html").read_text(encoding="utf-8")
    assert ">nan<" not in report.casefold()
    assert "<script" not in report


@pytest.mark.parametrize("shift", [-1.2, 1.2])
def test_a_shift_is_found_mended_and_recorded_in_both_directions(
    shift: float, model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    shifted = write_outcomes(other_cohort, model, tmp_path / "shifted.csv", shift)
    found = validate(str(model), shifted, tmp_path / "out", created=CREATED)
    low, high = (found.assessment.metrics["calibration_in_the_large"].as_dict()[key] for key in ("ci_low", "ci_high"))
    assert low < shift < high
    assert found.assessment.verdict == "miscalibrated"
    assert ("more than predicted" if shift > 0 else "fewer than predicted") in found.verdict
    again = validate(str(tmp_path / "out" / "recalibrated-intercept"), shifted, tmp_path / "again", created=CREATED)
    assert again.assessment.metrics["calibration_in_the_large"].estimate == pytest.approx(0.0, abs=1e-6)
    assert again.assessment.metrics["o_e_ratio"].estimate == pytest.approx(1.0, abs=1e-6)
    assert any("recalibrated before" in warning for warning in again.warnings)
    history = read_bundle(tmp_path / "again" / "recalibrated-intercept").assessment["external_validations"]
    assert len(history) == 2


@pytest.mark.parametrize("kind", ["intercept", "intercept_slope"])
def test_a_recalibrated_bundle_is_a_whole_model(
    kind: str, validated: Path, model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    before, after = read_bundle(model), read_bundle(validated / f"recalibrated-{kind.replace('_', '-')}")
    entry = after.assessment["external_validations"][-1]
    applied = entry["applied"]
    assert entry["metrics"]["c_statistic"]["estimate"] is not None
    option = next(option for option in entry["recalibration"] if option["kind"] == kind)
    assert option["after"]["log_loss"]["optimism"] is not None
    assert "same women" in entry["note"]
    assert after.contract.predictors == before.contract.predictors
    assert not after.holds_refits
    place = validated / f"recalibrated-{kind.replace('_', '-')}"
    old = read_scores(model, other_cohort, tmp_path / "old.csv")
    new = read_scores(place, other_cohort, tmp_path / "new.csv", ScoringOptions(reasons=2))
    expected = applied["intercept"] + applied["slope"] * logit(old["p_response"].to_numpy(dtype=float))
    np.testing.assert_allclose(logit(new["p_response"].to_numpy(dtype=float)), expected, atol=1e-9)
    assert ((new["ci_low"] < new["p_response"]) & (new["p_response"] < new["ci_high"])).all()
    assert np.asarray(after.pipeline[-1].covariance)[0, 0] > 0
    assert new["reason_1"].notna().all()
    X = pd.DataFrame({name: pd.Series([np.nan] * 3, dtype=object) for name in before.contract.input_columns})
    X = X.astype({name: "bool" if name.endswith("__below") else object for name in X})
    X["age"], X["fsh"] = [25.0, 30.0, 35.0], [40.0, 60.0, 90.0]
    explanation = explain_predictions(after.pipeline, X)
    np.testing.assert_allclose(explanation.probability, predict_response(after.pipeline, X), atol=1e-6)


def test_outcomes_drawn_from_the_model_itself_leave_it_as_it_is(
    model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    true = write_outcomes(other_cohort, model, tmp_path / "true.csv", 0.0)
    found = validate(str(model), true, tmp_path / "out", created=CREATED)
    assert found.assessment.verdict == "compatible"
    assert found.assessment.metrics["calibration_in_the_large"].estimate == pytest.approx(0.0, abs=0.3)
    assert found.assessment.metrics["calibration_slope"].estimate == pytest.approx(1.0, abs=0.5)


def test_same_input_same_bytes(validated: Path, model: Path, other_cohort: Path, tmp_path: Path) -> None:
    validate(str(model), other_cohort, tmp_path / "out", created=CREATED)
    for path in (path for path in validated.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(validated)).read_bytes(), path.name


def test_the_trained_model_itself_finds_itself_too_good(model: Path, demo_cohort: Path, tmp_path: Path) -> None:
    found = validate(str(model), demo_cohort, tmp_path / "out", created=CREATED)
    assert found.assessment.metrics["calibration_in_the_large"].estimate == pytest.approx(0.0, abs=0.05)
    assert found.case_mix.as_dict()["membership_c"]["estimate"] == pytest.approx(0.5, abs=0.01)


def test_rows_that_break_the_contract_are_rejected_counted_and_named(
    model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    table = read_table(other_cohort)
    table.loc[3, "FSH (IU/L)"] = "5052"
    table.loc[5, OUTCOME] = "perhaps"
    table.loc[9, [OUTCOME, MONTH, FOLLOW_UP]] = ["1", "9", "4"]
    table.to_csv(tmp_path / "new.csv", index=False)
    found = validate(str(model), tmp_path / "new.csv", tmp_path / "out", created=CREATED)
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv")
    assert {4, 6} <= set(rejected["row"])
    assert {"fsh", "menses_resumed"} <= set(rejected["column"])
    record = read_record(tmp_path / "out")
    assert record["rejected"]["rows_rejected"] == rejected["row"].nunique()
    steps = pd.DataFrame(record["attrition"])
    assert steps["excluded_rows"].sum() + record["n"] == record["rejected"]["rows_read"] == 400
    assert any("rejected" in warning for warning in found.warnings)
    for name in ("report.html", "validation.json", "rejected.csv"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert not re.search(r"\b5052\b", text)
        assert "perhaps" not in text


def test_contradicting_months_cost_their_row_and_are_told(model: Path, other_cohort: Path, tmp_path: Path) -> None:
    table = read_table(other_cohort)
    table.loc[[9, 11], [OUTCOME, MONTH, FOLLOW_UP]] = ["1", "9", "4"]
    table.to_csv(tmp_path / "new.csv", index=False)
    found = validate(str(model), tmp_path / "new.csv", tmp_path / "out", created=CREATED)
    lost = found.labelled.n_contradicting + found.labelled.n_rejected
    assert lost == 2
    assert found.warnings


def with_events(table: pd.DataFrame, n_events: int) -> pd.DataFrame:
    """The same women, so many of them with the event, all followed long enough."""
    event = np.arange(len(table)) < n_events
    return table.assign(**{OUTCOME: event.astype(int), MONTH: np.where(event, "5", ""), FOLLOW_UP: "15"})


def test_three_events_give_reasons_and_no_recalibration(model: Path, other_cohort: Path, tmp_path: Path) -> None:
    with_events(read_table(other_cohort).head(60), 3).to_csv(tmp_path / "few.csv", index=False)
    found = validate(str(model), tmp_path / "few.csv", tmp_path / "out", created=CREATED)
    record = read_record(tmp_path / "out")
    assert record["verdict_code"] == "too_few"
    assert "only 3 women" in record["metrics"]["c_statistic"]["reason"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "validation.json"]
    assert sum("not offered" in warning for warning in found.warnings) == 2
    assert "not estimable" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_scoring_still_ignores_the_outcome(model: Path, other_cohort: Path, tmp_path: Path) -> None:
    table = read_table(other_cohort)
    table.assign(**{OUTCOME: "nobody knows", FOLLOW_UP: "-99"}).to_csv(tmp_path / "odd.csv", index=False)
    scored = score(str(model), tmp_path / "odd.csv", tmp_path / "scores.csv")
    assert scored.n_rejected == 0
    table.drop(columns=[OUTCOME, MONTH, FOLLOW_UP]).to_csv(tmp_path / "none.csv", index=False)
    assert score(str(model), tmp_path / "none.csv", tmp_path / "none.scores.csv").n_rows == 400


REFUSALS = {
    "no_outcome": ("menses_resumed must be a column", CohortError),
    "no_predictor": ("fsh must be a column", CohortError),
    "all_respond": ("60 with and 0 without", CohortError),
    "none_responds": ("0 with and 60 without", CohortError),
    "too_young": ("0 with and 0 without", CohortError),
    "real": ("SYNTHETIC", BundleError),
}


def make_unusable(name: str, table: pd.DataFrame) -> pd.DataFrame:
    table = table.head(60)
    match name:
        case "no_outcome":
            return table.drop(columns=OUTCOME)
        case "no_predictor":
            return table.drop(columns="FSH (IU/L)")
        case "all_respond":
            return with_events(table, 60)
        case "none_responds":
            return with_events(table, 0)
        case "too_young":
            return table.assign(**{"Age (years)": "10"})
        case _:
            return table.drop(columns="data_origin")


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_validated_is_one_sentence_and_exit_code_2(
    name: str,
    model: Path,
    other_cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, error = REFUSALS[name]
    cohort, out = tmp_path / "bad.csv", tmp_path / "out"
    table = read_table(other_cohort).assign(**{"Age (years)": "30", "FSH (IU/L)": "60"})
    make_unusable(name, table).to_csv(cohort, index=False)
    with pytest.raises(error, match=words):
        validate(str(model), cohort, out)
    monkeypatch.setattr(
        sys, "argv", ["poi-predict", "validate", "--model", str(model), "--cohort", str(cohort), "--out", str(out)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert words in said.err
    assert "Traceback" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_a_synthetic_model_is_judged_on_real_women_only_when_told_to(
    model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real.csv"
    read_table(other_cohort).drop(columns="data_origin").to_csv(real, index=False)
    found = validate(str(model), real, tmp_path / "out", allow_synthetic=True, created=CREATED)
    assert found.synthetic
    assert any("SYNTHETIC" in warning for warning in found.warnings)
    assert read_bundle(tmp_path / "out" / "recalibrated-intercept").contract.synthetic


def test_a_contract_without_an_outcome_says_what_to_do(model: Path, other_cohort: Path, tmp_path: Path) -> None:
    bundle = read_bundle(model)
    bare = dataclasses.replace(bundle.contract, outcome_codebook={}, outcome_columns=(), inclusion=(), development={})
    write_bundle(dataclasses.replace(bundle, contract=bare), tmp_path / "bare")
    with pytest.raises(BundleError, match="how its outcome is read"):
        validate(str(tmp_path / "bare"), other_cohort, tmp_path / "out")
    no_summary = dataclasses.replace(bundle.contract, development={})
    write_bundle(dataclasses.replace(bundle, contract=no_summary), tmp_path / "bare")
    found = validate(str(tmp_path / "bare"), other_cohort, tmp_path / "out", created=CREATED)
    assert "keeps no summary" in str(found.case_mix.reason)


def test_the_model_is_never_written_over_and_other_folders_neither(
    model: Path, other_cohort: Path, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="other files"):
        validate(str(model), other_cohort, model)
    with pytest.raises(OutputError, match="apart from the model"):
        validate(str(model), other_cohort, model / "out")
    validate(str(model), other_cohort, tmp_path / "out", created=CREATED)
    before = (tmp_path / "out" / "validation.json").read_bytes()
    with pytest.raises(OutputError, match="apart from the model"):
        validate(str(tmp_path / "out" / "recalibrated-intercept"), other_cohort, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "validation.json").read_bytes() == before
    assert read_bundle(tmp_path / "out" / "recalibrated-intercept").digest


def test_half_of_the_real_women_validate_the_other_half(shared_datasets: Path, tmp_path: Path) -> None:
    table = pd.read_csv(shared_datasets / "ovarian_response.csv", dtype=str)
    first = np.random.default_rng(5).permutation(len(table)) < len(table) // 2
    table[first].to_csv(tmp_path / "a.csv", index=False)
    table[~first].to_csv(tmp_path / "b.csv", index=False)
    study = quicken(read_study(ROOT / "pipelines" / "ovarian_response"))
    model = store_model(study, tmp_path / "a.csv", tmp_path)
    found = validate(str(model), tmp_path / "b.csv", tmp_path / "out", created=CREATED)
    assert not found.synthetic
    assert found.assessment.n + found.labelled.n_rejected <= int((~first).sum())
    c = found.assessment.metrics["c_statistic"]
    assert c.ci_low < 0.69 < c.ci_high
    assert found.case_mix.as_dict()["membership_c"]["ci_low"] < 0.6
    assert "SYNTHETIC" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
