"""The woman herself: age, body mass index, births, hormone therapy.

Age enters linearly, in years: a curve would cost a parameter that cohorts of this size cannot pay, and the
published effects (worse for live birth above 35, unclear for menses) do not tell its shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.features.builder import Placement
from poi_predict.features.generic import ValueFeatures, place_by_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.codebook import Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["place_patient"]

UNITS = {"age": "years", "bmi": "kg_m2"}


def place_patient(variables: Sequence[Variable], settings: FeatureSettings) -> list[Placement]:
    """Choose builders for the woman herself: ``age__years``, ``bmi__kg_m2``, the rest by kind."""
    named = [Placement(ValueFeatures(UNITS[v.name]), [v.name]) for v in variables if v.name in UNITS]
    return named + place_by_kind([v for v in variables if v.name not in UNITS], settings)
