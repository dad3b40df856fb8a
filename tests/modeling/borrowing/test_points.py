"""Points of an arm: their marginals against scipy's distributions, their means against the published ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from poi_predict.errors import EvidenceError
from poi_predict.modeling.borrowing import Marginal
from poi_predict.modeling.borrowing.points import compute_moments, draw_normal_points, place_points

MANY = draw_normal_points(4096, 1, 3)


def place(marginal: Marginal, normal: np.ndarray = MANY) -> np.ndarray:
    column = {name: place for place, name in enumerate(marginal.columns)}
    moved = {} if marginal.family == "fixed" else {marginal.columns[0]: 0}
    return place_points([marginal], normal, moved, column)


@pytest.mark.parametrize("n_variables", [1, 7, 40])
def test_normal_points_have_mean_0_and_sd_1_and_fill_space(n_variables: int) -> None:
    points = draw_normal_points(64, n_variables, 1)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(points.std(axis=0), 1)
    ranks = (np.sort(stats.norm.cdf(points), axis=0) * 64).astype(int)
    assert (np.abs(ranks - np.arange(64)[:, None]) <= 3).all()  # 64 random draws stray by about 8


def test_points_are_those_of_the_seed_and_nobody_can_change_them() -> None:
    first = draw_normal_points(64, 3, 5)
    np.testing.assert_array_equal(draw_normal_points(64, 3, 5), first)
    assert np.abs(draw_normal_points(64, 3, 6) - first).max() > 0.1
    assert draw_normal_points(8, 0, 5).shape == (8, 0)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 9.0


@pytest.mark.parametrize("n", [4, 63, 100, 2**15])
def test_a_number_of_points_must_be_a_power_of_two(n: int) -> None:
    with pytest.raises(EvidenceError, match=f"points must be a power of two from 8 to 16384; it is {n}"):
        draw_normal_points(n, 2, 1)


@pytest.mark.parametrize(
    ("marginal", "truth"),
    [
        (Marginal(("x",), "normal", 33.8, 7.2), stats.norm(33.8, 7.2)),
        (Marginal(("x",), "truncated_normal", 0.2, 1.0, low=0.0, high=3.0), stats.truncnorm(-0.2, 2.8, 0.2, 1.0)),
        (Marginal(("x",), "gamma", 12.0, 9.0), stats.gamma((12 / 9) ** 2, scale=81 / 12)),
        (Marginal(("x",), "log_normal", 55.4, 33.9), None),
        (Marginal(("x",), "logit_normal", -0.5, 0.8), None),
    ],
)
def test_quantiles_are_those_of_the_distribution(marginal: Marginal, truth: object) -> None:
    values = np.sort(place(marginal)[:, 0])
    share = (np.arange(4096) + 0.5) / 4096
    if marginal.family == "log_normal":
        log_sd = np.sqrt(np.log1p((33.9 / 55.4) ** 2))
        truth = stats.lognorm(log_sd, scale=55.4 * np.exp(-0.5 * log_sd**2))
    expected = 1 / (1 + np.exp(0.5 - 0.8 * stats.norm.ppf(share))) if truth is None else truth.ppf(share)
    inner = slice(100, -100)
    np.testing.assert_allclose(values[inner], expected[inner], rtol=0.02, atol=2e-3)


@pytest.mark.parametrize("family", ["normal", "log_normal", "gamma"])
@pytest.mark.parametrize(("mean", "sd"), [(55.4, 33.9), (0.3, 0.1)])
def test_sixty_four_points_have_the_published_mean_and_sd(family: str, mean: float, sd: float) -> None:
    values = place(Marginal(("x",), family, mean, sd), draw_normal_points(64, 1, 0))
    found = compute_moments(values)
    assert found[0][0] == pytest.approx(mean, rel=0.005)
    assert np.sqrt(found[1][0, 0]) == pytest.approx(
        sd, rel=0.07
    )  # a heavy tail in its own unit; on the log scale exact


@pytest.mark.parametrize("share", [0.0, 0.004, 0.1, 1 / 3, 0.5, 0.97, 1.0])
def test_shares_are_met_to_the_nearest_point(share: float) -> None:
    values = place(Marginal(("x",), "bernoulli", share), draw_normal_points(64, 1, 2))
    assert set(np.unique(values)) <= {0.0, 1.0}
    assert values.mean() == pytest.approx(share, abs=1.5 / 64)


def test_levels_exclude_each_other_and_leave_the_reference_its_share() -> None:
    aetiology = Marginal(("surgical", "autoimmune", "fmr1"), "categorical", shares=(0.25, 0.2, 0.05))
    levels = place(aetiology)
    np.testing.assert_allclose(levels.mean(axis=0), [0.25, 0.2, 0.05], atol=2e-3)
    assert set(levels.sum(axis=1)) == {0.0, 1.0}
    assert (levels.sum(axis=1) == 0).mean() == pytest.approx(0.5, abs=2e-3)
    everyone = place(Marginal(("surgical", "autoimmune"), "categorical", shares=(0.6, 0.4)))
    assert (everyone.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("transform", "function"),
    [("log", np.log), ("log1p", np.log1p), ("log10", np.log10), ("sqrt", np.sqrt), ("identity", np.positive)],
)
def test_transform_is_applied_to_each_woman(transform: str, function: np.ufunc) -> None:
    clinical = place(Marginal(("x",), "gamma", 12.0, 9.0))
    np.testing.assert_array_equal(place(Marginal(("x",), "gamma", 12.0, 9.0, transform=transform)), function(clinical))


def test_a_log_below_zero_is_refused_with_the_column() -> None:
    with pytest.raises(EvidenceError, match=r"The distribution of fsh__log must not reach below zero.*truncated_norm"):
        place(Marginal(("fsh__log",), "normal", 20.0, 30.0, transform="log"))


@pytest.mark.parametrize(
    "marginal",
    [
        Marginal(("x",), "fixed", 4.0),
        *(Marginal(("x",), family, 4.0) for family in ("normal", "truncated_normal", "log_normal", "gamma")),
    ],
)
def test_without_spread_every_woman_has_the_mean(marginal: Marginal) -> None:
    np.testing.assert_array_equal(place(marginal), np.full((4096, 1), 4.0))


def test_far_tails_stay_finite_and_inside_their_limits() -> None:
    outside = place(Marginal(("x",), "truncated_normal", -60.0, 1.0, low=0.0, high=1.0))
    assert ((outside >= 0) & (outside <= 1)).all()
    narrow = place(Marginal(("x",), "logit_normal", 30.0, 8.0))
    assert np.isfinite(narrow).all()


def test_columns_that_nobody_describes_stay_open() -> None:
    points = place_points([Marginal(("b",), "fixed", 2.0)], np.zeros((8, 0)), {}, {"a": 0, "b": 1})
    assert np.isnan(points[:, 0]).all()
    mean, covariance = compute_moments(points)
    assert np.isnan(mean[0])
    assert mean[1] == 2.0
    assert covariance[1, 1] == 0.0
