"""scikit-learn's own checks of the builders that take numbers.

`DoseFeatures` and the level builders take words beside numbers, and `FeatureAssembly` takes named columns
only, so the checks, which pass bare arrays of numbers, do not apply to them.
"""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from poi_predict.features import (
    DurationFeatures,
    FollicleFeatures,
    HormoneFeatures,
    ValueFeatures,
)


@parametrize_with_checks([ValueFeatures(), FollicleFeatures(), DurationFeatures((12.0,)), HormoneFeatures()])
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)
