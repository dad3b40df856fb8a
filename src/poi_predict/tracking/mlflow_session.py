"""A visit to the MLflow store: opened quietly, runs opened and closed, items recorded.

MLflow takes seconds to import and likes to talk; it is imported inside the functions below, kept quiet, and
its telemetry is off unless the person has decided otherwise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poi_predict.errors import TrackingError
from poi_predict.tracking.artifacts import write_artifacts
from poi_predict.tracking.new_store import find_database, make_database
from poi_predict.tracking.records import Dataset, Metric, Param, RunRecord, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

    from poi_predict.tracking.settings import TrackingSettings

__all__ = ["CHAMPION", "QUIET", "find_experiment", "open_run", "open_store", "quietly", "record_items"]

CHAMPION = "champion"
ADDRESS = "MLFLOW_TRACKING_URI"
MOST_PARAMS = 100  # in one request, by MLflow's rule
DIGEST_LENGTH = 12  # shown beside a data set's name; the whole hash stands in its profile and in a tag
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextlib.contextmanager
def open_store(uri: str) -> Iterator[MlflowClient]:
    """Open a store quietly; what goes wrong inside becomes one clear sentence."""
    with quietly():
        import mlflow  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        variable = os.environ.pop(ADDRESS, None)  # MLflow overwrites it, and would take it for a setting of the program
        was_set = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
        before = mlflow.get_tracking_uri() if was_set else None
        try:
            make_database(uri)
            mlflow.set_tracking_uri(uri)
            yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        except (MlflowException, OSError, SQLAlchemyError) as error:
            reason = str(error).strip().split("\n", 1)[0]
            if "not found" in reason:
                raise TrackingError(
                    f"The store must hold what is asked for; it answered: {reason.rstrip('.')}. "
                    f"The alias {CHAMPION} is given only where skill is shown; name a version, such as models:/NAME/1."
                ) from error
            raise TrackingError(
                f"The MLflow store must be reachable and writable; it answered: {reason} "
                "Check MLFLOW_TRACKING_URI and the space on its disk, or go on with --no-track."
            ) from error
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: as if never set
            os.environ.pop(ADDRESS, None)
            if variable is not None:
                os.environ[ADDRESS] = variable


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep MLflow from talking and from telling: chatter on standard error, progress bars, telemetry.

    Nothing is lost by it: what goes wrong is raised.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def find_experiment(client: MlflowClient, settings: TrackingSettings) -> str:
    """Return the experiment's id; a new one keeps its files beside the database, wherever that is."""
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None:
        return str(found.experiment_id)
    location = None
    database = find_database(settings.uri)
    if database is not None:
        location = (database.parent / "mlruns" / settings.experiment).as_uri()
    kind = {"mlflow.experimentKind": "custom_model_development"}  # spares the person MLflow's question about it
    return str(client.create_experiment(settings.experiment, artifact_location=location, tags=kind))


@contextlib.contextmanager
def open_run(client: MlflowClient, experiment_id: str, record: RunRecord, parent: str | None = None) -> Iterator[str]:
    """Open a run and close it as finished, failed or killed, whatever happens inside."""
    tags = {
        "mlflow.note.content": record.note,
        "mlflow.source.name": "poi-predict",
        "mlflow.source.type": "LOCAL",
    }
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    run_id = str(client.create_run(experiment_id, run_name=record.name, tags=tags).info.run_id)
    try:
        yield run_id
    except BaseException as error:
        with contextlib.suppress(Exception):  # the store may be gone; what went wrong first is what counts
            client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    client.set_terminated(run_id, "FINISHED")


def record_items(client: MlflowClient, run_id: str, record: RunRecord) -> None:
    """Record everything of a run in as few requests as there are kinds of items."""
    from mlflow import entities  # noqa: PLC0415

    now = int(time.time() * 1000)
    metrics = [entities.Metric(i.name, i.value, now, 0) for i in record.items if isinstance(i, Metric)]
    tags = [entities.RunTag(i.name, i.value) for i in record.items if isinstance(i, Tag)]
    params = [entities.Param(i.name, i.value) for i in record.items if isinstance(i, Param)]
    client.log_batch(run_id, metrics=metrics, tags=tags, params=params[:MOST_PARAMS])
    for start in range(MOST_PARAMS, len(params), MOST_PARAMS):
        client.log_batch(run_id, params=params[start : start + MOST_PARAMS])
    datasets = [_dataset_input(item) for item in record.items if isinstance(item, Dataset)]
    if datasets:
        client.log_inputs(run_id, datasets)
    with tempfile.TemporaryDirectory() as folder:
        if write_artifacts(record.items, Path(folder)):
            client.log_artifacts(run_id, folder)


def _dataset_input(item: Dataset) -> Any:
    from mlflow import entities  # noqa: PLC0415

    dataset = entities.Dataset(
        name=item.name,
        digest=item.sha256[:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": item.name}),
        profile=json.dumps({"num_rows": item.rows, "num_columns": item.columns, "sha256": item.sha256}),
    )
    return entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", item.context)])
