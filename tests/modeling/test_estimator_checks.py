"""scikit-learn's own checks of the estimators of this room.

Excepted, with the reason:
- a weight is one woman seen several times only in the likelihood: in choosing a penalty, in folds and in the
  degrees of freedom of a path, three women are more than one woman of weight three.
"""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from poi_predict.modeling import (
    ElasticNetLogistic,
    FirthLogistic,
    GaussianImputer,
    PlainLogistic,
    RidgeLogistic,
)
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

TUNED = "the penalty is chosen over women, and a woman of weight three is one woman"


def expected_failures(estimator: object) -> dict[str, str]:
    if isinstance(estimator, RidgeLogistic | ElasticNetLogistic):
        return {"check_sample_weight_equivalence_on_dense_data": TUNED}
    return {}


@parametrize_with_checks(
    [
        GaussianImputer(),
        PlainLogistic(),
        FirthLogistic(),
        RidgeLogistic(),
        ElasticNetLogistic(n_penalties=3, folds=2),
        EvidenceLogisticRegression(),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)
