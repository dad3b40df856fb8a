"""Batched logistic fits: maximum likelihood, weights, separation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import expit

from poi_predict.validation import BootstrapPlan, fit_logistic_batch


def is_separated(X, y):
    """Exact answer by linear programming (Konis 2007): can some direction never err and sometimes win?"""
    signed = (2.0 * y - 1.0)[:, np.newaxis] * np.column_stack([np.ones(y.size), X])
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(y.size), bounds=(-1, 1))
    return best.fun < -1e-7


def test_score_is_zero_at_the_estimate(births):
    fits = fit_logistic_batch(births.X, births.y, np.ones((1, 189)))
    design = np.column_stack([np.ones(189), births.X])
    residual = births.y - expit(design @ fits.coefficients[0])
    assert np.abs(design.T @ residual).max() < 1e-6
    assert fits.is_estimable.all()


def test_a_resample_fits_like_its_rows(births):
    plan = BootstrapPlan.from_rows(births.rows[:3], births.y)
    batch = fit_logistic_batch(births.X, births.y, plan.frequencies())
    for b, rows in enumerate(plan.rows):
        alone = fit_logistic_batch(births.X[rows], births.y[rows], np.ones((1, rows.size)))
        assert batch.coefficients[b] == pytest.approx(alone.coefficients[0], abs=1e-6)


def test_separation_agrees_with_linear_programming():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(120):
        X = rng.normal(size=(14, 2))
        X[:, 1] = X[:, 1] > 0.5
        y = (rng.random(14) < expit(2.0 * X[:, 0])).astype(float)
        if np.ptp(y) == 0 or np.ptp(X[:, 1]) == 0:
            continue
        found.append((bool(fit_logistic_batch(X, y, np.ones((1, 14))).separated[0]), is_separated(X, y)))
    assert [mine for mine, _ in found] == [exact for _, exact in found]
    assert 10 < sum(exact for _, exact in found) < len(found) - 10


def test_separated_and_sound_fits_share_a_batch(births):
    y = births.y
    weights = np.ones((2, 189))
    weights[1] = births.X[:, 4] == y  # keep only rows in which one predictor equals the outcome
    fits = fit_logistic_batch(births.X, y, weights)
    assert fits.separated.tolist() == [False, True]
    alone = fit_logistic_batch(births.X, y, weights[:1])
    assert fits.coefficients[0] == pytest.approx(alone.coefficients[0], abs=1e-9)


def test_constant_predictor_is_singular_not_an_exception():
    fits = fit_logistic_batch([[1.0], [1.0], [1.0]], [0, 1, 1], np.ones((1, 3)))
    assert fits.singular.tolist() == [True]
    assert not fits.is_estimable.any()


@pytest.mark.parametrize("weights", [np.ones(3), -np.ones((1, 3)), np.zeros((1, 3))])
def test_malformed_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weights must"):
        fit_logistic_batch([[1.0], [2.0], [3.0]], [0, 1, 1], weights)
