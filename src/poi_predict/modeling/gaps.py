"""The gaps of a table: which columns are missing together, and what a normal model says of them.

Rows that miss the same columns form a pattern and share their algebra. All patterns are worked out at once,
through the precision matrix, so that each costs only as much as it misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["Gaps", "Patterns", "condition_gaps", "find_patterns"]


@dataclass(frozen=True)
class Patterns:
    """Which columns are missing together.

    Attributes
    ----------
    rows : ndarray of int, shape (n_gappy,)
        Positions of the rows with something missing.
    of_row : ndarray of int, shape (n_gappy,)
        The pattern of each.
    columns : ndarray of int, shape (n_patterns, most_missing)
        Missing columns of each pattern, padded with the number of columns.
    counts : ndarray of int, shape (n_patterns,)
        Rows of each pattern.
    """

    rows: NDArray[np.intp]
    of_row: NDArray[np.intp]
    columns: NDArray[np.intp]
    counts: NDArray[np.intp]

    def put(self, table: FloatArray, values: FloatArray) -> None:
        """Write values of shape (n_gappy, most_missing) into the gaps of a table, in place."""
        columns = self.columns[self.of_row]
        real = columns < table.shape[1]
        table[np.broadcast_to(self.rows[:, None], columns.shape)[real], columns[real]] = values[real]


@dataclass(frozen=True)
class Gaps:
    """The normal distribution of the missing values given the observed ones.

    Attributes
    ----------
    mean : ndarray of shape (n_gappy, most_missing)
        Deviations from the model's mean; padding is 0.
    covariance : ndarray of shape (n_patterns, most_missing, most_missing)
        Padding is the identity.
    """

    patterns: Patterns
    mean: FloatArray
    covariance: FloatArray

    def sum_of_covariances(self, n_columns: int) -> FloatArray:
        """Return the covariances summed over rows, each in its place among all columns."""
        total = np.zeros((n_columns + 1, n_columns + 1))
        columns = self.patterns.columns
        weighted = self.covariance * self.patterns.counts[:, None, None]
        np.add.at(total, (columns[:, :, None], columns[:, None, :]), weighted)
        return total[:-1, :-1]


def find_patterns(missing: NDArray[np.bool_]) -> Patterns:
    """Find the patterns of a table, shape (n_rows, n_columns), true where missing.

    Examples
    --------
    The first and the third woman miss the same hormone:

    >>> patterns = find_patterns(np.array([[False, True], [False, False], [False, True]]))
    >>> patterns.rows, patterns.columns, patterns.counts
    (array([0, 2]), array([[1]]), array([2]))
    """
    rows = np.flatnonzero(missing.any(axis=1))
    packed = np.packbits(missing[rows], axis=1)
    keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, of_row, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    distinct = missing[rows[first]]
    n_columns = missing.shape[1]
    most = int(distinct.sum(axis=1).max(initial=0))
    # A stable sort of "not missing" brings the missing columns to the front, in order.
    columns = np.argsort(~distinct, axis=1, kind="stable")[:, :most]
    columns = np.where(np.take_along_axis(distinct, columns, axis=1), columns, n_columns)
    return Patterns(rows, of_row, columns, counts)


def condition_gaps(Z: FloatArray, mean: FloatArray, covariance: FloatArray, patterns: Patterns) -> Gaps:
    """Condition each row's missing columns on its observed ones.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_columns)
        What stands in a gap is not looked at.
    mean, covariance : ndarray of shape (n_columns,) and (n_columns, n_columns)
    patterns : Patterns
        Of all rows of Z.

    Notes
    -----
    With precision P and deviations r (0 where missing), the missing part has covariance inverse(P_mm) and
    mean -inverse(P_mm) (P r)_m: only matrices as large as what is missing are inverted.
    """
    d = len(mean)
    precision = np.zeros((d + 1, d + 1))
    precision[:d, :d] = np.linalg.inv(covariance)
    columns = patterns.columns
    blocks = precision[columns[:, :, None], columns[:, None, :]]
    blocks += np.eye(columns.shape[1]) * (columns == d)[:, :, None]
    inverse = np.linalg.inv(blocks)
    deviation = np.nan_to_num(Z[patterns.rows] - mean)
    deviation[_gap_mask(patterns, d)] = 0.0
    pull = np.column_stack([deviation @ precision[:d, :d], np.zeros(len(deviation))])
    pull = np.take_along_axis(pull, columns[patterns.of_row], axis=1)
    mean_of_gaps = -np.einsum("rij,rj->ri", inverse[patterns.of_row], pull)
    return Gaps(patterns, mean_of_gaps, np.asarray(inverse, dtype=np.float64))


def _gap_mask(patterns: Patterns, n_columns: int) -> NDArray[np.bool_]:
    """Return the gaps of the gappy rows, shape (n_gappy, n_columns)."""
    mask = np.zeros((len(patterns.columns), n_columns + 1), dtype=bool)
    np.put_along_axis(mask, patterns.columns, values=True, axis=1)
    return np.asarray(mask[patterns.of_row, :-1])
