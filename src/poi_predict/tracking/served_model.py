"""The code MLflow stores and runs to serve a bundle; it holds no logic, so an old copy of it does not age."""

from __future__ import annotations

from poi_predict.tracking.mlflow_store import set_served_model

set_served_model()
