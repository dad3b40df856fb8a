"""Performance group by group, and silence where a group is too small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from poi_predict.errors import StudyError
from poi_predict.validation import (
    Grouping,
    SubgroupSettings,
    compute_c_statistic_within_folds,
    compute_calibration_in_the_large,
    compute_o_e_ratio,
    compute_subgroups,
    cut_at,
    make_folds,
)


@pytest.fixture
def validated(cohort):
    plan = make_folds(cohort.y, cohort.patient, n_folds=5, n_repeats=3, seed=1)
    rng = np.random.default_rng(8)
    return cohort, np.clip(cohort.p[:, None] + rng.normal(0, 0.01, (200, 3)), 0.01, 0.99), plan.fold


def test_a_group_of_all_is_the_whole(validated):
    cohort, p, fold = validated
    everyone = Grouping("all", "All", np.full(200, "all"))
    (group,) = compute_subgroups(cohort.y, p, fold, [everyone], cohort.weight, cohort.patient)
    common = {"weight": cohort.weight, "patient": cohort.patient}
    assert group.n == 160
    assert group.c_statistic == compute_c_statistic_within_folds(cohort.y, p, fold, **common)
    assert group.calibration_in_the_large == compute_calibration_in_the_large(cohort.y, p, **common)
    assert group.o_e_ratio == compute_o_e_ratio(cohort.y, p, **common)


def test_a_group_the_model_does_not_know_is_found(validated):
    cohort, p, fold = validated
    other = np.arange(200) >= 120
    y = np.where(other, (np.random.default_rng(1).random(200) < 0.8).astype(float), cohort.y)
    known, unknown = compute_subgroups(y, p, fold, [Grouping("centre", "Centre", np.where(other, "B", "A"))])
    assert known.calibration_in_the_large.ci_low < 0.0 < known.calibration_in_the_large.ci_high
    assert unknown.calibration_in_the_large.ci_low > 0.5
    assert unknown.o_e_ratio.ci_low > 1.2
    assert unknown.c_statistic.ci_low < 0.5 < unknown.c_statistic.ci_high


@pytest.mark.parametrize(
    ("n", "events", "reason"),
    [
        (19, 8, "fewer than 20 women"),
        (40, 4, "fewer than 5 women with the event"),
        (40, 37, "fewer than 5 women without the event"),
        (40, 0, "fewer than 5 women with the event"),
        (40, 20, None),
    ],
)
def test_small_groups_are_suppressed(n, events, reason):
    y = np.repeat([1.0, 0.0], [events, n - events])
    p = np.random.default_rng(0).uniform(0.2, 0.8, n)
    (group,) = compute_subgroups(y, p, np.zeros(n, dtype=int), [Grouping("age", "Age", np.full(n, "young"))])
    assert (group.n, group.events, group.suppressed) == (n, events, reason)
    assert group.c_statistic.is_estimable == (reason is None)
    if reason:
        assert group.o_e_ratio.reason == reason


def test_courses_do_not_make_a_small_group_large():
    y, patient = np.tile([1.0, 0.0], 30), np.repeat(np.arange(12), 5)
    (group,) = compute_subgroups(
        y, np.full(60, 0.5), np.zeros(60), [Grouping("x", "X", np.full(60, "a"))], patient=patient
    )
    assert group.suppressed == "fewer than 20 women"


def test_rows_without_weight_are_in_no_group(validated):
    cohort, p, fold = validated
    level = np.where(np.arange(200) < 10, "dropped", "kept")
    weight = np.where(level == "dropped", 0.0, cohort.weight)
    groups = compute_subgroups(cohort.y, p, fold, [Grouping("x", "X", level)], weight)
    assert [(group.level, group.n) for group in groups] == [("kept", 190)]


def test_failed_folds_are_named(validated):
    cohort, p, fold = validated
    p[0, 1] = np.nan
    (group,) = compute_subgroups(cohort.y, p, fold, [Grouping("x", "X", np.full(200, "a"))])
    assert "their fold failed" in group.c_statistic.reason


def test_dict_of_the_contract(validated):
    cohort, p, fold = validated
    groups = compute_subgroups(cohort.y, p, fold, [cut_at("age", "Age", np.linspace(20, 41, 200), (30, 40), "years")])
    plain = json.loads(json.dumps([group.as_dict() for group in groups], allow_nan=False))
    assert [group["level"] for group in plain] == ["below 30 years", "30 to below 40 years", "40 years or more"]
    assert set(plain[0]) == {
        "variable", "label", "level", "n", "events",
        "c_statistic", "calibration_in_the_large", "o_e_ratio", "suppressed",
    }  # fmt: skip
    assert plain[2]["suppressed"]
    assert plain[2]["c_statistic"]["reason"] == plain[2]["suppressed"]


@pytest.mark.parametrize("cut_points", [(), (3, 2), (1, 1), (float("nan"),)])
def test_cut_points_must_increase(cut_points):
    with pytest.raises(ValueError, match="increase"):
        cut_at("age", "Age", [30.0], cut_points)


def test_malformed_settings_and_levels_are_refused():
    with pytest.raises(StudyError, match="minimum_events"):
        SubgroupSettings(minimum_events=0)
    with pytest.raises(ValueError, match="level of age"):
        compute_subgroups([1, 0], [0.5, 0.5], [0, 0], [Grouping("age", "Age", np.array(["a"]))])
