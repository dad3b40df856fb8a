"""Who the women are: means, spreads and correlations of columns, to centre by and to fill gaps from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.modeling.borrowing.points import compute_moments, draw_normal_points, place_points
from poi_predict.modeling.gaps import condition_gaps, find_patterns
from poi_predict.privacy import count_beside_mode, guard_moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.arms import Arm, Marginal

    FloatArray = NDArray[np.float64]

__all__ = ["Copula", "Moments", "build_copula", "compute_women", "fill_gaps", "list_marginals", "silence_few"]

FIELD_POINTS = 2**14
"""So many that a rare level and another variable, unrelated in the field, are unrelated among the points as well: a gap
is filled by these correlations."""
FIELD_WOMEN = 10.0
"""How many women the table of the field is worth against those of the clinic, when a gap is filled."""
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Copula:
    """Normal points for every clinical variable, correlated, and where each variable stands in them."""

    points: FloatArray
    variable: Mapping[str, int]

    def place(self, marginals: Sequence[Marginal], column: Mapping[str, int]) -> FloatArray:
        """Return points in the derived columns; NaN where no marginal says anything."""
        return place_points(marginals, self.points, self.variable, column)


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of columns, shapes (n_columns,) and (n_columns, n_columns)."""

    mean: FloatArray
    covariance: FloatArray

    @property
    def sd(self) -> FloatArray:
        """Standard deviations."""
        return np.sqrt(np.diag(self.covariance))


def build_copula(
    marginals: Sequence[Marginal], correlations: Sequence[tuple[str, str, float]], n_points: int, seed: int
) -> Copula:
    """Draw points for all variables that any marginal describes.

    Parameters
    ----------
    marginals : sequence of Marginal
        Of arms and field together.
    correlations : sequence of (str, str, float)
        Of the normal scores of two variables, named by their derived columns. A set that cannot hold together is
        replaced by the nearest that can (negative eigenvalues set to zero; Higham 2002, doi 10.1093/imanum/22.3.329).
    n_points, seed : int
    """
    variable: dict[str, int] = {}
    for marginal in marginals:
        if marginal.family != "fixed":
            variable.setdefault(marginal.columns[0], len(variable))
    normal = draw_normal_points(n_points, len(variable), seed)
    rho = np.eye(len(variable))
    for first, second, value in correlations:
        if first in variable and second in variable:
            rho[variable[first], variable[second]] = rho[variable[second], variable[first]] = value
    if variable:
        values, vectors = np.linalg.eigh(rho)
        root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T  # not hanging on the vectors' signs
        root /= np.sqrt((root**2).sum(axis=1))[:, None]
        normal = normal if np.array_equal(rho, np.eye(len(rho))) else normal @ root.T
    return Copula(normal, variable)


def compute_women(
    values: FloatArray,
    weight: FloatArray,
    marginals: Sequence[Marginal],
    correlations: Sequence[tuple[str, str, float]],
    column: Mapping[str, int],
    seed: int,
    least: int = 0,
) -> tuple[Moments, Moments]:
    """Return the moments of the field, and those of field and clinic together.

    A column that the table of the field does not hold has the clinic's mean and SD, or 0 and 1 without women.

    Parameters
    ----------
    values : ndarray of shape (n_women, n_columns)
        NaN where missing.
    weight : ndarray of shape (n_women,)
    marginals, correlations
        Of the field; of columns that the table lacks, they are passed over.
    column : mapping of str to int
    seed : int
    least : int
        Means and SDs of the women are blurred for so many (`poi_predict.privacy`); 0 leaves them exact.
    """
    marginals = tuple(marginal for marginal in marginals if column.keys() >= set(marginal.columns))
    mean, covariance = (each.copy() for each in _find_field(marginals, tuple(correlations), tuple(column), seed))
    known = ~np.isnan(mean)
    covariance[~known, :] = covariance[:, ~known] = 0.0
    n, own_mean, own_sd = _weigh(values, weight)
    if least and len(values):
        told = n > 0
        own_mean, blurred, share = guard_moments(values, own_mean, np.diag(own_sd**2), np.diag(told), least)
        own_sd, n = np.where(told, np.sqrt(np.diag(blurred)), 1.0), share * len(values)
    mean = np.where(known, mean, own_mean)
    sd = np.where(known, np.sqrt(np.diag(covariance)), own_sd)
    correlation = covariance / np.outer(np.maximum(sd, LEAST_SPREAD), np.maximum(sd, LEAST_SPREAD))
    np.fill_diagonal(correlation, 1.0)
    share = n / (n + np.where(known, FIELD_WOMEN, 0.0) + (n == 0))
    blended_mean = mean + share * (own_mean - mean)
    blended_sd = np.maximum(np.sqrt((1 - share) * sd**2 + share * own_sd**2), LEAST_SPREAD)
    return (
        Moments(mean, correlation * np.outer(sd, sd)),
        Moments(blended_mean, (0.99 * correlation + 0.01 * np.eye(len(mean))) * np.outer(blended_sd, blended_sd)),
    )


@lru_cache(maxsize=8)  # the same in hundreds of resamples
def _find_field(
    marginals: tuple[Marginal, ...],
    correlations: tuple[tuple[str, str, float], ...],
    columns: tuple[str, ...],
    seed: int,
) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of the columns among the women of the field; NaN where the table is silent."""
    place = {name: position for position, name in enumerate(columns)}
    return compute_moments(build_copula(marginals, correlations, FIELD_POINTS, seed).place(marginals, place))


def _weigh(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weight of the known values of each column, their mean, and their SD; 0 and 1 where there is none."""
    seen = ~np.isnan(values)
    n = weight @ seen
    total = np.maximum(n, LEAST_SPREAD)
    mean = weight @ np.where(seen, values, 0.0) / total
    variance = weight @ np.where(seen, values - mean, 0.0) ** 2 / total
    sd = np.sqrt(variance)
    return n, mean, np.where(sd > LEAST_SPREAD * (1 + np.abs(mean)), sd, 1.0)


def silence_few(values: FloatArray, least: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Let no column say anything of fewer than `least` women: an effect that only they speak to keeps its prior.

    Parameters
    ----------
    values : ndarray of shape (n_women, n_columns)
        NaN where missing.
    least : int
        0 leaves all as it is.

    Returns
    -------
    ndarray of shape (n_women, n_columns)
        A column in which fewer women differ from the commonest value has that value throughout; one that fewer know
        is missing throughout.
    ndarray of bool, shape (n_columns,)
        Which columns are as they were.
    """
    known, beside = (~np.isnan(values)).sum(axis=0), count_beside_mode(values)
    unknown, rare = (known > 0) & (known < least), (beside > 0) & (beside < least)
    silenced = np.where(unknown, np.nan, values)
    for place in np.flatnonzero(rare & ~unknown):
        column = values[:, place]
        found, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        silenced[:, place] = found[counts.argmax()]
    return silenced, ~(unknown | rare)


def fill_gaps(values: FloatArray, moments: Moments, known: NDArray[np.bool_]) -> tuple[FloatArray, list[FloatArray]]:
    """Fill each gap with its mean given the woman's other values, and say how sure that is.

    Parameters
    ----------
    values : ndarray of shape (n_women, n_columns)
    moments : Moments
    known : ndarray of bool, shape (n_columns,)
        Columns that may be filled from others; gaps elsewhere get the mean.

    Returns
    -------
    ndarray of shape (n_women, n_columns)
    list of ndarray
        ``[rows, patterns, covariances]``: rows with gaps, the pattern of each, and each pattern's covariance among
        all columns, shape (n_patterns, n_columns, n_columns).
    """
    filled = np.where(np.isnan(values), moments.mean, values)
    chosen = np.flatnonzero(known)
    missing = np.isnan(values[:, chosen])
    if not missing.any():
        return filled, []
    patterns = find_patterns(missing)
    mean, covariance = moments.mean[chosen], moments.covariance[np.ix_(chosen, chosen)]
    gaps = condition_gaps(values[:, chosen], mean, covariance, patterns)
    completed = filled[:, chosen]
    columns = patterns.columns[patterns.of_row]
    padded_mean = np.append(mean, 0.0)
    patterns.put(completed, gaps.mean + padded_mean[columns])
    filled[:, chosen] = completed
    spread = np.zeros((len(patterns.counts), values.shape[1] + 1, values.shape[1] + 1))
    places = np.append(chosen, values.shape[1])[patterns.columns]
    at = np.arange(len(spread))[:, None, None], places[:, :, None], places[:, None, :]
    spread[at] = gaps.covariance
    return filled, [patterns.rows, patterns.of_row, spread[:, :-1, :-1]]


def list_marginals(arms: Sequence[Arm], field: Sequence[Marginal]) -> list[Marginal]:
    """Return the marginals of the field, then those of the arms."""
    return [*field, *(marginal for arm in arms for marginal in arm.marginals)]
