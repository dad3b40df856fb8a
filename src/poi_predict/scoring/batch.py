"""Batch scoring: a cohort and a stored model in, one row of prediction a row of the cohort out.

Nothing is lost: every row of the table is either scored or rejected with its row number and the rule it
breaks, and the two counts add up to the rows read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort import Codebook, Cohort, read_cohort, reading_from_dict
from poi_predict.errors import BundleError
from poi_predict.explain import explain_predictions
from poi_predict.modeling import FittedModel
from poi_predict.scoring.applicability import compute_flags
from poi_predict.scoring.writing import rejected_path

if TYPE_CHECKING:
    from pathlib import Path

    from poi_predict.scoring.bundle import Bundle
    from poi_predict.scoring.contract import Contract

__all__ = ["Scored", "conform", "read_scoring_cohort", "score_cohort", "score_frame"]

SCORE_COLUMNS = ("patient_id", "p_response", "ci_low", "ci_high", "flags")
REJECTED_COLUMNS = ("row", "column", "rule", "message")


@dataclass(frozen=True)
class Scored:
    """The outcome of scoring one table.

    Attributes
    ----------
    scores : DataFrame
        patient_id, p_response, ci_low, ci_high, flags, and the reasons asked for; in input order.
    rejected : DataFrame
        row (1-based), column, rule, message; one row for each breach of each rejected row.
    n_rows, n_rejected : int
        Rows of the table; rows that could not be scored.
    brands : tuple of str
        The model's: what every score must be read with.
    """

    scores: pd.DataFrame
    rejected: pd.DataFrame
    n_rows: int
    n_rejected: int
    brands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.scores) + self.n_rejected != self.n_rows:
            raise BundleError(
                f"Rows scored and rejected must add up to rows read; {len(self.scores)} and {self.n_rejected} "
                f"do not make {self.n_rows}. This is a defect: please report it."
            )

    def lines(self, out: Path) -> list[str]:
        """Say how many rows came in, what brand the model that scored them bears, and what became of each."""
        lines = [f"{self.n_rows} rows read = {len(self.scores)} scored + {self.n_rejected} rejected."]
        lines += [f"The model that scored them is {brand}." for brand in self.brands]
        lines.append(f"Scores: {out}")
        if self.n_rejected:
            lines.append(f"Rejected rows with their reasons: {rejected_path(out)}")
        return lines


def read_scoring_cohort(bundle: Bundle, path: Path, *, allow_synthetic: bool = False) -> Cohort:
    """Read a table for scoring, by the contract that training wrote.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    path : Path
        The table.
    allow_synthetic : bool
        Let a model made from synthetic women score real ones.

    Raises
    ------
    CohortError
        If the table as a whole cannot be scored: unreadable, or a predictor's column is missing.
    BundleError
        If the model was made from synthetic women, the table is not synthetic, and that is not allowed.
    """
    contract = bundle.contract
    cohort = read_cohort(
        path,
        Codebook.from_dict(contract.codebook),
        reading_from_dict(contract.reading),
        required=contract.predictors,
        permit_row_errors=True,
    )
    if contract.synthetic and not cohort.synthetic and not allow_synthetic:
        raise BundleError(
            "A model made from SYNTHETIC women must not score real ones; this one was and this cohort is not "
            "synthetic. Train a model on real women, or pass --allow-synthetic-model to try the software out."
        )
    return cohort


def score_cohort(bundle: Bundle, cohort: Cohort, reasons: int = 0) -> Scored:
    """Score every row of a cohort that keeps the contract, and reject the others with reasons.

    Parameters
    ----------
    bundle : Bundle
        A stored model.
    cohort : Cohort
        Read by `read_scoring_cohort`.
    reasons : int
        How many of the strongest clinical variables to name for each woman.
    """
    errors = cohort.findings.rows_frame()
    errors = errors[errors["severity"] == "error"]
    broken = np.isin(cohort.row_number, errors["row"].to_numpy(dtype=np.int64))
    kept = cohort.data.loc[~broken].reset_index(drop=True)
    return Scored(
        scores=score_frame(bundle, kept, reasons),
        rejected=errors[list(REJECTED_COLUMNS)].reset_index(drop=True),
        n_rows=len(cohort.data),
        n_rejected=int(broken.sum()),
        brands=bundle.contract.brands,
    )


def score_frame(bundle: Bundle, frame: pd.DataFrame, reasons: int = 3) -> pd.DataFrame:
    """Score a frame of canonical columns: the one engine of the command line, MLflow and the web page.

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
        If a predictor's column is missing.
    """
    contract = bundle.contract
    missing = [name for name in contract.predictors if name not in frame]
    if missing:
        raise BundleError(
            f"A table to be scored must hold every predictor; {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Add the column, empty where unknown."
        )
    inputs = conform(frame, contract)
    ids = frame["patient_id"].astype(str) if "patient_id" in frame else pd.Series("", index=frame.index)
    model = FittedModel(contract.study, bundle.pipeline, tuple(bundle.refits))
    interval = model.predict_interval(inputs) if len(frame) else np.empty((0, 2))
    scores = {
        "patient_id": ids.to_numpy(dtype=object),
        "p_response": model.predict_response(inputs),
        "ci_low": interval[:, 0],
        "ci_high": interval[:, 1],
        "flags": compute_flags(inputs, contract),
    }
    return pd.DataFrame(scores | _reasons(bundle, inputs, min(reasons, len(contract.predictors))))


def _reasons(bundle: Bundle, inputs: pd.DataFrame, k: int) -> dict[str, np.ndarray]:
    if k < 1:
        return {}
    columns: dict[str, np.ndarray] = {}
    if len(inputs):
        explanation = explain_predictions(bundle.pipeline, inputs)
        order, strength = explanation.leading(k)
        names = np.array(explanation.variables, dtype=object)[order]
        if order.shape[1] < k:  # a model that uses fewer variables than were asked for
            pad = k - order.shape[1]
            names = np.hstack([names, np.full((len(inputs), pad), "", dtype=object)])
            strength = np.hstack([strength, np.zeros((len(inputs), pad))])
    else:
        names, strength = np.empty((0, k), dtype=object), np.empty((0, k))
    for j in range(k):
        columns[f"reason_{j + 1}"] = names[:, j]
        columns[f"reason_{j + 1}_log_odds"] = strength[:, j]
    return columns


def conform(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the contract's input columns, in order and of the types that reading gives.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Holds at least the predictors.
    contract : Contract
    """
    codebook = Codebook.from_dict(contract.codebook)
    columns: dict[str, pd.Series] = {}
    for name in contract.input_columns:
        if name not in frame and name.endswith("__below"):
            columns[name] = pd.Series(False, index=frame.index)
        elif name not in frame:  # the centre: predictors were looked for before
            columns[name] = pd.Series(np.nan, index=frame.index, dtype="str")
        elif name.endswith("__below"):
            columns[name] = frame[name].fillna(False).astype(bool)
        elif codebook[name].kind in ("category", "multi"):
            columns[name] = frame[name].astype("str")
        else:
            columns[name] = pd.to_numeric(frame[name], errors="coerce").astype("float64")
    return pd.DataFrame(columns, index=frame.index)
