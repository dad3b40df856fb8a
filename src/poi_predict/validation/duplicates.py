"""Rows of different women that look like one woman entered twice.

A woman under two identifiers stands on both sides of a split, and the model is praised for remembering her.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .arrays import FloatArray, IntArray, check_patient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .resampling import FoldPlan

__all__ = ["DuplicateRows", "find_duplicate_rows"]

NEAR = 0.05
APART = 10.0
"""Distance between two categories, or between missing and known: far above any tolerance."""
ALONE = -1


@dataclass(frozen=True)
class DuplicateRows:
    """How many rows have a twin in another woman. Counts only; no row can be told from them.

    Attributes
    ----------
    n_rows : int
        Rows compared.
    n_exact : int
        Rows equal in every column to a row of another woman.
    n_near : int
        Further rows within the tolerance of a row of another woman.
    expected_by_chance : float
        Pairs of rows within the tolerance to be expected if the columns were unrelated: with few or coarse columns
        different women look alike. Related columns give more.
    tolerance : float
        Largest difference in any numeric column, in standard deviations.
    cluster : ndarray of int, shape (n_rows,)
        Rows connected by twins share a number; -1 without a twin. For `count_across_folds`, not for a report.
    """

    n_rows: int
    n_exact: int
    n_near: int
    expected_by_chance: float
    tolerance: float
    cluster: IntArray = field(repr=False)

    @property
    def rule(self) -> str:
        """The distance rule in words."""
        return (
            f"rows of different women that differ by at most {self.tolerance:g} standard deviations in every numeric "
            "column, with the same categories and the same missing values"
        )

    def count_across_folds(self, folds: FoldPlan) -> int:
        """Rows whose twin is in another fold in at least one repeat."""
        twins = self.cluster != ALONE
        cluster, divided = self.cluster[twins], np.zeros(int(twins.sum()), dtype=bool)
        if cluster.size == 0:
            return 0
        for fold in folds.fold[twins].T:
            lowest = np.full(cluster.max() + 1, np.iinfo(np.intp).max)
            highest = np.full(cluster.max() + 1, -1)
            np.minimum.at(lowest, cluster, fold)
            np.maximum.at(highest, cluster, fold)
            divided |= (lowest != highest)[cluster]
        return int(divided.sum())


def find_duplicate_rows(
    X: ArrayLike,
    patient: ArrayLike | None = None,
    categorical: ArrayLike | None = None,
    tolerance: float = NEAR,
) -> DuplicateRows:
    """Count rows that equal, or nearly equal, a row of another woman.

    Two rows are *near* if no numeric column differs by more than `tolerance` standard deviations, every category is
    the same, and the same values are missing. Equal rows of the same woman (her several courses) do not count.

    Parameters
    ----------
    X : array of shape (n, columns)
        Predictors as numbers; categories as codes; NaN where missing.
    patient : array of shape (n,), optional
        Patient of each row; None when every row is a patient of her own.
    categorical : array of bool, shape (columns,), optional
        Columns that hold codes; a different code is a different woman.
    tolerance : float
        In standard deviations; 0 looks for equal rows only.

    Raises
    ------
    ValueError
        If shapes disagree, a value is infinite, or the tolerance is not between 0 and 1.

    Examples
    --------
    Ages and FSH of five women; the last two might be one:

    >>> found = find_duplicate_rows([[29, 60.0], [33, 80.0], [38, 45.0], [35.0, 92.0], [35.0, 92.1]])
    >>> found.n_exact, found.n_near
    (0, 2)
    >>> find_duplicate_rows([[29, 60.0], [29, 60.0]], patient=[7, 7]).n_exact
    0
    """
    matrix = np.asarray(X, dtype=np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape or np.isinf(matrix).any():
        raise ValueError(f"X must have rows and columns and no infinite value; its shape is {matrix.shape}")
    is_code = np.zeros(matrix.shape[1], dtype=bool) if categorical is None else np.asarray(categorical, dtype=bool)
    if is_code.shape != (matrix.shape[1],):
        raise ValueError(f"categorical must have {matrix.shape[1]} values; its shape is {is_code.shape}")
    if not 0.0 <= tolerance <= 1.0:
        raise ValueError(f"tolerance must lie between 0 and 1 standard deviation; it is {tolerance}")
    codes = check_patient(patient, matrix.shape[0])
    points = _place(matrix, is_code)
    distinct, vector = np.unique(points, axis=0, return_inverse=True)
    women = np.unique(np.column_stack([vector.ravel(), codes]), axis=0)
    several = np.bincount(women[:, 0], minlength=len(distinct)) > 1
    first_woman = np.full(len(distinct), ALONE)
    first_woman[women[::-1, 0]] = women[::-1, 1]
    pairs = _find_pairs(distinct, tolerance, several, first_woman)
    near = np.zeros(len(distinct), dtype=bool)
    near[pairs.ravel()] = True
    row_vector = vector.ravel()
    return DuplicateRows(
        n_rows=codes.size,
        n_exact=int(several[row_vector].sum()),
        n_near=int((near & ~several)[row_vector].sum()),
        expected_by_chance=_expect_by_chance(points, tolerance),
        tolerance=tolerance,
        cluster=_connect(pairs, several | near)[row_vector],
    )


def _place(matrix: FloatArray, is_code: NDArray[np.bool_]) -> FloatArray:
    """Columns on a scale where numeric ones count standard deviations, and all else is far apart or equal."""
    missing = np.isnan(matrix)
    points = np.empty_like(matrix)
    for column, values in enumerate(matrix.T):
        known = values[~missing[:, column]]
        if is_code[column]:
            placed = np.unique(known, return_inverse=True)[1] * APART
        else:
            spread = float(known.std()) if known.size else 0.0
            placed = (known - known.mean()) / spread if spread > 0.0 else np.zeros(known.size)
        points[~missing[:, column], column] = placed
        farthest = float(np.max(placed, initial=0.0))
        points[missing[:, column], column] = farthest + APART
    return points


def _find_pairs(
    distinct: FloatArray, tolerance: float, several: NDArray[np.bool_], first_woman: IntArray
) -> NDArray[np.intp]:
    """Pairs of near but different vectors that belong to different women."""
    pairs = cKDTree(distinct).query_pairs(tolerance * (1.0 + 1e-9), p=np.inf, output_type="ndarray").astype(np.intp)
    left, right = pairs[:, 0], pairs[:, 1]
    of_two_women = several[left] | several[right] | (first_woman[left] != first_woman[right])
    chosen: NDArray[np.intp] = pairs[of_two_women]
    return chosen


def _expect_by_chance(points: FloatArray, tolerance: float) -> float:
    """Pairs of rows within tolerance in every column, if the columns were unrelated."""
    n = points.shape[0]
    n_pairs = n * (n - 1) / 2.0
    if n_pairs == 0:
        return 0.0
    log_share = 0.0
    for values in points.T:
        ordered = np.sort(values)
        within = np.searchsorted(ordered, ordered + tolerance * (1.0 + 1e-9), side="right") - np.arange(n) - 1
        log_share += float(np.log(max(within.sum(), 0.5) / n_pairs))
    return float(n_pairs * np.exp(log_share))


def _connect(pairs: NDArray[np.intp], has_twin: NDArray[np.bool_]) -> IntArray:
    """Give every group of vectors joined by twins a number; `ALONE` for the others."""
    size = has_twin.size
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    labels = connected_components(graph, directed=False)[1].astype(np.intp)
    return np.where(has_twin, labels, ALONE).astype(np.intp)
