"""Every metric on reference numbers, under the symmetries that it must have, and where it does not exist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from poi_predict.validation import (
    METRICS,
    assess_cross_validated,
    assess_fixed,
    compute_brier,
    compute_c_statistic,
    compute_c_statistic_within_folds,
    compute_calibration_curve,
    compute_calibration_in_the_large,
    compute_calibration_slope,
    compute_joint_intercept,
    compute_log_loss,
    compute_net_benefit,
    compute_o_e_ratio,
    compute_resampled_metrics,
    compute_scaled_brier,
    make_bootstrap,
    make_folds,
)

ALL = [
    compute_brier,
    compute_c_statistic,
    compute_calibration_in_the_large,
    compute_calibration_slope,
    compute_joint_intercept,
    compute_log_loss,
    compute_o_e_ratio,
    compute_scaled_brier,
    lambda y, p, w=None, **more: compute_net_benefit(y, p, 0.3, w, **more),
]


def limits(estimate):
    return [estimate.estimate, estimate.ci_low, estimate.ci_high]


def test_delong_reproduces_proc(haemorrhage, decisions):
    scaled = haemorrhage["s100b"] / haemorrhage["s100b"].max()
    estimate = compute_c_statistic(haemorrhage["y"], scaled)
    assert [estimate.ci_low, estimate.ci_high] == pytest.approx([0.6301182118, 0.8326189156], abs=1e-10)
    other = compute_c_statistic(decisions["cancer"], decisions["cancerpredmarker"])
    assert [other.ci_low, other.ci_high] == pytest.approx([0.8219268, 0.8993282], abs=1e-7)


def test_recalibration_reproduces_r_glm(haemorrhage):
    # glm(y ~ s100b, binomial): a log-odds of s100b has this intercept and slope
    p = expit(haemorrhage["s100b"].to_numpy())
    assert compute_joint_intercept(haemorrhage["y"], p).estimate == pytest.approx(-1.758900459, abs=1e-8)
    assert compute_calibration_slope(haemorrhage["y"], p).estimate == pytest.approx(4.904320977, abs=1e-7)


def test_calibration_in_the_large_is_not_the_joint_intercept(cohort):
    p = expit(1.5 * cohort.log_odds + 0.4)
    assert compute_calibration_in_the_large(cohort.y, p).estimate != pytest.approx(
        compute_joint_intercept(cohort.y, p).estimate, abs=0.05
    )


@pytest.mark.parametrize("metric", ALL)
def test_order_of_rows_changes_nothing(metric, cohort):
    order = np.random.default_rng(1).permutation(cohort.y.size)
    straight = metric(cohort.y, cohort.p, cohort.weight, patient=cohort.patient)
    shuffled = metric(cohort.y[order], cohort.p[order], cohort.weight[order], patient=cohort.patient[order])
    assert limits(shuffled) == pytest.approx(limits(straight), rel=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_weight_two_is_the_same_woman_twice(metric, cohort):
    doubled = np.random.default_rng(2).random(cohort.y.size) < 0.4
    rows = np.concatenate([np.arange(cohort.y.size), np.flatnonzero(doubled)])
    weighted = metric(cohort.y, cohort.p, 1.0 + doubled, patient=np.arange(cohort.y.size))
    repeated = metric(cohort.y[rows], cohort.p[rows], patient=rows)
    assert limits(weighted) == pytest.approx(limits(repeated), rel=1e-8)


@pytest.mark.parametrize("metric", ALL)
def test_scale_of_weights_and_weightless_rows_change_nothing(metric, cohort):
    straight = metric(cohort.y, cohort.p, cohort.weight)
    extended = metric(np.append(cohort.y, 1.0), np.append(cohort.p, 0.5), np.append(7.0 * cohort.weight, 0.0))
    assert limits(extended) == pytest.approx(limits(straight), rel=1e-8)


@pytest.mark.parametrize("metric", ALL)
def test_repeating_women_does_not_narrow_the_interval(metric, cohort):
    once = metric(cohort.y, cohort.p)
    thrice = metric(np.tile(cohort.y, 3), np.tile(cohort.p, 3), patient=np.tile(np.arange(cohort.y.size), 3))
    assert limits(thrice) == pytest.approx(limits(once), rel=1e-8)


@pytest.mark.parametrize(("stretch", "above"), [(0.5, True), (2.0, False)])
def test_slope_tells_over_from_underconfidence(cohort, stretch, above):
    true_slope = compute_calibration_slope(cohort.y, cohort.p).estimate
    slope = compute_calibration_slope(cohort.y, expit(stretch * cohort.log_odds))
    assert slope.estimate == pytest.approx(true_slope / stretch, rel=1e-6)
    assert (slope.ci_low > 1.0) if above else (slope.ci_high < 1.0)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_intercept_and_oe_tell_too_high_from_too_low(cohort, shift):
    p = expit(cohort.log_odds + shift)
    citl, oe = compute_calibration_in_the_large(cohort.y, p), compute_o_e_ratio(cohort.y, p)
    assert np.sign(citl.estimate) == -shift
    assert not citl.ci_low <= 0.0 <= citl.ci_high
    assert not oe.ci_low <= 1.0 <= oe.ci_high


def test_calibration_undoes_itself(cohort):
    p = expit(0.3 + 1.7 * cohort.log_odds)
    a = compute_joint_intercept(cohort.y, p).estimate
    b = compute_calibration_slope(cohort.y, p).estimate
    mended = expit(a + b * (0.3 + 1.7 * cohort.log_odds))
    assert compute_calibration_slope(cohort.y, mended).estimate == pytest.approx(1.0, abs=1e-7)
    assert compute_calibration_in_the_large(cohort.y, mended).estimate == pytest.approx(0.0, abs=1e-7)


DEGENERATE = {
    "all events": ([1, 1, 1], [0.2, 0.5, 0.7]),
    "no events": ([0, 0, 0], [0.2, 0.5, 0.7]),
    "constant": ([1, 0, 0, 1], [0.3] * 4),
    "perfect": ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
    "inverted": ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]),
    "certain": ([0, 1, 0, 1], [0.0, 1.0, 0.4, 0.3]),
    "certain and wrong": ([1, 0, 0, 1], [0.0, 1.0, 0.4, 0.3]),
    "all zero": ([1, 0, 0, 1], [0.0] * 4),
    "one event": ([1, 0, 0, 0], [0.4, 0.2, 0.6, 0.3]),
    "one row": ([1], [0.4]),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_data_give_a_reason_and_never_an_exception(case):
    y, p = (np.asarray(values, dtype=float) for values in DEGENERATE[case])
    fixed = assess_fixed(y, p)
    crossed = assess_cross_validated(y, np.column_stack([p, p]), np.zeros((y.size, 2), dtype=int))
    for assessment in (fixed, crossed):
        assert tuple(assessment) == METRICS
        for estimate in assessment.values():
            assert estimate.has_interval or estimate.reason


def test_perfect_discrimination_is_not_certainty():
    y = np.repeat([0.0, 1.0], [20, 5])
    estimate = compute_c_statistic(y, np.linspace(0.1, 0.9, 25))
    assert estimate.estimate == 1.0
    assert 0.7 < estimate.ci_low < 0.95
    assert compute_calibration_slope(y, np.linspace(0.1, 0.9, 25)).estimate is None


def test_constant_predictions_rank_no_one():
    assert compute_c_statistic([1, 0, 1], [0.4] * 3).estimate == 0.5
    assert not compute_c_statistic([1, 0, 1], [0.4] * 3).has_interval


def test_predictions_that_differ_by_rounding_are_constant():
    y = np.array([1.0, 0.0] * 20)
    p = 0.3 + np.random.default_rng(1).integers(-3, 4, (40, 2)) * np.finfo(float).eps
    fold = np.repeat([[0, 1]], 40, axis=0)
    fixed, crossed = assess_fixed(y, p[:, 0]), assess_cross_validated(y, p, fold)
    for found in (fixed, crossed):
        assert found["c_statistic"].estimate == 0.5
        assert "constant" in found["c_statistic"].reason
        assert "constant" in found["calibration_slope"].reason


def test_certain_predictions_are_moved_to_a_stated_bound(cohort):
    p = np.round(cohort.p, 1)
    assert {0.0, 1.0} & set(p.tolist())
    bounded = np.clip(p, 1e-6, 1 - 1e-6)
    for metric in (compute_calibration_slope, compute_calibration_in_the_large):
        found = metric(cohort.y, p)
        assert found.estimate == metric(cohort.y, bounded).estimate
        assert "taken as" in found.method
        assert "taken as" not in metric(cohort.y, np.clip(p, 0.01, 0.99)).method
    assert compute_calibration_curve(cohort.y, p).form is not None
    frame = compute_resampled_metrics(cohort.y, p[:, np.newaxis])
    assert frame["calibration_slope"][0] == pytest.approx(compute_calibration_slope(cohort.y, p).estimate)


@pytest.mark.parametrize(
    ("y", "p", "more", "message"),
    [
        ([0, 2], [0.1, 0.2], {}, "only 0 and 1"),
        ([0, 1], [0.1, np.nan], {}, "between 0 and 1"),
        ([0, 1], [0.1], {}, "2 rows"),
        ([], [], {}, "empty"),
        ([0, 1], [0.1, 0.2], {"weight": [1, -1]}, "not negative"),
        ([0, 1], [0.1, 0.2], {"weight": [0, 0]}, "zero in every row"),
        ([0, 1], [0.1, 0.2], {"patient": [1]}, "2 values"),
    ],
)
def test_malformed_arrays_are_refused(y, p, more, message):
    with pytest.raises(ValueError, match=message):
        compute_brier(y, p, **more)


def test_folds_of_one_equal_the_plain_c_statistic(cohort):
    plain = compute_c_statistic(cohort.y, cohort.p, cohort.weight, interval="logit")
    within = compute_c_statistic_within_folds(cohort.y, cohort.p, np.zeros(200, dtype=int), cohort.weight)
    assert within.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert within.ci_low < plain.ci_low  # it counts the refitting, which one fixed model has not
    assert within.standard_error < 1.6 * plain.standard_error


def test_folds_remove_the_bias_of_pooling():
    """Predicting a fold by the prevalence of the others ranks backwards when pooled, evenly within folds."""
    y = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=float)
    fold = np.repeat([0, 1], 4)
    p = np.where(fold == 0, 0.25, 0.75)
    assert compute_c_statistic(y, p).estimate < 0.3
    assert compute_c_statistic_within_folds(y, p, fold).estimate == 0.5
    assert assess_cross_validated(y, p, fold)["calibration_slope"].estimate is None


def test_more_repeats_are_not_more_women(cohort):
    fold = make_folds(cohort.y, None, n_folds=5, n_repeats=20, seed=1).fold
    p = np.repeat(cohort.p[:, np.newaxis], 20, axis=1)
    few = assess_cross_validated(cohort.y, p[:, :2], fold[:, :2])
    many = assess_cross_validated(cohort.y, p, fold)
    for name in METRICS:
        widths = [assessment[name].ci_high - assessment[name].ci_low for assessment in (few, many)]
        assert widths[1] == pytest.approx(widths[0], rel=0.12)


def test_a_failed_fold_is_told_not_averaged_away(cohort):
    p = np.repeat(cohort.p[:, np.newaxis], 2, axis=1)
    p[:20, 1] = np.nan
    assessment = assess_cross_validated(cohort.y, p, np.zeros((200, 2), dtype=int))
    assert {estimate.reason for estimate in assessment.values()} == {
        "20 of 200 rows lack an out-of-fold prediction, because their fold failed"
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10), st.integers(0, 3), st.integers(0, 4)), min_size=1))
def test_any_small_table_is_answered(rows):
    y, tenths, weight, patient = (np.array(column) for column in zip(*rows, strict=True))
    if weight.sum() == 0:
        weight = weight + 1
    for estimate in assess_fixed(y, tenths / 10.0, weight, patient).values():
        assert estimate.has_interval or estimate.reason
        if estimate.has_interval:
            assert estimate.ci_low <= estimate.estimate + 1e-9
            assert estimate.estimate <= estimate.ci_high + 1e-9


def test_a_batch_of_refits_equals_one_by_one(cohort):
    rng = np.random.default_rng(8)
    p = expit(cohort.log_odds[:, np.newaxis] * rng.uniform(0.4, 2.0, 6) + rng.normal(0, 0.3, (200, 6)))
    plan = make_bootstrap(cohort.y, cohort.patient, n_resamples=6, seed=3)
    on_resample = compute_resampled_metrics(cohort.y, p, plan.frequencies())
    on_original = compute_resampled_metrics(cohort.y, p)
    assert tuple(on_resample.columns) == METRICS
    for b, rows in enumerate(plan.rows):
        alone = assess_fixed(cohort.y[rows], p[rows, b])
        original = assess_fixed(cohort.y, p[:, b])
        for name in METRICS:
            assert on_resample.loc[b, name] == pytest.approx(alone[name].estimate, rel=1e-7, abs=1e-9)
            assert on_original.loc[b, name] == pytest.approx(original[name].estimate, rel=1e-7, abs=1e-9)


def test_a_batch_marks_what_is_not_estimable():
    frame = compute_resampled_metrics([0, 0, 1, 1], [[0.1, 0.0], [0.2, 0.4], [0.8, 0.3], [0.9, 0.6]])
    assert frame["calibration_slope"].isna().tolist() == [True, False]  # separated; a prediction of zero is taken in
    assert frame["brier"].notna().all()
