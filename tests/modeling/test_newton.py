from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from poi_predict.modeling.newton import compute_log_loss, fit_penalised_logistic, with_intercept


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 4))
    return X, (rng.random(80) < expit(X[:, 0] - 1)).astype(float), rng.uniform(0.5, 2, 80)


@pytest.mark.parametrize("penalty", [1e-3, 0.7, 50.0])
def test_it_agrees_with_scikit_learn(sample, penalty: float) -> None:
    X, y, weight = sample
    fit = fit_penalised_logistic(with_intercept(X), y, weight, penalty * np.array([0.0, 1, 1, 1, 1]))
    reference = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10).fit(X, y, weight)
    np.testing.assert_allclose(fit.coefficients[1:], reference.coef_[0], atol=1e-7)
    np.testing.assert_allclose(fit.coefficients[0], reference.intercept_[0], atol=1e-7)
    assert fit.converged


def test_curvature_is_that_of_the_likelihood(sample) -> None:
    X, y, weight = sample
    design, penalty = with_intercept(X), np.array([0.0, 2, 2, 2, 2])
    fit = fit_penalised_logistic(design, y, weight, penalty)

    def gradient(beta: np.ndarray) -> np.ndarray:
        return design.T @ (weight * (expit(design @ beta) - y)) + penalty * beta

    step = 1e-5 * np.eye(5)
    numerical = np.array([(gradient(fit.coefficients + e) - gradient(fit.coefficients - e)) / 2e-5 for e in step])
    np.testing.assert_allclose(np.linalg.inv(fit.inverse_hessian), numerical, rtol=1e-5, atol=1e-6)


def test_separated_classes_end_without_a_warning() -> None:
    X = np.linspace(-1, 1, 20)[:, None]
    fit = fit_penalised_logistic(with_intercept(X), (X[:, 0] > 0).astype(float), np.ones(20), np.zeros(2))
    assert np.isfinite(fit.coefficients).all()
    assert expit(fit.log_odds[-1]) > 0.99


def test_log_loss_is_exact_for_extreme_log_odds() -> None:
    np.testing.assert_allclose(compute_log_loss(np.array([1.0, 0, 0]), np.array([-800.0, 800, -800])), [800, 800, 0])
