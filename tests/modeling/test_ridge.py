from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit

from poi_predict.errors import ModelError
from poi_predict.modeling import FirthLogistic, PlainLogistic, RidgeLogistic
from poi_predict.modeling.expectation_propagation import fit_normal_terms
from poi_predict.modeling.ridge import _find_reach


def make_sample(n: int, effect: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    y = (rng.random(n) < expit(effect * X[:, 0] - 0.7)).astype(int)
    return X, y, rng.uniform(0.6, 1.8, n)


def integrate_by_hand(X: np.ndarray, y: np.ndarray, scale: float) -> tuple[float, float]:
    """Posterior mean and SD of the one coefficient, by sums over intercept, coefficient and its prior's spread."""
    intercepts, slopes = np.linspace(-5, 5, 161), np.linspace(-8, 8, 321)
    eta = intercepts[:, None, None] + slopes[None, :, None] * X[:, 0]
    likelihood = np.exp((y * eta - np.logaddexp(0, eta)).sum(axis=2)).sum(axis=0)

    def prior(slope: float) -> float:
        def density(log_spread: float) -> float:
            spread = np.exp(log_spread)
            return np.exp(-0.5 * (slope / spread) ** 2) / (1 + (spread / scale) ** 2)

        return quad(density, np.log(0.01), np.log(3.0), limit=200)[0]

    share = likelihood * [prior(slope) for slope in slopes]
    share /= share.sum()
    mean = float(share @ slopes)
    return mean, float(np.sqrt(share @ (slopes - mean) ** 2))


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_the_posterior_is_that_of_the_integral(effect: float) -> None:
    X, y, _ = make_sample(120, effect, seed=3)
    model = RidgeLogistic().fit(X[:, :1], y)
    mean, sd = integrate_by_hand(X[:, :1], y, 1.5)
    assert model.posterior_mean_[1] == pytest.approx(mean, abs=0.03 * sd)
    assert np.sqrt(model.covariance_[1, 1]) == pytest.approx(sd, rel=0.03)


def test_few_women_are_as_unsure_as_the_integral_says() -> None:
    """At 20 women the normal approximation at the mode is too narrow."""
    X, y, _ = make_sample(20, 1.0, seed=5)
    model = RidgeLogistic().fit(X[:, :1], y)
    mean, sd = integrate_by_hand(X[:, :1], y, 1.5)
    assert model.posterior_mean_[1] == pytest.approx(mean, abs=0.05 * sd)
    assert np.sqrt(model.covariance_[1, 1]) == pytest.approx(sd, rel=0.05)


def test_a_whole_weight_counts_as_so_many_women() -> None:
    X, y, _ = make_sample(60, 1.0, seed=2)
    penalty = np.r_[0.0, np.full(6, 4.0)]
    design = np.column_stack([np.ones(60), X])
    times = np.where(y == 1, 3, 1)
    weighted = fit_normal_terms(design, y, times.astype(float), penalty)
    repeated = fit_normal_terms(np.repeat(design, times, axis=0), np.repeat(y, times), np.ones(times.sum()), penalty)
    np.testing.assert_allclose(weighted.mean, repeated.mean, atol=0.02)
    np.testing.assert_allclose(np.diag(weighted.covariance), np.diag(repeated.covariance), rtol=0.04)


def test_the_evidence_is_that_of_the_integral() -> None:
    """Of an intercept and one coefficient, by sums; only differences between priors mean anything."""
    X, y, _ = make_sample(40, 1.0, seed=4)
    design = np.column_stack([np.ones(40), X[:, 0]])
    intercepts, slopes = np.linspace(-6, 6, 241), np.linspace(-12, 12, 961)
    eta = intercepts[:, None, None] + slopes[None, :, None] * X[:, 0]
    likelihood = np.exp((y * eta - np.logaddexp(0, eta)).sum(axis=2)).sum(axis=0)
    exact, found = [], []
    for spread in (0.1, 0.5, 2.0):
        exact.append(np.log(likelihood @ np.exp(-0.5 * (slopes / spread) ** 2) / spread))
        found.append(fit_normal_terms(design, y, np.ones(40), np.array([0.0, spread**-2.0])).log_evidence)
    np.testing.assert_allclose(np.diff(found), np.diff(exact), atol=0.02)


def test_a_rare_level_is_not_expected_to_act_more_than_a_common_one() -> None:
    """A level of one in twelve: its step, 3.6 of its standard deviations, is held to be worth two of a number's."""
    rare = np.tile(np.r_[1.0, np.zeros(11)], 10)
    X = np.column_stack([np.random.default_rng(0).normal(size=120), (rare - rare.mean()) / rare.std()])
    step = np.ptp(X[:, 1])
    np.testing.assert_allclose(_find_reach(X), [1.0, 2.0 / step])
    gap = X.copy()
    gap[5, 1] = 0.3  # filled in, neither yes nor no
    np.testing.assert_allclose(_find_reach(gap), [1.0, 2.0 / step])


def test_mean_prediction_is_the_observed_rate() -> None:
    X, y, weight = make_sample(80, 1.0, seed=6)
    p = RidgeLogistic().fit(X, y, weight).predict_proba(X)[:, 1]
    assert np.average(p, weights=weight) == pytest.approx(np.average(y, weights=weight), abs=1e-8)


def test_the_prediction_is_nearly_the_mean_over_the_posterior() -> None:
    X, y, _ = make_sample(60, 1.5, seed=9)
    model = RidgeLogistic().fit(X, y)
    drawn = model.sample_coefficients(4000, np.random.default_rng(0))
    averaged = expit(drawn[:, [0]] + drawn[:, 1:] @ X.T).mean(axis=0)
    at_mean = expit(model.linear_moments(X)[0])
    p = model.predict_proba(X)[:, 1]
    assert np.abs(p - averaged).mean() < 0.75 * np.abs(at_mean - averaged).mean()
    assert np.abs(p - averaged).max() < 0.05
    assert 0.5 < model.attenuation_ < 1.0


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
    assert spread[0.0] < 0.25
    assert spread[1.5] > 1.0


def test_columns_that_never_vary_tell_nothing() -> None:
    X, y = np.zeros((20, 2)), np.tile([0, 1], 10)
    model = RidgeLogistic().fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 0.5)
    assert np.isfinite(model.covariance_).all()


def test_unequal_weights_tell_less_than_equal_ones() -> None:
    X, y, weight = make_sample(90, 1.0, seed=8)
    for model in (RidgeLogistic(), FirthLogistic(), PlainLogistic()):
        equal = np.ptp(model.fit(X, y, np.full(90, weight.mean())).predict_interval(X), axis=1)
        unequal = np.ptp(
            model.fit(X, y, np.where(np.arange(90) % 2, 2 * weight.mean(), 1e-6)).predict_interval(X), axis=1
        )
        assert unequal.mean() > 1.15 * equal.mean()


def test_separated_classes_stay_finite() -> None:
    X = np.linspace(-1, 1, 30)[:, None]
    model = RidgeLogistic().fit(X, (X[:, 0] > 0).astype(int))
    assert np.isfinite(model.coef_).all()
    assert model.predict_proba(X)[-1, 1] > 0.8
    assert np.isfinite(model.predict_interval(X)).all()


def test_an_interval_is_that_of_the_draws() -> None:
    X, y, _ = make_sample(70, 1.0, seed=10)
    for model in (RidgeLogistic(), FirthLogistic(), PlainLogistic()):
        model.fit(X, y)
        drawn = model.sample_coefficients(40_000, np.random.default_rng(1))
        limits = np.quantile(drawn[:, [0]] + drawn[:, 1:] @ X[:5].T, [0.1, 0.9], axis=0).T
        np.testing.assert_allclose(logit(model.predict_interval(X[:5], 0.8)), limits, atol=0.05)


def test_a_separated_plain_model_says_nothing_of_how_sure_it_is() -> None:
    X = np.linspace(-1, 1, 30)[:, None]
    model = PlainLogistic().fit(X, (X[:, 0] > 0).astype(int))
    assert not model.has_posterior
    assert np.isnan(model.predict_interval(X)).all()
    with pytest.raises(ModelError, match="this model has none"):
        model.sample_coefficients(2, np.random.default_rng(0))
    with pytest.raises(ModelError, match="coverage must be between 0 and 1"):
        model.predict_interval(X, 95)


@pytest.mark.parametrize(("n", "effects"), [(40, (0.0, 0.0)), (80, (0.7, -0.4)), (80, (2.0, 1.0))])
@pytest.mark.parametrize("model", [RidgeLogistic(), FirthLogistic()])
def test_intervals_hold_the_true_probability(model: RidgeLogistic | FirthLogistic, n: int, effects: tuple) -> None:
    """The short form of ``benchmarks/individual_intervals.py``: effects of none, inside and outside the prior."""
    rng, held = np.random.default_rng(11), []
    for _ in range(40):
        X = rng.normal(size=(n, 8))
        log_odds = -0.8 + X[:, :2] @ effects
        y = (rng.random(n) < expit(log_odds)).astype(int)
        low, high = model.fit(X, y).predict_interval(X).T
        held.append(((low <= expit(log_odds)) & (expit(log_odds) <= high)).mean())
    assert np.mean(held) > 0.91
