"""Fitted numbers rounded: near enough to predict the same, and the same whatever the last digits were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from poi_predict.scoring.rounding import round_fitted, round_number, round_numbers


@dataclass(frozen=True)
class Found:
    name: str
    mean: float
    draws: np.ndarray


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_rounded_number_is_near_and_stays_as_it_is(value: float) -> None:
    rounded = round_number(value)
    assert abs(rounded - value) <= max(5.0001e-9, 1.0001 * abs(value) * 10.0**-9)
    assert round_number(rounded) == rounded
    assert str(rounded) != "-0.0"


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_infinity_is_kept(value: float) -> None:
    assert round_number(value) == value
    assert np.isnan(round_number(float("nan")))


def test_last_digits_that_differ_between_processors_are_gone() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 40)).round(6) + 1e-9  # far from where rounding goes one way or the other
    noise = rng.normal(scale=1e-14, size=values.shape)
    assert round_numbers(values).tobytes() == round_numbers(values + noise).tobytes()


def test_everything_inside_is_rounded_and_nothing_else_is_touched() -> None:
    found = Found("A01", 1 / 3, np.array([[1 / 7, np.nan]]))
    given_ = {"rows": (found, [1 / 3, 7, True, None, "0.1234567891"]), "codes": np.array([3, 1])}
    rounded = round_numbers(given_)
    inner, rest = rounded["rows"]
    assert inner == Found("A01", 0.33333333, inner.draws)
    assert inner.draws[0, 0] == 0.14285714
    assert np.isnan(inner.draws[0, 1])
    assert rest == [0.33333333, 7, True, None, "0.1234567891"]
    assert rounded["codes"] is given_["codes"]
    assert found.mean == 1 / 3


def test_weights_still_add_up() -> None:
    weights = np.random.default_rng(1).dirichlet(np.ones(400))
    rounded = round_numbers(weights)
    assert abs(rounded.sum() - 1.0) < 1e-12
    np.testing.assert_allclose(rounded, weights, atol=3e-6)
    np.testing.assert_allclose(
        np.delete(rounded, np.argmax(weights)), np.delete(weights, np.argmax(weights)), atol=6e-9
    )


def test_a_rounded_model_predicts_almost_the_same_and_the_given_one_stays() -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(80, 3)), rng.integers(0, 2, 80)
    fitted = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression(C=0.37))]).fit(X, y)
    before = fitted[-1].coef_.copy()
    rounded = round_fitted(fitted)
    np.testing.assert_array_equal(fitted[-1].coef_, before)
    assert (rounded[-1].coef_ != before).any()
    assert rounded[-1].C == 0.37
    np.testing.assert_allclose(rounded.predict_proba(X), fitted.predict_proba(X), atol=1e-7)
