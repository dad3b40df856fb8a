"""The MLflow store of experiments and models: the only place that knows MLflow.

MLflow takes seconds to import and likes to talk; it is imported inside the functions below, kept quiet, and
its telemetry is off unless the person has decided otherwise.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pandas as pd  # noqa: TC002  # MLflow reads the annotation of the served model's input

from poi_predict.errors import TrackingError
from poi_predict.scoring.bundle import read_bundle, read_contract
from poi_predict.tracking.artifacts import write_artifacts
from poi_predict.tracking.records import Dataset, Metric, Param, RunRecord, Tag
from poi_predict.tracking.settings import TrackedRun, TrackingSettings, tracking_address
from poi_predict.tracking.signature import REASONS, input_types, output_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

    from poi_predict.scoring.contract import Contract

__all__ = [
    "read_registered_bundle",
    "record_training",
    "serve_ui",
    "set_served_model",
]

CHAMPION = "champion"
MOST_PARAMS = 100  # in one request, by MLflow's rule
DIGEST_LENGTH = 12  # shown beside a data set's name; the whole hash stands in its profile and in a tag
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
REQUIREMENTS = ("mlflow", "numpy", "pandas", "poi-predict", "scikit-learn", "skops")
SERVED_MODEL = Path(__file__).with_name("served_model.py")


def record_training(run: RunRecord, bundle_folder: Path, settings: TrackingSettings, *, promote: bool) -> TrackedRun:
    """Record a training with its candidates, and register its bundle as a model.

    Parameters
    ----------
    run : RunRecord
        See `build_training_record`.
    bundle_folder : Path
        A folder that `write_bundle` wrote; its bytes are checked before they are stored.
    settings : TrackingSettings
        Where to record.
    promote : bool
        Whether the model becomes the champion. If not, an older champion stays the champion.

    Returns
    -------
    TrackedRun
        Where to find it.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; the run, if it was begun, is then marked as failed.
    BundleError
        If the bundle is not as training wrote it.
    """
    contract = read_contract(bundle_folder)
    with _store(settings.uri) as client:
        experiment_id = _experiment(client, settings)
        with _open_run(client, experiment_id, run) as run_id:
            for child in run.children:
                with _open_run(client, experiment_id, child, parent=run_id) as child_id:
                    _record_items(client, child_id, child)
            _record_items(client, run_id, run)
            version = _register(client, run_id, bundle_folder, contract, settings.registered_model)
            client.update_model_version(settings.registered_model, version, description=run.note)
            if promote:
                client.set_registered_model_alias(settings.registered_model, CHAMPION, version)
    alias = CHAMPION if promote else None
    reference = f"@{CHAMPION}" if promote else f"/{version}"
    return TrackedRun(
        experiment_id=experiment_id,
        run_id=run_id,
        model_name=settings.registered_model,
        version=version,
        alias=alias,
        uri=f"models:/{settings.registered_model}{reference}",
    )


def read_registered_bundle(uri: str, folder: Path | None = None, tracking_uri: str | None = None) -> Path:
    """Find the bundle of a registered model, fetched if it lies elsewhere, for `read_bundle` to check.

    Parameters
    ----------
    uri : str
        ``models:/name@alias`` or ``models:/name/version``.
    folder : Path or None
        An existing folder to copy the bundle into. By default a store on this machine is read where it
        stands, and a remote one is copied to the system's temporary folder.
    tracking_uri : str or None
        As in `TrackingSettings`.

    Returns
    -------
    Path
        The bundle's folder.

    Raises
    ------
    TrackingError
        If there is no such model, or the store cannot be reached.
    """
    store = tracking_address(tracking_uri)
    with _store(store):
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        fetched = download_artifacts(
            f"{uri}/artifacts/bundle", dst_path=None if folder is None else str(folder), tracking_uri=store
        )
    return Path(fetched)


def serve_ui(host: str = "127.0.0.1", port: int = 5000, tracking_uri: str | None = None) -> NoReturn:
    """Become MLflow's server for the store; an interrupt or an end of this process is then the server's own.

    Parameters
    ----------
    host : str
        Address to listen on; other machines reach the pages only if this is changed.
    port : int
        Port to listen on.
    tracking_uri : str or None
        As in `TrackingSettings`.
    """
    store = tracking_address(tracking_uri)
    address = ["--host", host, "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, *address]
    # MLflow's job runner is left out: it is for language models, and its workers outlive the server.
    environment = QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | os.environ
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606


def set_served_model() -> None:
    """Hand MLflow the model that answers with the columns of ``score``; called by `served_model`."""
    with _quiet():
        from mlflow.models import set_model  # noqa: PLC0415
        from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]  # noqa: PLC0415

        class BundleModel(PythonModel):
            """Scores canonical columns with the bundle stored beside it, checked byte for byte on loading."""

            def load_context(self, context: Any) -> None:
                self.bundle = read_bundle(Path(context.artifacts["bundle"]))

            def predict(
                self,
                context: Any,  # noqa: ARG002
                model_input: pd.DataFrame,
                params: dict[str, Any] | None = None,  # noqa: ARG002
            ) -> pd.DataFrame:
                from poi_predict.scoring import batch  # noqa: PLC0415

                return batch.score_frame(self.bundle, model_input, reasons=REASONS)

        set_model(BundleModel())


@contextlib.contextmanager
def _store(uri: str) -> Iterator[MlflowClient]:
    """Open a store quietly; what goes wrong inside becomes one clear sentence."""
    with _quiet():
        import mlflow  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        was_set = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
        before = mlflow.get_tracking_uri() if was_set else None
        try:
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
                "Check MLFLOW_TRACKING_URI and the space on its disk, or train without tracking."
            ) from error
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: as if never set


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow from talking and from telling: chatter on standard error, progress bars, telemetry.

    Nothing is lost by it: what goes wrong is raised.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _experiment(client: MlflowClient, settings: TrackingSettings) -> str:
    """Return the experiment's id; a new one keeps its files beside the database, wherever that is."""
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if settings.uri.startswith("sqlite:///"):
        database = Path(settings.uri.removeprefix("sqlite:///").split("?")[0]).absolute()
        location = (database.parent / "mlruns" / settings.experiment).as_uri()
    kind = {"mlflow.experimentKind": "custom_model_development"}  # spares the person MLflow's question about it
    return str(client.create_experiment(settings.experiment, artifact_location=location, tags=kind))


@contextlib.contextmanager
def _open_run(client: MlflowClient, experiment_id: str, record: RunRecord, parent: str | None = None) -> Iterator[str]:
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


def _record_items(client: MlflowClient, run_id: str, record: RunRecord) -> None:
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


def _register(client: MlflowClient, run_id: str, bundle_folder: Path, contract: Contract, model_name: str) -> str:
    """Log the bundle as a model made from code, register it, and return its version."""
    import mlflow.pyfunc  # noqa: PLC0415
    from mlflow.models import Model  # noqa: PLC0415

    experiment_id = client.get_run(run_id).info.experiment_id
    tags = {"study": contract.study} | {brand.lower(): brand for brand in contract.brands}
    model = client.create_logged_model(experiment_id, name=contract.study, source_run_id=run_id, tags=tags)
    logged = Model.log(
        artifact_path=None,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        model_id=model.model_id,
        tags=tags,
        registered_model_name=model_name,
        await_registration_for=0,
        python_model=str(SERVED_MODEL),
        artifacts={"bundle": str(bundle_folder)},
        signature=_signature(contract),
        pip_requirements=_requirements(),
    )
    return str(logged.registered_model_version)


def _signature(contract: Contract) -> ModelSignature:
    """Declare canonical columns in and those of ``score`` out; none is required, so NaN may stand."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    inputs, outputs = (
        Schema([ColSpec(kind, name, required=False) for name, kind in columns.items()])
        for columns in (input_types(contract), output_types(contract))
    )
    return ModelSignature(inputs, outputs)


def _requirements() -> list[str]:
    """Return what serving needs, in the versions at hand: MLflow then starts no process to guess it."""
    from importlib.metadata import version  # noqa: PLC0415

    return [f"{name}=={version(name)}" for name in REQUIREMENTS]
