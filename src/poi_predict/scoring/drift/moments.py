"""Sums, squares and products of columns with gaps, from which means and covariances follow; they add up over blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from poi_predict.validation import CaseMixSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["Moments", "compute_moments"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the rows in which both of two columns are known.

    Attributes
    ----------
    known : ndarray of int, shape (k, k)
        Rows in which both columns are known.
    sums : ndarray of shape (k, k)
        Of the row's column, where the other is known too.
    products : ndarray of shape (k, k)
        Of both columns.
    """

    known: NDArray[np.int64]
    sums: FloatArray
    products: FloatArray

    def merge(self, other: Moments) -> Moments:
        """Return the sums over the rows of both."""
        return Moments(self.known + other.known, self.sums + other.sums, self.products + other.products)

    def summarise(self, columns: tuple[str, ...], centre: FloatArray, spread: FloatArray) -> CaseMixSummary:
        """Return means and pairwise covariances, as `summarise_case_mix` would of the rows themselves.

        Parameters
        ----------
        columns : tuple of str
        centre, spread : ndarray of shape (k,)
            What the columns were standardised by before they were summed.
        """
        n = np.maximum(self.known, 1)
        covariance = (self.products - self.sums * self.sums.T / n) / np.maximum(self.known - 1, 1)
        covariance = np.where(self.known >= 2, (covariance + covariance.T) / 2.0, 0.0) * np.outer(spread, spread)
        diagonal = np.arange(len(n))
        covariance[diagonal, diagonal] = np.maximum(covariance[diagonal, diagonal], 0.0)
        mean = np.where(np.diag(self.known) > 0, centre + spread * np.diag(self.sums) / np.diag(n), 0.0)
        return CaseMixSummary(max(1, int(self.known.max(initial=0))), columns, mean, covariance)

    def as_dict(self) -> dict[str, Any]:
        """Return plain lists; of the symmetric ones the upper triangle."""
        upper = np.triu_indices(len(self.known))
        return {
            "known": self.known[upper].tolist(),
            "sums": self.sums.ravel().tolist(),
            "products": self.products[upper].tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_dict` wrote, to the last bit."""
        k = round(len(stored["sums"]) ** 0.5)
        return cls(
            _unfold(np.array(stored["known"], dtype=np.int64), k),
            np.array(stored["sums"], dtype=np.float64).reshape(k, k),
            _unfold(np.array(stored["products"], dtype=np.float64), k),
        )


def compute_moments(values: FloatArray) -> Moments:
    """Sum standardised columns, NaN where not known; overwrites the gaps of `values` with zeros.

    Columns with the same gaps share their counts, so that the cost is nearly that of one product of matrices.
    """
    known = np.isfinite(values)
    values[~known] = 0.0
    place: dict[bytes, int] = {}
    columns = np.ascontiguousarray(known.T)
    of_column = np.array([place.setdefault(column.tobytes(), len(place)) for column in columns], dtype=np.intp)
    first = [int(np.argmax(of_column == group)) for group in range(len(place))]
    masks = columns[first].astype(np.float64).T
    counts = np.rint(masks.T @ masks).astype(np.int64)
    sums = values.T @ masks
    return Moments(counts[np.ix_(of_column, of_column)], sums[:, of_column], values.T @ values)


def _unfold(upper: Any, k: int) -> Any:
    whole = np.zeros((k, k), dtype=upper.dtype)
    whole[np.triu_indices(k)] = upper
    return whole + np.triu(whole, 1).T
