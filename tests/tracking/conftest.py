"""One store with one registered model, for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from poi_predict.scoring.bundle import write_bundle
from poi_predict.tracking.mlflow_store import record_training
from poi_predict.tracking.settings import TrackedRun, TrackingSettings
from tracked import make_bundle, make_run


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracking")
    write_bundle(make_bundle(), folder / "bundle")
    return folder


@pytest.fixture(scope="session")
def uri(place: Path) -> str:
    return f"sqlite:///{place / 'mlflow.db'}"


@pytest.fixture(scope="session")
def tracked(place: Path, uri: str) -> TrackedRun:
    settings = TrackingSettings("menses_12m", tracking_uri=uri)
    return record_training(make_run(), place / "bundle", settings, promote=True)
