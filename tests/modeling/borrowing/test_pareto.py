"""Smoothed importance weights: known tails, known effective sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from poi_predict.modeling.borrowing.pareto import compute_effective_draws, fit_pareto_shape, smooth_weights


@pytest.mark.parametrize("shape", [-0.2, 0.2, 0.5, 0.9])
def test_shape_and_scale_of_a_known_tail(shape: float) -> None:
    excess = np.sort(stats.genpareto(shape, scale=2.0).ppf((np.arange(4000) + 0.5) / 4000))
    k, scale = fit_pareto_shape(excess)
    assert k == pytest.approx(shape, abs=0.04)
    assert scale == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("shape", [0.2, 0.8])
def test_short_tails_are_drawn_towards_one_half(shape: float) -> None:
    excess = np.sort(stats.genpareto(shape).ppf((np.arange(10) + 0.5) / 10))
    few, many = fit_pareto_shape(excess)[0], fit_pareto_shape(np.repeat(excess, 200))[0]
    assert abs(few - 0.5) < abs(many - 0.5)


def test_weights_of_a_wider_proposal_give_the_targets_moments() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(0.0, 1.5, 4000)
    weights, k = smooth_weights(stats.norm(0.4, 1.0).logpdf(draws) - stats.norm(0.0, 1.5).logpdf(draws))
    assert k < 0.5
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ draws == pytest.approx(0.4, abs=0.05)
    assert weights @ draws**2 - (weights @ draws) ** 2 == pytest.approx(1.0, abs=0.07)


def test_a_much_too_narrow_proposal_is_not_trusted() -> None:
    draws = np.random.default_rng(4).normal(0.0, 1.0, 2000)
    assert smooth_weights(stats.norm(0, 4).logpdf(draws) - stats.norm(0, 1).logpdf(draws))[1] > 0.7


def test_a_constant_does_not_matter_and_order_is_kept() -> None:
    ratio = np.random.default_rng(5).normal(0, 1.2, 500)
    weights, k = smooth_weights(ratio)
    moved, k_moved = smooth_weights(ratio + 1234.5)
    np.testing.assert_allclose(moved, weights, rtol=1e-9)
    assert k_moved == pytest.approx(k)
    assert (np.diff(weights[np.argsort(ratio)]) >= 0).all()


def test_no_smoothed_weight_is_above_the_largest_raw_one() -> None:
    ratio = np.random.default_rng(6).standard_t(2, 400) * 3
    weights, k = smooth_weights(ratio)
    raw = np.exp(ratio - ratio.max())
    assert k > 0.7
    assert weights.max() / weights.min() <= raw.max() / raw.min() * (1 + 1e-9)


def test_effective_draws() -> None:
    assert compute_effective_draws(np.full(50, 0.02)) == pytest.approx(50)
    assert compute_effective_draws(np.array([1.0, 0.0, 0.0])) == 1.0
