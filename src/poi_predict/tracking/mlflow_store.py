"""The MLflow store of experiments and models: trainings recorded, models fetched and used, pages shown."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from poi_predict.scoring.bundle import read_contract, read_stored_files
from poi_predict.tracking.mlflow_model import DIGEST, check_digest, register_bundle, set_served_model
from poi_predict.tracking.mlflow_session import CHAMPION, QUIET, find_experiment, open_run, open_store, record_items
from poi_predict.tracking.settings import TrackedRun, TrackingSettings, tracking_address

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from poi_predict.tracking.records import RunRecord

__all__ = ["find_version", "read_registered_bundle", "record_training", "serve_ui", "set_served_model"]

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


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
    _, digest = read_stored_files(bundle_folder)
    with open_store(settings.uri) as client:
        experiment_id = find_experiment(client, settings)
        with open_run(client, experiment_id, run) as run_id:
            for child in run.children:
                with open_run(client, experiment_id, child, parent=run_id) as child_id:
                    record_items(client, child_id, child)
            record_items(client, run_id, run)
            client.set_tag(run_id, DIGEST, digest)
            version = register_bundle(client, run_id, bundle_folder, contract, digest, settings.registered_model)
            client.set_model_version_tag(settings.registered_model, version, DIGEST, digest)
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

    Nothing of the registered model is run or unpickled: of its files only the bundle's folder is looked at.

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
    BundleError
        If the bundle is not, byte for byte, the one that was registered.
    """
    store = tracking_address(tracking_uri)
    with open_store(store) as client:
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        version = find_version(client, uri)
        # By its number: the alias may move to another model while the files are fetched.
        source = uri if version is None else f"models:/{version.name}/{version.version}"
        fetched = download_artifacts(
            f"{source}/artifacts/bundle", dst_path=None if folder is None else str(folder), tracking_uri=store
        )
    if version is not None and DIGEST in version.tags:
        check_digest(read_stored_files(Path(fetched))[1], version.tags[DIGEST])
    return Path(fetched)


def find_version(client: MlflowClient, uri: str) -> ModelVersion | None:
    """Return the registered version that an address names; None for an address of another form."""
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        return None
    if found["alias"]:
        return client.get_model_version_by_alias(found["name"], found["alias"])
    return client.get_model_version(found["name"], found["version"])


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
