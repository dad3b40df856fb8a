"""Experiments and models on record: typed items, and the MLflow store that keeps them."""

from __future__ import annotations

from poi_predict.tracking.mlflow_store import read_registered_bundle, record_training, serve_ui
from poi_predict.tracking.records import (
    Dataset,
    Figure,
    File,
    Item,
    Metric,
    Param,
    RunRecord,
    Table,
    Tag,
    Text,
    TrainingEvidence,
    build_training_record,
)
from poi_predict.tracking.scoring import track_scoring
from poi_predict.tracking.settings import TrackedRun, TrackingSettings, tracking_address
from poi_predict.tracking.training import track_training
from poi_predict.tracking.uses import TrackedUse
from poi_predict.tracking.validation import join_validations, read_validations, track_validation

__all__ = [
    "Dataset",
    "Figure",
    "File",
    "Item",
    "Metric",
    "Param",
    "RunRecord",
    "Table",
    "Tag",
    "Text",
    "TrackedRun",
    "TrackedUse",
    "TrackingSettings",
    "TrainingEvidence",
    "build_training_record",
    "join_validations",
    "read_registered_bundle",
    "read_validations",
    "record_training",
    "serve_ui",
    "track_scoring",
    "track_training",
    "track_validation",
    "tracking_address",
]
