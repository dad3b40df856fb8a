from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from poi_predict.modeling import PlainLogistic
from poi_predict.modeling.linear import find_independent_columns

REFERENCE = Path(__file__).parents[1] / "reference"


def test_maximum_likelihood_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    X, y, weight = rng.normal(size=(90, 3)), rng.integers(0, 2, 90), rng.uniform(0.5, 2, 90)
    model = PlainLogistic().fit(X, y, weight)
    reference = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-7)
    assert model.converged_


def test_dependent_columns_get_no_coefficient() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60, 2))
    y = rng.integers(0, 2, 60)
    more = np.column_stack([X[:, 0], np.full(60, 3.0), X[:, 1], X @ [2.0, -1.0]])
    model = PlainLogistic().fit(more, y)
    np.testing.assert_allclose(model.coef_[0, [0, 2]], PlainLogistic().fit(X, y).coef_[0], atol=1e-6)
    assert model.coef_[0, [1, 3]].tolist() == [0.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 80), st.integers(1, 5), st.booleans())
def test_separation_is_told_by_an_attribute_not_a_crash(seed: int, n: int, d: int, partly: bool) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 0] = np.where(np.arange(n) < 2, 5.0, 0.0) if partly else X[:, 0]
    y = np.where(X[:, 0] > 0, 1, rng.integers(0, 2, n) if partly else 0)
    y[:3] = [1, 1, 0] if partly else y[:3]
    if len(set(y)) < 2:
        return
    model = PlainLogistic().fit(X, y, rng.uniform(0.3, 2.0, n))
    assert np.isfinite(model.coef_).all()
    assert not model.converged_
    assert model.predict_proba(X)[X[:, 0] > 0, 1].min(initial=1.0) > 0.99


def test_a_woman_of_weight_zero_does_not_count() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(50, 2)), rng.integers(0, 2, 50)
    weight = np.r_[np.ones(40), np.zeros(10)]
    np.testing.assert_allclose(PlainLogistic().fit(X, y, weight).coef_, PlainLogistic().fit(X[:40], y[:40]).coef_)
    with pytest.raises(ValueError, match="both classes"):
        PlainLogistic().fit(X, y, (y == 1).astype(float))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 8), st.integers(1, 4))
def test_independent_columns_span_all_columns(seed: int, n: int, d: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, rank)) @ rng.integers(-2, 3, size=(rank, d))
    kept = find_independent_columns(X)
    ones = np.ones((n, 1))
    assert len(kept) + 1 == np.linalg.matrix_rank(np.hstack([ones, X]))
    assert np.linalg.matrix_rank(np.hstack([ones, X[:, kept]])) == len(kept) + 1


def test_optimism_of_the_plain_model_is_that_of_rms() -> None:
    """Harrell's bootstrap on given resamples, against R's rms 6.5 (see tests/reference)."""
    table = pd.read_csv(REFERENCE / "birthwt.csv")
    X, y = table.drop(columns="low").to_numpy(float), table["low"].to_numpy()
    resamples = pd.read_csv(REFERENCE / "birthwt_bootidx_B200_seed2024.csv.gz", header=None).to_numpy().T - 1
    apparent = roc_auc_score(y, PlainLogistic().fit(X, y).decision_function(X))
    assert apparent == pytest.approx(0.7578226858, abs=1e-10)
    optimism = []
    for rows in resamples:
        model = PlainLogistic().fit(X[rows], y[rows])
        inside = roc_auc_score(y[rows], model.decision_function(X[rows]))
        optimism.append(inside - roc_auc_score(y, model.decision_function(X)))
    assert apparent - np.mean(optimism) == pytest.approx(0.7132852329, abs=1e-8)
