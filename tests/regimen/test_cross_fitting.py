"""Nobody is predicted by a model that saw her."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from poi_predict.regimen import Courses, Covariates, CrossFitSettings, Predict, check_courses
from poi_predict.regimen.cross_fitting import (
    cross_fit,
    cross_fit_propensity,
    learn_outcome,
    learn_propensity,
    make_option_folds,
)
from poi_predict.regimen.influence import combine_repeats, compute_simultaneous_quantile


@pytest.fixture
def repeated() -> Courses:
    """Forty women with three courses each."""
    rng = np.random.default_rng(4)
    woman = np.repeat(np.arange(40), 3)
    return check_courses(
        rng.integers(0, 2, 120), rng.choice(["A", "B", "C"], 120), rng.normal(size=(120, 2)), patient=woman
    )


def test_no_woman_on_both_sides(repeated: Courses) -> None:
    folds = make_option_folds(repeated, CrossFitSettings(), 1)
    assert folds.shape == (120, 5)
    for fold in folds.T:
        assert pd.Series(fold).groupby(repeated.patient).nunique().max() == 1
        assert np.unique(fold).tolist() == [0, 1, 2, 3, 4]

    seen: list[set[int]] = []

    def learn(train: Courses) -> Predict:
        rows = set(train.rows.tolist())

        def predict(covariates: Covariates) -> np.ndarray:
            seen.append(rows & set(covariates.frame.index.tolist()))
            return np.full((len(covariates.frame), 3), 0.5)

        return predict

    cross_fit(repeated, learn, folds)
    assert len(seen) == 25
    assert not set.union(*seen)


def test_same_seed_same_folds_whatever_the_order(repeated: Courses) -> None:
    settings, order = CrossFitSettings(), np.random.default_rng(1).permutation(120)
    folds = make_option_folds(repeated, settings, 3)
    np.testing.assert_array_equal(make_option_folds(repeated.take(order), settings, 3), folds[order])
    assert (make_option_folds(repeated, settings, 4) != folds).any()


def test_a_learner_must_answer_for_every_option(repeated: Courses) -> None:
    folds = make_option_folds(repeated, CrossFitSettings(), 1)
    with pytest.raises(ValueError, match="one column an option, 3; it has 2"):
        cross_fit(repeated, lambda _: lambda covariates: np.full((len(covariates.frame), 2), 0.5), folds)


def test_propensities_of_three_options_are_found() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(1500, 2))
    truth = softmax(x @ np.array([[0.8, 0.0, -0.5], [0.0, 0.6, 0.0]]) + [0.0, 0.3, -0.4], axis=1)
    option = (truth.cumsum(axis=1) < rng.random((1500, 1))).sum(axis=1)
    x[rng.random(1500) < 0.05, 1] = np.nan
    p = learn_propensity(courses := check_courses(option == 0, option, x))(courses.covariates)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    known = np.isfinite(x[:, 1])
    assert np.abs(p - truth)[known].mean() < 0.03
    assert np.abs(truth.mean(axis=0) - truth)[known].mean() > 0.1


def test_known_propensities() -> None:
    y, option = [0, 1] * 6, ["A", "B", "C"] * 4
    courses = check_courses(y, option, np.zeros((12, 0)), weight=[1] * 11 + [0])
    folds = np.zeros((11, 2), dtype=int)
    given = cross_fit_propensity(courses, folds, {"A": 0.25, "B": 0.25, "C": 0.25, "D": 0.25})
    np.testing.assert_allclose(given.p, 1 / 3)
    assert given.p.shape == (2, 11, 3)
    assert given.known
    by_row = np.tile([0.5, 0.3, 0.2], (12, 1))
    by_row[11] = [0.2, 0.3, 0.5]
    np.testing.assert_allclose(cross_fit_propensity(courses, folds, by_row).p[0, :, 2], 0.2)
    for wrong, message in (
        ({"A": 1.0}, "2 of 3 are absent"),
        (by_row[:5], "must have shape"),
        (by_row * [1, 1, 0], "positive"),
    ):
        with pytest.raises(ValueError, match=message):
            cross_fit_propensity(courses, folds, wrong)


def test_without_covariates_the_shares_are_learnt() -> None:
    courses = check_courses([0, 1, 1, 0], ["A", "A", "B", "A"], np.zeros((4, 0)), weight=[1, 1, 2, 1])
    np.testing.assert_allclose(learn_propensity(courses)(courses.covariates), [[0.6, 0.4]] * 4)


def test_one_class_is_predicted_as_it_is() -> None:
    courses = check_courses([0, 0, 0, 0], ["A", "A", "B", "B"], np.zeros((4, 1)))
    np.testing.assert_array_equal(learn_outcome(courses)(courses.covariates), np.zeros((4, 2)))


def test_repeats_are_combined_by_the_median_and_widen() -> None:
    """Median of 1, 2, 4 is 2; of the variances 1 + 1, 1 + 0 and 1 + 4 it is 2 (Chernozhukov 2018, definition 3.3)."""
    courses = check_courses([0, 1], ["A", "B"], np.zeros((2, 1)))
    influence = np.tile(np.array([[0.5], [-0.5]]), (3, 1, 1))
    combined = combine_repeats(np.array([[1.0], [2.0], [4.0]]), influence, courses)
    assert combined.value[0] == 2.0
    assert combined.standard_error[0] == pytest.approx(np.sqrt(2.0))


def test_rows_of_one_woman_are_added_before_squaring() -> None:
    courses = check_courses([0, 1, 0, 1], ["A", "B", "A", "B"], np.zeros((4, 1)), patient=[1, 1, 2, 2])
    influence = np.array([[[0.5], [0.5], [-0.5], [-0.5]]])
    assert combine_repeats(np.zeros((1, 1)), influence, courses).standard_error[0] == pytest.approx(2.0)


def test_the_more_quantities_the_wider() -> None:
    said = np.random.default_rng(2).normal(size=(3000, 6))
    wide = [compute_simultaneous_quantile(said[:, :k], 0.95, 20_000, 5) for k in (1, 2, 6)]
    # Šidák: the two-sided normal quantile at 0.95 ** (1 / k).
    assert wide == pytest.approx([1.960, 2.236, 2.631], abs=0.03)
    same = np.repeat(said[:, :1], 6, axis=1)
    assert compute_simultaneous_quantile(same, 0.95, 20_000, 5) == pytest.approx(1.96, abs=0.03)
    still = np.column_stack([said[:, 0], np.zeros(3000)])
    assert compute_simultaneous_quantile(still, 0.95, 500, 5) == pytest.approx(1.96, abs=0.01)
