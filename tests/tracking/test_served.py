"""A registered model asked through MLflow's own command line and server, and a tampered one refused."""

from __future__ import annotations

import dataclasses
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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from children import started
from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.cohort import ColumnMapping, ReadingSettings, read_codebook, read_frame
from poi_predict.errors import BundleError
from poi_predict.scoring import Bundle, answer_frame, read_bundle, score_frame, survey_scoring_cohort, write_bundle
from poi_predict.tracking import mlflow_session
from poi_predict.tracking.mlflow_model import without_nan
from poi_predict.tracking.mlflow_store import read_registered_bundle, record_training
from poi_predict.tracking.records import RunRecord
from poi_predict.tracking.settings import TrackedRun, TrackingSettings
from support import ROOT
from tracked import make_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

WOMEN = [
    {"patient_id": "0042", "age": 33, "fsh": 60, "amh": 1, "amh__below": True, "aetiology": "idiopathic"},
    {"patient_id": "0043", "age": 29.5, "fsh": 80, "amh": 2, "amh__below": False, "aetiology": "surgical"},
    {"patient_id": "Ωmega", "age": 31, "fsh": None, "amh": None, "amh__below": None, "aetiology": None},
]
REFERENCE = ROOT / "models" / "reference-menses"


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
        with started(serve, env=environment(uri), stdout=log, stderr=log) as server:
            files = ["-i", str(folder / "women.csv"), "-t", "csv", "-o", str(folder / "out.json")]
            subprocess.run(
                [*mlflow, "predict", *options, *files], env=environment(uri), capture_output=True, check=True
            )
            served = ask(port, json.dumps({"dataframe_records": WOMEN}), server)
    return {"predict": json.loads((folder / "out.json").read_text()), "serve": served}


@pytest.mark.slow  # two processes that import MLflow; the tests below are the short form
@pytest.mark.parametrize("way", ["predict", "serve"])
def test_mlflow_answers_with_the_columns_of_score(way: str, answers: dict[str, Any], place: Path) -> None:
    bundle = read_bundle(place / "bundle")
    expected = answer_frame(bundle, pd.DataFrame(WOMEN), reasons=3)
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


FAULTS = [
    ("age", "thirty", "not_a_number"),
    ("age", True, "not_a_number"),
    ("age", [33], "not_a_number"),
    ("age", float("inf"), "not_a_number"),
    ("age", 3300, "hard_range"),
    ("fsh", -1, "hard_range"),
    ("amh", 0, "no_detection_limit"),
    ("amh__below", "perhaps", "unknown_level"),
    ("amh__below", 2, "unknown_level"),
    ("aetiology", 5, "unknown_level"),
    ("aetiology", "surgicall", "unknown_level"),
    ("follicles_visible", 2, "unknown_level"),
    ("follicles_visible", 0.5, "unknown_level"),
    ("follicles_visible", "perhaps", "unknown_level"),
    ("patient_id", None, "empty_patient_id"),
]
SOUND = {
    "patient_id": "A",
    "age": 33,
    "fsh": 60,
    "amh": 1.2,
    "amh__below": False,
    "aetiology": "surgical",
    "follicles_visible": True,
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A model whose variables are of every kind."""
    return read_bundle(REFERENCE)


def ask_about(bundle: Bundle, *women: dict[str, Any]) -> pd.DataFrame:
    """What a served model answers, asked in process; what nobody says of a woman is null."""
    rows = [dict.fromkeys(bundle.contract.predictors) | woman for woman in women]
    return answer_frame(bundle, pd.DataFrame(rows, dtype=object), reasons=3)


@pytest.mark.parametrize(("column", "value"), [fault[:2] for fault in FAULTS])
def test_a_row_that_breaks_the_contract_is_refused_alone_and_says_why(
    bundle: Bundle, column: str, value: object
) -> None:
    answer = ask_about(bundle, SOUND, SOUND | {column: value}, SOUND)
    assert answer["p_response"].isna().tolist() == [False, True, False]
    assert answer.loc[1, ["ci_low", "ci_high", "reason_1"]].isna().all()
    assert answer["flags"].str.startswith("rejected: ").tolist() == [False, True, False]
    assert column in answer["flags"][1]
    assert value is None or f" {value} " not in answer["flags"][1]
    pd.testing.assert_frame_equal(answer.iloc[[0]], ask_about(bundle, SOUND))


def test_score_rejects_the_same_rows_of_a_file_for_the_same_reasons(bundle: Bundle, tmp_path: Path) -> None:
    faults = [fault for fault in FAULTS if fault[0] != "amh__below"]  # no table has such a column
    women = [SOUND | {name: value} for name, value, _ in faults]
    rows = [dict.fromkeys(bundle.contract.predictors) | woman for woman in [*women, SOUND]]
    cells = pd.DataFrame([{name: "" if value is None else str(value) for name, value in row.items()} for row in rows])
    cells.drop(columns="amh__below").to_csv(tmp_path / "women.csv", index=False)
    score(str(REFERENCE), tmp_path / "women.csv", tmp_path / "s.csv", ScoringOptions(n_jobs=1))
    rejected = pd.read_csv(tmp_path / "s.csv.rejected.csv")
    assert list(rejected[["row", "column", "rule"]].itertuples(index=False, name=None)) == [
        (row, name, rule) for row, (name, _, rule) in enumerate(faults, start=1)
    ]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"follicles_visible": True}, {"follicles_visible": "yes"}),
        ({"follicles_visible": False}, {"follicles_visible": 0}),
        ({"follicles_visible": 1.0}, {"follicles_visible": "ja"}),
        ({"age": "33.5"}, {"age": 33.5}),
        ({"age": "33,5"}, {"age": 33.5}),
        ({"amh": "<0.1"}, {"amh": 0.1, "amh__below": True}),
        ({"amh": 0.1, "amh__below": "true"}, {"amh": 0.1, "amh__below": 1}),
        ({"amh": 0.1, "amh__below": None}, {"amh": 0.1, "amh__below": "False"}),
        ({"aetiology": "Idiopathic "}, {"aetiology": "idiopathic"}),
        ({"fsh": float("nan")}, {"fsh": None}),
        ({"cell_source": "AD-MSC"}, {"cell_source": "adipose"}),
    ],
)
def test_what_score_reads_is_read_however_json_writes_it(
    bundle: Bundle, said: dict[str, Any], meant: dict[str, Any]
) -> None:
    pd.testing.assert_frame_equal(ask_about(bundle, SOUND | said), ask_about(bundle, SOUND | meant))
    assert ask_about(bundle, SOUND | said)["p_response"].notna().all()


def test_a_request_of_refused_rows_alone_is_answered_row_by_row(bundle: Bundle) -> None:
    answer = ask_about(bundle, SOUND | {"age": 290}, SOUND | {"fsh": "high"})
    assert answer["p_response"].isna().all()
    assert answer["patient_id"].tolist() == ["A", "A"]
    assert json.loads(json.dumps(without_nan(answer).to_dict("records")))[0]["p_response"] is None


def test_a_row_that_breaks_two_rules_says_both(bundle: Bundle) -> None:
    flags = ask_about(bundle, SOUND | {"age": 290, "fsh": "high"})["flags"][0]
    assert "fsh must be a number" in flags
    assert "age must lie between" in flags


def test_a_limit_of_the_clinic_is_taken_in_the_unit_it_stated() -> None:
    amh = ColumnMapping("amh", "AMH", unit="pmol/L", detection_limit=1.0)
    for mapping, value in ((amh, 0.14), (dataclasses.replace(amh, unit=None), None)):
        block = read_frame(pd.DataFrame({"amh": ["ND"]}), read_codebook(), ReadingSettings(columns=(mapping,)))
        assert block.usable.all() == (value is not None)
        assert value is None or (round(block.data["amh"][0], 3), block.data["amh__below"][0]) == (value, True)


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
def other(place: Path, uri: str, tracked: TrackedRun) -> Iterator[tuple[TrackedRun, Path]]:
    """A second registered model, to be tampered with, whose files are gone afterwards: the store is the room's."""
    settings = TrackingSettings("menses_12m", registered_model="tampered", tracking_uri=uri)
    found = record_training(RunRecord("tampered", ()), place / "bundle", settings, promote=True)
    stored = find_stored(place, found, "tampered")
    yield found, stored
    shutil.rmtree(stored)


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


def test_an_assumed_limit_and_an_absent_column_are_flagged_as_score_flags_them(bundle: Bundle, tmp_path: Path) -> None:
    reading = bundle.contract.reading | {"usual_limits": {"amh": 0.02}}
    known = replace(bundle, contract=replace(bundle.contract, reading=reading))
    women = pd.DataFrame([{"patient_id": "A", "fsh": "60", "amh": cell} for cell in ("ND", "0", "0.02", "<0.02")])
    answer = answer_frame(known, women, reasons=0)
    flags = answer["flags"].str.split(";").map(set)
    assert ["limit_assumed:amh" in flag for flag in flags] == [True, True, False, False]
    assert all("missing:age" in flag for flag in flags)
    assert answer["p_response"][0] == answer["p_response"][3]
    women.to_csv(tmp_path / "women.csv", index=False)
    plan = survey_scoring_cohort(known, tmp_path / "women.csv", allow_synthetic=True)
    assert "absent_column" in {finding.rule for finding in plan.tables[0].warnings}
    with pytest.raises(BundleError, match="holds none"):
        answer_frame(known, women[["patient_id"]])
