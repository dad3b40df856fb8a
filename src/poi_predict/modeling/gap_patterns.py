"""Gaps of many rows filled by a few matrices: one linear map for each pattern of gaps, worked out once and kept.

`gaps` does the algebra of a fit, all patterns of a small table at once. Here the table is large, the normal model is
fixed, and the same patterns come back in block after block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["GapPattern", "PatternFiller", "SortedRows", "sort_by_key"]

MOST_KEPT = 4096
"""Patterns remembered; cohorts show some hundreds."""


@dataclass(frozen=True, eq=False)
class GapPattern:
    """Columns that are missing together, and what the others say of them.

    Attributes
    ----------
    columns : ndarray of int, shape (n_missing,)
    weights : ndarray of shape (n_columns, n_missing)
        Deviations of the row from the model's mean, 0 where missing, times this are the expected deviations in the
        gaps.
    covariance : ndarray of shape (n_missing, n_missing)
        Of the gaps, given the rest.
    """

    columns: NDArray[np.intp]
    weights: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, eq=False)
class SortedRows:
    """Rows brought into the order of their patterns.

    Attributes
    ----------
    order : ndarray of int, shape (n_rows,)
        Where each sorted row came from.
    bounds : ndarray of int, shape (n_patterns + 1,)
        Where each pattern's rows begin in the sorted order, and where the last ends.
    """

    order: NDArray[np.intp]
    bounds: NDArray[np.intp]

    def __iter__(self) -> Iterator[slice]:
        """Yield the rows of each pattern, in sorted order."""
        for start, stop in zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True):
            yield slice(start, stop)


class PatternFiller:
    """Fills gaps with their mean given the row's other values, under a normal model that is fixed.

    Parameters
    ----------
    mean, covariance : ndarray of shape (n_columns,) and (n_columns, n_columns)

    Examples
    --------
    FSH and LH go together, so a missing LH, two standard deviations of FSH above the mean, is put in from FSH:

    >>> filler = PatternFiller(np.array([70.0, 30.0]), np.array([[400.0, 160.0], [160.0, 100.0]]))
    >>> filler.fill(np.array([[110.0, np.nan], [70.0, 30.0]]))[0].tolist()
    [[110.0, 46.0], [70.0, 30.0]]
    """

    def __init__(self, mean: FloatArray, covariance: FloatArray) -> None:
        self.mean = np.asarray(mean, dtype=np.float64)
        self.scale = np.sqrt(np.diag(covariance))
        self._precision = np.linalg.inv(covariance / np.outer(self.scale, self.scale))
        self._kept: dict[bytes, GapPattern] = {}

    def fill(self, values: FloatArray) -> tuple[FloatArray, SortedRows, list[GapPattern]]:
        """Fill the gaps of a table.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            A copy without gaps, the rest to the last bit but for the rounding of taking the mean off and adding it.
        SortedRows
            Which rows have the same gaps.
        list of GapPattern
            One for each group of rows.
        """
        missing = np.isnan(values)
        rows = sort_by_key(missing)
        deviations = (values - self.mean)[rows.order]
        deviations[np.isnan(deviations)] = 0.0
        patterns = [self.find(missing[rows.order[start]]) for start in rows.bounds[:-1].tolist()]
        for part, pattern in zip(rows, patterns, strict=True):
            if len(pattern.columns):
                deviations[part, pattern.columns] = deviations[part] @ pattern.weights
        filled = np.empty_like(deviations)
        filled[rows.order] = deviations
        filled += self.mean
        return filled, rows, patterns

    def find(self, missing: NDArray[np.bool_]) -> GapPattern:
        """Return the pattern of a row, given which of its columns are missing."""
        key = missing.tobytes()
        pattern = self._kept.get(key)
        if pattern is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            pattern = self._kept[key] = self._condition(np.flatnonzero(missing))
        return pattern

    def _condition(self, columns: NDArray[np.intp]) -> GapPattern:
        inverse = np.linalg.inv(self._precision[np.ix_(columns, columns)])
        weights = -self._precision[:, columns] @ inverse
        weights[columns] = 0.0
        scale = self.scale[columns]
        return GapPattern(columns, weights * scale / self.scale[:, None], inverse * np.outer(scale, scale))


def sort_by_key(bits: NDArray[np.bool_]) -> SortedRows:
    """Bring rows with the same bits together, keeping their order among themselves.

    Parameters
    ----------
    bits : ndarray of bool, shape (n_rows, n_bits)

    Examples
    --------
    >>> rows = sort_by_key(np.array([[False, True], [False, False], [False, True]]))
    >>> rows.order, rows.bounds
    (array([0, 2, 1]), array([0, 2, 3]))
    """
    packed = np.packbits(bits, axis=1)
    words = np.zeros((len(packed), max(1, -(-packed.shape[1] // 8)) * 8), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    codes = np.zeros(len(packed), dtype=np.int64)
    for word in words.view(np.uint64).T:
        found, distinct = pd.factorize(word)
        codes, _ = pd.factorize(codes * (len(distinct) + 1) + found)
    order = np.argsort(codes.astype(np.uint16 if len(codes) < 2**16 else np.int64), kind="stable")
    counts = np.bincount(codes) if len(codes) else np.zeros(0, dtype=np.intp)
    return SortedRows(order, np.concatenate([[0], np.cumsum(counts)]).astype(np.intp))
