"""Derivation by kind of variable: for those a study declares, and those that need nothing special."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.features.builder import NumericBuilder, Placement
from poi_predict.features.levels import LevelFeatures, SeveralLevelFeatures
from poi_predict.features.origin import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["ValueFeatures", "place_by_kind"]

DERIVATION_OF_KIND = {"continuous": "value", "count": "count", "binary": "yes"}


class ValueFeatures(NumericBuilder):
    """Numbers as they are, in the unit that names the column.

    Parameters
    ----------
    derivation : str
        What the values are: ``years``, ``count``; ``yes`` for a binary variable.

    Examples
    --------
    >>> import pandas as pd
    >>> women = pd.DataFrame({"age": [31.0, 38.0]})
    >>> ValueFeatures("years").set_output(transform="pandas").fit_transform(women)
       age__years
    0        31.0
    1        38.0
    """

    def __init__(self, derivation: str = "value") -> None:
        self.derivation = derivation

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one growing column for each variable."""
        return [DerivedColumn(name, self.derivation, sign=1) for name in names]

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values unchanged."""
        return np.array(values, dtype=np.float64)


def place_by_kind(variables: Iterable[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders by the kind of each variable.

    Continuous values and counts are kept as they are, binary variables are 0 and 1, categories become
    indicators of their levels.
    """
    by_kind: dict[str, list[str]] = {}
    for variable in variables:
        by_kind.setdefault(variable.kind, []).append(variable.name)
    placements = []
    for kind, names in by_kind.items():
        if kind == "category":
            placements.append(Placement(LevelFeatures(settings.rare_level_below), names))
        elif kind == "multi":
            placements.append(Placement(SeveralLevelFeatures(settings.rare_level_below), names))
        else:
            placements.append(Placement(ValueFeatures(DERIVATION_OF_KIND[kind]), names))
    return placements
