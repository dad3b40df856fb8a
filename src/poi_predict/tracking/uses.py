"""What a model is recorded to have done after its training: cohorts scored, validations, and what they found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poi_predict.tracking.mlflow_model import DIGEST
from poi_predict.tracking.mlflow_session import find_experiment, open_run, open_store, record_items
from poi_predict.tracking.mlflow_store import find_version
from poi_predict.tracking.records import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from poi_predict.tracking.records import Metric, RunRecord
    from poi_predict.tracking.settings import TrackingSettings

__all__ = ["KIND", "MODEL_DIGEST", "ModelUse", "TrackedUse", "list_uses", "record_use"]

KIND, MODEL_DIGEST, MODEL_RUN, SYNTHETIC = "kind", "model.digest", "model.run", "synthetic"
PAGE = 500


@dataclass(frozen=True)
class ModelUse:
    """One use of a stored model, to be recorded.

    Attributes
    ----------
    model : str
        The bundle folder or registry address that the person named.
    digest : str
        SHA-256 of the bundle.
    run : RunRecord
        The use itself.
    history : tuple of Metric
        The few figures that are also put on the history of the run that made the model.
    day : str
        ISO date of the use; the history is drawn by it.
    """

    model: str
    digest: str
    run: RunRecord
    history: tuple[Metric, ...]
    day: str


@dataclass(frozen=True)
class TrackedUse:
    """Where a use was recorded.

    Attributes
    ----------
    experiment_id, run_id : str
        The run of the use.
    model_run_id : str or None
        The run that made the model; None where the store does not know it.
    step : int or None
        How many uses of the kind stood on its history before; None where it was not put there, because nobody knows the
        model's run or SYNTHETIC women tried a model of real ones out.
    """

    experiment_id: str
    run_id: str
    model_run_id: str | None
    step: int | None

    def line(self) -> str:
        """Say where it stands.

        >>> TrackedUse("1", "4ab1", None, None).line()
        'Recorded in MLflow: run 4ab1; the store does not know the run that made the model.'
        """
        if self.model_run_id is None:
            return f"Recorded in MLflow: run {self.run_id}; the store does not know the run that made the model."
        if self.step is None:
            return f"Recorded in MLflow: run {self.run_id}; not on the history of the model, whose women are real."
        return f"Recorded in MLflow: run {self.run_id}, and on the history of the model's run {self.model_run_id}."


def record_use(use: ModelUse, settings: TrackingSettings) -> TrackedUse:
    """Record a use as a run of its own, and its main figures on the history of the run that made the model.

    Parameters
    ----------
    use : ModelUse
    settings : TrackingSettings

    Raises
    ------
    TrackingError
        If the store cannot be reached or written; the run, if it was begun, is then marked as failed.
    """
    with open_store(settings.uri) as client:
        experiment_id = find_experiment(client, settings)
        model_run = _find_model_run(client, use, experiment_id)
        with open_run(client, experiment_id, use.run) as run_id:
            record_items(client, run_id, use.run)
            client.set_tag(run_id, MODEL_DIGEST, use.digest)
            if model_run is not None:
                client.set_tag(run_id, MODEL_RUN, model_run)
        step = None if model_run is None else _extend_history(client, model_run, use)
    return TrackedUse(experiment_id, run_id, model_run, step)


def list_uses(kind: str, digest: str, settings: TrackingSettings) -> list[dict[str, Any]]:
    """List the finished uses of a kind that a model was recorded with, the earliest first.

    Parameters
    ----------
    kind : str
        ``scoring`` or ``validation``.
    digest : str
        SHA-256 of the model's bundle.
    settings : TrackingSettings

    Returns
    -------
    list of dict
        ``tags`` and ``metrics`` of each run, by name.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    query = f"tags.`{KIND}` = '{kind}' and tags.`{MODEL_DIGEST}` = '{digest}' and attributes.status = 'FINISHED'"
    with open_store(settings.uri) as client:
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None:
            return []
        runs = list(_search(client, str(experiment.experiment_id), query, "attributes.start_time ASC"))
        return [{"tags": dict(run.data.tags), "metrics": dict(run.data.metrics)} for run in runs]


def _find_model_run(client: MlflowClient, use: ModelUse, experiment_id: str) -> str | None:
    """Return the run that made the model: of the registered version, else the first that stored these bytes.

    The first, so that the same training made again does not split the history.
    """
    version = find_version(client, use.model) if use.model.startswith("models:/") else None
    if version is not None and version.run_id:
        return str(version.run_id)
    query = f"tags.`{DIGEST}` = '{use.digest}' and attributes.status = 'FINISHED'"
    found = next(_search(client, experiment_id, query, "attributes.start_time ASC"), None)
    return None if found is None else str(found.info.run_id)


def _search(client: MlflowClient, experiment_id: str, query: str, order: str) -> Iterator[Run]:
    token = None
    while True:
        found = client.search_runs([experiment_id], query, order_by=[order], max_results=PAGE, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def _extend_history(client: MlflowClient, run_id: str, use: ModelUse) -> int | None:
    from mlflow import entities  # noqa: PLC0415

    made_up = SYNTHETIC in client.get_run(run_id).data.tags
    if SYNTHETIC in {item.name for item in use.run.items if isinstance(item, Tag)} and not made_up:
        return None
    step = _count_steps(client, run_id, use.history)
    moment = int(dt.datetime.fromisoformat(use.day).replace(tzinfo=dt.UTC).timestamp() * 1000)
    client.log_batch(run_id, metrics=[entities.Metric(each.name, each.value, moment, step) for each in use.history])
    return step


def _count_steps(client: MlflowClient, run_id: str, history: Sequence[Metric]) -> int:
    """Count the uses so far: the first figure of a history is always there."""
    return len(client.get_metric_history(run_id, history[0].name))
