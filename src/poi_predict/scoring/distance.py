"""How far a woman's values together lie from the women of training, in the columns that the model sees.

Each value may be usual and their combination not: a normal FSH after eighteen years without menses. The measure is
Mahalanobis' distance (the leverage of a linear model, but for a constant) over the columns that are known of her. The
correlations of training are shrunk towards none by ``k / (n + k)``, as many columns as women being no rare thing here.
Distances over few and over many columns are made alike by the cube root of Wilson & Hilferty (1931,
doi:10.1073/pnas.17.12.684).

Indicators of rare levels are no normal columns, so the limit is not a quantile of theory: it is the one that 2.5 % of
the women of training exceed when each is measured by women other than herself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.features import origin_of
from poi_predict.privacy import LEAST, find_told_pairs, guard_moments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["CUTOFF_TAIL", "WomenCloud", "compute_cutoff"]

CUTOFF_TAIL = 0.025
"""Share of the women of training who are beyond the limit, each measured by the others."""

LEAST_CUTOFF = 1.96
FOLDS = 20
PATTERNS_AT_ONCE = 512
SAME = 1e-6
"""A column whose variance is below this of training never varied there."""


@dataclass(frozen=True, eq=False)
class WomenCloud:
    """Where the women of training lie: centre, spread and shrunk correlations of the derived columns.

    Attributes
    ----------
    columns : tuple of str
        Columns that varied in training.
    centre, spread : ndarray of shape (n_columns,)
    correlation : ndarray of shape (n_columns, n_columns)
        Positive definite.
    constant : mapping of str to float
        Columns that never varied, and their value.
    """

    columns: tuple[str, ...]
    centre: FloatArray
    spread: FloatArray
    correlation: FloatArray
    constant: Mapping[str, float]

    @classmethod
    def from_summary(cls, development: Mapping[str, Any], protocol: Collection[str] = ()) -> WomenCloud:
        """Build it from what `summarise_women` kept.

        Parameters
        ----------
        development : mapping
            ``n_women``, ``columns`` (the linear predictor first), ``mean``, ``covariance``, ``known``.
        protocol : collection of str
            Variables of the protocol: whether theirs was seen is asked of the protocol itself, so a column of
            theirs that never varied is left out.
        """
        names = list(development["columns"])[1:]
        mean = np.asarray(development["mean"], dtype=np.float64)[1:]
        covariance = np.asarray(development["covariance"], dtype=np.float64)[1:, 1:]
        known = np.asarray(development["known"], dtype=np.float64)[1:] > 0.0
        variance = np.diag(covariance)
        varies = known & (variance > SAME * np.maximum(1.0, np.square(mean)))
        constant = {
            name: float(value)
            for name, value, fixed in zip(names, mean, known & ~varies, strict=True)
            if fixed and origin_of(name) not in protocol
        }
        spread = np.sqrt(variance[varies])
        correlation = covariance[np.ix_(varies, varies)] / np.outer(spread, spread)
        columns = tuple(name for name, kept in zip(names, varies, strict=True) if kept)
        return cls(columns, mean[varies], spread, _shrink(correlation, int(development["n_women"])), constant)

    def measure(self, derived: pd.DataFrame) -> FloatArray:
        """Return each row's distance as a normal score, shape (n_rows,).

        Infinite where a column that never varied in training holds another value; minus infinity where nothing
        is known.
        """
        columns = derived[list(self.columns)].to_numpy(dtype=np.float64)
        values = columns - self.centre
        values /= self.spread
        known = np.isfinite(values)
        values[~known] = 0.0
        distance = _score(values, known, self.correlation)
        for name, value in self.constant.items():
            column = derived[name].to_numpy(dtype=np.float64)
            distance[np.abs(column - value) > SAME * max(1.0, abs(value))] = np.inf  # never true of NaN
        return distance


def compute_cutoff(derived: pd.DataFrame, protocol: Collection[str] = (), least: int = LEAST) -> float | None:
    """Compute the distance that 2.5 % of the women of training exceed, each measured by women other than herself.

    Parameters
    ----------
    derived : DataFrame of shape (n_women, n_columns)
        One row a woman of training, NaN where missing.
    protocol : collection of str
        As in `WomenCloud.from_summary`.
    least : int
        The others are summed as `summarise_women` sums them.

    Returns
    -------
    float or None
        Rounded to two digits, and at least 1.96; None where no woman can be measured. Women are left out in twenty
        groups, by their place in the table.
    """
    group = np.arange(len(derived)) % FOLDS
    scores = np.full(len(derived), -np.inf)
    kept = find_told_pairs(derived.to_numpy(dtype=np.float64), least)
    for left_out in range(FOLDS):
        judged = group == left_out
        if judged.any():
            others = derived[~judged]
            cloud = WomenCloud.from_summary(_summarise(others, kept, least), protocol)
            scores[judged] = cloud.measure(derived[judged])
    finite = np.sort(scores[np.isfinite(scores)])
    if not finite.size:
        return None
    beyond = int(CUTOFF_TAIL * len(derived)) - int(np.isposinf(scores).sum())
    place = finite.size - 1 - max(beyond, 0)
    return max(LEAST_CUTOFF, float(f"{finite[max(place, 0)]:.2g}"))


def _summarise(derived: pd.DataFrame, kept: NDArray[np.bool_], least: int) -> dict[str, Any]:
    covariance = derived.cov(min_periods=2).fillna(0.0).to_numpy()
    mean = derived.mean().fillna(0.0).to_numpy()
    mean, covariance, known = guard_moments(derived.to_numpy(dtype=np.float64), mean, covariance, kept, least)
    return {
        "n_women": len(derived),
        "columns": ["", *derived.columns],
        "mean": [0.0, *mean],
        "covariance": np.pad(covariance, (1, 0)),
        "known": [1.0, *known],
    }


def _shrink(correlation: FloatArray, n_women: int) -> FloatArray:
    """Return correlations pulled towards none; negative eigenvalues of pairwise ones are cut first."""
    k = len(correlation)
    if k == 0:
        return correlation
    weight = k / (n_women + k)
    values, vectors = np.linalg.eigh(correlation)
    whole = (vectors * np.maximum(values, 0.0)) @ vectors.T
    scale = np.sqrt(np.maximum(np.diag(whole), SAME))
    shrunk: FloatArray = (1.0 - weight) * whole / np.outer(scale, scale)
    np.fill_diagonal(shrunk, 1.0)
    return shrunk


def _score(values: FloatArray, known: NDArray[np.bool_], correlation: FloatArray) -> FloatArray:
    """Return Wilson & Hilferty's normal score of the squared distance over the known columns.

    Rows with the same columns known share one inverse; the standardised values are 0 where not known.
    """
    squared, counts = np.zeros(len(values)), np.zeros(len(values))
    codes, first = _classify(known)
    order = np.argsort(codes, kind="stable")
    values, bounds = values[order], np.searchsorted(codes[order], np.arange(len(first) + 1))
    for start in range(0, len(first), PATTERNS_AT_ONCE):
        masks = known[first[start : start + PATTERNS_AT_ONCE]].astype(np.float64)
        inverses = np.linalg.inv(correlation * masks[:, :, None] * masks[:, None, :] + _diagonal(1.0 - masks))
        for place, (mask, inverse) in enumerate(zip(masks, inverses, strict=True), start):
            rows = slice(bounds[place], bounds[place + 1])
            squared[rows] = ((values[rows] @ inverse) * values[rows]).sum(axis=1)
            counts[rows] = mask.sum()
    found = np.empty(len(values))
    found[order] = _normal_score(squared, counts)
    return found


def _normal_score(squared: FloatArray, counts: FloatArray) -> FloatArray:
    spread = 2.0 / (9.0 * np.maximum(counts, 1.0))
    score = (np.cbrt(squared / np.maximum(counts, 1.0)) - 1.0 + spread) / np.sqrt(spread)
    return np.where(counts > 0, score, -np.inf)


def _diagonal(values: FloatArray) -> FloatArray:
    return np.asarray(values[:, :, None] * np.eye(values.shape[1]))


def _classify(known: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return a code for the set of columns known of each row, and the first row of each code."""
    distinct = {column.tobytes(): column for column in np.ascontiguousarray(known.T)}
    codes = np.zeros(len(known), dtype=np.intp)
    used = 1
    for column in distinct.values():
        codes = codes * 2 + column
        used *= 2
        if used >= 2**40:
            codes, kept = pd.factorize(codes)
            used = len(kept)
    codes, kept = pd.factorize(codes)
    first = np.full(len(kept), len(codes), dtype=np.intp)
    np.minimum.at(first, codes, np.arange(len(codes)))
    return codes, first
