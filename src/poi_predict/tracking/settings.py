"""Where trainings are recorded, and what is given back about one that was."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from poi_predict.errors import StudyError, TrackingError

__all__ = ["TrackedRun", "TrackingSettings", "tracking_address"]

DEFAULT_URI = "sqlite:///mlflow.db"


def tracking_address(tracking_uri: str | None = None) -> str:
    """Return the store's address: the one given, else ``MLFLOW_TRACKING_URI``, else a file here.

    Raises
    ------
    TrackingError
        If it is a folder, which MLflow no longer writes (unless ``MLFLOW_ALLOW_FILE_STORE`` is set).

    Examples
    --------
    >>> tracking_address("sqlite:///clinic.db")
    'sqlite:///clinic.db'
    >>> tracking_address("file:///clinic/mlruns")
    Traceback (most recent call last):
    poi_predict.errors.TrackingError: Runs must be kept in a database; file:///clinic/mlruns is a folder, which ...
    """
    address = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    is_folder = urlsplit(address).scheme in ("", "file") and address != "databricks"
    if is_folder and not os.environ.get("MLFLOW_ALLOW_FILE_STORE"):
        raise TrackingError(
            f"Runs must be kept in a database; {address} is a folder, which MLflow no longer writes. Set "
            f"MLFLOW_TRACKING_URI={DEFAULT_URI}, or leave it unset. 'mlflow migrate-filestore --source {address} "
            f"--target {DEFAULT_URI}' copies earlier runs."
        )
    return address


@dataclass(frozen=True)
class TrackingSettings:
    """Where trainings are recorded.

    Attributes
    ----------
    experiment : str
        Name of the experiment: the study.
    registered_model : str
        Name under which models are registered; by default the experiment's.
    tracking_uri : str or None
        The store; by default the environment's ``MLFLOW_TRACKING_URI``, or else ``sqlite:///mlflow.db`` in
        the working directory.

    Raises
    ------
    StudyError
        If a name could not stand in a model's address.

    Examples
    --------
    >>> TrackingSettings("menses_12m").registered_model
    'menses_12m'
    >>> TrackingSettings("menses@12m")
    Traceback (most recent call last):
    poi_predict.errors.StudyError: Names of experiments and registered models must not hold any of / : @ ...
    """

    experiment: str
    registered_model: str = ""
    tracking_uri: str | None = None

    def __post_init__(self) -> None:
        if not self.registered_model:
            object.__setattr__(self, "registered_model", self.experiment)
        for name in (self.experiment, self.registered_model):
            if not name.strip() or re.search(r"[/:@\\]", name):
                raise StudyError(
                    "Names of experiments and registered models must not hold any of / : @ \\ "
                    f'and must not be empty; "{name}" breaks this. Rename the study.'
                )

    @property
    def uri(self) -> str:
        """The store's address."""
        return tracking_address(self.tracking_uri)


@dataclass(frozen=True)
class TrackedRun:
    """What was recorded, and how to find it again.

    Attributes
    ----------
    experiment_id, run_id : str
        The training's run.
    model_name, version : str
        The registered model.
    alias : str or None
        ``champion`` if the model was promoted.
    uri : str
        Address of the registered model: what ``poi-predict score --model`` takes.
    """

    experiment_id: str
    run_id: str
    model_name: str
    version: str
    alias: str | None
    uri: str
