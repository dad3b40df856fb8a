"""Timing: how long the ovary has been silent, and how long treatment took to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.features.builder import NumericBuilder, Placement
from poi_predict.features.generic import place_by_kind
from poi_predict.features.origin import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["DurationFeatures", "place_timing"]

EARLY = ("amenorrhea_months",)
DURATIONS = ("diagnosis_to_treatment_months",)


class DurationFeatures(NumericBuilder):
    """Durations in months on the log scale, and whether they are still short.

    The column ``log`` is log(1 + months), so that a duration of zero has a place; ``under_12`` is 1 below
    twelve months and 0 from then on. A step beside a curve lets a model follow natural recovery, most of
    which falls within a year of the diagnosis.

    Parameters
    ----------
    early_below : tuple of float
        Months below which a duration is short; each gives one column.

    Examples
    --------
    >>> import pandas as pd
    >>> women = pd.DataFrame({"amenorrhea_months": [6.0, 60.0]})
    >>> DurationFeatures((12.0,)).set_output(transform="pandas").fit_transform(women).round(2)
       amenorrhea_months__log  amenorrhea_months__under_12
    0                    1.95                          1.0
    1                    4.11                          0.0
    """

    def __init__(self, early_below: tuple[float, ...] = ()) -> None:
        self.early_below = early_below

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return the log of each duration, which grows with it, then its short-duration flags, which fall."""
        logs = [DerivedColumn(name, "log", sign=1) for name in names]
        flags = [DerivedColumn(name, f"under_{months:g}", sign=-1) for months in self.early_below for name in names]
        return logs + flags

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return log durations and short-duration flags."""
        missing = np.isnan(values)
        flags = [np.where(missing, np.nan, values < months) for months in self.early_below]
        return np.hstack([np.log1p(np.maximum(values, 0.0)), *flags])


def place_timing(variables: Sequence[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders for the timing: time since the last menses, other durations, the rest by kind."""
    placements = []
    for names, early_below in ((EARLY, settings.early_amenorrhea_months), (DURATIONS, ())):
        present = [v.name for v in variables if v.name in names]
        if present:
            placements.append(Placement(DurationFeatures(early_below), present))
    rest = [v for v in variables if v.name not in EARLY + DURATIONS]
    return placements + place_by_kind(rest, settings)
