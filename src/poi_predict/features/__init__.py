"""Features: from clinical variables to the columns that models see, one file for each clinical domain."""

from poi_predict.features.assembly import FeatureAssembly, build_features
from poi_predict.features.builder import FeatureBuilder, NumericBuilder
from poi_predict.features.centre_codes import CENTRE_CODE, CentreCodes, digest_label
from poi_predict.features.fixed import (
    THERAPY,
    FixedHormoneFeatures,
    FixedLevelFeatures,
    FixedSeveralLevelFeatures,
    TherapyFeatures,
    build_fixed_features,
    list_fixed_columns,
)
from poi_predict.features.generic import ValueFeatures
from poi_predict.features.levels import LevelFeatures, SeveralLevelFeatures
from poi_predict.features.origin import SEPARATOR, input_columns, origin_of
from poi_predict.features.ovarian_reserve import FollicleFeatures, HormoneFeatures
from poi_predict.features.protocol import DoseFeatures
from poi_predict.features.rounding import round_down, round_up
from poi_predict.features.settings import FeatureSettings
from poi_predict.features.timing import DurationFeatures

TRUSTED_TYPES = tuple(
    sorted(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in (
            CentreCodes,
            DoseFeatures,
            DurationFeatures,
            FeatureAssembly,
            FixedHormoneFeatures,
            FixedLevelFeatures,
            FixedSeveralLevelFeatures,
            FollicleFeatures,
            HormoneFeatures,
            LevelFeatures,
            SeveralLevelFeatures,
            TherapyFeatures,
            ValueFeatures,
        )
    )
)
"""Types of this room that a stored pipeline may hold; skops loads these and no others."""

__all__ = [
    "CENTRE_CODE",
    "SEPARATOR",
    "THERAPY",
    "TRUSTED_TYPES",
    "CentreCodes",
    "DoseFeatures",
    "DurationFeatures",
    "FeatureAssembly",
    "FeatureBuilder",
    "FeatureSettings",
    "FixedHormoneFeatures",
    "FixedLevelFeatures",
    "FixedSeveralLevelFeatures",
    "FollicleFeatures",
    "HormoneFeatures",
    "LevelFeatures",
    "NumericBuilder",
    "SeveralLevelFeatures",
    "TherapyFeatures",
    "ValueFeatures",
    "build_features",
    "build_fixed_features",
    "digest_label",
    "input_columns",
    "list_fixed_columns",
    "origin_of",
    "round_down",
    "round_up",
]
