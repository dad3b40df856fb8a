"""A registered model asked through MLflow's own command line and server, and a tampered one refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import BundleError, CohortError
from poi_predict.scoring.batch import score_frame
from poi_predict.scoring.bundle import read_bundle, write_bundle
from poi_predict.scoring.contract import Contract
from poi_predict.tracking import mlflow_session
from poi_predict.tracking.mlflow_store import read_registered_bundle, record_training
from poi_predict.tracking.records import RunRecord
from poi_predict.tracking.served_input import read_served_columns, without_nan
from poi_predict.tracking.settings import TrackedRun, TrackingSettings
from tracked import make_bundle

WOMEN = [
    {"patient_id": "0042", "age": 33, "fsh": 60, "amh": 1, "amh__below": True, "aetiology": "idiopathic"},
    {"patient_id": "0043", "age": 29.5, "fsh": 80, "amh": 2, "amh__below": False, "aetiology": "surgical"},
    {"patient_id": "Ωmega", "age": None, "fsh": None, "amh": None, "amh__below": None, "aetiology": None},
]
CONTRACT = Contract(
    "menses_12m",
    ("age", "amh", "aetiology"),
    ("age", "amh", "amh__below", "aetiology"),
    codebook={"aetiology": {"kind": "category"}},
)


def environment(uri: str) -> dict[str, str]:
    quiet = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    # MLflow starts its server by the name "uvicorn": the environment's programs must be on the path.
    quiet["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"} | quiet


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, content: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", content.encode(), {"Content-Type": "application/json"}
    )
    for _ in range(300):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return dict(json.loads(answer.read()))
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("the server did not answer")


@pytest.fixture(scope="module")
def answers(uri: str, tracked: TrackedRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `models predict` and `models serve`, side by side, answer about the same women."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    pd.DataFrame(WOMEN).to_csv(folder / "women.csv", index=False)
    mlflow = [sys.executable, "-m", "mlflow", "models"]
    options = ["-m", tracked.uri, "--env-manager", "local"]
    with (folder / "log").open("wb") as log:
        serve = [*mlflow, "serve", *options, "-h", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(serve, env=environment(uri), stdout=log, stderr=log, start_new_session=True)
        try:
            files = ["-i", str(folder / "women.csv"), "-t", "csv", "-o", str(folder / "out.json")]
            subprocess.run(
                [*mlflow, "predict", *options, *files], env=environment(uri), capture_output=True, check=True
            )
            served = ask(port, json.dumps({"dataframe_records": WOMEN}), server)
        finally:
            os.killpg(server.pid, 15)
            server.wait(timeout=20)
    return {"predict": json.loads((folder / "out.json").read_text()), "serve": served}


@pytest.mark.slow  # two processes that import MLflow; the tests below are the short form
@pytest.mark.parametrize("way", ["predict", "serve"])
def test_mlflow_answers_with_the_columns_of_score(way: str, answers: dict[str, Any], place: Path) -> None:
    bundle = read_bundle(place / "bundle")
    expected = score_frame(bundle, read_served_columns(pd.DataFrame(WOMEN), bundle.contract), reasons=3)
    answer = pd.DataFrame(answers[way]["predictions"])
    pd.testing.assert_frame_equal(answer, expected, check_dtype=False, rtol=1e-12)
    assert answer["patient_id"].tolist() == ["0042", "0043", "Ωmega"]
    assert answer["p_response"].notna().all()


def load(uri: str, name: str) -> Any:
    with mlflow_session.open_store(uri):
        from mlflow.pyfunc import load_model  # noqa: PLC0415

        return load_model(name)


def test_whole_numbers_and_empty_columns_are_taken(uri: str, tracked: TrackedRun, place: Path) -> None:
    women = pd.DataFrame({"age": [33, 29], "fsh": [60, 80], "amh": [np.nan, np.nan], "aetiology": [np.nan, np.nan]})
    assert women["age"].dtype == np.int64
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = load(uri, tracked.uri).predict(women)
    expected = score_frame(read_bundle(place / "bundle"), women.astype({"age": float, "fsh": float}), reasons=3)
    np.testing.assert_array_equal(answer["p_response"], expected["p_response"])


def test_an_id_that_a_csv_reader_made_a_number_is_refused(uri: str, tracked: TrackedRun) -> None:
    women = pd.DataFrame({"patient_id": [42], "age": [33], "fsh": [60], "amh": [1.0], "aetiology": ["surgical"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match="patient_id") as caught:  # MLflow's own
            load(uri, tracked.uri).predict(women)
    assert "MlflowException" in type(caught.value).__name__


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", "thirty"),
        ("age", True),
        ("age", float("inf")),
        ("age", [33]),
        ("amh__below", "perhaps"),
        ("amh__below", 2),
        ("amh__below", [1]),
        ("aetiology", ["surgical"]),
    ],
)
def test_what_is_not_of_its_kind_is_refused_without_being_shown(column: str, value: object) -> None:
    women = {"age": [33, 34], "amh": [1, 2], "amh__below": [True, None], "aetiology": ["surgical", None]}
    women[column] = [women[column][0], value]
    with pytest.raises(CohortError, match=rf"{column} holds 1 that is not") as caught:
        read_served_columns(pd.DataFrame(women), CONTRACT)
    assert str(value) not in str(caught.value).replace("true or false", "").replace("33", "") or value == 2


@pytest.mark.parametrize("below", [[1, 0, None], [True, False, None], ["true", "False", None], [1.0, 0.0, np.nan]])
def test_truths_are_read_however_json_and_csv_write_them(below: list[object]) -> None:
    women = pd.DataFrame({"age": ["33.5", 30, None], "amh__below": pd.Series(below, dtype=object)})
    read = read_served_columns(women, CONTRACT)
    assert read["amh__below"].tolist() == [True, False, False]
    assert read["amh__below"].dtype == bool
    np.testing.assert_array_equal(read["age"], [33.5, 30.0, np.nan])


def test_a_missing_number_is_null_in_json() -> None:
    answer = without_nan(pd.DataFrame({"p_response": [0.25, 0.5], "ci_low": [np.nan, 0.1]}))
    assert json.loads(json.dumps(answer.to_dict("records")))[0] == {"p_response": 0.25, "ci_low": None}
    assert answer["p_response"].dtype == np.float64


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.file,)


def find_stored(place: Path, tracked: TrackedRun, name: str) -> Path:
    """The folder of the registered model of one run."""
    models = place / "mlruns" / "menses_12m" / "models"
    (found,) = [path.parent for path in models.rglob("MLmodel") if f"run_id: {tracked.run_id}" in path.read_text()]
    assert found.is_dir(), name
    return found


@pytest.fixture
def other(place: Path, uri: str, tracked: TrackedRun) -> tuple[TrackedRun, Path]:
    """A second registered model, to be tampered with."""
    settings = TrackingSettings("menses_12m", registered_model="tampered", tracking_uri=uri)
    found = record_training(RunRecord("tampered", ()), place / "bundle", settings, promote=True)
    return found, find_stored(place, found, "tampered")


def test_a_planted_pickle_is_never_unpickled(other: tuple[TrackedRun, Path], uri: str, tmp_path: Path) -> None:
    found, stored = other
    sprung = tmp_path / "sprung"
    (stored / "python_model.pkl").write_bytes(pickle.dumps(Trap(sprung)))
    description = (stored / "MLmodel").read_text()
    description = description.replace("mlflow.pyfunc.loaders.code_model", "mlflow.pyfunc.model")
    description = description.replace("    model_code_path:", "    python_model: python_model.pkl\n    model_code_was:")
    (stored / "MLmodel").write_text(description)
    assert read_bundle(read_registered_bundle(found.uri, tracking_uri=uri)).digest
    assert not sprung.exists()
    (stored / "artifacts" / "bundle" / "python_model.pkl").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(BundleError):
        read_registered_bundle(found.uri, tracking_uri=uri)
    assert not sprung.exists()
    pickle.loads((stored / "python_model.pkl").read_bytes())  # noqa: S301  # the trap does work
    assert sprung.exists()


def test_a_whole_bundle_in_the_place_of_another_is_refused(other: tuple[TrackedRun, Path], uri: str) -> None:
    found, stored = other
    bundle = make_bundle()
    shutil.rmtree(stored / "artifacts" / "bundle")
    write_bundle(type(bundle)(**(vars(bundle) | {"card": "# Another"})), stored / "artifacts" / "bundle")
    with pytest.raises(BundleError, match="the one that was registered"):
        read_registered_bundle(found.uri, tracking_uri=uri)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BundleError, match="the one that was registered"):
            load(uri, found.uri)


def test_a_changed_byte_is_refused(other: tuple[TrackedRun, Path], uri: str) -> None:
    found, stored = other
    card = stored / "artifacts" / "bundle" / "MODEL_CARD.md"
    card.write_bytes(card.read_bytes() + b" ")
    with pytest.raises(BundleError):
        read_registered_bundle(found.uri, tracking_uri=uri)
