"""A stored model asked about many women: a table read or surveyed by its contract, or a frame scored at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort import Codebook, Cohort, read_cohort, read_frame, reading_from_dict
from poi_predict.cohort.streaming import CohortPlan, survey_cohort
from poi_predict.errors import BundleError
from poi_predict.scoring.blocks import score_inputs
from poi_predict.scoring.conforming import conform

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from poi_predict.scoring.bundle import Bundle

__all__ = ["answer_frame", "read_scoring_cohort", "score_frame", "survey_scoring_cohort"]


def read_scoring_cohort(bundle: Bundle, path: Path | str, *, allow_synthetic: bool = False) -> Cohort:
    """Read a table wholly, by the contract that training wrote, to ask the model about its women.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    path : Path or str
        The table.
    allow_synthetic : bool
        Let a model made from synthetic women score real ones.

    Raises
    ------
    CohortError
        If the table as a whole cannot be scored: unreadable, or without a predictor. One without a column is unknown.
    BundleError
        If the model was made from synthetic women, the table is not synthetic, and that is not allowed.
    """
    contract = bundle.contract
    cohort = read_cohort(
        Path(path),
        Codebook.from_dict(contract.codebook),
        replace(reading_from_dict(contract.reading), absent_is_unknown=True),
        required=contract.predictors,
        permit_row_errors=True,
    )
    _refuse_real_women(bundle, synthetic=cohort.synthetic, allow_synthetic=allow_synthetic)
    return cohort


def survey_scoring_cohort(
    bundle: Bundle, spec: Path | str, *, allow_synthetic: bool = False, n_threads: int = 1
) -> CohortPlan:
    """Survey the tables of a cohort by the contract that training wrote, to score them block by block.

    Parameters
    ----------
    bundle : Bundle
    spec : Path or str
        A table, a folder of tables, or a pattern such as ``clinics/*.parquet``.
    allow_synthetic : bool
        Let a model made from synthetic women score real ones.
    n_threads : int
        Changes no byte of the result.

    Raises
    ------
    CohortError
        If a table as a whole cannot be scored; every such finding of every table at once.
    BundleError
        If the model was made from synthetic women, the tables are not synthetic, and that is not allowed.
    """
    contract = bundle.contract
    plan = survey_cohort(
        Path(spec),
        Codebook.from_dict(contract.codebook),
        replace(reading_from_dict(contract.reading), absent_is_unknown=True),
        required=contract.predictors,
        n_threads=n_threads,
    )
    _refuse_real_women(bundle, synthetic=plan.synthetic, allow_synthetic=allow_synthetic)
    return plan


def _refuse_real_women(bundle: Bundle, *, synthetic: bool, allow_synthetic: bool) -> None:
    if bundle.contract.synthetic and not synthetic and not allow_synthetic:
        raise BundleError(
            "A model made from SYNTHETIC women must not score real ones; this one was and this cohort is not "
            "synthetic. Train a model on real women, or pass --allow-synthetic-model to try the software out."
        )


def score_frame(bundle: Bundle, frame: pd.DataFrame, reasons: int = 3) -> pd.DataFrame:
    """Score a frame of canonical columns at once: what MLflow and the pages of one woman ask.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    frame : DataFrame of shape (n_rows, n_columns)
        The contract's input columns in canonical units; ``__below`` companions may be absent (not censored), and
        so may ``centre`` (then it counts as a new one) and ``patient_id`` (then the ids are empty).
    reasons : int
        How many of the strongest clinical variables to name.

    Returns
    -------
    DataFrame of shape (n_rows, 5 + 2 * reasons)
        patient_id, p_response, ci_low, ci_high, flags, then reason_1, reason_1_log_odds, …

    Raises
    ------
    BundleError
        If no predictor has a column; one that has none is unknown.
    """
    return _score_known(bundle, frame, reasons, {})


def _score_known(
    bundle: Bundle, frame: pd.DataFrame, reasons: int, assumed: Mapping[str, NDArray[np.bool_]]
) -> pd.DataFrame:
    if not any(name in frame for name in bundle.contract.predictors):
        raise BundleError(
            "A table to be scored must hold a predictor of the model; it holds none. Add the columns "
            f"{', '.join(bundle.contract.predictors)}, as far as they are known."
        )
    scores: pd.DataFrame = score_inputs(bundle, conform(frame, bundle.contract), reasons, assumed).to_pandas()
    if "patient_id" in frame:
        scores["patient_id"] = frame["patient_id"].astype(str).to_numpy(dtype=object)
    return scores


def answer_frame(bundle: Bundle, frame: pd.DataFrame, reasons: int = 3) -> pd.DataFrame:
    """Answer rows that a program hands over as ``score`` answers a table: each is scored, or refused with its reasons.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    frame : DataFrame of shape (n_rows, n_columns)
        Canonical columns in canonical units; cells of any type, see `read_frame`.
    reasons : int
        How many of the strongest clinical variables to name.

    Returns
    -------
    DataFrame of shape (n_rows, 5 + 2 * reasons)
        As `score_frame` gives it, one row for each row given. A row that breaks the contract has no probability,
        and its flags say every rule it breaks after "rejected: ".

    Raises
    ------
    BundleError
        If no predictor has a column; one that has none is unknown.
    """
    contract = bundle.contract
    block = read_frame(frame, Codebook.from_dict(contract.codebook), reading_from_dict(contract.reading))
    known = block.data.loc[block.usable]
    scored = _score_known(bundle, known, reasons, block.assumed_of(block.usable)).set_axis(np.flatnonzero(block.usable))
    answer = scored.reindex(range(len(frame)))
    answer["patient_id"] = block.data["patient_id"]
    words: list[list[str]] = [[] for _ in range(len(frame))]
    for fault in block.faults:
        for row in fault.rows.tolist():
            words[row].append(fault.message)
    for row in np.flatnonzero(~block.usable).tolist():
        answer.loc[row, "flags"] = f"rejected: {' '.join(words[row])}"
    return answer.set_axis(frame.index)
