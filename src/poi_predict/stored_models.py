"""A stored model at hand, and one woman of a table it can be asked about."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import CohortError
from poi_predict.scoring import read_bundle
from poi_predict.scoring.portable import PortableBundle, read_portable
from poi_predict.scoring.stripping import describe_exposure
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
    """Read a bundle from a folder, or from the registry as ``models:/name@alias``.

    What a bundle of an earlier version gives away of its women is said as a warning of the logger ``poi_predict``.
    """
    bundle = read_bundle(_find_bundle(model))
    _warn(bundle)
    return bundle


def read_portable_model(model: str) -> PortableBundle:
    """Read a bundle as `read_model` does, to be sent to the processes that score with it."""
    portable = read_portable(_find_bundle(model))
    _warn(portable.bundle)
    return portable


def _warn(bundle: Bundle) -> None:
    exposure = describe_exposure(bundle.contract, has_refits=bool(bundle.refits))
    if exposure is not None:
        logging.getLogger("poi_predict").warning("Warning: %s", exposure)


def is_registered(model: str) -> bool:
    """Whether a model is named by its address in the registry."""
    return model.startswith("models:/")


def _find_bundle(model: str) -> Path:
    return read_registered_bundle(model) if is_registered(model) else Path(model)


def find_woman(cohort: Cohort, patient: str, row: int | None = None) -> tuple[pd.DataFrame, str]:
    """Return one row of a woman as a frame, and a remark on which of several it is; empty if she has one.

    Parameters
    ----------
    cohort : Cohort
    patient : str
        Her identifier, exactly as in the file.
    row : int, optional
        Which of her rows, 1 for the first under the header; her last one if not given.

    Raises
    ------
    CohortError
        If there is no such woman, the row is none of hers, or it breaks the contract.
    """
    positions = np.flatnonzero(cohort.patient_id.to_numpy(dtype=object) == patient)
    if not len(positions):
        raise CohortError(
            f"--patient must be a patient_id of the cohort; none of its {cohort.n_rows} rows has the one given. "
            "Write it exactly as in the file, leading zeros included."
        )
    hers = cohort.row_number[positions].tolist()
    if row is not None and row not in hers:
        raise CohortError(
            f"--row must be a row of this patient_id, counted from 1 under the header; {row} is not. "
            f"{_name_rows(hers)} {'are' if len(hers) > 1 else 'is'}."
        )
    chosen = hers[-1] if row is None else row
    broken = [found for found in cohort.findings.errors if chosen in found.rows]
    if broken:
        raise CohortError(f"Row {chosen} cannot be scored: {' '.join(found.message for found in broken)}")
    place = int(positions[hers.index(chosen)])
    return cohort.data.iloc[[place]].reset_index(drop=True), _say_which_row(hers, chosen, asked=row is not None)


def _say_which_row(hers: list[int], chosen: int, *, asked: bool) -> str:
    """Say which of several rows with one identifier is used."""
    if len(hers) == 1:
        return ""
    last = "" if asked else ", the last,"
    other = "" if asked else " Another is chosen by --row."
    return (
        f"{_name_rows(hers)} of the table have this patient_id; row {chosen}{last} is used.{other} If they are of "
        "different women, correct the identifiers."
    )


def _name_rows(rows: list[int]) -> str:
    """Return rows as a sentence names them.

    >>> _name_rows([7]), _name_rows([3, 17]), _name_rows([1, 2, 5])
    ('Row 7', 'Rows 3 and 17', 'Rows 1, 2 and 5')
    """
    *first, last = map(str, rows)
    return f"Rows {', '.join(first)} and {last}" if first else f"Row {last}"


def list_usable_women(cohort: Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that keep the contract, in order, and every breach of the others: row, column, rule, message."""
    found = cohort.findings.rows_frame()
    breaches = found.loc[(found["severity"] == "error") & found["row"].notna(), ["row", "column", "rule", "message"]]
    broken = np.isin(cohort.row_number, breaches["row"].to_numpy(dtype=np.int64))
    return cohort.data.loc[~broken].reset_index(drop=True), breaches.sort_values("row", kind="stable")


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
