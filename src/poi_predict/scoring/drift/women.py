"""What a bundle keeps of the women of training for flags and for drift: sums that lead back to no woman.

Every count is kept to a multiple of five (of ten where a study asks for that), so that no small one follows from the
rest: bins and levels smaller than that are joined to others, and a share of so few stands as two and a half women.
Bounds are rounded to two digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from poi_predict.features import CENTRE_CODE, origin_of
from poi_predict.modeling import predict_response
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR
from poi_predict.privacy import LEAST, coarsen_count, find_told, hide_count, round_mean, round_sd
from poi_predict.scoring.case_mix import FEWEST_WOMEN
from poi_predict.scoring.distance import compute_cutoff
from poi_predict.scoring.drift.counting import (
    OTHER_LEVELS,
    YES,
    count_bins,
    count_levels,
    count_rows_of_levels,
    split_levels,
)
from poi_predict.scoring.protocols import list_seen_protocols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.cohort import Codebook, Variable

    FloatArray = NDArray[np.float64]

__all__ = ["FEWEST", "PREDICTION_EDGES", "recalibrate_women", "summarise_training"]

FEWEST = LEAST
"""Fewer women than this are never told apart."""

PREDICTION_EDGES = tuple(round(tenth / 10, 1) for tenth in range(11))
BINS = 10
SHARE_DIGITS = 4
QUADRATURE_NODES = 40


def summarise_training(
    pipeline: Pipeline,
    X: pd.DataFrame,
    codebook: Codebook,
    predictors: Sequence[str],
    patient: NDArray[np.int_] | None = None,
    influence: Mapping[str, float] | None = None,
    least: int = LEAST,
) -> dict[str, Any]:
    """Summarise the women of training for flags and drift; means and spreads stand in `summarise_women`.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted primary model.
    X : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns of the rows it was fitted to.
    codebook : Codebook
    predictors : sequence of str
        The variables that the model reads.
    patient : ndarray of shape (n_rows,), optional
        Of each woman the first row counts.
    influence : mapping of str to float, optional
        Share of each variable in what moved the predictions.
    least : int
        Fewest women that a figure rests on.

    Returns
    -------
    dict
        ``n_women``; ``variables``: name → ``missing``, and ``below``, ``column`` (the derived column of its mean),
        ``edges`` and ``bins``, or ``levels``; ``predictions``: ``edges``, ``bins``, ``mean``, ``sd``; ``protocols``
        seen; ``cutoff`` of the flag far_combination; ``influence``. Empty for fewer than 20 women, or four times
        `least`.
    """
    if patient is not None:
        X = X.iloc[np.sort(np.unique(np.asarray(patient), return_index=True)[1])]
    if len(X) < max(FEWEST_WOMEN, 4 * least):
        return {}
    derived = pipeline.named_steps["features"].transform(X)
    derived = derived.drop(columns=CENTRE_CODE, errors="ignore")
    protocol = [name for name in predictors if codebook[name].role == "protocol"]
    return {
        "n_women": len(X),
        "variables": {name: _describe(X, codebook[name], derived, least) for name in predictors},
        "predictions": _describe_predictions(predict_response(pipeline, X), least),
        "protocols": list_seen_protocols(X, predictors, least),
        "cutoff": compute_cutoff(derived, protocol, least),
        "influence": {name: round(float(share), 2) for name, share in (influence or {}).items()},
    }


def recalibrate_women(
    women: Mapping[str, Any], development: Mapping[str, Any], intercept: float, slope: float
) -> dict[str, Any]:
    """Return the same women with the log-odds of their predictions recalibrated.

    The bounds of the bins move with the predictions. Mean and spread move as those of normal log-odds would.

    Parameters
    ----------
    women, development : mapping
        What the contract kept, before recalibration.
    intercept, slope : float
    """
    if not women:
        return {}
    found, bins = women["predictions"], list(women["predictions"]["bins"])
    edges = np.array(found["edges"])
    with np.errstate(divide="ignore"):
        moved = expit(intercept + slope * logit(edges)) if slope else np.array([0.0, 1.0])
    if slope < 0.0:  # a model that ranked the wrong way round
        moved, bins = moved[::-1], bins[::-1]
    mean, sd = _find_log_odds(found, development)
    before, after = _expect(mean, sd), _expect(intercept + slope * mean, abs(slope) * sd)
    return dict(women) | {
        "predictions": {
            "edges": [_rounded(edge) for edge in moved],
            "bins": bins if slope else [1.0],
            "mean": _rounded(float(np.clip(found["mean"] + after[0] - before[0], 0.0, 1.0))),
            "sd": _rounded(found["sd"] * after[1] / before[1] if before[1] > 0.0 else after[1]),
        }
    }


def _find_log_odds(predictions: Mapping[str, Any], development: Mapping[str, Any]) -> tuple[float, float]:
    """Return mean and standard deviation of the log-odds: as kept, or by the delta method from the probabilities."""
    if development:
        return float(development["mean"][0]), float(np.sqrt(development["covariance"][0][0]))
    p = float(np.clip(predictions["mean"], PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR))
    return float(logit(p)), float(predictions["sd"]) / (p * (1.0 - p))


def _expect(mean: float, sd: float) -> tuple[float, float]:
    """Return mean and standard deviation of a probability whose log-odds are normal, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    p, share = expit(mean + sd * nodes), weights / weights.sum()
    expected = float((share * p).sum())
    return expected, float(np.sqrt((share * np.square(p - expected)).sum()))


def _describe(X: pd.DataFrame, variable: Variable, derived: pd.DataFrame, least: int) -> dict[str, Any]:
    name, n = variable.name, len(X)
    known = X[name].notna().to_numpy()
    n_known = int(known.sum())
    found: dict[str, Any] = {"missing": _share(n - n_known, n, least)}
    if n_known < least:
        return found
    if f"{name}__below" in X:
        below = X[f"{name}__below"].fillna(False).to_numpy(dtype=bool) & known
        found["below"] = _share(int(below.sum()), n_known, least)
    if variable.is_numeric:
        values = X[name].to_numpy(dtype=np.float64, na_value=np.nan)
        column = _find_column(name, derived)
        if column is not None and find_told(derived[[column]].to_numpy(dtype=np.float64), least)[0]:
            found["column"] = column
        if n_known >= max(FEWEST_WOMEN, 4 * least):
            edges, counts = _bin(values[known], least)
            found |= {"edges": edges, "bins": _share_all(counts, least)}
        return found
    found["levels"] = _pool_levels(count_levels(X[name], variable), variable, n_known, least)
    return found


def _find_column(variable: str, derived: pd.DataFrame) -> str | None:
    """Return the derived column that holds a variable's amount: the first that is no indicator."""
    for column in derived.columns:
        if origin_of(column) == variable and not derived[column].dropna().isin([0.0, 1.0]).all():
            return str(column)
    return None


def _bin(values: FloatArray, least: int) -> tuple[list[float], list[int]]:
    """Return inner edges near the deciles, rounded to two digits, with at least so many women in every bin."""
    n_bins = max(1, min(BINS, values.size // least))
    inner = np.quantile(values, np.arange(1, n_bins) / n_bins)
    edges = sorted({float(f"{edge:.1e}") for edge in inner})
    return _join_bins(edges, count_bins(values, edges), least)


def _join_bins(edges: list[float], counts: list[int], least: int) -> tuple[list[float], list[int]]:
    """Join every bin of fewer women to its smaller neighbour; `edges` are the inner ones."""
    while len(counts) > 1 and min(counts) < least:
        place = int(np.argmin(counts))
        beside = [at for at in (place - 1, place + 1) if 0 <= at < len(counts)]
        first = min(place, min(beside, key=lambda at: counts[at]))
        counts = [*counts[:first], counts[first] + counts[first + 1], *counts[first + 2 :]]
        edges = [*edges[:first], *edges[first + 1 :]]
    return edges, counts


def _pool_levels(texts: Mapping[str, int], variable: Variable, n_known: int, least: int) -> dict[str, float]:
    """Return the share of each level that five women or more had; the others together, with the next if too few."""
    if variable.kind == "binary":
        return {YES: _share(texts[YES], n_known, least)}
    every = sorted({level for text in texts for level in split_levels(text, variable)})
    counts = count_rows_of_levels(texts, every, variable)
    kept = [level for level in every if counts[level] >= least]
    pooled = count_rows_of_levels(texts, kept, variable)
    while 0 < pooled[OTHER_LEVELS] < least and kept:
        kept.remove(min(kept, key=lambda level: counts[level]))
        pooled = count_rows_of_levels(texts, kept, variable)
    if sum(pooled.values()) == n_known:  # levels that exclude each other
        return dict(zip(pooled, _share_all(list(pooled.values()), least), strict=True))
    return {level: _share(count, n_known, least) for level, count in pooled.items()}


def _describe_predictions(p: FloatArray, least: int) -> dict[str, Any]:
    edges, counts = _join_bins(list(PREDICTION_EDGES[1:-1]), count_bins(p, PREDICTION_EDGES[1:-1]), least)
    sd = float(round_sd(p.std(ddof=1), p.size, least))
    return {
        "edges": [0.0, *edges, 1.0],
        "bins": _share_all(counts, least),
        "mean": _rounded(float(round_mean(p.mean(), sd, p.size, least))),
        "sd": _rounded(sd),
    }


def _share_all(counts: Sequence[int], least: int) -> list[float]:
    """Return the shares of groups that make up the whole, each counted to a multiple of `least`."""
    coarse = [hide_count(count, least) for count in counts]
    return [round(count / max(sum(coarse), 1), SHARE_DIGITS) for count in coarse]


def _share(count: int, n: int, least: int) -> float:
    return round(coarsen_count(count, n, least) / n, SHARE_DIGITS)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
