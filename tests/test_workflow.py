"""The main job, end to end: what a training leaves behind, and what it must never hold."""

from __future__ import annotations

import dataclasses
import filecmp
import json
from pathlib import Path

import pandas as pd
import pytest

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.errors import BundleError, CohortError, OutputError
from poi_predict.one_woman import explain_patient
from poi_predict.study import Study, read_study
from poi_predict.workflow import check, develop, simulate, train
from support import CREATED, ROOT, quicken

METRICS = {"c_statistic", "brier", "log_loss", "calibration_in_the_large", "calibration_slope"}


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_training_leaves_what_is_promised(trained: Path) -> None:
    assert {"assessment.json", "report.html", "predictions.parquet", "bundle/manifest.json"} <= set(files_of(trained))
    assessment = json.loads((trained / "assessment.json").read_text(encoding="utf-8"))
    assert assessment["study"] == "menses_12m"
    assert {"n", "events", "candidates", "primary", "champion", "warnings"} <= set(assessment)
    for metrics in assessment["candidates"].values():
        assert set(metrics) >= METRICS
        for figure in metrics.values():
            assert {"estimate", "ci_low", "ci_high", "apparent", "method"} <= set(figure)
            assert figure["estimate"] is not None or figure["reason"]


def test_every_woman_is_predicted_once_a_repeat_by_models_without_her(trained: Path) -> None:
    predictions = pd.read_parquet(trained / "predictions.parquet")
    assessment = json.loads((trained / "assessment.json").read_text(encoding="utf-8"))
    counts = predictions.groupby(["candidate", "repeat"])["row"].agg(["size", "nunique"])
    assert (counts == assessment["n"]).all().all()
    folds_of_a_woman = predictions.groupby(["pseudonym", "repeat"])["fold"].nunique()
    assert (folds_of_a_woman == 1).all()


def test_the_number_of_jobs_changes_no_byte(
    demo_cohort: Path, quick_study: Study, trained: Path, tmp_path: Path
) -> None:
    train(quick_study, demo_cohort, tmp_path / "two", n_jobs=2, track=False, created=CREATED)
    assert files_of(trained) == files_of(tmp_path / "two")
    differing = [
        name for name in files_of(trained) if not filecmp.cmp(trained / name, tmp_path / "two" / name, shallow=False)
    ]
    assert differing == []


def test_synthetic_women_mark_everything(trained: Path) -> None:
    for name in ("report.html", "bundle/MODEL_CARD.md", "bundle/contract.json"):
        assert "SYNTHETIC" in (trained / name).read_text(encoding="utf-8")


def test_no_identifier_leaves_the_door(demo_cohort: Path, trained: Path) -> None:
    identifiers = pd.read_csv(demo_cohort, dtype=str)["Patient ID"]
    for name in files_of(trained):
        content = (trained / name).read_bytes()
        assert not any(identifier.encode() in content for identifier in identifiers)


def test_scores_keep_order_identifiers_and_count(trained: Path, demo_cohort: Path, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str)
    table.loc[3, "FSH (IU/L)"] = "5052"
    table.loc[7, "Age (years)"] = "thirty"
    table["Patient ID"] = [f"0{i:04d}" for i in range(len(table))]
    cohort = tmp_path / "new.csv"
    table.to_csv(cohort, index=False)
    scored = score(str(trained / "bundle"), cohort, tmp_path / "scores.csv", ScoringOptions(reasons=3))
    scores = pd.read_csv(tmp_path / "scores.csv", dtype={"patient_id": str})
    rejected = pd.read_csv(tmp_path / "scores.csv.rejected.csv")
    assert len(scores) + rejected["row"].nunique() == len(table) == scored.n_rows
    assert sorted(rejected["row"].unique()) == [4, 8]
    assert set(rejected["column"]) == {"fsh", "age"}
    assert "5052" not in (tmp_path / "scores.csv.rejected.csv").read_text()
    expected = table["Patient ID"].drop(index=[3, 7]).tolist()
    assert scores["patient_id"].tolist() == expected
    assert list(scores.columns[:5]) == ["patient_id", "p_response", "ci_low", "ci_high", "flags"]
    assert [name for name in scores if name.startswith("reason_")] == [
        "reason_1", "reason_1_log_odds", "reason_2", "reason_2_log_odds", "reason_3", "reason_3_log_odds",
    ]  # fmt: skip
    assert ((scores["ci_low"] <= scores["p_response"]) & (scores["p_response"] <= scores["ci_high"])).all()
    assert scores["flags"].str.contains("synthetic_model").all()


def test_a_row_scores_the_same_alone_and_in_a_crowd(trained: Path, demo_cohort: Path, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str)
    table.iloc[[5]].to_csv(tmp_path / "one.csv", index=False)
    score(str(trained / "bundle"), demo_cohort, tmp_path / "all.parquet")
    score(str(trained / "bundle"), tmp_path / "one.csv", tmp_path / "one.parquet")
    crowd, alone = (pd.read_parquet(tmp_path / name) for name in ("all.parquet", "one.parquet"))
    assert crowd["p_response"].iloc[5] == pytest.approx(alone["p_response"].iloc[0], abs=1e-12)


def test_a_synthetic_model_scores_real_women_only_when_told_to(
    trained: Path, demo_cohort: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real.csv"
    pd.read_csv(demo_cohort, dtype=str).drop(columns="data_origin").to_csv(real, index=False)
    with pytest.raises(BundleError, match="SYNTHETIC"):
        score(str(trained / "bundle"), real, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()
    allowed = ScoringOptions(allow_synthetic=True)
    assert score(str(trained / "bundle"), real, tmp_path / "scores.csv", allowed).n_rows == 200


def test_a_failed_scoring_leaves_nothing(trained: Path, demo_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="suffix"):
        score(str(trained / "bundle"), demo_cohort, tmp_path / "scores.docx")
    broken = tmp_path / "broken.csv"
    pd.read_csv(demo_cohort, dtype=str).drop(columns="FSH (IU/L)").to_csv(broken, index=False)
    with pytest.raises(CohortError, match="fsh must be a column"):
        score(str(trained / "bundle"), broken, tmp_path / "scores.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.csv"]


def test_one_womans_page_shows_her_and_no_other(trained: Path, demo_cohort: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    explain_patient(str(trained / "bundle"), demo_cohort, "SYN-00009", page)
    text = page.read_text(encoding="utf-8")
    assert "SYN-00009" in text
    assert "SYN-00010" not in text
    assert "SYNTHETIC" in text


def test_a_woman_who_is_not_there_is_said_so_without_her_name(trained: Path, demo_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="none of its 200 rows") as caught:
        explain_patient(str(trained / "bundle"), demo_cohort, "Jane-Doe-77", tmp_path / "page.html")
    assert "Jane-Doe-77" not in str(caught.value)


def test_pregnancy_runs_and_says_how_little_it_knows(demo_cohort: Path) -> None:
    training = develop(quicken(read_study("pregnancy_12m")), demo_cohort, n_jobs=1)
    assert training.assessment.events < 20
    assert any("Only" in warning for warning in training.assessment.warnings)


def test_shuffled_outcomes_show_no_skill(demo_cohort: Path, quick_study: Study, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str)
    outcome = ["Menses resumed", "Months to menses", "Follow-up (months)"]
    table[outcome] = table[outcome].sample(frac=1, random_state=4).to_numpy()
    shuffled = tmp_path / "shuffled.csv"
    table.to_csv(shuffled, index=False)
    assessment = develop(quick_study, shuffled, n_jobs=1).assessment
    assert assessment.champion is None


def test_rows_in_another_order_change_no_apparent_figure(demo_cohort: Path, quick_study: Study, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str).sample(frac=1, random_state=9)
    shuffled = tmp_path / "shuffled.csv"
    table.to_csv(shuffled, index=False)
    found = [develop(quick_study, file, n_jobs=1).assessment.candidate("ridge") for file in (demo_cohort, shuffled)]
    assert found[0].apparent["c_statistic"] == pytest.approx(found[1].apparent["c_statistic"], abs=1e-9)
    assert found[0].apparent["brier"] == pytest.approx(found[1].apparent["brier"], abs=1e-6)


def test_several_rows_of_a_woman_stay_together(demo_cohort: Path, quick_study: Study, tmp_path: Path) -> None:
    table = pd.read_csv(demo_cohort, dtype=str)
    treatments = "Number of treatments"
    second = table.head(40)
    second = second.assign(**{treatments: (second[treatments].astype(int) + 1).astype(str)})
    twice = pd.concat([table, second])
    file = tmp_path / "twice.csv"
    twice.to_csv(file, index=False)
    training = develop(quick_study, file, n_jobs=1)
    assert training.assessment.n > training.assessment.n_patients
    folds, patient = training.development.plan.folds.fold, training.development.data.patient
    for repeat in range(folds.shape[1]):
        assert pd.Series(folds[:, repeat]).groupby(patient).nunique().max() == 1


def test_check_counts_what_would_be_analysed(demo_cohort: Path, quick_study: Study) -> None:
    checked = check(quick_study, demo_cohort)
    assert checked.usable
    assert any("To be analysed" in line for line in checked.lines())


@pytest.mark.parametrize("name", ["ovarian_response", "indomethacin_trial"])
def test_real_data_go_the_whole_way(name: str, shared_datasets: Path, tmp_path: Path) -> None:
    study = quicken(read_study(ROOT / "pipelines" / name), ("prevalence", "logistic", "ridge"))
    cohort = shared_datasets / f"{name}.csv"
    run = train(study, cohort, tmp_path / name, n_jobs=1, track=False, created=CREATED)
    assert not run.training.assessment.synthetic
    scored = score(str(tmp_path / name / "bundle"), cohort, tmp_path / "scores.csv", ScoringOptions(reasons=2))
    assert scored.n_scored == scored.n_rows


def test_ovarian_response_reaches_its_floor(shared_datasets: Path) -> None:
    """Repeated cross-validation of plain logistic regression: c 0.69 (shared/datasets/README.md)."""
    study = read_study(ROOT / "pipelines" / "ovarian_response")
    study = dataclasses.replace(quicken(study, ("prevalence", "logistic", "ridge")))
    study = dataclasses.replace(study, validation=dataclasses.replace(study.validation, folds=10, repeats=5))
    assessment = develop(study, shared_datasets / "ovarian_response.csv", n_jobs=1).assessment
    assert assessment.events == 55
    for name in ("logistic", "ridge"):
        assert assessment.candidate(name).metrics["c_statistic"].estimate == pytest.approx(0.69, abs=0.025)


def test_simulated_bytes_depend_on_the_seed_alone(tmp_path: Path) -> None:
    for name, seed in (("a.csv", 3), ("b.csv", 3), ("c.csv", 4)):
        simulate(30, seed, tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()


def test_a_missing_month_of_the_event_is_said_together_with_the_other_findings(quick_study, demo_cohort, tmp_path):
    table = pd.read_csv(demo_cohort, dtype=str).drop(columns="Months to menses")
    table.loc[3, "FSH (IU/L)"] = "abc"
    table.to_csv(tmp_path / "women.csv", index=False)
    checked = check(quick_study, str(tmp_path / "women.csv"), str(tmp_path / "rows.csv"))
    lines = "\n".join(checked.lines())
    assert "must be a number" in lines
    assert "needs months_to_menses as a column" in lines
    assert "2 errors" in lines
    assert checked.findings_file == tmp_path / "rows.csv"
