"""Does the model hold in every kind of woman? Its out-of-fold performance, group by group.

An interval here is for one group looked at alone; among twenty groups one is expected to stand out by chance.
Small groups are suppressed rather than shown with an interval that says nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import StudyError

from .arrays import IntArray, check_outcome, check_patient, check_weight
from .assessment import assess_cross_validated
from .estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Grouping", "Subgroup", "SubgroupSettings", "compute_subgroups", "cut_at"]

METRICS_SHOWN = ("c_statistic", "calibration_in_the_large", "o_e_ratio")
MISSING = "not known"


@dataclass(frozen=True)
class SubgroupSettings:
    """When a subgroup is too small to be shown.

    Attributes
    ----------
    minimum_women : int
        Women in the group, at least 2.
    minimum_events : int
        Women with the event, and women without it, at least 2.
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> SubgroupSettings(minimum_women=1)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: subgroups.minimum_women must be at least 2; it is 1.
    """

    minimum_women: int = 20
    minimum_events: int = 5
    level: float = 0.95

    def __post_init__(self) -> None:
        for name in ("minimum_women", "minimum_events"):
            if getattr(self, name) < 2:
                raise StudyError(f"subgroups.{name} must be at least 2; it is {getattr(self, name)}.")
        if not 0.5 <= self.level < 1.0:
            raise StudyError(f"subgroups.level must be at least 0.5 and below 1; it is {self.level}.")


@dataclass(frozen=True)
class Grouping:
    """One way to divide the cohort.

    Attributes
    ----------
    variable, label : str
        Name of the clinical variable, and its name in a report.
    level : ndarray of str, shape (n,)
        Group of each row; see `cut_at` for continuous variables.
    order : tuple of str
        Levels in the order of a report; the others follow alphabetically.
    """

    variable: str
    label: str
    level: NDArray[np.str_]
    order: tuple[str, ...] = ()

    def levels(self) -> list[str]:
        """Levels that occur, in order."""
        present = {str(level) for level in np.unique(self.level)}
        known = [level for level in self.order if level in present]
        return known + sorted(present - set(known))


def cut_at(variable: str, label: str, values: ArrayLike, cut_points: Sequence[float], unit: str = "") -> Grouping:
    """Divide a continuous variable at clinical cut points, chosen before looking at the data.

    Parameters
    ----------
    variable, label : str
        As in `Grouping`.
    values : array of shape (n,)
        NaN where not known; such women form a group of their own.
    cut_points : sequence of float
        Increasing. A woman exactly at a cut point is in the group above it.
    unit : str
        Written behind the limits.

    Raises
    ------
    ValueError
        If there is no cut point, or they do not increase.

    Examples
    --------
    >>> ages = cut_at("age", "Age", [29, 35, 38.5, float("nan")], cut_points=(30, 35), unit="years")
    >>> ages.level.tolist()
    ['below 30 years', '35 years or more', '35 years or more', 'not known']
    >>> ages.order
    ('below 30 years', '30 to below 35 years', '35 years or more', 'not known')
    """
    edges = np.asarray(cut_points, dtype=np.float64)
    if edges.ndim != 1 or edges.size == 0 or not np.isfinite(edges).all() or (np.diff(edges) <= 0.0).any():
        raise ValueError(f"cut_points must be finite and increase; they are {tuple(cut_points)}")
    known = np.asarray(values, dtype=np.float64)
    text = [f"{edge:g}" for edge in edges]
    between = [f"{low} to below {high}" for low, high in itertools.pairwise(text)]
    names = [f"below {text[0]}", *between, text[-1]]
    order = [f"{name} {unit}".strip() for name in names]
    order[-1] += " or more"
    order.append(MISSING)
    group = np.where(np.isnan(known), edges.size + 1, np.searchsorted(edges, known, side="right"))
    return Grouping(variable, label, np.array(order)[group], tuple(order))


@dataclass(frozen=True)
class Subgroup:
    """Performance in one group of women.

    Attributes
    ----------
    variable, label, level : str
        What divides the cohort, its name in a report, and the group.
    n, events : int
        Women, and women with the event.
    c_statistic, calibration_in_the_large, o_e_ratio : Estimate
        Out of fold; not estimable where suppressed.
    suppressed : str or None
        Why the group is too small to be shown.
    """

    variable: str
    label: str
    level: str
    n: int
    events: int
    c_statistic: Estimate
    calibration_in_the_large: Estimate
    o_e_ratio: Estimate
    suppressed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as they stand in `assessment.json`."""
        plain = {name: getattr(self, name) for name in ("variable", "label", "level", "n", "events")}
        metrics = {name: getattr(self, name).as_dict() for name in METRICS_SHOWN}
        return plain | metrics | {"suppressed": self.suppressed}


@dataclass(frozen=True)
class _Rows:
    """The out-of-fold predictions of a cohort."""

    y: NDArray[np.float64]
    p: NDArray[np.float64]
    fold: NDArray[np.intp]
    weight: NDArray[np.float64]
    patient: IntArray

    def take(self, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.y[chosen], self.p[chosen], self.fold[chosen], self.weight[chosen], self.patient[chosen])


def compute_subgroups(
    y_true: ArrayLike,
    p_matrix: ArrayLike,
    fold_matrix: ArrayLike,
    groupings: Sequence[Grouping],
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    settings: SubgroupSettings | None = None,
) -> tuple[Subgroup, ...]:
    """Assess out-of-fold predictions within groups of women.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_matrix, fold_matrix : arrays of shape (n, repeats)
        Out-of-fold predictions, and the fold in which each row was predicted; the c-statistic compares only women
        of the same group, fold and repeat.
    groupings : sequence of Grouping
        Rows of weight 0 are in no group. A woman whose group changes between courses is counted in each.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row.
    settings : SubgroupSettings, optional
        When to suppress.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    >>> y, p = [1, 0, 0, 1, 0, 0] * 5, [0.5, 0.2, 0.3, 0.4, 0.3, 0.1] * 5
    >>> centre = Grouping("centre", "Centre", np.array(["Basel"] * 24 + ["Oslo"] * 6))
    >>> for group in compute_subgroups(y, p, [0] * 30, [centre]):
    ...     print(group.level, group.n, group.events, group.o_e_ratio.is_estimable, group.suppressed)
    Basel 24 8 True None
    Oslo 6 2 False fewer than 20 women
    """
    rule = settings or SubgroupSettings()
    y = check_outcome(y_true)
    w = check_weight(weight, y.size)
    p, fold = (np.asarray(a).reshape(y.size, -1) for a in (p_matrix, fold_matrix))
    rows = _Rows(y, p.astype(np.float64), fold.astype(np.intp), w, check_patient(patient, y.size))
    found = []
    for grouping in groupings:
        if grouping.level.shape != y.shape:
            raise ValueError(f"level of {grouping.variable} must have {y.size} values; it has {grouping.level.size}")
        for level in grouping.levels():
            within = rows.take((grouping.level == level) & (w > 0.0))
            if within.y.size:
                found.append(_assess(grouping, level, within, rule))
    return tuple(found)


def _assess(grouping: Grouping, level: str, rows: _Rows, rule: SubgroupSettings) -> Subgroup:
    n = np.unique(rows.patient).size
    events = np.unique(rows.patient[rows.y == 1.0]).size
    others = np.unique(rows.patient[rows.y == 0.0]).size
    suppressed = _find_suppression(n, events, others, rule)
    if suppressed is None:
        metrics = assess_cross_validated(rows.y, rows.p, rows.fold, rows.weight, rows.patient, rule.level)
    else:
        blank = Estimate.not_estimable("suppressed", suppressed, rule.level)
        metrics = dict.fromkeys(METRICS_SHOWN, blank)
    shown = {name: metrics[name] for name in METRICS_SHOWN}
    return Subgroup(grouping.variable, grouping.label, level, n, events, **shown, suppressed=suppressed)


def _find_suppression(n: int, events: int, others: int, rule: SubgroupSettings) -> str | None:
    if n < rule.minimum_women:
        return f"fewer than {rule.minimum_women} women"
    if events < rule.minimum_events:
        return f"fewer than {rule.minimum_events} women with the event"
    if others < rule.minimum_events:
        return f"fewer than {rule.minimum_events} women without the event"
    return None
