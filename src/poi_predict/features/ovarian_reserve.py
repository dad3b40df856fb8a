"""Ovarian reserve: hormones on the log scale with their detection limits, and follicle counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from poi_predict.features.builder import NumericBuilder, Placement
from poi_predict.features.generic import place_by_kind
from poi_predict.features.origin import BELOW, DerivedColumn, is_companion
from poi_predict.features.rounding import round_down
from poi_predict.privacy import compute_inner_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["FollicleFeatures", "HormoneFeatures", "place_ovarian_reserve"]

HORMONES = ("fsh", "amh", "lh", "estradiol", "inhibin_b")
FOLLICLE_COUNTS = ("afc",)
BELOW_LIMIT = 1 / np.sqrt(2)


class HormoneFeatures(NumericBuilder):
    """Hormones on the natural log scale, and whether they were detectable.

    A value below the detection limit is neither zero nor missing. It is placed at limit / √2 (Hornung & Reed
    1990, doi 10.1080/1047322X.1990.10389587), and a second column, ``<variable>__detectable``, says 1 or 0,
    so that a model can give "detectable at all" its own effect instead of leaning on the value put in. A
    hormone has this column where the input brings its ``__below`` companion.

    A zero is no measurement either; it counts as below the least positive amount known at fit.

    Parameters
    ----------
    least : int
        Of how many women the floor is, see there; 0 takes the least positive value alone.

    Attributes
    ----------
    floor_ : ndarray of shape (n_hormones,)
        The least positive value or limit at fit, rounded down to two digits; with `least`, the mean of the so many
        (or a twentieth) least. NaN where none was positive.

    Examples
    --------
    AMH of 0.5 ng/mL, and AMH below a limit of 0.02 ng/mL, placed at 0.0141 ng/mL:

    >>> import pandas as pd
    >>> women = pd.DataFrame({"amh": [0.5, 0.02], "amh__below": [False, True]})
    >>> HormoneFeatures().set_output(transform="pandas").fit_transform(women).round(2)
       amh__log  amh__detectable
    0     -0.69              1.0
    1     -4.26              0.0
    """

    floor_: NDArray[np.float64]
    least: int = 0  # of models stored before it was a parameter

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Learn the least positive amount of each hormone."""
        super().learn(names, values)
        amounts = values[:, [self.names_.index(name) for name in _hormones(self.names_)]]
        self.floor_ = np.array([self._find_floor(column[column > 0]) for column in amounts.T], dtype=np.float64)
        return self

    def _find_floor(self, positive: NDArray[np.float64]) -> float:
        if not positive.size:
            return np.nan
        return compute_inner_range(positive, self.least)[0] if self.least else float(round_down(positive.min()))

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return the log of each hormone, then the detectability of those with a companion."""
        logs = [DerivedColumn(name, "log", sign=1) for name in _hormones(names)]
        flags = [DerivedColumn(n, "detectable", sign=1) for n in _hormones(names) if n + BELOW in names]
        return logs + flags

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return log amounts and detectability."""
        at = {name: position for position, name in enumerate(self.names_)}
        hormones = _hormones(self.names_)
        companions = {name: values[:, at[name + BELOW]] == 1 for name in hormones if name + BELOW in at}
        logs, flags = [], []
        for name, floor in zip(hormones, self.floor_, strict=True):
            amount = values[:, at[name]]
            below = companions.get(name, False) | (amount <= 0)
            placed = np.where(amount <= 0, floor, amount)
            logs.append(np.log(np.where(below, placed * BELOW_LIMIT, placed)))
            if name in companions:
                flags.append(np.where(np.isnan(amount), np.nan, ~below))
        return np.column_stack(logs + flags)


class FollicleFeatures(NumericBuilder):
    """Counts of follicles on the square-root scale.

    Antral follicles in POI are mostly 0 to 3. The square root steadies a count's variance (Bartlett 1936,
    doi 10.2307/2983678), takes zero as it is, and makes the first follicles count for most.

    Examples
    --------
    >>> import pandas as pd
    >>> FollicleFeatures().fit_transform(pd.DataFrame({"afc": [0.0, 1.0, 4.0]})).ravel()
    array([0., 1., 2.])
    """

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one growing column for each count."""
        return [DerivedColumn(name, "sqrt", sign=1) for name in names]

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return square roots; a count cannot be negative."""
        return np.asarray(np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)


def place_ovarian_reserve(variables: Sequence[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders for the ovarian reserve: hormones, follicle counts, the rest by kind."""
    placements = []
    hormones = [v for v in variables if v.kind == "continuous" and (v.name in HORMONES or v.censorable)]
    if hormones:
        columns = [v.name for v in hormones] + [v.name + BELOW for v in hormones if v.censorable]
        placements.append(Placement(HormoneFeatures(), columns))
    counts = [v.name for v in variables if v.name in FOLLICLE_COUNTS]
    if counts:
        placements.append(Placement(FollicleFeatures(), counts))
    done = {*counts, *(v.name for v in hormones)}
    return placements + place_by_kind([v for v in variables if v.name not in done], settings)


def _hormones(names: Sequence[str]) -> list[str]:
    return [name for name in names if not is_companion(name)]
