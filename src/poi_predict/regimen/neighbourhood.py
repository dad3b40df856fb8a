"""How many women of training were like this one, without keeping any of them.

Groups of at least five women who had the same protocol and are much alike are replaced by their mean (microaggregation
by MDAV: Domingo-Ferrer & Mateo-Sanz 2002, doi 10.1109/69.979982), so that a stored model can count women like a new one
and holds no row. Women of rare protocols make groups of their own, without a protocol.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from poi_predict.privacy import LEAST, find_told, round_mean, round_sd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.intp]

__all__ = ["Alike", "Neighbourhood", "build_neighbourhood", "group_alike"]

LEAST_GROUP = LEAST
DIGITS = 1
RADIUS = math.sqrt(0.5)


@dataclass(frozen=True)
class Alike:
    """How many women of training were like each of some women.

    Attributes
    ----------
    n : ndarray of int, shape (n_women,)
    n_by_protocol : ndarray of int, shape (n_women, n_protocols)
        Those of them who had each combination seen in training.
    known : ndarray of shape (n_women,)
        How much of what tells women apart is known of her, between 0 and 1.
    """

    n: IntArray
    n_by_protocol: IntArray
    known: FloatArray


@dataclass(frozen=True)
class Neighbourhood:
    """The women of training as means of groups.

    Two women are compared column by column, in standard deviations; a column counts by the square of what one
    standard deviation of it does to the log-odds, so that women are far apart where the model says they are. The
    distance is the root of the weighted mean of the squares over the columns that are known of both: two women drawn
    at random are √2 apart (root mean square). Women are *alike* within half of that, 0.71.

    Attributes
    ----------
    columns : tuple of str
        Derived columns of the baseline.
    centre, scale, weight : tuple of float
        Mean and SD of each in training; its share in the distance.
    centroids : tuple of tuple of (float or None)
        Mean of each group in standard deviations, to one digit; None where fewer than five of its women are known.
    sizes : tuple of int
        Women in each group, five or more.
    protocols : tuple of tuple of int
        How many women of each group had each combination seen in training: all, or none.
    radius : float
    """

    columns: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    centroids: tuple[tuple[float | None, ...], ...]
    sizes: tuple[int, ...]
    protocols: tuple[tuple[int, ...], ...] = ()
    radius: float = RADIUS

    @property
    def n_women(self) -> int:
        """Women of training in groups."""
        return sum(self.sizes)

    def count_alike(self, columns: pd.DataFrame) -> Alike:
        """Count the women of training who were like each of some women.

        Parameters
        ----------
        columns : DataFrame of shape (n_women, n_columns)
            Derived columns, among them those of the baseline; NaN where missing.

        Notes
        -----
        A group counts as a whole, by its mean: a few of its women may be further away, others of a group that does
        not count nearer. Simulated with normal columns, the number so found and the true one correlate at 0.9 or more
        where three columns matter; where eight do, it is too high by a third to a half, the means of groups being
        nearer to the middle than women are. A woman of whom nothing is known is like nobody.

        Examples
        --------
        Ten women of 30 and ten of 38 years:

        >>> import pandas as pd
        >>> ages = pd.DataFrame({"age__years": [30.0] * 10 + [38.0] * 10})
        >>> neighbourhood = build_neighbourhood(ages, {"age__years": 1.0})
        >>> neighbourhood.sizes
        (5, 5, 5, 5)
        >>> neighbourhood.count_alike(pd.DataFrame({"age__years": [31.0, 34.0, None]})).n
        array([10,  0,  0])
        """
        values = (columns[list(self.columns)].to_numpy(dtype=np.float64) - self.centre) / self.scale
        centroids = np.array(self.centroids, dtype=np.float64).reshape(len(self.sizes), len(self.columns))
        near = (compute_distances(values, centroids, np.array(self.weight)) <= self.radius).astype(np.intp)
        by_protocol = np.array(self.protocols, dtype=np.intp).reshape(len(self.sizes), -1)
        return Alike(
            n=near @ np.array(self.sizes, dtype=np.intp),
            n_by_protocol=near @ by_protocol,
            known=(~np.isnan(values)) @ np.array(self.weight),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; `from_dict` gives the neighbourhood back."""
        plain = asdict(self)
        nested = {name: [list(row) for row in plain[name]] for name in ("centroids", "protocols")}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()} | nested

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the neighbourhood that `as_dict` described."""
        nested = {name: tuple(tuple(row) for row in stored[name]) for name in ("centroids", "protocols")}
        plain = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
        return cls(**(plain | nested))


def build_neighbourhood(
    columns: pd.DataFrame,
    importance: Mapping[str, float],
    protocol: Sequence[int] | None = None,
    least: int = LEAST,
) -> Neighbourhood | None:
    """Replace the women of training by means of groups of at least five.

    Parameters
    ----------
    columns : DataFrame of shape (n_women, n_columns)
        Derived columns of one row a woman; NaN where missing.
    importance : mapping of str to float
        For each column of the baseline what one of its standard deviations does to the log-odds. All columns count
        alike where none does anything.
    protocol : sequence of int, optional
        Which combination each woman had, by its position; -1 where that is not known, or is rare.
    least : int
        Fewest women of a group. Those of a combination who are fewer are in none.

    Returns
    -------
    Neighbourhood or None
        None for fewer than five women, or without a column.
    """
    names = list(importance)
    values = columns[names].to_numpy(dtype=np.float64)
    if len(values) < least or not names:
        return None
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - centre, 0.0) ** 2).sum(axis=0) / count)
    useful = (spread > 0) & find_told(values, least)
    squares = np.square([importance[name] for name in names]) * useful
    if not squares.sum() > 0:
        squares = useful.astype(np.float64)
    if not squares.sum() > 0:
        return None
    keep = np.flatnonzero(squares)
    weight = squares[keep] / squares.sum()
    spread = round_sd(spread[keep], count[keep], least)
    centre = round_mean(centre[keep], spread, count[keep], least)
    standard = (values[:, keep] - centre) / spread
    codes = np.full(len(values), -1) if protocol is None else np.asarray(protocol, dtype=np.intp)
    groups = _group_within(standard, weight, codes, least)
    n_protocols = int(codes.max(initial=-1)) + 1
    return Neighbourhood(
        columns=tuple(names[position] for position in keep),
        centre=tuple(centre.tolist()),
        scale=tuple(spread.tolist()),
        weight=tuple(float(round(value, 6)) for value in weight),
        centroids=tuple(_compute_centroid(standard[group], least) for group in groups),
        sizes=tuple(len(group) for group in groups),
        protocols=tuple(
            tuple(np.bincount(codes[group][codes[group] >= 0], minlength=n_protocols).tolist()) for group in groups
        ),
    )


def _group_within(standard: FloatArray, weight: FloatArray, codes: IntArray, least: int) -> list[IntArray]:
    """Group the women of each combination by themselves; none where they are fewer than `least`."""
    found = []
    for code in np.unique(codes):
        women = np.flatnonzero(codes == code)
        if len(women) >= least:
            found += [women[group] for group in group_alike(standard[women], weight, least)]
    return found


def group_alike(standard: FloatArray, weight: FloatArray, size: int = LEAST_GROUP) -> list[IntArray]:
    """Divide women into groups of at least `size` who are alike, by maximum distance to the average vector (MDAV).

    The woman furthest from the mean and those nearest to her make one group, the woman furthest from her and those
    nearest to that one another, until fewer than twice the size are left (Domingo-Ferrer & Mateo-Sanz 2002, doi
    10.1109/69.979982).

    Parameters
    ----------
    standard : ndarray of shape (n_women, n_columns)
        In standard deviations; NaN where missing.
    weight : ndarray of shape (n_columns,)
        Of each column in the distance.
    size : int

    Returns
    -------
    list of ndarray
        Positions of the women of each group.

    Examples
    --------
    >>> [group.tolist() for group in group_alike(np.array([[0.0], [9.0], [0.1], [9.1], [0.2], [9.2]]), np.ones(1), 3)]
    [[0, 2, 4], [1, 3, 5]]
    """
    left = np.arange(len(standard))
    groups = []
    while len(left) >= 2 * size:
        mean = _compute_mean(standard[left])
        first = int(np.argmax(compute_distances(standard[left], mean[None], weight, unknown=0.0)[:, 0]))
        away = compute_distances(standard[left], standard[left[first]][None], weight)[:, 0]
        nearest = _take_nearest(away, first, size)
        second = int(np.argmax(np.where(np.isfinite(away), away, -1.0)))
        groups.append(np.sort(left[nearest]))
        rest = np.setdiff1d(np.arange(len(left)), nearest)
        if len(left) >= 3 * size:
            from_second = compute_distances(standard[left[rest]], standard[left[second]][None], weight)[:, 0]
            start = int(np.flatnonzero(rest == second)[0]) if second in rest else int(np.argmin(from_second))
            nearest = _take_nearest(from_second, start, size)
            groups.append(np.sort(left[rest[nearest]]))
            rest = np.delete(rest, nearest)
        left = left[rest]
    if len(left):
        groups.append(left)
    return groups


def compute_distances(
    rows: FloatArray, others: FloatArray, weight: FloatArray, *, unknown: float = math.inf
) -> FloatArray:
    """Return the root of the weighted mean square difference over the columns known of both, shape (n, n_others).

    `unknown` where they have none in common.
    """
    here, there = ~np.isnan(rows), ~np.isnan(others)
    a, b = np.where(here, rows, 0.0), np.where(there, others, 0.0)
    total = (here * weight) @ there.T.astype(np.float64)
    square = (a**2 * weight) @ there.T + (here * weight) @ (b**2).T - 2.0 * (a * weight) @ b.T
    mean = np.divide(square, total, out=np.full(total.shape, unknown**2), where=total > 0)
    return np.asarray(np.sqrt(np.maximum(mean, 0.0)), dtype=np.float64)


def _take_nearest(distance: FloatArray, start: int, size: int) -> IntArray:
    """Return the positions of the nearest, the start first: she may share no column with herself."""
    ordered = np.argsort(distance, kind="stable")
    return np.concatenate([[start], ordered[ordered != start][: size - 1]]).astype(np.intp)


def _compute_mean(rows: FloatArray) -> FloatArray:
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0), dtype=np.float64)


def _compute_centroid(rows: FloatArray, least: int) -> tuple[float | None, ...]:
    enough = (~np.isnan(rows)).sum(axis=0) >= least
    return tuple(
        round(float(value), DIGITS) if shown else None for value, shown in zip(_compute_mean(rows), enough, strict=True)
    )
