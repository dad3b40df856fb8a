"""A registered model is found, read and asked without a pickle: MLflow's own reader makes it from code."""

from __future__ import annotations

import pandas as pd

from no_pickle import no_pickle
from poi_predict.scoring import read_bundle
from poi_predict.tracking.mlflow_session import open_store
from poi_predict.tracking.mlflow_store import read_registered_bundle
from poi_predict.tracking.settings import TrackedRun
from tracked import make_women


def test_a_registered_model_is_read_and_served_without_a_pickle(tracked: TrackedRun, uri: str) -> None:
    with open_store(uri):
        import mlflow.pyfunc  # noqa: PLC0415

        with no_pickle():
            served = mlflow.pyfunc.load_model(tracked.uri)
            answer = served.predict(make_women(3).assign(patient_id=["1", "2", "3"]))
    assert isinstance(answer, pd.DataFrame)
    assert answer["p_response"].notna().all()
    with no_pickle():
        assert read_bundle(read_registered_bundle(tracked.uri, tracking_uri=uri)).digest
