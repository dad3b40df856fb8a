"""What a fit is given of women with several courses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from poi_predict.modeling.borrowing import Arm, Prior
from poi_predict.modeling.evaluation import TrainingData
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.firth import FirthLogistic
from poi_predict.modeling.fitting import fit_model

N_WOMEN = 24
MODELS = {
    "prevalence": DummyClassifier(strategy="prior"),
    "firth": FirthLogistic(),
    "evidence": EvidenceLogisticRegression(
        arms=(Arm("A", "cells", 20, 60, treated=True),), priors=(Prior("fsh__log", -1.0, 0.7),)
    ),
}


def _make_women(rng: np.random.Generator) -> TrainingData:
    X = pd.DataFrame({"fsh__log": rng.normal(4.0, 0.5, N_WOMEN), "age__years": rng.normal(32.0, 4.0, N_WOMEN)})
    y = (rng.random(N_WOMEN) < 0.4).astype(np.int64)
    return TrainingData(X, y, rng.uniform(0.5, 2.0, N_WOMEN), np.arange(N_WOMEN))


@pytest.mark.parametrize("name", list(MODELS))
def test_three_courses_of_one_woman_say_no_more_than_one(name: str) -> None:
    """A tripled cohort gives the probabilities, and the uncertainty, of the cohort itself."""
    once = _make_women(np.random.default_rng(5))
    thrice = once.take(np.repeat(np.arange(N_WOMEN), 3))
    pipeline = Pipeline([("model", MODELS[name])])
    of_once, of_thrice = (fit_model(pipeline, data.X, data.y_true, data.fit_weight) for data in (once, thrice))
    np.testing.assert_allclose(of_thrice.predict_proba(once.X), of_once.predict_proba(once.X), atol=1e-6)
    if name == "evidence":
        sd, sd_thrice = (np.sqrt(np.diag(fitted[-1].covariance_)) for fitted in (of_once, of_thrice))
        np.testing.assert_allclose(sd_thrice, sd, rtol=1e-5)
        age = of_once[-1].parameters_.index("age__years")
        as_women = fit_model(pipeline, thrice.X, thrice.y_true, thrice.weight)[-1]
        assert np.sqrt(as_women.covariance_[age, age]) < 0.8 * sd[age]


def test_courses_that_do_not_count_take_no_share() -> None:
    """A censored course has weight 0: the woman's other course keeps her whole weight."""
    data = TrainingData(
        pd.DataFrame({"age": [30.0, 31.0, 40.0, 41.0]}),
        np.array([0, 1, 1, 0]),
        np.array([0.0, 1.5, 1.0, 2.0]),
        np.array([7, 7, 9, 9]),
    )
    assert data.fit_weight.tolist() == [0.0, 1.5, 0.5, 1.0]
