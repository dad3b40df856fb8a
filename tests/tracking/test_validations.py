"""The loop closed: a registered model validated again and again, on record and in its report."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from poi_predict.errors import TrackingError
from poi_predict.external_validation import validate
from poi_predict.plain import round_figures
from poi_predict.scoring import read_bundle
from poi_predict.tracking import mlflow_session
from poi_predict.tracking.mlflow_store import record_training
from poi_predict.tracking.settings import TrackedRun, TrackingSettings
from poi_predict.workflow import simulate
from tracked import make_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def registered(store: str, trained: Path) -> TrackedRun:
    settings = TrackingSettings("menses_12m", tracking_uri=store)
    return record_training(make_run(), trained / "bundle", settings, promote=True)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two cohorts of other SYNTHETIC women."""
    folder = tmp_path_factory.mktemp("cohorts")
    for place, seed in ((folder / "a.csv", 31), (folder / "b.csv", 32)):
        simulate(150, seed, place)
    return folder / "a.csv", folder / "b.csv"


def test_performance_over_time_is_recorded_reported_and_never_counts_a_cohort_twice(
    registered: TrackedRun,
    cohorts: tuple[Path, Path],
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    first = validate(registered.uri, cohorts[0], tmp_path / "1", created=dt.date(2026, 11, 22))
    assert [entry["day"] for entry in first.history] == ["2026-11-22"]
    assert "Performance over time" not in (tmp_path / "1" / "report.html").read_text(encoding="utf-8")
    second = validate(registered.uri, cohorts[1], tmp_path / "2", created=dt.date(2027, 11, 22))
    again = validate(registered.uri, cohorts[1], tmp_path / "3", created=dt.date(2028, 11, 22))
    assert [entry["day"] for entry in second.history] == ["2026-11-22", "2027-11-22"]
    assert [entry["day"] for entry in again.history] == ["2026-11-22", "2028-11-22"]
    report = (tmp_path / "2" / "report.html").read_text(encoding="utf-8")
    assert report.count("Performance over time") == 2
    assert "2026-11-22" in report
    record = json.loads((tmp_path / "2" / "validation.json").read_text(encoding="utf-8"))
    c = first.assessment.metrics["c_statistic"]
    assert record["history"][0]["metrics"]["c_statistic"] == round_figures(
        {"estimate": c.estimate, "ci_low": c.ci_low, "ci_high": c.ci_high}
    )
    assert again.tracked is not None
    assert again.tracked.model_run_id == registered.run_id
    assert again.tracked.step == 2
    assert any("Recorded in MLflow" in line for line in again.lines())
    with mlflow_session.open_store(store) as client:
        points = client.get_metric_history(registered.run_id, "validation/c_statistic")
    assert {point.step: point.value for point in points}[0] == round_figures(c.estimate)
    for bundle in (tmp_path / "2").glob("recalibrated-*"):
        assert "history" not in read_bundle(bundle).assessment["external_validations"][-1]


def test_nothing_of_a_woman_is_in_the_store(registered: TrackedRun, cohorts: tuple[Path, Path], store: str) -> None:
    place = Path(store.removeprefix("sqlite:///")).parent
    identifiers = [name.encode() for file in cohorts for name in pd.read_csv(file, dtype=str)["Patient ID"]]
    for path in place.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(name in content for name in identifiers)


def test_a_model_from_a_folder_is_recorded_only_when_asked(
    trained: Path, cohorts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    found = validate(str(trained / "bundle"), cohorts[0], tmp_path / "out")
    assert (found.tracked, found.history) == (None, ())
    assert not (tmp_path / "mlflow.db").exists()


def test_a_store_that_cannot_be_read_stops_before_anything_is_written(
    trained: Path, cohorts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(TrackingError, match="go on with --no-track"):
        validate(str(trained / "bundle"), cohorts[0], tmp_path / "out", track=True)
    assert not (tmp_path / "out").exists()
