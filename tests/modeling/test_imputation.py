from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from poi_predict.modeling import GaussianImputer

MEAN = np.array([1.0, -2.0, 30.0])
COVARIANCE = np.array([[1.0, 0.7, 2.0], [0.7, 2.0, -1.0], [2.0, -1.0, 25.0]])


def draw_table(n: int, missing: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.multivariate_normal(MEAN, COVARIANCE, n)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def test_complete_data_give_their_own_mean_and_covariance() -> None:
    X = draw_table(200, 0.0)
    imputer = GaussianImputer(prior_rows=0.0).fit(X)
    np.testing.assert_allclose(imputer.mean_, X.mean(axis=0))
    np.testing.assert_allclose(imputer.covariance_, np.cov(X.T, ddof=0), rtol=1e-5)
    assert imputer.transform(X).tobytes() == X.tobytes()


def test_the_model_is_recovered_from_incomplete_data() -> None:
    imputer = GaussianImputer(tolerance=1e-6, max_iterations=200).fit(draw_table(4000, 0.3))
    np.testing.assert_allclose(imputer.mean_, MEAN, atol=0.15)
    size = np.sqrt(np.diag(COVARIANCE))
    np.testing.assert_allclose((imputer.covariance_ - COVARIANCE) / np.outer(size, size), 0.0, atol=0.1)


def test_iteration_never_lowers_the_likelihood() -> None:
    X = draw_table(80, 0.3, seed=2)

    def log_likelihood(imputer: GaussianImputer) -> float:
        total = 0.0
        for row in X:
            seen = ~np.isnan(row)
            if seen.any():
                total += multivariate_normal.logpdf(
                    row[seen], imputer.mean_[seen], imputer.covariance_[np.ix_(seen, seen)]
                )
        return total

    steps = [
        log_likelihood(GaussianImputer(prior_rows=0.0, tolerance=0.0, max_iterations=k).fit(X)) for k in range(1, 8)
    ]
    assert (np.diff(steps) > -1e-6).all()


def test_a_gap_is_filled_with_the_conditional_mean() -> None:
    imputer = GaussianImputer().fit(draw_table(300, 0.2, seed=3))
    row = np.array([[2.0, np.nan, np.nan]])
    m, S = imputer.mean_, imputer.covariance_
    expected = m[1:] + S[1:, 0] / S[0, 0] * (2.0 - m[0])
    np.testing.assert_allclose(imputer.transform(row)[0, 1:3], expected)
    np.testing.assert_allclose(imputer.transform(np.full((1, 3), np.nan))[0, :3], m)


def test_it_follows_the_correlation() -> None:
    imputer = GaussianImputer().fit(draw_table(300, 0.2, seed=3))
    filled = imputer.transform(np.array([[0.0, np.nan, 30.0], [1.0, np.nan, 30.0], [2.0, np.nan, 30.0]]))[:, 1]
    assert (np.diff(filled) > 0).all()


def test_observed_values_are_kept_to_the_last_bit_and_input_is_not_touched() -> None:
    X = draw_table(100, 0.3, seed=4)
    before = X.copy()
    filled = GaussianImputer().fit(X).transform(X)[:, :3]
    np.testing.assert_array_equal(X, before)
    seen = ~np.isnan(X)
    assert filled[seen].tobytes() == X[seen].tobytes()
    assert np.isfinite(filled).all()


def test_values_put_in_stay_in_the_observed_range_and_the_range_is_no_womans() -> None:
    X = draw_table(60, 0.2, seed=5)
    imputer = GaussianImputer().fit(X)
    extreme = imputer.transform(np.array([[50.0, np.nan, np.nan], [-50.0, np.nan, np.nan]]))
    assert (extreme[:, :3] <= np.maximum(imputer.high_, 50)).all()
    assert (extreme[:, 1:3] >= imputer.low_[1:]).all()
    assert not np.isin(np.r_[imputer.low_, imputer.high_], X).any()


def test_a_constant_and_an_all_missing_column() -> None:
    X = np.column_stack([np.r_[np.full(10, 2.0), np.nan], np.full(11, np.nan), np.arange(11.0)])
    imputer = GaussianImputer(min_missing=1).fit(X)
    filled = imputer.transform(X)
    assert filled[-1, 0] == pytest.approx(2.0)
    assert not filled[:, 1].any()
    assert imputer.flagged_ == ["x0"]


def test_few_women_and_many_columns() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(6, 30))
    X[rng.random(X.shape) < 0.2] = np.nan
    assert np.isfinite(GaussianImputer().fit_transform(X)).all()


def test_one_flag_for_each_variable_and_each_pattern_once() -> None:
    n = 40
    table = pd.DataFrame(np.random.default_rng(7).normal(size=(n, 6)))
    table.columns = ["amh__log", "amh__detectable", "afc__sqrt", "lh__log", "age__years", "fsh__log"]
    table.loc[:9, ["amh__log", "amh__detectable"]] = np.nan
    table.loc[20:29, ["afc__sqrt", "lh__log"]] = np.nan
    table.loc[:1, "fsh__log"] = np.nan
    imputer = GaussianImputer(min_missing=3).set_output(transform="pandas").fit(table)
    assert imputer.flagged_ == ["amh", "afc"]
    filled = imputer.transform(table)
    assert list(filled) == [*table, "amh__missing", "afc__missing"]
    assert filled["amh__missing"].tolist() == [1.0] * 10 + [0.0] * 30


def test_a_variable_nearly_always_missing_has_no_flag() -> None:
    X = np.column_stack([np.r_[1.0, np.full(29, np.nan)], np.arange(30.0)])
    assert GaussianImputer(min_missing=3).fit(X).flagged_ == []


def test_draws_scatter_as_the_model_says() -> None:
    imputer = GaussianImputer().fit(draw_table(500, 0.2, seed=8))
    rows = np.tile([1.0, np.nan, 30.0], (2000, 1))
    draws = imputer.draw(rows, np.random.default_rng(1))[:, 1]
    S = imputer.covariance_
    seen = [0, 2]
    conditional = S[1, 1] - S[1, seen] @ np.linalg.solve(S[np.ix_(seen, seen)], S[seen, 1])
    assert draws.std() == pytest.approx(np.sqrt(conditional), rel=0.15)
    assert draws.mean() == pytest.approx(imputer.transform(rows)[0, 1], abs=0.25)
    again = imputer.draw(rows, np.random.default_rng(1))[:, 1]
    assert draws.tobytes() == again.tobytes()


def test_many_rows_are_filled_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    X = draw_table(50, 0.3, seed=9)
    imputer = GaussianImputer().fit(X)
    whole = imputer.transform(X)
    monkeypatch.setattr("poi_predict.modeling.imputation.ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(imputer.transform(X), whole, rtol=1e-12)
    np.testing.assert_allclose(np.vstack([imputer.transform(row[None]) for row in X]), whole, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(1, 9), st.floats(0, 1))
def test_whatever_is_missing_the_result_is_finite(seed: int, n: int, d: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, d)), 1) * 10.0 ** rng.integers(-3, 6, size=d)
    X[rng.random(X.shape) < share] = np.nan
    filled = GaussianImputer().fit_transform(X)
    assert np.isfinite(filled).all()
    assert filled.shape[0] == n
