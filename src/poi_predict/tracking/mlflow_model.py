"""A bundle as a model of MLflow: made from code, registered, and served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd  # noqa: TC002  # MLflow reads the annotation of the served model's input

from poi_predict.errors import BundleError
from poi_predict.scoring.bundle import read_bundle
from poi_predict.tracking.mlflow_session import quietly
from poi_predict.tracking.signature import REASONS, input_types, output_types

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

    from poi_predict.scoring.contract import Contract

__all__ = ["DIGEST", "check_digest", "register_bundle", "set_served_model", "without_nan"]

DIGEST = "bundle.digest"
REQUIREMENTS = ("mlflow", "numpy", "pandas", "poi-predict", "scikit-learn", "skops")
SERVED_MODEL = Path(__file__).with_name("served_model.py")


def register_bundle(
    client: MlflowClient, run_id: str, bundle_folder: Path, contract: Contract, digest: str, model_name: str
) -> str:
    """Log a bundle as a model made from code, register it under its digest, and return its version."""
    import mlflow.pyfunc  # noqa: PLC0415
    from mlflow.models import Model  # noqa: PLC0415

    experiment_id = client.get_run(run_id).info.experiment_id
    tags = {"study": contract.study, DIGEST: digest} | {brand.lower(): brand for brand in contract.brands}
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
        metadata={DIGEST: digest, "input_types": dict(input_types(contract))},
        pip_requirements=_requirements(),
    )
    return str(logged.registered_model_version)


def check_digest(found: str, registered: str | None) -> None:
    """Refuse a bundle that is whole but not the one that was registered.

    Parameters
    ----------
    found : str
        Of the bundle at hand.
    registered : str or None
        As training registered it; None for a model that was registered before digests were kept.

    Raises
    ------
    BundleError

    Examples
    --------
    >>> check_digest("b0b0", "b0b0")
    >>> check_digest("b0b0", "c1c1")
    Traceback (most recent call last):
    poi_predict.errors.BundleError: The bundle of a registered model must be the one that was registered; its SHA-256
    is another. Register the model again, from a training that you trust.
    """
    if registered is not None and found != registered:
        raise BundleError(
            "The bundle of a registered model must be the one that was registered; its SHA-256 is another. "
            "Register the model again, from a training that you trust."
        )


def set_served_model() -> None:
    """Hand MLflow the model that answers with the columns of ``score``; called by `served_model`."""
    with quietly():
        from mlflow.models import Model, set_model  # noqa: PLC0415
        from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]  # noqa: PLC0415

        class BundleModel(PythonModel):
            """Scores canonical columns with the bundle stored beside it, checked byte for byte on loading."""

            def load_context(self, context: Any) -> None:
                place = Path(context.artifacts["bundle"])
                self.bundle = read_bundle(place)
                registered = Model.load(place.parents[1]).metadata or {}
                check_digest(self.bundle.digest, registered.get(DIGEST))

            def predict(
                self,
                context: Any,  # noqa: ARG002
                model_input: pd.DataFrame,
                params: dict[str, Any] | None = None,  # noqa: ARG002
            ) -> pd.DataFrame:
                from poi_predict.scoring import batch  # noqa: PLC0415

                return without_nan(batch.answer_frame(self.bundle, model_input, reasons=REASONS))

        set_model(BundleModel())


def without_nan(answer: pd.DataFrame) -> pd.DataFrame:
    """Return an answer whose missing values are None, since JSON knows no NaN; other columns keep their type."""
    gaps = [name for name in answer if answer[name].isna().any()]
    return answer.assign(**{str(name): answer[name].astype(object).where(answer[name].notna(), None) for name in gaps})


def _signature(contract: Contract) -> ModelSignature:
    """Declare canonical columns in and those of ``score`` out; none is required, so NaN may stand.

    Columns in are of any type, read by `answer_frame`; but an id is text, so that MLflow refuses to read 0042 as 42.
    """
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415
    from mlflow.types.schema import AnyType  # noqa: PLC0415

    any_type = AnyType()  # type: ignore[no-untyped-call]
    inputs = Schema(
        [
            ColSpec("string" if name == "patient_id" else any_type, name, required=False)
            for name in input_types(contract)
        ]
    )
    outputs = Schema([ColSpec(kind, name, required=False) for name, kind in output_types(contract).items()])
    return ModelSignature(inputs, outputs)


def _requirements() -> list[str]:
    """Return what serving needs, in the versions at hand: MLflow then starts no process to guess it."""
    from importlib.metadata import version  # noqa: PLC0415

    return [f"{name}=={version(name)}" for name in REQUIREMENTS]
