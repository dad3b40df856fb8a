"""Harrell's bootstrap, .632+ and instability on 200 given resamples of 189 births."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from poi_predict.validation import (
    BootstrapPlan,
    compute_brier,
    compute_brier_632_plus,
    compute_c_statistic,
    compute_calibration_slope,
    compute_instability,
    compute_optimism,
    fit_logistic_batch,
    predict_logistic_batch,
)


@dataclass(frozen=True)
class Refits:
    plan: BootstrapPlan
    p_apparent: np.ndarray
    p_refits: np.ndarray


@pytest.fixture(scope="module")
def refits(births) -> Refits:
    plan = BootstrapPlan.from_rows(births.rows, births.y)
    apparent = fit_logistic_batch(births.X, births.y, np.ones((1, births.y.size)))
    resampled = fit_logistic_batch(births.X, births.y, plan.frequencies())
    return Refits(
        plan,
        predict_logistic_batch(births.X, apparent)[:, 0],
        predict_logistic_batch(births.X, resampled),
    )


def correct(metric, births, refits, **more):
    on_resample, on_original = [], []
    for rows, p in zip(refits.plan.rows, refits.p_refits.T, strict=True):
        on_resample.append(metric(births.y[rows], p[rows]).estimate)
        on_original.append(metric(births.y, p).estimate)
    return compute_optimism(metric(births.y, refits.p_apparent).estimate, on_resample, on_original, **more)


def test_corrected_c_statistic_of_rms(births, refits):
    result = correct(compute_c_statistic, births, refits, bounds=(0.0, 1.0))
    assert result.apparent == pytest.approx(0.7578226858, abs=1e-10)
    assert result.optimism == pytest.approx(0.0445374529, abs=1e-8)
    assert result.corrected.estimate == pytest.approx(0.7132852329, abs=1e-8)
    assert (result.n_ok, result.n_failed) == (200, 0)
    assert result.corrected.ci_low < result.corrected.estimate < result.corrected.ci_high


def test_corrected_brier_of_rms(births, refits):
    result = correct(compute_brier, births, refits)
    assert result.apparent == pytest.approx(0.1746446418, abs=1e-9)
    assert result.corrected.estimate == pytest.approx(0.1960644836, abs=1e-6)


def test_corrected_slope_of_rms(births, refits):
    result = compute_optimism(
        1.0,
        np.ones(200),
        [compute_calibration_slope(births.y, p).estimate for p in refits.p_refits.T],
    )
    assert result.corrected.estimate == pytest.approx(0.780, abs=0.002)
    assert not result.corrected.has_interval


def test_a_slope_that_fitting_fixes_has_no_interval(births, refits):
    rng = np.random.default_rng(3)
    on_original = [compute_calibration_slope(births.y, p).estimate for p in refits.p_refits.T]
    result = compute_optimism(1.04, rng.normal(1.04, 0.02, 200), on_original).corrected
    assert result.estimate == pytest.approx(0.780, abs=0.01)
    assert not result.has_interval
    assert "fixes the metric" in result.reason


def test_refits_that_are_nearly_constant_give_no_corrected_slope():
    rng = np.random.default_rng(3)
    judged = 0.9 / rng.normal(0.6, 0.3, 200)  # slopes on the cohort of refits whose coefficient may be about 0
    result = compute_optimism(1.04, rng.normal(1.04, 0.02, 200), judged)
    assert result.corrected.estimate is None
    assert "unstable" in result.corrected.reason
    assert result.n_ok == 200


def test_brier_632_plus_of_risk_regression(births, refits):
    held = refits.plan.frequencies().T > 0
    p_out_of_bag = np.where(held, np.nan, refits.p_refits)
    estimate = compute_brier_632_plus(births.y, refits.p_apparent, p_out_of_bag)
    assert estimate.estimate == pytest.approx(0.1992079659, abs=1e-8)
    assert estimate.ci_low < estimate.estimate < estimate.ci_high


def test_632_plus_needs_every_row_out_of_bag(births, refits):
    held = refits.plan.frequencies().T > 0
    few = np.where(held, np.nan, refits.p_refits)[:, :2]
    assert "never out of bag" in compute_brier_632_plus(births.y, refits.p_apparent, few).reason


def test_instability_of_riley_and_collins(refits):
    instability = compute_instability(refits.p_apparent, refits.p_refits)
    assert instability.mean_absolute_error == pytest.approx(0.0736131, abs=1e-6)
    assert instability.largest_absolute_error == pytest.approx(0.1549767, abs=1e-6)
    first = instability.frame.loc[0, ["ci_low", "ci_high"]]
    assert first.tolist() == pytest.approx([0.0695, 0.6334], abs=1e-4)


def test_failed_refits_are_counted(refits):
    broken = refits.p_refits.copy()
    broken[3, 7] = np.nan
    instability = compute_instability(refits.p_apparent, broken)
    assert (instability.n_refits, instability.n_failed) == (199, 1)
    none = compute_instability(refits.p_apparent, np.full_like(refits.p_refits, np.nan))
    assert (none.n_refits, none.n_failed, none.mean_absolute_error) == (0, 200, None)


def test_failed_resamples_are_counted_with_their_reason():
    learnt = np.append(np.linspace(0.7, 0.9, 30), [np.nan, np.nan])
    failures = [None] * 30 + ["only one outcome class in the resample", None]
    result = compute_optimism(0.8, learnt, learnt - 0.1, failures=failures)
    assert result.reasons == {
        "only one outcome class in the resample": 1,
        "metric not estimable in the resample": 1,
    }
    assert (result.n_ok, result.n_failed) == (30, 2)
    assert result.corrected.estimate == pytest.approx(0.7)


def test_no_usable_resample_is_said():
    result = compute_optimism(0.8, [np.nan], [np.nan])
    assert result.corrected.reason == "no resample could be used"
    assert compute_optimism(None, [0.7], [0.6]).corrected.estimate is None
