"""Differences between cohorts: published intervals, the error over many comparisons, and what n women can show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from poi_predict.validation.drift import (
    compute_mean_differences,
    compute_psi,
    compute_share_differences,
    find_rows_for_shift,
    find_smallest_share,
    find_smallest_shift,
)


@pytest.mark.parametrize(
    ("new", "development", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0428, 0.3422),
        ((9, 10), (3, 10), 0.1013, 0.8387),
        ((5, 56), (0, 29), -0.0667, 0.2037),
        ((0, 10), (0, 20), -0.2005, 0.3445),
        ((10, 10), (0, 20), 0.6014, 1.0),
    ],
)
def test_intervals_are_those_newcombe_published(new, development, low, high):
    """Table II of Newcombe (1998), method 11, to its four digits."""
    found = compute_share_differences([development[0]], [development[1]], [new[0]], [new[1]])
    assert found.difference[0] == pytest.approx(new[0] / new[1] - development[0] / development[1])
    assert (found.ci_low[0], found.ci_high[0]) == pytest.approx((low, high), abs=5.1e-5)
    turned = compute_share_differences([new[0]], [new[1]], [development[0]], [development[1]])
    assert turned.ci_low[0] == pytest.approx(-found.ci_high[0])


def test_means_are_compared_as_welch_does():
    rng = np.random.default_rng(2)
    old, new = rng.normal(32, 4, 160), rng.normal(34, 6, 40)
    found = compute_mean_differences(
        ([old.mean()], [old.std(ddof=1)], [160]), ([new.mean()], [new.std(ddof=1)], [40]), level=0.99
    )
    expected = ttest_ind(new, old, equal_var=False).confidence_interval(0.99)
    assert (found.ci_low[0], found.ci_high[0]) == pytest.approx((expected.low, expected.high))
    assert not compute_mean_differences(([1.0], [0.0], [9]), ([2.0], [0.0], [9])).shown[
        0
    ]  # nothing varies: no interval


@pytest.mark.parametrize("n_new", [40, 200, 2000])
def test_thirty_shares_of_the_same_women_seldom_show_a_difference(n_new):
    rng = np.random.default_rng(n_new)
    share = np.linspace(0.01, 0.5, 30)
    called = 0
    for _ in range(400):
        old, new = rng.binomial(160, share), rng.binomial(n_new, share)
        called += compute_share_differences(old, [160] * 30, new, [n_new] * 30, 1 - 0.05 / 30).shown.any()
    assert called / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("n_new", [40, 400])
def test_the_smallest_shift_is_found_in_four_of_five_cohorts(n_new):
    rng = np.random.default_rng(n_new)
    level = 1 - 0.05 / 20
    shift = find_smallest_shift(160, n_new, level)
    found = []
    for _ in range(600):
        old, new = rng.normal(0, 1, 160), rng.normal(shift, 1, n_new)
        sides = [([x.mean()], [x.std(ddof=1)], [x.size]) for x in (old, new)]
        found.append(compute_mean_differences(*sides, level).shown[0])
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_the_smallest_share_is_found_in_four_of_five_cohorts():
    rng = np.random.default_rng(3)
    change = find_smallest_share(160, 120, 0.99)
    assert change is not None
    old, new = rng.binomial(160, 0.5, 2000), rng.binomial(120, 0.5 + change, 2000)
    found = compute_share_differences(old, np.full(2000, 160), new, np.full(2000, 120), 0.99)
    assert 0.75 < found.shown.mean() < 0.92
    assert find_smallest_share(160, 8, 0.999) is None


def test_so_many_rows_are_needed_and_no_fewer():
    for shift, n_training in ((0.5, 160), (0.3, 900), (1.0, 60)):
        rows = find_rows_for_shift(shift, n_training, 0.99)
        assert rows is not None
        assert find_smallest_shift(n_training, rows, 0.99) <= shift < find_smallest_shift(n_training, rows - 1, 0.99)
    assert find_rows_for_shift(0.2, 160, 0.99) is None  # a million rows have no more to be compared with
    assert find_smallest_shift(160, 10**6, 0.99) > 0.2


@pytest.mark.parametrize("n_new", [60, 1000])
def test_a_stability_index_has_its_expectation_without_drift(n_new):
    rng = np.random.default_rng(n_new)
    p = np.full(8, 1 / 8)
    found = [compute_psi(rng.multinomial(200, p) / 200, 200, rng.multinomial(n_new, p)) for _ in range(400)]
    psi, expected = np.array(found).T
    assert psi.mean() == pytest.approx(expected[0], rel=0.2)
    assert compute_psi(p, 200, [n_new, *[0] * 7])[0] > 20 * expected[0]


def test_shares_of_more_than_everyone_are_refused():
    with pytest.raises(ValueError, match="between 0 and the number of women"):
        compute_share_differences([3], [2], [1], [2])
    with pytest.raises(ValueError, match="each cohort needs one"):
        compute_share_differences([0], [0], [1], [2])
