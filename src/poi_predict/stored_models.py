"""A stored model at hand, and one woman of a table it can be asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import CohortError
from poi_predict.scoring import read_bundle
from poi_predict.scoring.portable import PortableBundle, read_portable
from poi_predict.tracking import read_registered_bundle

if TYPE_CHECKING:
    import pandas as pd

    from poi_predict.cohort import Cohort
    from poi_predict.scoring import Bundle

__all__ = [
    "describe_model",
    "find_woman",
    "is_registered",
    "list_usable_women",
    "read_model",
    "read_portable_model",
]


def read_model(model: str) -> Bundle:
    """Read a bundle from a folder, or from the registry as ``models:/name@alias``."""
    return read_bundle(_find_bundle(model))


def read_portable_model(model: str) -> PortableBundle:
    """Read a bundle as `read_model` does, to be sent to the processes that score with it."""
    return read_portable(_find_bundle(model))


def is_registered(model: str) -> bool:
    """Whether a model is named by its address in the registry."""
    return model.startswith("models:/")


def _find_bundle(model: str) -> Path:
    return read_registered_bundle(model) if is_registered(model) else Path(model)


def find_woman(cohort: Cohort, patient: str) -> pd.DataFrame:
    """Return a woman's latest row as a frame of one row.

    Raises
    ------
    CohortError
        If there is no such woman, or her row breaks the contract.
    """
    positions = np.flatnonzero(cohort.patient_id.to_numpy(dtype=object) == patient)
    if not len(positions):
        raise CohortError(
            f"--patient must be a patient_id of the cohort; none of its {cohort.n_rows} rows has the one given. "
            "Write it exactly as in the file, leading zeros included."
        )
    latest = int(positions[-1])
    broken = [found for found in cohort.findings.errors if int(cohort.row_number[latest]) in found.rows]
    if broken:
        raise CohortError(f"Her row cannot be scored: {' '.join(found.message for found in broken)}")
    return cohort.data.iloc[[latest]].reset_index(drop=True)


def list_usable_women(cohort: Cohort) -> tuple[pd.DataFrame, int]:
    """Return the rows that keep the contract, in order, and how many do not."""
    errors = cohort.findings.rows_frame()
    rows = errors.loc[errors["severity"] == "error", "row"].to_numpy(dtype=np.int64)
    broken = np.isin(cohort.row_number, rows)
    return cohort.data.loc[~broken].reset_index(drop=True), int(broken.sum())


def describe_model(bundle: Bundle, *, synthetic_woman: bool) -> dict[str, Any]:
    """Return what a woman's page says of the model; it is marked where model or woman is made up."""
    contract = bundle.contract
    return {
        "assessment": bundle.assessment,
        "study": contract.study,
        "question": contract.endpoint["question"],
        "endpoint": contract.endpoint["label"],
        "synthetic": contract.synthetic or synthetic_woman,
        "brands": contract.brands,
        "provenance": bundle.provenance.lines(),
    }
