"""Scored cohorts and validations on record: as runs of their own and on the history of the model's run."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from poi_predict.errors import TrackingError
from poi_predict.scoring.bundle import read_bundle
from poi_predict.tracking import mlflow_session, read_validations, track_scoring, track_validation
from poi_predict.tracking.mlflow_store import record_training
from poi_predict.tracking.records import Metric, RunRecord, Tag, Text
from poi_predict.tracking.scoring import build_scoring_record
from poi_predict.tracking.settings import TrackedRun, TrackingSettings
from poi_predict.tracking.uses import list_uses
from poi_predict.tracking.validation import build_validation_record

CANARY = "WOMAN-7Q4"
SUMMARY: dict[str, Any] = {
    "study": "menses_12m",
    "synthetic": True,
    "brands": ["SYNTHETIC"],
    "model_sha256": "b0" * 32,
    "cohort": {"sha256": "da" * 32, "rows": 120, "tables": [f"{CANARY}.csv", "b.csv"]},
    "rows": {"read": 120, "scored": 114, "rejected": 6},
    "flags": {"outside_training:fsh": 9},
    "share_flagged": 0.12,
    "created": "2026-11-22",
    "a_later_key": CANARY,
    "drift": {
        "status": "drift shown",
        "message": "These women have a higher FSH.",
        "membership": {"estimate": 0.64, "ci_low": 0.57, "ci_high": 0.71},
        "aspects": [
            {
                "variable": "fsh",
                "aspect": "location",
                "level": None,
                "difference": 12.0,
                "sd_units": 0.5,
                "shown": True,
            },
            {
                "variable": "amh",
                "aspect": "missing",
                "level": None,
                "difference": 0.1,
                "sd_units": None,
                "shown": False,
            },
            {"variable": "centre", "aspect": "level", "level": "Kyïv: 2/b", "difference": None, "shown": False},
        ],
        "predictions": {"mean_here": 0.31, "difference": -0.04, "psi": 0.08, "psi_expected": float("nan")},
        "applicability": {"rows_flagged": 14, "share": 0.12, "ci_low": 0.07, "ci_high": 0.2, "flags": {}},
    },
}
C_STATISTIC = {"estimate": 0.66, "ci_low": 0.58, "ci_high": 0.73, "method": "DeLong"}
RECORD: dict[str, Any] = {
    "created": "2026-11-22",
    "model_sha256": "b0" * 32,
    "synthetic": True,
    "verdict": "It holds on these women, as far as they can tell.",
    "verdict_code": "compatible",
    "cohort": {"sha256": "0c" * 32, "rows": 200, "columns": 31},
    "n": 180,
    "n_patients": 178,
    "events": 60,
    "metrics": {
        "c_statistic": C_STATISTIC,
        "brier": {"estimate": 0.21, "ci_low": 0.19, "ci_high": 0.24},
        "calibration_slope": {"estimate": None, "ci_low": None, "ci_high": None, "reason": "too few events"},
    },
    "case_mix": {"membership_c": {"estimate": 0.55, "ci_low": 0.5, "ci_high": 0.6}},
}


def metrics_of(record: Any) -> dict[str, float]:
    return {item.name: item.value for item in record.items if isinstance(item, Metric)}


def of(summary: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(summary) | changes


@pytest.fixture
def settings(uri: str) -> TrackingSettings:
    return TrackingSettings("menses_12m", tracking_uri=uri)


@pytest.fixture(scope="module")
def digest(place: Path) -> str:
    return read_bundle(place / "bundle").digest


def test_a_scored_cohort_is_counts_drift_and_applicability() -> None:
    record = build_scoring_record("menses_12m", of(SUMMARY), "<h1>Drift</h1>")
    found = metrics_of(record)
    assert (found["rows_read"], found["rows_scored"], found["rows_rejected"]) == (120, 114, 6)
    assert found["share_rejected"] == pytest.approx(0.05)
    assert (found["membership_c"], found["membership_c_ci_high"]) == (0.64, 0.71)
    assert (found["differences_compared"], found["differences_shown"]) == (3, 1)
    assert found["drift/location/fsh"] == 0.5
    assert "psi_expected" not in found
    assert not any(name.startswith("drift/level") for name in found)
    tags = {item.name: item.value for item in record.items if isinstance(item, Tag)}
    assert (tags["kind"], tags["synthetic"], tags["drift.status"]) == ("scoring", "SYNTHETIC", "drift shown")
    assert tags["data.sha256"] == "da" * 32
    assert "SYNTHETIC" in record.note
    assert "higher FSH" in record.note


def test_a_summary_is_recorded_without_names_of_files_and_unknown_keys() -> None:
    record = build_scoring_record("menses_12m", of(SUMMARY), "")
    (text,) = [item for item in record.items if isinstance(item, Text)]
    assert text.path == "summary.json"
    assert json.loads(text.text)["cohort"] == {"sha256": "da" * 32, "rows": 120, "tables": 2}
    assert CANARY not in text.text + record.note


def test_a_level_that_mlflow_could_not_name_is_renamed() -> None:
    summary = of(SUMMARY)
    summary["drift"]["aspects"][2]["difference"] = 0.2
    assert metrics_of(build_scoring_record("menses_12m", summary, ""))["drift/level/centre/Kyïv_ 2_b"] == 0.2


def test_a_cohort_that_cannot_be_compared_is_recorded_all_the_same() -> None:
    nothing = {"status": "no women of training", "message": "Nothing to compare with.", "membership": None}
    rows = {"read": 0, "scored": 0, "rejected": 0}
    brands = ["from published aggregates; not for counselling"]
    record = build_scoring_record(
        "m", of(SUMMARY, drift=nothing, rows=rows, brands=brands, share_flagged=None, synthetic=False), ""
    )
    assert record.name == "scoring"
    assert metrics_of(record) == {"rows_read": 0, "rows_scored": 0, "rows_rejected": 0, "share_rejected": 0}


def test_scorings_stand_on_the_history_of_the_registered_models_run(digest: str, uri: str, place: Path) -> None:
    settings = TrackingSettings("with_history", tracking_uri=uri)
    made_up = (Tag("synthetic", "SYNTHETIC"),)
    tracked = record_training(RunRecord("training", made_up), place / "bundle", settings, promote=True)
    record_training(RunRecord("the same training again", made_up), place / "bundle", settings, promote=False)
    summary = of(SUMMARY, model_sha256=digest)
    first = track_scoring(tracked.uri, "menses_12m", summary, "<h1>Drift</h1>", settings)
    summary["drift"]["membership"]["estimate"], summary["created"] = 0.7, "2026-12-22"
    second = track_scoring(str(place / "bundle"), "menses_12m", summary, "", settings)
    assert first.model_run_id == tracked.run_id
    assert (first.step, second.step) == (0, 1)
    with mlflow_session.open_store(uri) as client:
        history = client.get_metric_history(tracked.run_id, "scoring/membership_c")
        run = client.get_run(first.run_id)
        files = {item.path for item in client.list_artifacts(first.run_id)}
    assert [(point.step, point.value) for point in history] == [(0, 0.64), (1, 0.7)]
    assert history[1].timestamp - history[0].timestamp == 30 * 24 * 3600 * 1000
    assert run.data.tags["model.run"] == tracked.run_id
    assert run.data.tags["model.digest"] == digest
    assert run.info.run_name == "SYNTHETIC · scoring"
    assert run.info.status == "FINISHED"
    assert files == {"drift.html", "summary.json"}
    assert "on the history of the model's run" in first.line()


def test_synthetic_women_never_enter_the_history_of_a_model_of_real_ones(digest: str, uri: str, place: Path) -> None:
    settings = TrackingSettings("of_real_women", tracking_uri=uri)
    real = RunRecord(name="training", items=(Tag("study", "of_real_women"),), note="")
    tracked = record_training(real, place / "bundle", settings, promote=False)
    said = SUMMARY | {"brands": [], "model_sha256": digest}
    tried = track_scoring(tracked.uri, "of_real_women", said | {"synthetic": True}, "", settings)
    assert tried.step is None
    assert "not on the history" in tried.line()
    scored = track_scoring(tracked.uri, "of_real_women", said | {"synthetic": False}, "", settings)
    assert scored.step == 0
    names = [use["tags"]["mlflow.runName"] for use in list_uses("scoring", digest, settings)]
    assert names == ["SYNTHETIC · scoring", "scoring"]


def test_a_model_that_the_store_does_not_know_gets_a_run_and_no_history(settings: TrackingSettings) -> None:
    summary = of(SUMMARY, model_sha256="ff" * 32)
    found = track_scoring("models-of-yesterday/bundle", "menses_12m", summary, "", settings)
    assert (found.model_run_id, found.step) == (None, None)
    assert "does not know" in found.line()


def test_a_validation_is_its_metrics_with_intervals_and_the_membership() -> None:
    record = build_validation_record("menses_12m", RECORD, "<h1>Report</h1>")
    found = metrics_of(record)
    assert (found["c_statistic"], found["c_statistic_ci_low"], found["c_statistic_ci_high"]) == (0.66, 0.58, 0.73)
    assert (found["membership_c"], found["n"], found["events"]) == (0.55, 180, 60)
    tags = {item.name: item.value for item in record.items if isinstance(item, Tag)}
    assert tags["not_estimable.calibration_slope"] == "too few events"
    assert {item.path for item in record.items if isinstance(item, Text)} == {"report.html", "validation.json"}
    assert "0.66 (0.58 to 0.73)" in record.note


def test_validations_are_got_back_by_day_and_the_last_of_each_cohort(
    settings: TrackingSettings, tracked: TrackedRun, uri: str
) -> None:
    model = "a1" * 32
    for day, cohort, c in (("2027-05-01", "0c", 0.6), ("2026-12-01", "1d", 0.7), ("2027-06-01", "0c", 0.65)):
        metrics = RECORD["metrics"] | {"c_statistic": C_STATISTIC | {"estimate": c}}
        record = of(RECORD, model_sha256=model, created=day, metrics=metrics)
        record["cohort"]["sha256"] = cohort
        use = track_validation(tracked.uri, "menses_12m", record, "", settings)
    track_validation(tracked.uri, "menses_12m", of(RECORD, model_sha256="another"), "", settings)
    found = read_validations(model, "menses_12m", settings)
    assert [(entry["day"], entry["cohort_sha256"]) for entry in found] == [("2026-12-01", "1d"), ("2027-06-01", "0c")]
    assert found[1]["metrics"]["c_statistic"] == {"estimate": 0.65, "ci_low": 0.58, "ci_high": 0.73}
    assert "calibration_slope" not in found[0]["metrics"]
    assert (found[0]["n"], found[0]["events"]) == (180, 60)
    with mlflow_session.open_store(uri) as client:
        history = client.get_metric_history(tracked.run_id, "validation/c_statistic")
    assert sorted(point.step for point in history) == [0, 1, 2, 3]
    assert use.step == 2


def test_a_model_without_validations_has_none(settings: TrackingSettings, tracked: TrackedRun, uri: str) -> None:
    assert read_validations("ee" * 32, "menses_12m", settings) == []
    assert list_uses("validation", "ee" * 32, TrackingSettings("never_trained", tracking_uri=uri)) == []


def test_a_store_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database" * 100)
    settings = TrackingSettings("menses_12m", tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(TrackingError, match="MLflow store must be reachable") as caught:
        track_validation("bundle", "menses_12m", RECORD, "", settings)
    assert "\n" not in str(caught.value)
