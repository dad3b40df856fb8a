"""One placing of many women answers what the estimator's single questions answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtri

from poi_predict.modeling.borrowing import Arm, Marginal, Prior, onepass
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.onepass import OnePass
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

COLUMNS = ["age__years", "fsh__log", "amh__log", "therapy__any", "route__iv", "dose__log10", "centre__code"]
ARMS = (
    Arm("A", "one", 6, 20, treated=True),
    Arm("B", "two", 60, 250, treated=False),
    Arm("C", "two", 20, 60, treated=True, definition="ovulation"),
)
FIELD = (
    Marginal(("age__years",), "normal", 34.0, 5.0),
    Marginal(("fsh__log",), "log_normal", 60.0, 30.0, transform="log"),
    Marginal(("dose__log10",), "log_normal", 2e7, 1e7, transform="log10"),
)
ROLES: dict[str, Any] = {
    "treated": "therapy__any",
    "treatment": ("route__iv", "dose__log10"),
    "centre": "centre__code",
    "correlations": (("age__years", "fsh__log", 0.4), ("fsh__log", "amh__log", -0.5)),
}
CASES: dict[str, dict[str, Any]] = {
    "every role": ROLES,
    "probit": ROLES | {"link": "probit"},
    "therapies differ": ROLES | {"therapy_tau_scale": 0.5},
    "no centre column": ROLES | {"centre": None},
    "therapies differ, no centre column": ROLES | {"centre": None, "therapy_tau_scale": 0.5},
    "no therapy column": ROLES | {"treated": None, "treatment": ()},
    "nobody untreated": {"arms": ARMS[:1], "priors": (Prior("fsh__log", -0.5, 0.2),)},
}


def make_women(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = [rng.normal(34, 5, n), rng.normal(4, 0.5, n), rng.normal(-3, 1, n), rng.random(n) < 0.7]
    columns += [rng.random(n) < 0.5, rng.normal(7.2, 0.2, n), rng.integers(0, 4, n)]
    X = pd.DataFrame(np.column_stack(columns), columns=COLUMNS)
    for name in COLUMNS[:6]:
        X.loc[rng.random(n) < 0.25, name] = np.nan
    return X


def fit(**changed: Any) -> EvidenceLogisticRegression:
    X = make_women(70, 1)
    y = (np.random.default_rng(2).random(70) < expit(3.0 - X["fsh__log"].fillna(4.0))).astype(int)
    settings = {"arms": ARMS, "population": FIELD, "points": 16, "tau_points": 5} | changed
    return EvidenceLogisticRegression(**settings).fit(X, y)


@pytest.mark.parametrize("case", CASES)
def test_one_placing_answers_what_the_single_questions_answer(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onepass, "ROWS_AT_ONCE", 64)  # so that parts of the rows are joined
    model = fit(**CASES[case])
    X = make_women(150, 3)
    X.loc[7] = np.nan
    X.loc[8:10, "centre__code"] = [9.0, np.nan, 2.0]
    one = OnePass(model.fit_, find_link(model.link), float(ndtri(0.975)), np.eye(len(COLUMNS)))
    found = one.judge(X.to_numpy(), reasons=True)
    attributions, baseline = model.compute_attributions(X)
    np.testing.assert_allclose(found.p_response, model.predict_proba(X)[:, 1], rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.column_stack([found.low, found.high]), model.predict_interval(X), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.attributions, attributions, rtol=0, atol=1e-11)
    assert one.baseline == pytest.approx(baseline, abs=1e-13)


def test_attributions_are_summed_over_the_columns_of_a_variable() -> None:
    model, X = fit(**ROLES), make_women(40, 4)
    members = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 1]])
    found = OnePass(model.fit_, find_link("logit"), 1.96, members).judge(X.to_numpy(), reasons=True).attributions
    np.testing.assert_allclose(found, model.compute_attributions(X)[0] @ members, rtol=0, atol=1e-12)


def test_without_reasons_none_are_worked_out() -> None:
    model, X = fit(**ROLES), make_women(40, 4)
    one = OnePass(model.fit_, find_link("logit"), 1.96, np.eye(len(COLUMNS)))
    assert one.judge(X.to_numpy(), reasons=False).attributions is None
