from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from poi_predict.modeling import RidgeLogistic
from poi_predict.modeling.newton import fit_penalised_logistic, with_intercept
from poi_predict.modeling.ridge import compute_loo_log_odds


def make_sample(n: int, effect: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    y = (rng.random(n) < expit(effect * X[:, 0] - 0.7)).astype(int)
    return X, y, rng.uniform(0.6, 1.8, n)


@pytest.mark.parametrize("ratio", [0.003, 0.03, 0.3])
def test_leave_one_out_is_close_to_the_real_one(ratio: float) -> None:
    X, y, weight = make_sample(60, 1.0, seed=4)
    design, penalty = with_intercept(X), ratio * weight.sum() * np.array([0.0, 1, 1, 1, 1, 1, 1])
    approximate = compute_loo_log_odds(fit_penalised_logistic(design, y, weight, penalty), design, y, weight)
    real = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        without = fit_penalised_logistic(design[rest], y[rest], weight[rest], penalty)
        real.append(design[i] @ without.coefficients)
    apparent = fit_penalised_logistic(design, y, weight, penalty).log_odds
    assert np.abs(approximate - real).max() < 0.1 * np.abs(apparent - real).max()


def test_the_coefficients_are_those_of_the_penalty_chosen() -> None:
    X, y, weight = make_sample(100, 1.0, seed=5)
    model = RidgeLogistic().fit(X, y, weight)
    reference = LogisticRegression(C=model.C_, solver="newton-cholesky", tol=1e-10).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-6)
    assert model.penalty_ == model.penalties_[np.argmin(model.loo_log_loss_)]
    assert 0 < model.effective_df_ < 6


def test_mean_prediction_is_the_observed_rate() -> None:
    X, y, weight = make_sample(80, 1.0, seed=6)
    p = RidgeLogistic().fit(X, y, weight).predict_proba(X)[:, 1]
    assert np.average(p, weights=weight) == pytest.approx(np.average(y, weights=weight), abs=1e-8)


def test_noise_is_shrunk_towards_the_prevalence_and_signal_is_not() -> None:
    spread = {
        effect: np.median(
            [
                np.std(RidgeLogistic().fit(X, y).decision_function(X))
                for X, y, _ in (make_sample(100, effect, seed) for seed in range(15))
            ]
        )
        for effect in (0.0, 1.5)
    }
    assert spread[0.0] < 0.15
    assert spread[1.5] > 1.0


def test_the_strongest_penalty_is_the_prevalence() -> None:
    X, y, weight = make_sample(50, 2.0, seed=7)
    model = RidgeLogistic(penalty_ratios=(1e6,)).fit(X, y, weight)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], np.average(y, weights=weight), atol=1e-5)
    assert model.effective_df_ == pytest.approx(0.0, abs=1e-4)


def test_of_equal_penalties_the_strongest_is_taken() -> None:
    X, y = np.zeros((20, 2)), np.tile([0, 1], 10)
    model = RidgeLogistic().fit(X, y)
    assert model.penalty_ == model.penalties_.max()


def test_the_unit_of_the_weights_does_not_matter() -> None:
    X, y, weight = make_sample(70, 1.0, seed=8)
    one, other = RidgeLogistic().fit(X, y, weight), RidgeLogistic().fit(X, y, weight * 3)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=0.02)


def test_separated_classes_stay_finite() -> None:
    X = np.linspace(-1, 1, 30)[:, None]
    model = RidgeLogistic().fit(X, (X[:, 0] > 0).astype(int))
    assert np.isfinite(model.coef_).all()
    assert model.predict_proba(X)[-1, 1] > 0.8
