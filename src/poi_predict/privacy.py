"""How little is told of few women: the one place for the rule on small groups, and on how sums are rounded.

A figure that a woman could be read from is of fewer than `least` women, or changes visibly when she is left out. So
nothing is told of fewer than `least` women, and every stored sum is blurred by more than one woman changes it by, and
by less than its own sampling error:

* a mean by noise of ``least / (2 n)`` standard deviations (one woman changes it by about ``1 / n``), and rounded;
* a standard deviation likewise, relative to itself;
* a correlation by noise of ``sqrt(k) / n`` for k columns, and rounded: many correlations together say more of one woman
  than each of them does, and the change that she makes to all of them would else stand out;
* a count is kept to a multiple of `least`.

Rounding alone does not do: over many columns the steps that one woman makes some of them take point at her. The noise
follows from a digest of the women's own values: the same women give the same sums, another woman gives other noise, and
who has only the sums cannot take it off again.

This is disclosure control by thresholds, rounding and noise (Hundepool et al. 2012, doi:10.1002/9781118348239), not
differential privacy: it stops the attacks that `docs/privacy.md` names, and proves nothing about others.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = [
    "LEAST",
    "PrivacySettings",
    "blur_correlation",
    "blur_moments",
    "blur_posterior",
    "coarsen_count",
    "compute_inner_range",
    "count_beside_mode",
    "find_blur",
    "find_hidden_cells",
    "find_noise",
    "find_step",
    "find_told",
    "find_told_pairs",
    "floor_count",
    "format_count",
    "guard_count",
    "guard_moments",
    "hide_count",
    "hide_small_groups",
    "round_correlation",
    "round_mean",
    "round_sd",
    "seed_noise",
]

LEAST = 5
"""Fewer women than this are never told apart, unless a study asks for more."""

MOST = 50
DOMINATES = 0.5
"""A sum of which one woman makes up more than half is hers."""

TAIL = 0.05
SMALLEST_EIGENVALUE = 1e-3
SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class PrivacySettings:
    """How many women a stored or shown figure must rest on.

    Attributes
    ----------
    least : int
        Counts of fewer women are shown as "< 5", and no sum is kept of fewer. Between 5 and 50; ten is the rule of
        many registries.

    Raises
    ------
    StudyError
        If it is outside that range.

    Examples
    --------
    >>> PrivacySettings().least
    5
    >>> PrivacySettings(least=3)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: privacy.least must be between 5 and 50; it is 3.
    """

    least: int = LEAST

    def __post_init__(self) -> None:
        if not LEAST <= self.least <= MOST:
            raise StudyError(f"privacy.least must be between {LEAST} and {MOST}; it is {self.least}.")


def format_count(count: float, least: int = LEAST) -> str:
    """Return a count of women in words that hide one of fewer than `least`.

    Examples
    --------
    >>> format_count(0), format_count(3), format_count(12), format_count(7, least=10)
    ('0', '< 5', '12', '< 10')
    """
    return f"< {least}" if 0 < count < least else f"{count:.0f}"


def hide_count(count: float, least: int = LEAST) -> int:
    """Return a count for a stored table: to a multiple of `least`, and one number for all counts below it.

    A rounded table gives no small count away by the difference between its total and its other rows.

    Examples
    --------
    >>> [hide_count(count) for count in (0, 1, 4, 5, 12, 13)]
    [0, 2, 2, 5, 10, 15]
    """
    if count <= 0:
        return 0
    return least // 2 if count < least else least * math.floor(count / least + 0.5)


def floor_count(count: float, least: int = LEAST) -> int:
    """Return a count that a claim may rest on: as `hide_count`, but never more than there were.

    Examples
    --------
    Eight women do not pass for the ten that a verdict asks for:

    >>> [floor_count(count) for count in (0, 4, 8, 10, 13)]
    [0, 2, 5, 10, 10]
    """
    return hide_count(count if count < least else least * math.floor(count / least), least)


def guard_count(count: float, n: float, least: int = LEAST) -> float:
    """Return a count of n women, or the middle of the hidden range where it, or the rest, is one to `least` - 1.

    Examples
    --------
    >>> guard_count(3, 40), guard_count(0, 40), guard_count(12, 40), guard_count(38, 40)
    (2.5, 0, 12, 37.5)
    """
    middle = least / 2.0
    if n < 2 * least:
        return count
    if 0 < count < least:
        return middle
    return n - middle if n - least < count < n else count


def find_hidden_cells(counts: ArrayLike, *, exclusive: bool = True, least: int = LEAST) -> Mask:
    """Find the cells of a table of women that may not be shown, and those from which they would follow.

    Parameters
    ----------
    counts : array of shape (n_levels, n_groups)
        The first group is the total of the others.
    exclusive : bool
        Whether every woman has one level, so that a group's levels add up to its known size.
    least : int

    Returns
    -------
    ndarray of bool, shape (n_levels, n_groups)

    Examples
    --------
    Three of 12 women with a level responded: with the total shown, nine who did not would give them away.

    >>> find_hidden_cells([[12, 3, 9], [40, 20, 20]], exclusive=False).tolist()
    [[False, True, True], [False, False, False]]
    """
    table = np.asarray(counts, dtype=np.float64)
    hidden = (table > 0) & (table < least)
    lines = [(row, slice(None)) for row in range(table.shape[0])] if table.shape[1] > 1 else []
    if exclusive:
        lines += [(slice(None), column) for column in range(table.shape[1])]  # type: ignore[misc]
    changed = True
    while changed:
        changed = False
        for line in lines:
            shown = ~hidden[line] & (table[line] > 0)
            if hidden[line].sum() == 1 and shown.any():
                beside = np.where(shown, table[line], np.inf)
                hidden[line] |= np.arange(beside.size) == int(beside.argmin())
                changed = True
    return np.asarray(hidden)


def hide_small_groups(groups: Sequence[Mapping[str, Any]], total: str, least: int = LEAST) -> list[dict[str, Any]]:
    """Blank sizes, events and figures of groups from which fewer than `least` women could be told.

    Parameters
    ----------
    groups : sequence of mapping
        Each with ``n`` and ``events``; beside them its figures.
    total : str
        The key whose groups divide the women, such as ``variable``; empty if all do together.
    least : int

    Returns
    -------
    list of dict
        ``n`` or ``events`` None where hidden, figures then without a value and with the reason.

    Examples
    --------
    >>> centres = [{"centre": c, "n": n, "events": e} for c, n, e in (("C1", 40, 20), ("C2", 9, 3), ("C3", 30, 12))]
    >>> [(each["n"], each["events"]) for each in hide_small_groups(centres, "")]
    [(40, 20), (9, None), (30, None)]
    """
    kept = [dict(group) for group in groups]
    for block in dict.fromkeys(group.get(total) for group in kept):
        members = [group for group in kept if group.get(total) == block]
        counts = np.array([[g["n"], g["events"], g["n"] - g["events"]] for g in members], dtype=np.float64)
        alone = find_hidden_cells(counts[:, :1], least=least)[:, 0]
        parts = find_hidden_cells(counts, least=least)[:, 1:].any(axis=1)
        for group, no_size, no_events in zip(members, alone, parts | alone, strict=True):
            if not no_events:
                continue
            reason = f"fewer than {least} women of one kind, here or in a group beside it"
            group |= {"events": None, **({"n": None} if no_size else {})}
            group |= {
                name: {**value, "estimate": None, "ci_low": None, "ci_high": None, "reason": reason}
                for name, value in group.items()
                if isinstance(value, dict) and "estimate" in value
            }
            if "suppressed" in group:
                group["suppressed"] = group["suppressed"] or reason
    return kept


def coarsen_count(count: float, n: float, least: int = LEAST) -> float:
    """Return a count of n women to a multiple of `least`; where it, or the rest, is below that, as `guard_count` does.

    Examples
    --------
    >>> [coarsen_count(count, 40) for count in (0, 3, 12, 13, 38, 40)]
    [0, 2.5, 10, 15, 37.5, 40]
    """
    if count <= 0 or count >= n:
        return count
    if count < least or n - count < least:
        return guard_count(count, n, least) if n >= 2 * least else n / 2.0
    return min(hide_count(count, least), n - least / 2.0)


def count_beside_mode(values: ArrayLike) -> NDArray[np.intp]:
    """Count the women of each column who have another value than most have; 0 for a column that never varies.

    Parameters
    ----------
    values : array of shape (n_women, n_columns)
        NaN where missing.

    Examples
    --------
    >>> count_beside_mode([[0, 31.0], [0, 33.5], [1, 29.0]]).tolist()
    [1, 2]
    """
    return np.array([_count_beside(column) for column in np.asarray(values, dtype=np.float64).T], dtype=np.intp)


def find_told(values: ArrayLike, least: int = LEAST) -> Mask:
    """Find the columns of which a mean and a spread may be kept.

    At least `least` women must be known, at least `least` must differ from the commonest value (five on each side of a
    yes/no column), and no woman alone may make up half of the spread. A column that never varies may be told.

    Parameters
    ----------
    values : array of shape (n_women, n_columns)
        NaN where missing.
    least : int

    Returns
    -------
    ndarray of bool, shape (n_columns,)

    Examples
    --------
    Of twelve women all know their age, three had PRP, and one alone had a measured inhibin B:

    >>> age = np.arange(28.0, 40.0)
    >>> prp = np.repeat([0.0, 1.0], [9, 3])
    >>> inhibin = np.where(age < 29, 40.0, np.nan)
    >>> find_told(np.column_stack([age, prp, inhibin])).tolist()
    [True, False, False]
    """
    table = np.asarray(values, dtype=np.float64)
    known = (~np.isnan(table)).sum(axis=0)
    beside = count_beside_mode(table)
    deviation = table - np.where(known > 0, np.nansum(table, axis=0) / np.maximum(known, 1), 0.0)
    dominated = _is_dominated(np.square(deviation))
    return np.asarray((known >= least) & ((beside == 0) | ((beside >= least) & ~dominated)))


def find_told_pairs(values: ArrayLike, least: int = LEAST) -> Mask:
    """Find the pairs of columns of which a covariance may be kept.

    Both columns must be told by themselves and among the women in whom both are known; of two columns with a
    commonest value that half of the women have, each of the four groups must be empty or of at least `least` women;
    and no woman alone may make up half of the covariance.

    Parameters
    ----------
    values : array of shape (n_women, n_columns)
        NaN where missing.
    least : int

    Returns
    -------
    ndarray of bool, shape (n_columns, n_columns)
        Symmetric; the diagonal is that of `find_told`.

    Examples
    --------
    Two women had both PRP and HRT, so the two are told each, and not together:

    >>> prp, hrt = np.repeat([0.0, 1.0], [10, 10]), np.tile([0.0, 1.0], 10)
    >>> hrt[10:] = [1.0] * 2 + [0.0] * 8
    >>> find_told_pairs(np.column_stack([prp, hrt])).tolist()
    [[True, False], [False, True]]
    """
    table = np.asarray(values, dtype=np.float64)
    n, k = table.shape
    told = find_told(table, least)
    pairs = np.diag(told)
    modes = [_find_mode(column) for column in table.T]
    split = [None if mode is None else np.where(np.isnan(column), np.nan, column != mode) for column, mode in
             zip(table.T, modes, strict=True)]  # fmt: skip
    for first in np.flatnonzero(told):
        others = np.flatnonzero(told[:first])
        if not others.size:
            continue
        both = ~np.isnan(table[:, [first]]) & ~np.isnan(table[:, others])
        for place, second in enumerate(others):
            rows = both[:, place]
            pair = table[np.ix_(rows, [first, second])]
            kept = bool(find_told(pair, least).all()) if rows.sum() < n else True
            kept = kept and _has_full_cells(split[first], split[second], rows, least) and not _is_one_womans(pair)
            pairs[first, second] = pairs[second, first] = kept
    return np.asarray(pairs.reshape(k, k))


def find_step(size: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, 50 … (and 0.5, 0.2, 0.1 …) that is not below a size.

    Examples
    --------
    >>> find_step(0.03), find_step(0.2), find_step(31.0), find_step(0.0)
    (0.05, 0.2, 50.0, 0.0)
    """
    if size <= 0:
        return 0.0
    power = math.floor(math.log10(size))
    for factor in (1, 2, 5, 10):
        step = float(f"{factor}e{power}")
        if step >= size * (1 - 1e-9):
            return step
    raise AssertionError(size)  # pragma: no cover


def round_mean(mean: ArrayLike, sd: ArrayLike, n: ArrayLike, least: int = LEAST) -> FloatArray:
    """Round means to steps of at least ``least / n`` standard deviations.

    Parameters
    ----------
    mean, sd, n : array-like
        Of each column; `n` are the women known. `sd` from `round_sd`, so that the step itself tells nothing.

    Examples
    --------
    Mean age of 60 women, standard deviation 4:

    >>> round_mean([33.417], [4.0], [60])
    array([33.5])
    """
    return _each(lambda m, s, size: _to_step(m, find_step(least * s / max(size, 1.0))), mean, sd, n)


def round_sd(sd: ArrayLike, n: ArrayLike, least: int = LEAST) -> FloatArray:
    """Round standard deviations to steps of at least ``least / (2 n)`` of themselves.

    Examples
    --------
    >>> round_sd([4.137, 0.0], [60, 60])
    array([4.2, 0. ])
    """
    return _each(lambda s, size: _to_step(s, find_step(least * s / (2.0 * max(size, 1.0)))), sd, n)


def round_correlation(correlation: ArrayLike, n: float, kept: Mask) -> FloatArray:
    """Round correlations to steps of at least ``2 sqrt(k) / n``, blank the pairs that are not told, and mend the rest.

    Parameters
    ----------
    correlation : array of shape (n_columns, n_columns)
    n : float
        Women.
    kept : ndarray of bool, shape (n_columns, n_columns)
        From `find_told_pairs`.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        Positive definite: pulled towards none where rounding left it without (by what the rounded table says alone).

    Examples
    --------
    >>> round_correlation([[1.0, 0.43], [0.43, 1.0]], 60, np.ones((2, 2), dtype=bool)).tolist()
    [[1.0, 0.45], [0.45, 1.0]]
    """
    table = np.asarray(correlation, dtype=np.float64)
    k = int(np.diag(kept).sum())
    step = find_step(2.0 * math.sqrt(max(k, 1)) / max(n, 1.0))
    rounded = np.where(kept, np.clip(np.round(table / step) * step, -1.0, 1.0), 0.0) if step else table * kept
    np.fill_diagonal(rounded, 1.0)
    lowest = float(np.linalg.eigvalsh(rounded)[0]) if len(rounded) else 1.0
    if lowest < SMALLEST_EIGENVALUE:
        pull = (1.0 - SMALLEST_EIGENVALUE) / (1.0 - lowest)
        rounded = pull * rounded + (1.0 - pull) * np.eye(len(rounded))
    return np.asarray(np.round(rounded, 10))


def seed_noise(values: ArrayLike) -> np.random.Generator:
    """Return a generator that hangs on every value of the women, and not on their order; it is stored nowhere.

    Examples
    --------
    >>> ages = np.array([31.0, 35.5, 28.0])
    >>> bool(seed_noise(ages).normal() == seed_noise(ages[::-1]).normal() != seed_noise(ages[1:]).normal())
    True
    """
    table = np.asarray(values, dtype=np.float64)
    order = np.lexsort(table.reshape(len(table), -1).T) if table.size else np.arange(len(table))
    table = np.ascontiguousarray(table[order])
    found = hashlib.sha256(b"poi_predict: noise of sums\0" + repr(table.shape).encode() + table.tobytes()).digest()
    return np.random.default_rng([int(word) for word in np.frombuffer(found, dtype="<u4")])


def blur_correlation(correlation: FloatArray, n: float, rng: np.random.Generator) -> FloatArray:
    """Add noise of ``sqrt(k) / n`` to the k columns' correlations: see the head of this module."""
    k = len(correlation)
    noise = np.tril(rng.normal(0.0, math.sqrt(max(k, 1)) / max(n, 1.0), (k, k)), -1)
    return np.asarray(correlation + noise + noise.T)


def guard_moments(
    values: FloatArray,
    mean: FloatArray,
    covariance: FloatArray,
    kept: Mask,
    least: int = LEAST,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return means, covariances and shares known as they may be stored.

    Parameters
    ----------
    values : ndarray of shape (n_women, n_columns)
        NaN where missing.
    mean : ndarray of shape (n_columns,)
    covariance : ndarray of shape (n_columns, n_columns)
    kept : ndarray of bool, shape (n_columns, n_columns)
        From `find_told_pairs`.
    least : int

    Returns
    -------
    mean, covariance, known : ndarray
        Blurred as the head of this module says; all 0 for a column that may not be told.
    """
    known = (~np.isnan(values)).sum(axis=0)
    return blur_moments(mean, covariance, known / max(len(values), 1), len(values), kept, seed_noise(values), least)


def blur_moments(
    mean: FloatArray,
    covariance: FloatArray,
    known: FloatArray,
    n: int,
    kept: Mask,
    rng: np.random.Generator,
    least: int = LEAST,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Blur sums as `guard_moments` does, by noise from elsewhere; `known` are shares of n women."""
    k = len(mean)
    told = np.diag(kept)
    count = np.array([coarsen_count(round(float(share) * n), n, least) for share in known]) * told
    blur = least / (2.0 * np.maximum(count, 1.0))
    spread = np.sqrt(np.diag(covariance)) * told
    sd = round_sd(spread * np.exp(blur / math.sqrt(2.0) * rng.normal(size=k)), count, least)
    mean = mean + blur * spread * rng.normal(size=k)
    scale = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    varies = sd > 0
    correlation = blur_correlation(covariance / np.outer(scale, scale), n, rng)
    correlation = round_correlation(correlation, n, kept & np.outer(varies, varies))
    return round_mean(mean * told, sd, count, least), correlation * np.outer(sd, sd), count / n


def find_blur(n: int, least: int = LEAST) -> float:
    """Return the noise of a mean of n women's effects, in standard deviations: ``least / (2 sqrt(n))``, at most one.

    Examples
    --------
    >>> round(find_blur(60), 2), find_blur(0)
    (0.32, 0.0)
    """
    return min(1.0, least / (2.0 * math.sqrt(n))) if n else 0.0


def blur_posterior(
    covariance: FloatArray, information: FloatArray, n: int, blur: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return how far to move the mean of some coefficients, and their covariance as it may be stored.

    Both are blurred in the directions in which the women taught something. Let L be the share of the precision that
    they brought (the information, in units of the covariance; eigenvalues from 0 to 1). The information gets noise of
    ``2 sqrt(k) / n``, in its own units, in each of its entries: with k columns one woman adds a direction of size
    ``k / n`` to it, which does not stand out of such noise (Baik, Ben Arous & Peche 2005,
    doi:10.1214/009117905000000233).
    The mean gets noise of `blur`, in units of the covariance, times the square root of L in variance, and the
    covariance is widened by as much. Coefficients of which the women said nothing stay as they were.

    Parameters
    ----------
    covariance, information : ndarray of shape (k, k)
        Of the coefficients; the information is that of the women alone.
    n : int
        Women.
    blur : float
        From `find_blur`.
    rng : Generator
        From `seed_noise`.

    Returns
    -------
    ndarray of shape (k,)
    ndarray of shape (k, k)
    """
    root = _take_root(covariance)
    share, directions = np.linalg.eigh(root @ information @ root)
    share = np.where(share > SMALLEST_SHARE, np.minimum(share, 1.0), 0.0)
    learnt = (directions * np.sqrt(share)) @ directions.T
    k = len(covariance)
    noise = np.tril(rng.normal(0.0, 2.0 * math.sqrt(np.count_nonzero(share)) / n, (k, k)))
    noise = learnt @ (noise + np.tril(noise, -1).T) @ learnt
    size, axes = np.linalg.eigh(noise)
    blurred = root @ ((axes * np.exp(size)) @ axes.T) @ root
    factor = root @ (directions * share**0.25)
    return blur * factor @ rng.normal(size=k), blurred + blur**2 * factor @ factor.T


def find_noise(covariance: FloatArray, before: FloatArray, blur: float) -> FloatArray:
    """Return the covariance of the noise that `blur_posterior` put on a mean, from what it left.

    Parameters
    ----------
    covariance : ndarray of shape (k, k)
        As it is stored.
    before : ndarray of shape (k, k)
        Of the same coefficients without the women.
    blur : float
    """
    noise, precision = np.zeros_like(covariance), np.linalg.pinv(before)
    for _ in range(3):  # the noise is a small part of what is stored
        root = _take_root(covariance - noise)
        share, directions = np.linalg.eigh(np.eye(len(root)) - root @ precision @ root)
        factor = root @ (directions * np.clip(share, 0.0, 1.0) ** 0.25)
        noise = blur**2 * factor @ factor.T
    return np.asarray(noise)


def _take_root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def compute_inner_range(values: ArrayLike, least: int = LEAST) -> tuple[float, float]:
    """Return the mean of the lowest and that of the highest twentieth of some values, each of at least `least` women.

    Where values are evenly spread these are their 2.5th and 97.5th percentiles; neither is ever one woman's value.
    Both are rounded to two significant digits.

    Parameters
    ----------
    values : array of shape (n,)
        None missing, at least one.
    least : int

    Examples
    --------
    >>> compute_inner_range(np.arange(20.0, 41.0))
    (22.0, 38.0)
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    m = min(max(least, round(TAIL * ordered.size)), ordered.size)
    return float(f"{ordered[:m].mean():.1e}"), float(f"{ordered[-m:].mean():.1e}")


def _count_beside(column: FloatArray) -> int:
    known = column[~np.isnan(column)]
    if not known.size:
        return 0
    return int(known.size - np.unique(known, return_counts=True)[1].max())


def _find_mode(column: FloatArray) -> float | None:
    """Return the value that at least half of the women have; None where there is none."""
    known = column[~np.isnan(column)]
    if not known.size:
        return None
    found, counts = np.unique(known, return_counts=True)
    return float(found[counts.argmax()]) if 2 * counts.max() >= known.size else None


def _is_dominated(contributions: FloatArray) -> Mask:
    total = np.nansum(contributions, axis=0)
    largest = np.nanmax(np.where(np.isnan(contributions), 0.0, contributions), axis=0, initial=0.0)
    return np.asarray(largest > DOMINATES * np.maximum(total, np.finfo(float).tiny))


def _is_one_womans(pair: FloatArray) -> bool:
    product = np.abs(np.prod(pair - pair.mean(axis=0), axis=1))
    return bool(_is_dominated(product[:, None])[0])


def _has_full_cells(first: FloatArray | None, second: FloatArray | None, rows: Mask, least: int) -> bool:
    """Whether the four groups of two divided columns are empty or large enough; two undivided columns have none."""
    if first is None or second is None:
        return True
    cells = np.bincount((2 * first[rows] + second[rows]).astype(np.intp), minlength=4)
    return bool(((cells == 0) | (cells >= least)).all())


def _to_step(value: float, step: float) -> float:
    return float(f"{round(value / step) * step:.12g}") if step else float(value)


def _each(rule: object, *columns: ArrayLike) -> FloatArray:
    arrays = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in columns))
    return np.array([rule(*map(float, row)) for row in zip(*(a.ravel() for a in arrays), strict=True)]).reshape(  # type: ignore[operator]
        arrays[0].shape
    )
