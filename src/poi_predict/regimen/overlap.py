"""Whether women who had different options were alike, before and after weighting, and where nobody can be compared.

Standardised differences say how far apart two groups are in a covariate, in standard deviations, whatever their
size (Austin 2009, doi:10.1002/sim.3697); 0.1 is commonly taken as the most that can be overlooked. The positivity map
says for how many women an option was all but ruled out or all but certain: about them the data cannot say what the
other option would have done.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .confounding import Confounded, find_confounded
from .cross_fitting import (
    CrossFitSettings,
    FoldedCourses,
    fold_courses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from poi_predict.validation.arrays import FloatArray

    from .courses import Courses

__all__ = ["Confounded", "Overlap", "assess_overlap", "compute_standardised_differences", "find_confounded"]

RARE, CERTAIN = 0.05, 0.95
NOTABLE = 0.1
"""Standardised difference from which on a covariate is named (Austin 2009)."""
MOST_NAMED = 5


@dataclass(frozen=True)
class Overlap:
    """Balance of the covariates, positivity, and what cannot be distinguished at all.

    Attributes
    ----------
    balance : DataFrame
        One row a covariate column and pair of options: ``variable, term, kind, option, reference, before, after``:
        standardised differences (option less reference) before and after weighting by the inverse propensity.
        Infinite where a covariate is constant within both options and differs between them.
    positivity : DataFrame
        One row a group of women (who had ``arm``) and option: ``arm, option, n, below, above, low, median, high``:
        weighted shares with a propensity below 0.05 and above 0.95; smallest, median and largest propensity.
    arms : DataFrame
        One row an option: ``option, n, effective_n`` (Kish's effective number of women after weighting), and the
        range of its propensity common to all groups (``support_low, support_high``).
    in_support : float
        Weighted share of women who lie in the common range of every option.
    confounded : tuple of Confounded
        Options that no, or hardly any, centre can compare.
    notes : tuple of str
    """

    balance: pd.DataFrame
    positivity: pd.DataFrame
    arms: pd.DataFrame
    in_support: float
    confounded: tuple[Confounded, ...]
    notes: tuple[str, ...]

    @property
    def largest_before(self) -> float:
        """Largest absolute standardised difference before weighting; 0 without covariates."""
        return float(self.balance["before"].abs().max()) if len(self.balance) else 0.0

    @property
    def largest_after(self) -> float:
        """Largest absolute standardised difference after weighting; 0 without covariates."""
        return float(self.balance["after"].abs().max()) if len(self.balance) else 0.0

    @property
    def sentences(self) -> tuple[str, ...]:
        """All there is to say, in plain sentences."""
        return tuple(self._say())

    def frame(self) -> pd.DataFrame:
        """Return the balance of the covariates."""
        return self.balance

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold; a difference that is not finite is None."""
        balance = self.balance.to_dict(orient="records")
        for row in balance:
            row.update({side: row[side] if np.isfinite(row[side]) else None for side in ("before", "after")})
        return {
            "balance": balance,
            "positivity": self.positivity.to_dict(orient="records"),
            "arms": self.arms.to_dict(orient="records"),
            "in_support": self.in_support,
            "confounded": [item.as_dict() for item in self.confounded],
            "sentences": list(self.sentences),
        }

    def _say(self) -> Iterator[str]:
        yield from (item.sentence for item in self.confounded)
        yield from self._say_balance()
        for arm in self.arms.to_dict(orient="records"):
            effective = f"{arm['effective_n']:.0f}"
            yield f"Weighted, the {arm['n']} women who had {arm['option']} tell as much as {effective} would."
        cells = [row for row in self.positivity.to_dict(orient="records") if row["arm"] != row["option"]]
        cells = sorted((row for row in cells if row["below"] >= RARE), key=lambda row: -row["below"])
        for cell in cells[:MOST_NAMED]:
            yield (
                f"Of the women who had {cell['arm']}, {100 * cell['below']:.0f} % had a chance below "
                f"{100 * RARE:.0f} % of {cell['option']}: hardly any woman like them had it."
            )
        yield f"{100 * self.in_support:.0f} % of the women lie where all options were in use."
        yield from self.notes

    def _say_balance(self) -> Iterator[str]:
        rows = self.balance.to_dict(orient="records")
        apart = sorted((row for row in rows if abs(row["after"]) > NOTABLE), key=lambda row: -abs(row["after"]))
        for row in apart[:MOST_NAMED]:
            label = f"{row['variable']}: {row['term']}" if row["term"] else row["variable"]
            yield (
                f"Women who had {row['option']} and {row['reference']} still differ in {label} after weighting: "
                f"{row['after']:+.2f} standard deviations ({row['before']:+.2f} before)."
            )
        if len(apart) > MOST_NAMED:
            yield f"So do they in {len(apart) - MOST_NAMED} more comparisons."
        if rows and not apart:
            yield f"After weighting, no covariate differs by more than {NOTABLE:g} standard deviations between options."


def assess_overlap(
    courses: Courses | FoldedCourses,
    *,
    propensity: Mapping[str, float] | ArrayLike | None = None,
    settings: CrossFitSettings | None = None,
    random_state: int = 0,
) -> Overlap:
    """Compare women who had different options, and find where there is nobody to compare.

    Parameters
    ----------
    courses : Courses or FoldedCourses
        See `check_courses`; folded ones (`fold_courses`) have their propensities, settings and seed
        already; outcomes only serve to spread women over folds.
    propensity : mapping of option to probability, or array of shape (n_given, n_options), optional
        Known probabilities; estimated, cross-fitted and averaged over repeats if not given.
    settings : CrossFitSettings, optional
        Its `truncate_at` bounds the weights.
    random_state : int
        Same seed, same numbers.

    Raises
    ------
    ModelError
        If fewer than two options were given to enough women.

    Examples
    --------
    Cells went to older women more often than not:

    >>> from poi_predict.regimen.courses import check_courses
    >>> age = np.arange(60) % 20 + 25.0
    >>> option = np.where((age > 34) ^ (np.arange(60) % 4 == 0), "cells", "none")
    >>> overlap = assess_overlap(check_courses(np.arange(60) % 3 == 0, option, pd.DataFrame({"age": age})))
    >>> overlap.largest_before > 0.5 > overlap.largest_after
    True
    """
    folded = fold_courses(courses, propensity, settings, random_state)
    kept, dropped, rule = folded.courses, folded.dropped, folded.rule
    p = folded.chances.p.mean(axis=0)
    own = np.maximum(np.take_along_axis(p, kept.option[:, np.newaxis], axis=1)[:, 0], rule.truncate_at)
    after = kept.weight / own
    confounded: tuple[Confounded, ...] = ()
    if kept.centre is not None:
        names = pd.DataFrame({"option": np.array(kept.options)[kept.option]})
        confounded = find_confounded(names, pd.Series(kept.centre).replace("", None))
    arms, inside = _describe_arms(kept, p, after)
    note = f"Not compared, because fewer than {rule.minimum_women} women had it: {', '.join(dropped)}."
    return Overlap(
        balance=_compute_balance(kept, after),
        positivity=_map_positivity(kept, p),
        arms=arms,
        in_support=inside,
        confounded=confounded,
        notes=(note,) if dropped else (),
    )


def compute_standardised_differences(
    matrix: FloatArray,
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    weight: FloatArray,
    base: FloatArray | None = None,
) -> FloatArray:
    """Difference of two groups' means in each column, in standard deviations.

    The standard deviation is the root of the mean of the two groups' variances (Austin 2009, doi:10.1002/sim.3697),
    always before weighting, so that a difference cannot shrink because the spread has grown. NaN values are left
    out; a column of two values has variance p (1 - p).

    Parameters
    ----------
    matrix : ndarray of shape (n, k)
    first, second : ndarray of bool, shape (n,)
        The two groups.
    weight : ndarray of shape (n,)
        For the means.
    base : ndarray of shape (n,), optional
        For the standard deviation; `weight` if not given.

    Returns
    -------
    ndarray of shape (k,)
        0 where a column does not vary at all, infinite where it varies between the groups only, NaN where a group
        has no known value.

    Examples
    --------
    Half of the treated are over 35, one in ten of the others: 0.4 / √((0.25 + 0.09) / 2).

    >>> over = np.array([1.0] * 5 + [0.0] * 5 + [1.0] + [0.0] * 9)[:, None]
    >>> treated = np.arange(20) < 10
    >>> compute_standardised_differences(over, treated, ~treated, np.ones(20)).round(3)
    array([0.97])
    """
    spread_by = weight if base is None else base
    means = [_compute_moments(matrix[group], weight[group])[0] for group in (first, second)]
    variances = [_compute_moments(matrix[group], spread_by[group])[1] for group in (first, second)]
    difference = means[0] - means[1]
    spread = np.sqrt((variances[0] + variances[1]) / 2.0)
    same = np.abs(difference) <= 1e-12
    with np.errstate(divide="ignore", invalid="ignore"):
        standardised: FloatArray = np.where(same, 0.0, difference / spread)
    return standardised


def _compute_moments(matrix: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and variance of each column over its known values."""
    known = np.isfinite(matrix)
    total = known.T @ weight
    filled = np.where(known, matrix, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (filled.T @ weight) / total
        variance = (np.where(known, np.square(matrix - mean), 0.0).T @ weight) / total
        count = known.sum(axis=0)
        two_valued = np.array(
            [np.unique(column[seen]).size <= 2 for column, seen in zip(matrix.T, known.T, strict=True)]
        )
        sample = np.where(two_valued | (count < 2), 1.0, count / np.maximum(count - 1, 1))
    return mean, variance * sample


def _compute_balance(courses: Courses, after: FloatArray) -> pd.DataFrame:
    columns, matrix = courses.covariates.columns, courses.covariates.matrix
    parts = []
    for low, high in itertools.combinations(range(len(courses.options)), 2):
        first, second = courses.option == high, courses.option == low
        parts.append(
            pd.DataFrame(
                {
                    "variable": [column.variable for column in columns],
                    "term": [column.term for column in columns],
                    "kind": [column.kind for column in columns],
                    "option": courses.options[high],
                    "reference": courses.options[low],
                    "before": compute_standardised_differences(matrix, first, second, courses.weight),
                    "after": compute_standardised_differences(matrix, first, second, after, courses.weight),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _map_positivity(courses: Courses, p: FloatArray) -> pd.DataFrame:
    rows = []
    for arm, option in itertools.product(range(len(courses.options)), repeat=2):
        group = courses.option == arm
        chance, weight = p[group, option], courses.weight[group]
        rows.append(
            {
                "arm": courses.options[arm],
                "option": courses.options[option],
                "n": courses.count_women(arm),
                "below": float(np.average(chance < RARE, weights=weight)),
                "above": float(np.average(chance > CERTAIN, weights=weight)),
                "low": float(chance.min()),
                "median": float(np.median(chance)),
                "high": float(chance.max()),
            }
        )
    return pd.DataFrame(rows)


def _describe_arms(courses: Courses, p: FloatArray, after: FloatArray) -> tuple[pd.DataFrame, float]:
    """Effective sizes, common ranges of the propensities, and the share of women inside all of them."""
    groups = [courses.option == code for code in range(len(courses.options))]
    lows = np.max([p[group].min(axis=0) for group in groups], axis=0)
    highs = np.min([p[group].max(axis=0) for group in groups], axis=0)
    by_patient = [np.bincount(courses.patient[group], weights=after[group]) for group in groups]
    table = pd.DataFrame(
        {
            "option": courses.options,
            "n": [courses.count_women(code) for code in range(len(groups))],
            "effective_n": [float(total.sum() ** 2 / np.square(total).sum()) for total in by_patient],
            "support_low": lows,
            "support_high": highs,
        }
    )
    inside = ((p >= lows) & (p <= highs)).all(axis=1)
    return table, float(np.average(inside, weights=courses.weight))
