"""The women of training in sum, as a bundle keeps them, and how those of another cohort differ from them.

Without that comparison a lower c-statistic elsewhere may mean a worse model, or merely more alike women (Debray
et al. 2015, doi:10.1016/j.jclinepi.2014.06.018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import logit

from poi_predict.features import CENTRE_CODE, origin_of
from poi_predict.modeling import predict_response
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR
from poi_predict.privacy import LEAST, find_told, find_told_pairs, guard_moments
from poi_predict.validation.case_mix import (
    CaseMix,
    CaseMixSummary,
    ColumnDifference,
    compute_case_mix_from_summary,
    summarise_case_mix,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

__all__ = ["ComparedWomen", "compare_women", "recalibrate_summary", "summarise_women"]

FEWEST_WOMEN, FEWEST_KNOWN = 20, LEAST
"""A mean over fewer women, or over fewer known values, says too much of each of them: it is neither kept nor shown."""


@dataclass(frozen=True, eq=False)
class ComparedWomen:
    """Two cohorts side by side.

    Attributes
    ----------
    case_mix : CaseMix or None
        The comparison; None where `reason` says why there is none.
    columns : DataFrame
        One row a column, the linear predictor first: column, variable, and mean, sd and share known in
        development and here.
    """

    case_mix: CaseMix | None
    columns: pd.DataFrame
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        if self.case_mix is None:
            return {"reason": self.reason, "membership_c": None, "linear_predictor": None, "columns": []}
        found = (self.case_mix.linear_predictor, *self.case_mix.columns)
        rows = [
            self._row(row, difference) for row, difference in zip(self.columns.to_dict("records"), found, strict=True)
        ]
        return {
            "reason": None,
            "n_development": self.case_mix.n_development,
            "n_here": self.case_mix.n_new,
            "membership_c": self.case_mix.membership_c.as_dict(),
            "linear_predictor": rows[0],
            "columns": rows[1:],
        }

    @staticmethod
    def _row(row: Mapping[Any, Any], difference: ColumnDifference) -> dict[str, Any]:
        plain = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        return plain | {key: value for key, value in difference.as_dict().items() if key != "column"}


def summarise_women(
    pipeline: Pipeline, X: pd.DataFrame, patient: NDArray[np.int_] | None = None, least: int = LEAST
) -> dict[str, Any]:
    """Summarise the women of training: what a bundle keeps of them to compare others with.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted primary model.
    X : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns of the rows it was fitted to.
    patient : ndarray of shape (n_rows,), optional
        Of each woman the first row counts.
    least : int
        Nothing is kept of fewer women: see `poi_predict.privacy`.

    Returns
    -------
    dict
        `CaseMixSummary` as plain values, rounded so that one woman more or less seldom changes one, and the share of
        women in whom each column is known. A column or a pair of columns that says too much of a few women is blank:
        its share known, or its covariance, is 0. Empty for fewer than 20 women, or four times `least`.
    """
    rows, summary, _ = _summarise(pipeline, X, patient)
    if summary.n_women < max(FEWEST_WOMEN, 4 * least):
        return {}
    kept = find_told_pairs(rows, least)
    mean, covariance, known = guard_moments(rows, summary.mean, summary.covariance, kept, least)
    return _plain(CaseMixSummary(summary.n_women, summary.columns, mean, covariance), known)


def recalibrate_summary(summary: Mapping[str, Any], intercept: float, slope: float) -> dict[str, Any]:
    """Return a summary of the same women with the log-odds of their predictions recalibrated."""
    if not summary:
        return {}
    old = CaseMixSummary.from_dict(summary)
    mean, covariance = old.mean.copy(), old.covariance.copy()
    mean[0] = intercept + slope * mean[0]
    covariance[0, :] *= slope
    covariance[:, 0] *= slope
    return _plain(CaseMixSummary(old.n_women, old.columns, mean, covariance), summary["known"])


def compare_women(
    summary: Mapping[str, Any], pipeline: Pipeline, X: pd.DataFrame, patient: NDArray[np.int_] | None = None
) -> ComparedWomen:
    """Compare the women of a new cohort with those of training.

    Parameters
    ----------
    summary : mapping
        From `summarise_women`; may be empty.
    pipeline, X, patient
        The model, and the rows of the new cohort.
    """
    if not summary:
        return ComparedWomen(None, pd.DataFrame(), "the bundle keeps no summary of the women of training")
    development = CaseMixSummary.from_dict(summary)
    rows, here, known = _summarise(pipeline, X, patient)
    if here.n_women < FEWEST_WOMEN:
        reason = f"{here.n_women} women are too few to describe in sum; {FEWEST_WOMEN} are needed"
        return ComparedWomen(None, pd.DataFrame(), reason)
    frame = pd.DataFrame(
        {
            "column": list(here.columns),
            "variable": [origin_of(name) for name in here.columns],
            "mean_development": development.mean,
            "sd_development": np.sqrt(np.diag(development.covariance)),
            "known_development": np.asarray(summary["known"], dtype=float),
            "mean_here": here.mean,
            "sd_here": np.sqrt(np.diag(here.covariance)),
            "known_here": known,
        }
    )
    told = find_told(rows) & (np.asarray(summary["known"]) > 0.0)
    frame.loc[~told, ["mean_development", "sd_development", "mean_here", "sd_here"]] = np.nan
    return ComparedWomen(compute_case_mix_from_summary(_leave(development, told), _leave(here, told)), frame)


def _leave(summary: CaseMixSummary, told: NDArray[np.bool_]) -> CaseMixSummary:
    """Blank the columns that say too much of a few women of either cohort."""
    return CaseMixSummary(
        summary.n_women, summary.columns, summary.mean * told, summary.covariance * np.outer(told, told)
    )


def _summarise(
    pipeline: Pipeline, X: pd.DataFrame, patient: NDArray[np.int_] | None
) -> tuple[NDArray[np.float64], CaseMixSummary, NDArray[np.float64]]:
    """Rows of women, means and covariances of the log-odds and the derived columns, and the share that know each."""
    p = np.clip(predict_response(pipeline, X), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    derived = pipeline.named_steps["features"].transform(X)
    names = [str(name) for name in derived.columns if name != CENTRE_CODE]  # a centre's code has no mean
    values = derived[names].to_numpy(dtype=np.float64)
    first = np.arange(len(p)) if patient is None else np.sort(np.unique(np.asarray(patient), return_index=True)[1])
    rows = np.column_stack([logit(p), values])[first]
    known = (~np.isnan(rows)).mean(axis=0)
    return rows, summarise_case_mix(rows[:, 0], rows[:, 1:], names), known


def _plain(summary: CaseMixSummary, known: Any) -> dict[str, Any]:
    """Return a summary as plain values."""
    plain = summary.as_dict()
    return plain | {
        "mean": [_rounded(value) for value in plain["mean"]],
        "covariance": [[_rounded(value) for value in row] for row in plain["covariance"]],
        "known": [round(float(share), 4) for share in known],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
