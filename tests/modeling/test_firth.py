"""Reference numbers: R's logistf on its own data sets, see tests/reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import ModelError
from poi_predict.modeling import FirthLogistic, compute_profile_interval
from poi_predict.modeling.firth import fit_offset_intercept

REFERENCE = Path(__file__).parents[1] / "reference"


def read(name: str, outcome: str) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(REFERENCE / name)
    return table.drop(columns=outcome).to_numpy(float), table[outcome].to_numpy()


@pytest.mark.parametrize(
    ("file", "outcome", "expected"),
    [
        ("endometrial.csv", "HG", [3.77455971, 2.92927335, -0.03475176, -2.60416393]),
        (
            "sex2.csv",
            "case",
            [0.12025405, -1.10598133, -0.06881673, 2.26887465, -2.11140819, -0.78831695, 3.09601183],
        ),
    ],
)
def test_coefficients_of_logistf(file: str, outcome: str, expected: list[float]) -> None:
    model = FirthLogistic(correct_intercept=False).fit(*read(file, outcome))
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_[0]], expected, atol=2e-8)
    assert model.converged_


def test_profile_interval_of_logistf_under_separation() -> None:
    limits = compute_profile_interval(*read("endometrial.csv", "HG"))
    np.testing.assert_allclose(limits[0], [0.6097, 7.8546], atol=5e-5)


def test_profile_intervals_refuse_dependent_columns() -> None:
    X, y = read("endometrial.csv", "HG")
    with pytest.raises(ModelError, match="1 of 4 depend on the others"):
        compute_profile_interval(np.column_stack([X, X[:, 0]]), y)


def test_the_intercept_leaves_the_mean_prediction_unbiased() -> None:
    rng = np.random.default_rng(8)
    X, y = rng.normal(size=(100, 5)), (np.arange(100) < 5).astype(int)
    weight = rng.uniform(0.7, 1.5, 100)
    rate = np.average(y, weights=weight)
    means = {
        corrected: np.average(FirthLogistic(corrected).fit(X, y, weight).predict_proba(X)[:, 1], weights=weight)
        for corrected in (True, False)
    }
    assert means[True] == pytest.approx(rate, abs=1e-9)
    assert means[False] > rate + 0.01


def test_only_the_intercept_is_corrected() -> None:
    X, y = read("sex2.csv", "case")
    np.testing.assert_array_equal(FirthLogistic(True).fit(X, y).coef_, FirthLogistic(False).fit(X, y).coef_)


def test_constant_and_dependent_columns_get_no_coefficient() -> None:
    X, y = read("endometrial.csv", "HG")
    more = np.column_stack([np.ones(len(X)), X, X[:, 1] + X[:, 2]])
    model = FirthLogistic().fit(more, y)
    np.testing.assert_allclose(model.coef_[0], [0, *FirthLogistic().fit(X, y).coef_[0], 0], atol=1e-7)


def test_without_any_column_there_is_the_prevalence() -> None:
    model = FirthLogistic().fit(np.zeros((8, 1)), np.array([1, 1, 0, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 1)))[0, 1], 0.25)


def test_more_columns_than_women() -> None:
    rng = np.random.default_rng(9)
    X, y = rng.normal(size=(10, 30)), np.tile([0, 1], 5)
    assert np.isfinite(FirthLogistic().fit(X, y).coef_).all()


def test_weights_are_counts() -> None:
    X, y = read("endometrial.csv", "HG")
    repeats = np.tile([1, 2, 3], len(y))[: len(y)]
    weighted = FirthLogistic(False).fit(X, y, repeats)
    repeated = FirthLogistic(False).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


def test_no_row_is_kept_in_the_model() -> None:
    X, y = read("endometrial.csv", "HG")
    kept = vars(FirthLogistic().fit(X, y)).values()
    assert all(len(X) not in np.shape(value) for value in kept)


def test_offset_intercept_with_extreme_offsets() -> None:
    offset, y = np.array([-40.0, 0, 40, 3]), np.array([0.0, 1, 1, 0])
    intercept = fit_offset_intercept(offset, y, np.ones(4))
    assert (1 / (1 + np.exp(-(offset + intercept)))).mean() == pytest.approx(0.5)
