"""Proportions, sample size, Rubin's rules and pooling on published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtri

from poi_predict.validation import (
    Estimate,
    assess_fixed,
    compute_affordable_parameters,
    compute_brier,
    compute_expected_mape,
    compute_expected_shrinkage,
    compute_pooled_centres,
    compute_pooled_estimates,
    compute_pooled_imputations,
    compute_prevalence,
    compute_proportion,
    compute_r2_from_c_statistic,
    compute_sample_size,
)


@pytest.mark.parametrize(
    ("events", "n", "method", "low", "high"),
    [
        (3, 9, "wilson", 0.1205838, 0.6457979),
        (3, 9, "jeffreys", 0.1042132, 0.6522082),
        (3, 9, "exact", 0.0748546314, 0.7007049438),  # R binom.test(3, 9)
        (0, 10, "wilson", 0.0, 0.2775328),
    ],
)
def test_small_proportions(events, n, method, low, high):
    estimate = compute_proportion(events, n, method)
    assert [estimate.ci_low, estimate.ci_high] == pytest.approx([low, high], abs=1e-7)


@pytest.mark.parametrize("method", ["wilson", "jeffreys", "exact"])
def test_proportions_mirror(method):
    some, others = compute_proportion(2, 11, method), compute_proportion(9, 11, method)
    assert some.ci_low == pytest.approx(1.0 - others.ci_high)
    assert compute_proportion(11, 11, method).ci_high == 1.0


def test_unequal_weights_cost_precision():
    y = np.tile([1.0, 0.0, 0.0], 10)
    even = compute_prevalence(y)
    uneven = compute_prevalence(y, np.repeat([1.0, 5.0], 15))
    repeated = compute_prevalence(np.tile(y, 2), patient=np.tile(np.arange(30), 2))
    assert uneven.ci_high - uneven.ci_low > even.ci_high - even.ci_low
    assert repeated.ci_high == pytest.approx(even.ci_high)


@pytest.mark.parametrize(
    ("r2", "parameters", "prevalence", "required"),
    [(0.288, 24, 0.174, 662), (0.1446, 4, 0.25, 289), (0.1446, 10, 0.25, 571), (0.2075, 12, 0.25, 458)],
)
def test_sample_size_of_riley(r2, parameters, prevalence, required):
    assert compute_sample_size(r2, parameters, prevalence).required == required


@pytest.mark.parametrize(("c", "r2"), [(0.75, 0.1446), (0.80, 0.2075)])
def test_r2_of_a_c_statistic(c, r2):
    assert compute_r2_from_c_statistic(c, 0.25) == pytest.approx(r2, abs=0.002)


@pytest.mark.parametrize("parameters", [1, 5, 12, 24])
def test_budget_and_sample_size_agree(parameters):
    size = compute_sample_size(0.15, parameters, 0.3)
    needed = max(size.for_shrinkage, size.for_r2)
    assert compute_affordable_parameters(needed, 0.15, 0.3) == parameters
    assert compute_affordable_parameters(needed - 1, 0.15, 0.3) == parameters - 1
    assert compute_expected_shrinkage(size.for_shrinkage, parameters, 0.15) >= 0.9


def test_expected_error_of_van_smeden():
    assert compute_expected_mape(189, 8, 59 / 189) == pytest.approx(0.0733141, abs=5e-8)


def test_impossible_r2_is_refused():
    with pytest.raises(ValueError, match="maximum at this prevalence"):
        compute_sample_size(0.5, 4, 0.05)


def test_rubin_of_mice():
    pooled = compute_pooled_imputations(
        [0.5, 0.62, 0.41, 0.55, 0.48], [0.04, 0.05, 0.045, 0.038, 0.042], complete_df=79 - 4
    )
    assert pooled.estimate.estimate == pytest.approx(0.512)
    assert pooled.variance == pytest.approx(0.050404, abs=1e-9)
    assert pooled.df == pytest.approx(46.65302647, abs=1e-7)


def test_identical_imputations_add_nothing():
    pooled = compute_pooled_imputations([0.4, 0.4], [0.01, 0.01])
    assert pooled.variance == pytest.approx(0.01)
    assert pooled.estimate.ci_high == pytest.approx(0.4 + 1.96 * 0.1, abs=1e-3)


def test_pooling_of_metafor():
    # R metafor: rma(yi, sei = sei, method = "REML", test = "adhoc")
    pooled = compute_pooled_centres([0.66, 0.80, 0.45, 0.95, 0.71], [0.10, 0.15, 0.20, 0.12, 0.25])
    estimate = pooled.pooled
    assert [estimate.estimate, estimate.ci_low, estimate.ci_high] == pytest.approx(
        [0.7406039283, 0.5105493169, 0.9706585398], abs=1e-5
    )
    assert [pooled.tau, pooled.i2] == pytest.approx([0.1089118215, 0.3549131630], abs=1e-4)
    assert pooled.prediction.ci_low < estimate.ci_low


def test_pooling_says_what_it_left_out():
    centres = [
        Estimate(0.70, 0.6, 0.8, "DeLong", standard_error=0.05),
        Estimate.not_estimable("DeLong", "no events"),
        Estimate(0.5, None, None, "DeLong", "no interval from a single patient with the event"),
    ]
    pooled = compute_pooled_estimates(centres, scale="logit")
    assert (pooled.n_centres, pooled.n_excluded) == (1, 2)
    assert "two centres" in pooled.pooled.reason


def test_pooling_takes_the_standard_error_and_not_the_width_of_a_t_interval():
    """Six women a centre: a t interval read with the normal quantile would double the variance."""
    rng = np.random.default_rng(4)
    centres, values, errors = [], [], []
    for shift in (-0.2, 0.0, 0.1, 0.3):
        p = rng.uniform(0.2, 0.8, 6)
        y = np.array([0, 1, 0, 1, 1, 0])
        found = compute_brier(y, np.clip(p + shift, 0.05, 0.95))
        centres.append(found)
        squares = np.square(y - np.clip(p + shift, 0.05, 0.95))
        values.append(squares.mean())
        errors.append(squares.std(ddof=1) / np.sqrt(6))
    assert [found.standard_error for found in centres] == pytest.approx(errors)
    pooled, expected = compute_pooled_estimates(centres).pooled, compute_pooled_centres(values, errors).pooled
    assert [pooled.estimate, pooled.ci_low, pooled.ci_high] == pytest.approx(
        [expected.estimate, expected.ci_low, expected.ci_high]
    )


def test_a_centre_of_perfect_c_is_pooled_with_half_a_pair():
    ranked, perfect = ([1, 0, 1, 0, 1, 0, 0], [0.7, 0.2, 0.4, 0.5, 0.6, 0.3, 0.1]), ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])
    one = assess_fixed(*perfect)["c_statistic"]
    assert (one.estimate, one.ci_high, one.smoothed) == (1.0, 1.0, 4.5 / 5)
    # Hanley & McNeil (1982) at 0.9 with 2 and 2 women, by hand
    q1, q2 = 0.9 / 1.1, 2 * 0.81 / 1.9
    by_hand = (0.09 + (q1 - 0.81) * 0.5 + (q2 - 0.81) * 0.5 + (q1 - 0.81) * 0.5 + (q2 - 0.81) * 0.5) / 4
    assert one.standard_error**2 == pytest.approx(by_hand, rel=0.02)
    both = compute_pooled_estimates([assess_fixed(*ranked)["c_statistic"], one], scale="logit")
    assert (both.n_centres, both.n_excluded) == (2, 0)
    assert 11 / 12 > both.pooled.estimate > 0.88


@pytest.mark.parametrize("c", [0.70, 0.85])
def test_pooled_c_of_small_centres_is_not_pulled_down(c):
    """Eight centres of 6 to 16 women: leaving out the perfect ones pooled 0.70 as 0.685, 0.85 as 0.81."""
    rng = np.random.default_rng(11)
    distance, pooled = np.sqrt(2) * ndtri(c), []
    for _ in range(60):
        centres = []
        for _ in range(8):
            y = (np.arange(rng.integers(6, 17)) % 3 == 0).astype(float)
            centres.append(assess_fixed(y, expit(rng.normal(size=y.size) + distance * y))["c_statistic"])
        found = compute_pooled_estimates(centres, scale="logit")
        assert found.n_excluded == 0
        pooled.append(found.pooled.estimate)
    assert np.mean(pooled) == pytest.approx(c, abs=0.03)


def test_two_centres_have_no_prediction_interval():
    pooled = compute_pooled_centres([0.0, 0.2], [0.1, 0.1])
    assert pooled.pooled.has_interval
    assert "three centres" in pooled.prediction.reason


@pytest.mark.parametrize(
    "fields",
    [(None, None, None), (0.5, None, None), (float("nan"), 0.1, 0.2), (None, 0.1, 0.2), (0.5, 0.1, None)],
)
def test_a_missing_number_needs_a_reason(fields):
    with pytest.raises(ValueError, match=r"reason|finite|estimate|together"):
        Estimate(*fields, method="DeLong")
