"""The MLflow store, for real: a store in a temporary folder, a registered model, a served prediction."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import StudyError, TrackingError
from poi_predict.scoring.batch import score_frame
from poi_predict.scoring.bundle import read_bundle
from poi_predict.tracking import mlflow_session, mlflow_store
from poi_predict.tracking.artifacts import write_artifacts
from poi_predict.tracking.mlflow_store import read_registered_bundle, record_training, serve_ui
from poi_predict.tracking.records import (
    Figure,
    Metric,
    Param,
    RunRecord,
    Table,
)
from poi_predict.tracking.settings import TrackedRun, TrackingSettings, tracking_address
from tracked import PREDICTORS, make_run, make_women

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(uri: str, tracked: TrackedRun) -> Iterator[Any]:
    with mlflow_session.open_store(uri) as opened:
        yield opened


def test_a_training_is_a_run_with_a_run_under_it_for_each_candidate(client: Any, tracked: TrackedRun) -> None:
    runs = client.search_runs([tracked.experiment_id])
    parent = next(run for run in runs if run.info.run_id == tracked.run_id)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == tracked.run_id]
    assert sorted(run.info.run_name for run in children) == ["prevalence", "ridge"]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert parent.data.params == {"endpoint.horizon_months": "12"}
    for run in (parent, *children):
        assert run.data.metrics["c_statistic_ci_low"] == 0.62
        assert run.data.tags["synthetic"] == "SYNTHETIC"
        assert "SYNTHETIC" in run.data.tags["mlflow.note.content"]


def test_artefacts_lie_beside_the_database(client: Any, tracked: TrackedRun, place: Path) -> None:
    def paths(folder: str | None = None) -> list[str]:
        found = client.list_artifacts(tracked.run_id, folder)
        return [path for item in found for path in (paths(item.path) if item.is_dir else [item.path])]

    assert set(paths()) == {
        "figures/calibration.png",
        "report.html",
        "tables/attrition.csv",
        "tables/performance.csv",
    }
    assert (place / "mlruns" / "menses_12m" / tracked.run_id).is_dir()


def test_the_data_set_is_a_hash_and_a_shape(client: Any, tracked: TrackedRun) -> None:
    (found,) = client.get_run(tracked.run_id).inputs.dataset_inputs
    assert found.dataset.name == "cohort.csv"
    assert found.dataset.digest == "dadadadadada"
    assert '"num_rows": 60' in found.dataset.profile
    assert found.dataset.schema is None


def test_the_model_is_registered_from_code_without_pickle(client: Any, tracked: TrackedRun, place: Path) -> None:
    version = client.get_model_version_by_alias("menses_12m", "champion")
    assert (str(version.version), tracked.uri) == (tracked.version, "models:/menses_12m@champion")
    assert version.tags["synthetic"] == "SYNTHETIC"
    stored = [path for path in (place / "mlruns" / "menses_12m" / "models").rglob("*") if path.is_file()]
    assert "served_model.py" in {path.name for path in stored}
    assert not {path.suffix for path in stored} & {".pkl", ".pickle", ".joblib"}
    assert not any(b"input_example" in path.read_bytes() for path in stored if path.name == "MLmodel")


def test_a_registered_bundle_is_found_and_whole(tracked: TrackedRun, place: Path, uri: str) -> None:
    folder = read_registered_bundle(tracked.uri, tracking_uri=uri)
    assert read_bundle(folder).digest == read_bundle(place / "bundle").digest


def test_a_registered_bundle_is_copied_where_asked(tracked: TrackedRun, place: Path, uri: str, tmp_path: Path) -> None:
    folder = read_registered_bundle(tracked.uri, tmp_path, tracking_uri=uri)
    assert folder.is_relative_to(tmp_path)
    assert read_bundle(folder).digest == read_bundle(place / "bundle").digest


def served(uri: str, tracked: TrackedRun) -> Any:
    with mlflow_session.open_store(uri):
        from mlflow.pyfunc import load_model  # noqa: PLC0415

        return load_model(tracked.uri)


def test_a_served_model_answers_like_score_and_missing_values_survive(
    tracked: TrackedRun, place: Path, uri: str
) -> None:
    women = make_women(8)
    women.insert(0, "patient_id", pd.Series([f"00{i}" for i in range(8)], dtype="str"))
    for row, name in enumerate(PREDICTORS):
        women.loc[row, name] = np.nan
    women.loc[4, list(PREDICTORS[1:])] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = served(uri, tracked).predict(women)
    expected = score_frame(read_bundle(place / "bundle"), women, reasons=3)
    pd.testing.assert_frame_equal(answer, expected)
    assert (answer["p_response"].dtype, answer["p_response"].notna().all()) == (np.float64, True)
    assert list(answer["patient_id"]) == [f"00{i}" for i in range(8)]


def test_a_woman_without_any_predictor_is_refused_and_the_others_are_scored(tracked: TrackedRun, uri: str) -> None:
    women = make_women(3)
    women.loc[1, list(PREDICTORS)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = served(uri, tracked).predict(women)
    assert answer["p_response"].notna().tolist() == [True, False, True]
    assert answer["flags"].str.startswith("rejected: A row must hold at least one predictor").tolist()[1]


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_a_served_model_takes_columns_without_any_value(tracked: TrackedRun, uri: str, nothing: float | None) -> None:
    women = make_women(3).drop(columns="amh__below")
    women["aetiology"] = pd.Series([nothing] * 3, dtype=object)
    women["fsh"] = pd.Series([nothing] * 3, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = served(uri, tracked).predict(women)
    assert answer["p_response"].notna().all()


def test_the_signature_names_the_columns_of_score(tracked: TrackedRun, place: Path, uri: str) -> None:
    schema = served(uri, tracked).metadata.signature
    scored = score_frame(read_bundle(place / "bundle"), make_women(2), reasons=3)
    assert schema.outputs.input_names() == list(scored.columns)
    assert schema.inputs.input_names() == [
        "patient_id",
        *read_bundle(place / "bundle").contract.input_columns,
    ]
    assert not any(schema.inputs.required_input_names())


def test_a_model_that_is_not_promoted_leaves_the_older_champion(place: Path, uri: str) -> None:
    settings = TrackingSettings("menses_12m", registered_model="menses_again", tracking_uri=uri)
    first = record_training(make_run(), place / "bundle", settings, promote=True)
    second = record_training(make_run(), place / "bundle", settings, promote=False)
    assert (second.alias, second.uri) == (None, f"models:/menses_again/{second.version}")
    with mlflow_session.open_store(settings.uri) as client:
        champion = client.get_model_version_by_alias("menses_again", "champion")
        assert str(champion.version) == first.version


def test_more_settings_than_one_request_takes_are_all_recorded(place: Path, uri: str, tracked: TrackedRun) -> None:
    items = (*(Param(f"setting_{i}", str(i)) for i in range(230)), Metric("n", 1.0))
    settings = TrackingSettings("menses_12m", tracking_uri=uri)
    recorded = record_training(RunRecord("many", items), place / "bundle", settings, promote=False)
    with mlflow_session.open_store(uri) as client:
        assert len(client.get_run(recorded.run_id).data.params) == 230


class BrokenPicture:
    """A figure whose file cannot be written."""

    def savefig(self, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")


def test_a_recording_that_fails_half_way_is_marked_and_said(place: Path, uri: str, tracked: TrackedRun) -> None:
    broken = RunRecord("half", (Figure("figures/broken.png", BrokenPicture()),), (RunRecord("child", ()),))
    settings = TrackingSettings("menses_12m", registered_model="never", tracking_uri=uri)
    with pytest.raises(TrackingError, match=r"No space left on device.*go on with --no-track"):
        record_training(broken, place / "bundle", settings, promote=True)
    with mlflow_session.open_store(uri) as client:
        runs = client.search_runs([tracked.experiment_id])
        status = {run.info.run_name: run.info.status for run in runs}
        assert (status["half"], status["child"]) == ("FAILED", "FINISHED")
        assert not [model for model in client.search_registered_models() if model.name == "never"]


def test_an_interrupted_recording_is_marked_as_killed(
    place: Path, uri: str, tracked: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_store, "register_bundle", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record_training(
            RunRecord("interrupted", ()),
            place / "bundle",
            TrackingSettings("menses_12m", tracking_uri=uri),
            promote=True,
        )
    with mlflow_session.open_store(uri) as client:
        runs = client.search_runs([tracked.experiment_id])
        assert {run.info.status for run in runs if run.info.run_name == "interrupted"} == {"KILLED"}


def test_a_model_that_is_not_there_is_said_in_one_sentence(uri: str, tracked: TrackedRun) -> None:
    with pytest.raises(TrackingError, match="absent") as caught:
        read_registered_bundle("models:/absent@champion", tracking_uri=uri)
    assert "\n" not in str(caught.value)


def test_a_store_that_is_no_database_is_said_in_one_sentence(place: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database" * 100)
    settings = TrackingSettings("menses_12m", tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(TrackingError, match="MLflow store must be reachable") as caught:
        record_training(make_run(), place / "bundle", settings, promote=True)
    assert "\n" not in str(caught.value)


def test_no_woman_is_in_the_store(place: Path, tracked: TrackedRun) -> None:
    women = make_women()
    values = [repr(float(value)).encode() for name in ("age", "fsh", "amh") for value in women[name]]
    for path in place.rglob("*"):
        if path.is_file() and "bundle" not in path.parts:
            content = path.read_bytes()
            assert not any(value in content for value in values)


def test_recording_says_nothing_and_leaves_no_setting_behind(tmp_path: Path, place: Path) -> None:
    code = (
        "import sys, os\n"
        "from pathlib import Path\n"
        "from poi_predict.tracking import RunRecord, TrackingSettings, record_training\n"
        "run = RunRecord('quiet', (), (RunRecord('child', ()),))\n"
        f"record_training(run, Path({str(place / 'bundle')!r}), TrackingSettings('quiet'), promote=True)\n"
        "import mlflow\n"
        "assert not mlflow.is_tracking_uri_set()\n"
        "assert os.environ['MLFLOW_DISABLE_TELEMETRY'] == 'true'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select count(*) from runs").fetchone() == (2,)


def test_a_visit_leaves_the_environment_as_it_was(
    uri: str, tracked: TrackedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in (f"sqlite:///{tmp_path / 'first.db'}", f"sqlite:///{tmp_path / 'second.db'}", None):
        if address is None:
            monkeypatch.delenv("MLFLOW_TRACKING_URI")
        else:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        read_registered_bundle(tracked.uri, tracking_uri=uri)
        assert os.environ.get("MLFLOW_TRACKING_URI") == address
        assert tracking_address() == address or address is None


def test_importing_the_room_imports_no_mlflow() -> None:
    code = "import sys, poi_predict.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_store_is_the_one_given_then_the_environments_then_a_file_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_address() == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert TrackingSettings("menses_12m").uri == "http://127.0.0.1:5000"
    assert TrackingSettings("menses_12m", tracking_uri="sqlite:///a.db").uri == "sqlite:///a.db"


@pytest.mark.parametrize("address", ["./mlruns", "mlruns", "file:///clinic/mlruns", "/clinic/mlruns"])
def test_a_folder_as_store_is_refused_with_our_remedy(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(TrackingError, match=r"in a database.*Set MLFLOW_TRACKING_URI=sqlite:///mlflow\.db") as said:
        TrackingSettings("menses_12m").uri  # noqa: B018
    assert address in str(said.value)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert tracking_address() == address


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "a@b", "a\\b"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(StudyError, match="must not hold any of"):
        TrackingSettings(name)


def test_the_pages_are_served_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        assert path == command[0] == sys.executable
        assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
        calls.append(command)

    monkeypatch.setattr(mlflow_store.os, "execve", execve)
    serve_ui(port=5099, tracking_uri="sqlite:///a.db")
    (command,) = calls
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--backend-store-uri") + 1] == "sqlite:///a.db"


def test_a_table_is_stored_as_it_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"step": ["read"], "remaining_rows": [60]})
    write_artifacts([Table("tables/attrition.csv", frame)], tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "tables" / "attrition.csv"), frame)
