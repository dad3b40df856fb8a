"""The protocol: what was given, how much, by which way, with what beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from poi_predict.features.builder import NumericBuilder, Placement
from poi_predict.features.generic import place_by_kind
from poi_predict.features.origin import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["DoseFeatures", "place_protocol"]

DOSE, BASIS, SIDES = "dose_cells", "dose_basis", "sides"


class DoseFeatures(NumericBuilder):
    """Cells given in total, on the log10 scale.

    Published doses span three decades, and are stated per ovary or in total. A dose per ovary given to both
    sides is doubled. Without the basis or the sides a dose is taken as stated, so a study that mixes both
    ways names ``dose_basis`` and ``sides`` among its predictors. A dose that is not positive is missing.

    Examples
    --------
    Ten million cells in total, and five million into each of both ovaries, are the same dose:

    >>> import pandas as pd
    >>> women = pd.DataFrame({
    ...     "dose_cells": [1e7, 5e6],
    ...     "dose_basis": ["total", "per_ovary"],
    ...     "sides": ["bilateral", "bilateral"],
    ... })
    >>> DoseFeatures().set_output(transform="pandas").fit_transform(women)
       dose_cells__log10
    0                7.0
    1                7.0
    """

    input_dtype: ClassVar[type] = object

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one column for each dose, which grows with it."""
        return [DerivedColumn(name, "log10", sign=1) for name in names if name not in (BASIS, SIDES)]

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return log10 of the total number of cells."""
        column = dict(zip(self.names_, values.T, strict=True))
        per_ovary = column.pop(BASIS, np.array([None])) == "per_ovary"
        both_sides = column.pop(SIDES, np.array([None])) == "bilateral"
        doses = np.column_stack([dose.astype(np.float64) for dose in column.values()])
        total = doses * np.where(per_ovary & both_sides, 2.0, 1.0)[:, None]
        return np.asarray(np.log10(np.where(total > 0, total, np.nan)), dtype=np.float64)


def place_protocol(variables: Sequence[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders for the protocol: the dose, and the rest by kind."""
    names = {v.name for v in variables}
    placements = []
    if DOSE in names:
        columns = [DOSE, *(name for name in (BASIS, SIDES) if name in names)]
        placements.append(Placement(DoseFeatures(), columns))
    return placements + place_by_kind([v for v in variables if v.name != DOSE], settings)
