"""Case mix: known truths, nothing where there is nothing, and honesty about few women."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import f, ncf

from poi_predict.validation import (
    CaseMixSummary,
    MembershipSettings,
    compute_case_mix_from_summary,
    compute_membership_c,
    summarise_case_mix,
)
from poi_predict.validation.case_mix import _find_noncentrality


def summarise(X: np.ndarray) -> CaseMixSummary:
    return summarise_case_mix(X[:, 0], X, [f"x{k}" for k in range(X.shape[1])])


def compare(n_development: int, n_new: int, k: int, shift: float, sd: float, seed: int):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(k, k)) + 2.0 * np.eye(k)
    new = rng.normal(size=(n_new, k)) * sd
    new[:, 0] += shift
    return compute_case_mix_from_summary(
        summarise(rng.normal(size=(n_development, k)) @ mixing), summarise(new @ mixing)
    ).membership_c


@pytest.mark.parametrize(
    ("n_new", "k", "shift", "sd"), [(30, 15, 0.0, 1.0), (60, 15, 1.0, 1.0), (40, 5, 0.7, 1.0), (40, 5, 1.0, 1.5)]
)
def test_membership_from_summaries_covers_the_truth(n_new, k, shift, sd):
    truth = ndtr(shift / np.sqrt(1.0 + sd**2))
    found = [compare(150, n_new, k, shift, sd, seed) for seed in range(80)]
    covered = np.mean([c.ci_low - 1e-9 <= truth <= c.ci_high + 1e-9 for c in found])
    assert covered >= 0.86
    assert np.median([c.estimate for c in found]) == pytest.approx(truth, abs=0.06)
    assert all(c.ci_low <= c.estimate <= c.ci_high for c in found)


def test_noise_is_not_called_a_difference():
    # Put in directly, the sample means and covariances of 15 noise columns give a c-statistic near 0.7.
    found = [compare(150, 30, 15, 0.0, 1.0, seed) for seed in range(60)]
    assert np.mean([c.ci_low > 0.5 for c in found]) <= 0.1


def test_large_cohorts_reach_the_formula():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(100_000, 2)), rng.normal([1.0, 0.0], 1.0, (100_000, 2))
    found = compute_case_mix_from_summary(summarise(a), summarise(b)).membership_c
    assert found.estimate == pytest.approx(ndtr(1.0 / np.sqrt(2.0)), abs=0.004)


def test_noncentrality_inverts_the_distribution_of_scipy_stats():
    noncentrality = _find_noncentrality(4.0, 5, 60.0, 0.025)
    assert ncf.cdf(4.0, 5, 60.0, noncentrality) == pytest.approx(0.025, abs=1e-9)
    assert _find_noncentrality(0.2, 5, 60.0, 0.5) == 0.0


def test_columns_that_say_the_same_count_once():
    rng = np.random.default_rng(4)
    old, new = rng.normal(size=(100, 3)), rng.normal(size=(50, 3)) + 0.5
    twice = compute_case_mix_from_summary(
        summarise(np.c_[old, old @ [1, 2, 3]]), summarise(np.c_[new, new @ [1, 2, 3]])
    )
    once = compute_case_mix_from_summary(summarise(old), summarise(new))
    assert twice.membership_c.estimate == pytest.approx(once.membership_c.estimate, abs=1e-6)


def test_differences_of_columns():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(150):
        old, new = rng.normal(30, 4, (400, 1)), rng.normal(34, 2, (100, 1))
        found.append(compute_case_mix_from_summary(summarise(old), summarise(new)))
    for name, truth in (("mean_difference", 4 / np.sqrt(10)), ("sd_ratio", 0.5)):
        estimates = [getattr(case_mix.columns[0], name) for case_mix in found]
        assert np.mean([e.estimate for e in estimates]) == pytest.approx(truth, abs=0.03)
        assert np.mean([e.ci_low <= truth <= e.ci_high for e in estimates]) >= 0.89
    assert found[0].linear_predictor.column == "linear_predictor"
    assert (found[0].n_development, found[0].n_new) == (400, 100)


def test_ratio_interval_is_that_of_an_f_test():
    developed = CaseMixSummary(100, ("linear_predictor", "x"), np.zeros(2), np.eye(2))
    new = CaseMixSummary(25, ("linear_predictor", "x"), np.zeros(2), 4.0 * np.eye(2))
    ratio = compute_case_mix_from_summary(developed, new).linear_predictor.sd_ratio
    assert ratio.estimate == 2.0
    assert [ratio.ci_low, ratio.ci_high] == pytest.approx(2.0 / np.sqrt(f.ppf([0.975, 0.025], 24, 99)))


def test_summary_survives_json_and_holds_no_row():
    X = np.array([[29.0, 1.0], [33.0, np.nan], [37.0, 0.0], [30.0, 1.0]])
    summary = summarise_case_mix([0.1, 0.2, 0.3, 9.0], X, ["age", "primary"], patient=[1, 2, 3, 1])
    assert summary.n_women == 3
    assert summary.mean.tolist() == pytest.approx([0.2, 33.0, 0.5])
    again = CaseMixSummary.from_dict(json.loads(json.dumps(summary.as_dict(), allow_nan=False)))
    assert again.columns == ("linear_predictor", "age", "primary")
    np.testing.assert_array_equal(again.covariance, summary.covariance)


def describe(**changes):
    plain = {"n_women": 50, "columns": ["linear_predictor", "a"], "mean": [0, 0], "covariance": [[1, 0], [0, 1]]}
    return CaseMixSummary.from_dict(plain | changes)


@pytest.mark.parametrize(
    ("development", "new", "words"),
    [
        (describe(), describe(n_women=1), "single woman"),
        (describe(covariance=[[1, 0], [0, 0]]), describe(covariance=[[1, 0], [0, 0]]), "no column varies"),
        (describe(covariance=[[1, 0], [0, 0]]), describe(covariance=[[1, 0], [0, 0]], mean=[0, 3]), "no interval"),
    ],
)
def test_degenerate_cohorts_are_named(development, new, words):
    case_mix = compute_case_mix_from_summary(development, new)
    assert words in case_mix.membership_c.reason
    assert json.dumps(case_mix.as_dict(), allow_nan=False)


def test_too_many_columns_for_the_women():
    case_mix = compute_case_mix_from_summary(
        summarise(np.random.default_rng(1).normal(size=(15, 20))),
        summarise(np.random.default_rng(2).normal(size=(8, 20))),
    )
    assert "too few to compare" in case_mix.membership_c.reason


def test_different_columns_are_refused():
    with pytest.raises(ValueError, match="same columns"):
        compute_case_mix_from_summary(describe(), describe(columns=["linear_predictor", "b"]))
    with pytest.raises(ValueError, match="finite"):
        describe(mean=[0, float("nan")])


QUICK = MembershipSettings(n_folds=5, n_repeats=2)


def test_membership_model_on_the_same_women():
    rng = np.random.default_rng(7)
    found = [
        compute_membership_c(rng.normal(size=(100, 10)), rng.normal(size=(40, 10)), settings=QUICK) for _ in range(40)
    ]
    assert np.mean([c.estimate for c in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([c.ci_low > 0.5 for c in found]) <= 0.13


def test_membership_model_finds_a_shift():
    rng = np.random.default_rng(8)
    old, new = rng.normal(size=(400, 3)), rng.normal([1.0, 0.0, 0.0], 1.0, (400, 3))
    found = compute_membership_c(old, new, settings=QUICK)
    assert found.estimate == pytest.approx(ndtr(1.0 / np.sqrt(2.0)), abs=0.04)
    assert found == compute_membership_c(old * [1, 9, 1] + 5, new * [1, 9, 1] + 5, settings=QUICK)


def test_membership_model_sees_what_is_not_measured():
    rng = np.random.default_rng(9)
    old, new = rng.normal(size=(80, 2)), rng.normal(size=(80, 2))
    new[:60, 1] = np.nan
    assert compute_membership_c(old, new, settings=QUICK).ci_low > 0.7


def test_membership_model_refuses_and_explains():
    assert "two women" in compute_membership_c(np.ones((9, 1)), np.ones((1, 1))).reason
    assert "rank no one" in compute_membership_c(np.ones((9, 1)), np.ones((9, 1)), settings=QUICK).reason
    with pytest.raises(ValueError, match="same columns"):
        compute_membership_c(np.ones((9, 1)), np.ones((9, 2)))
