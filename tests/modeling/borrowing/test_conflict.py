"""Conflict between sources, and who brought the information: normal models with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from poi_predict.modeling.borrowing.conflict import (
    compute_conflict,
    compute_information_shares,
    compute_overall_conflict,
    flag_conflicts,
)


def learn(
    prior_mean: np.ndarray, prior: np.ndarray, data: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of a normal mean, known noise."""
    covariance = np.linalg.inv(np.linalg.inv(prior) + np.linalg.inv(noise))
    return covariance @ (np.linalg.solve(prior, prior_mean) + np.linalg.solve(noise, data)), covariance


def simulate(n: int, off: float) -> tuple[np.ndarray, np.ndarray]:
    """p-values of n normal studies whose truths lie `off` prior SDs from where the prior expects them."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(3, 3))
    prior, noise = root @ root.T + 0.2 * np.eye(3), np.diag([0.1, 0.6, 2.0])
    mean = np.array([-0.5, 0.0, 1.0])
    overall, single = [], []
    for _ in range(n):
        truth = rng.multivariate_normal(mean, prior) + off * np.sqrt(np.diag(prior)) * np.array([1, 0, 0])
        after, covariance = learn(mean, prior, rng.multivariate_normal(truth, noise), noise)
        overall.append(compute_overall_conflict((mean, prior), (after, covariance)))
        single.append(compute_conflict(mean, np.sqrt(np.diag(prior)), after, np.sqrt(np.diag(covariance))))
    return np.array(overall), np.array(single)


def test_p_values_are_uniform_where_prior_and_data_agree() -> None:
    overall, single = simulate(300, 0.0)
    for p in (overall, *single.T):
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert 0.02 < (p < 0.05).mean() < 0.09


def test_p_values_are_small_where_they_contradict_each_other() -> None:
    overall, single = simulate(100, 5.0)
    assert (overall < 0.01).mean() > 0.95
    assert (single[:, 0] < 0.01).mean() > 0.95


def test_one_parameter_moved_by_a_known_amount() -> None:
    # A prior N(0, 1) and an observation 3 with variance 1: the mean moves by 1.5, whose variance is 1/2.
    p = compute_conflict(np.zeros(1), np.ones(1), np.array([1.5]), np.array([np.sqrt(0.5)]))
    assert p[0] == pytest.approx(2 * stats.norm.sf(1.5 / np.sqrt(0.5)))
    overall = compute_overall_conflict((np.zeros(1), np.eye(1)), (np.array([1.5]), 0.5 * np.eye(1)))
    assert overall == pytest.approx(p[0])


def test_nothing_learned_nothing_judged() -> None:
    assert np.isnan(compute_conflict(np.zeros(2), np.ones(2), np.array([0.5, -3]), np.array([0.995, 1.2]))).all()
    assert np.isnan(compute_overall_conflict((np.zeros(2), np.eye(2)), (np.ones(2), 0.99 * np.eye(2))))


def test_directions_without_information_do_not_dilute_the_rest() -> None:
    few = compute_overall_conflict((np.zeros(1), np.eye(1)), (np.array([2.0]), 0.5 * np.eye(1)))
    after = np.diag([0.5, *np.ones(20)])
    many = compute_overall_conflict((np.zeros(21), np.eye(21)), (np.r_[2.0, np.zeros(20)], after))
    assert many == pytest.approx(few)


def test_overall_conflict_does_not_depend_on_units() -> None:
    rng = np.random.default_rng(6)
    root, scale = rng.normal(size=(4, 4)), np.diag([1e-3, 1.0, 40.0, 7.0])
    prior, noise = root @ root.T + np.eye(4), np.eye(4)
    after, covariance = learn(np.zeros(4), prior, np.array([1.0, -2, 0.5, 1]), noise)
    plain = compute_overall_conflict((np.zeros(4), prior), (after, covariance))
    scaled = compute_overall_conflict((np.zeros(4), scale @ prior @ scale), (scale @ after, scale @ covariance @ scale))
    assert scaled == pytest.approx(plain, rel=1e-6)


def test_information_shares_add_to_one_and_are_never_negative() -> None:
    rng = np.random.default_rng(7)
    sds = [rng.uniform(0.1, 1.0, 50) for _ in range(3)]  # some sources even lose information
    shares = np.stack(compute_information_shares(*sds))
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert (shares >= 0).all()
    known = compute_information_shares(np.array([2.0]), np.array([1.0]))
    assert [float(share[0]) for share in known] == [0.25, 0.75]


def test_flags_stop_at_the_first_that_could_be_chance() -> None:
    assert flag_conflicts(np.array([0.04, 0.04])).tolist() == [False, False]
    assert flag_conflicts(np.array([0.024, 0.012])).tolist() == [True, True]
    assert flag_conflicts(np.array([0.02, 0.03, 0.001, 0.9])).tolist() == [False, False, True, False]
    assert flag_conflicts(np.array([np.nan, 0.024])).tolist() == [False, True]
    assert flag_conflicts(np.full(3, np.nan)).tolist() == [False] * 3
