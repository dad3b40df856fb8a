"""Calibration curve, its errors, and decision curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from poi_predict.validation import (
    compute_calibration_curve,
    compute_calibration_errors,
    compute_decision_curve,
    compute_net_benefit,
    compute_net_benefit_treat_all,
)

THRESHOLDS = [0.05, 0.10, 0.15, 0.20, 0.25]


def test_net_benefit_of_dcurves(decisions):
    y, p = decisions["cancer"], decisions["cancerpredmarker"]
    model = [compute_net_benefit(y, p, t).estimate for t in THRESHOLDS]
    treat_all = [compute_net_benefit_treat_all(y, t).estimate for t in THRESHOLDS]
    assert model == pytest.approx([0.1055438596, 0.0874074074, 0.0792156863, 0.0673333333, 0.0640000000], abs=1e-10)
    assert treat_all == pytest.approx([0.0947368421, 0.0444444444, -0.0117647059, -0.075, -0.1466666667], abs=1e-10)


def test_decision_curve_holds_every_strategy(decisions):
    frame = compute_decision_curve(decisions["cancer"], decisions["cancerpredmarker"], THRESHOLDS)
    wide = frame.pivot_table(index="threshold", columns="strategy", values="net_benefit")
    assert (wide["treat_none"] == 0.0).all()
    best = wide[["treat_all", "treat_none"]].max(axis=1)
    assert wide["model_minus_best_default"].to_numpy() == pytest.approx((wide["model"] - best).to_numpy())
    assert (frame["ci_low"].isna() == frame["reason"].notna()).all()


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1.5])
def test_impossible_threshold_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        compute_net_benefit([0, 1], [0.1, 0.2], threshold)


def make_large(stretch, n=6000):
    rng = np.random.default_rng(3)
    log_odds = rng.normal(-0.5, 1.0, n)
    y = (rng.random(n) < expit(log_odds)).astype(float)
    return y, expit(stretch * log_odds), log_odds


@pytest.mark.parametrize("stretch", [0.5, 1.0, 2.0])
def test_curve_finds_the_truth_on_either_side(stretch):
    y, p, _ = make_large(stretch)
    curve = compute_calibration_curve(y, p)
    inner = curve.frame[(curve.frame["predicted"] > 0.1) & (curve.frame["predicted"] < 0.8)]
    predicted = inner["predicted"].to_numpy()
    truth = expit(np.log(predicted / (1.0 - predicted)) / stretch)
    assert curve.form == "spline"
    assert np.abs(inner["observed"] - truth).max() < 0.04
    assert ((inner["ci_low"] <= truth) & (truth <= inner["ci_high"])).mean() > 0.8


def test_errors_rank_a_sound_model_below_unsound_ones():
    sound, over, under = (
        compute_calibration_errors(*make_large(stretch)[:2], seed=1, n_resamples=100)["ici"]
        for stretch in (1.0, 2.0, 0.5)
    )
    assert sound.estimate < 0.02
    assert over.ci_low > sound.ci_high
    assert under.ci_low > sound.ci_high


def test_errors_are_ordered_and_seeded(cohort):
    first = compute_calibration_errors(cohort.y, cohort.p, seed=7, n_resamples=60)
    second = compute_calibration_errors(cohort.y, cohort.p, seed=7, n_resamples=60)
    assert first == second
    assert first["e50"].estimate <= first["e90"].estimate <= first["emax"].estimate


@pytest.mark.parametrize("seed", range(6))
def test_an_interval_of_calibration_errors_holds_its_estimate(seed: int) -> None:
    """25 of 50 respond by chances that are right: the distance may be 0, and no interval may exclude it."""
    p = np.repeat([0.3, 0.4, 0.5, 0.6, 0.7], 10)
    y = np.concatenate([np.repeat([1, 0], [k, 10 - k]) for k in (3, 4, 5, 6, 7)])
    for found in compute_calibration_errors(y, p, seed=seed, n_resamples=200).values():
        assert found.ci_low <= found.estimate <= found.ci_high
    assert found.ci_low == 0.0


def test_few_events_get_a_line(cohort):
    rows = np.flatnonzero(cohort.y == 1)[:8].tolist() + np.flatnonzero(cohort.y == 0)[:40].tolist()
    assert compute_calibration_curve(cohort.y[rows], cohort.p[rows]).form == "line"


def test_repeats_count_as_the_same_women(cohort):
    once = compute_calibration_curve(cohort.y, cohort.p)
    thrice = compute_calibration_curve(cohort.y, np.repeat(cohort.p[:, np.newaxis], 3, axis=1))
    assert thrice.frame.to_numpy() == pytest.approx(once.frame.to_numpy(), rel=1e-6)


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 0], [0.1, 0.2]), ([0, 1], [0.0, 0.5]), ([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8]), ([0, 1], [0.3, 0.3])],
)
def test_degenerate_curves_have_a_reason(y, p):
    curve = compute_calibration_curve(y, p)
    assert curve.frame.empty
    assert curve.reason
    assert all(e.reason for e in compute_calibration_errors(y, p, seed=1).values())


def test_a_band_from_one_event_has_a_reason():
    curve = compute_calibration_curve([0, 1, 0, 0], [0.1, 0.3, 0.4, 0.2])
    assert curve.reason
    assert curve.frame["ci_low"].isna().all()
    assert curve.frame["observed"].notna().all()
