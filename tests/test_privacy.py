"""Nothing is told of fewer than five women, and nothing that one woman changes visibly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi_predict.cohort import read_codebook
from poi_predict.cohort.table_one import compute_table_one
from poi_predict.features import FeatureSettings, build_features
from poi_predict.modeling import GaussianImputer
from poi_predict.modeling.borrowing.women import silence_few
from poi_predict.modeling.scaling import RoundedScaler
from poi_predict.privacy import (
    blur_posterior,
    coarsen_count,
    find_hidden_cells,
    find_noise,
    find_told,
    find_told_pairs,
    guard_moments,
    hide_count,
    hide_small_groups,
)


@given(st.integers(0, 400), st.integers(5, 20))
def test_a_stored_count_is_never_a_small_one_nor_gives_one_away(count: int, least: int) -> None:
    stored = hide_count(count, least)
    assert stored in (0, least // 2) or stored % least == 0
    assert (stored == 0) == (count == 0)
    assert abs(stored - count) <= least / 2


@given(st.integers(0, 300), st.integers(20, 300))
def test_the_rest_of_a_coarse_count_is_coarse_too(count: int, n: int) -> None:
    count = min(count, n)
    coarse = coarsen_count(count, n)
    assert coarse in (0, n) if count in (0, n) else 2.5 <= coarse <= n - 2.5
    assert (coarse == 0, coarse == n) == (count == 0, count == n)


@pytest.mark.parametrize("few", [1, 2, 4])
def test_a_level_of_a_few_women_has_neither_mean_nor_covariance(few: int) -> None:
    rng = np.random.default_rng(few)
    age = rng.normal(33, 4, 60)
    rare = np.r_[np.ones(few), np.zeros(60 - few)]
    kept = find_told_pairs(np.column_stack([age, rare, 1 - rare, np.zeros(60)]))
    assert kept.tolist() == [
        [True, False, False, True],
        [False, False, False, False],
        [False, False, False, False],
        [True, False, False, True],
    ]
    assert find_told(np.r_[np.ones(5), np.zeros(55)][:, None]).all()


def test_a_sum_that_one_woman_makes_up_is_not_told() -> None:
    values = np.r_[np.linspace(1.0, 1.5, 40), 900.0]
    assert not find_told(values[:, None])[0]


def test_a_pair_of_levels_that_a_few_women_share_has_no_covariance() -> None:
    first, second = np.r_[np.ones(12), np.zeros(28)], np.r_[np.ones(2), np.zeros(10), np.ones(14), np.zeros(14)]
    kept = find_told_pairs(np.column_stack([first, second]))
    assert np.diag(kept).all()
    assert not kept[0, 1]


def test_rounded_sums_are_nearer_to_the_truth_than_the_sample_is() -> None:
    """Rounding costs less than chance does: the error of mean, SD and correlation stays below a standard error."""
    rng = np.random.default_rng(4)
    n, k = 80, 20
    values = rng.normal(size=(n, k)) @ np.linalg.cholesky(0.3 + 0.7 * np.eye(k)).T * 4 + 33
    mean, covariance = values.mean(axis=0), np.cov(values.T)
    found = guard_moments(values, mean, covariance, np.ones((k, k), dtype=bool))
    sd = np.sqrt(np.diag(covariance))
    assert np.sqrt(np.square((found[0] - mean) / sd).mean()) < 0.6 / np.sqrt(n)
    assert np.sqrt(np.square(np.sqrt(np.diag(found[1])) / sd - 1).mean()) < 1 / np.sqrt(2 * n)
    error = found[1] / np.outer(sd, sd) - covariance / np.outer(sd, sd)
    assert np.sqrt(np.square(error).mean()) < 1 / np.sqrt(n)
    assert np.linalg.eigvalsh(found[1])[0] > 0


@pytest.mark.parametrize("n", [40, 60, 160])
def test_the_difference_of_the_sums_of_two_cohorts_says_nothing_of_the_woman_between_them(n: int) -> None:
    rng = np.random.default_rng(n)
    k = 15
    errors, guesses, exact = [], [], []
    for _ in range(30):
        values = rng.normal(size=(n, k))
        kept = np.ones((k, k), dtype=bool)
        sums = [guard_moments(v, v.mean(axis=0), np.cov(v.T), kept) for v in (values, values[1:])]
        read = n * sums[0][0] - (n - 1) * sums[1][0]
        errors.append(np.abs(read - values[0]).mean())
        guesses.append(np.abs(values.mean(axis=0) - values[0]).mean())
        truth = n * values.mean(axis=0) - (n - 1) * values[1:].mean(axis=0)
        exact.append(np.abs(truth - values[0]).max())
    assert max(exact) < 1e-9  # the attack works where sums are exact
    assert np.mean(errors) > 0.95 * np.mean(guesses)


@pytest.mark.parametrize("n", [60, 160])
def test_the_difference_of_covariances_does_not_point_at_her(n: int) -> None:
    """All correlations together would say more of her than each: her direction must not stand out of the rounding."""
    rng = np.random.default_rng(7)
    k = 30
    hers, exact = [], []
    for _ in range(20):
        values = rng.normal(size=(n, k))
        kept = np.ones((k, k), dtype=bool)
        sums = [guard_moments(v, v.mean(axis=0), np.cov(v.T), kept)[1] for v in (values, values[1:])]
        hers.append(_align(n * (sums[0] - sums[1]), values[0]))
        exact.append(_align(n * np.cov(values.T) - (n - 1) * np.cov(values[1:].T), values[0]))
    assert np.mean(exact) > 0.9
    assert np.mean(hers) < 0.45  # 0.15 is chance for 30 columns; 0.45 is a fifth of the variance


def _align(difference: np.ndarray, woman: np.ndarray) -> float:
    _, vectors = np.linalg.eigh((difference + difference.T) / 2)
    return float(abs(vectors[:, -1] @ woman) / np.linalg.norm(woman))


def test_the_noise_of_a_mean_is_found_again_in_what_is_stored() -> None:
    """A conflict between women and literature is judged by the move of a blurred mean, so by what the noise adds."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60, 4))
    rows[:, 3] = 0.0  # of this effect the women say nothing
    before, information = np.diag([4.0, 0.25, 1.0, 0.09]), 0.2 * rows.T @ rows
    covariance = np.linalg.inv(np.linalg.inv(before) + information)
    moves = [blur_posterior(covariance, information, 10**9, 0.3, rng) for _ in range(4000)]
    noise, wider = np.cov([moved for moved, _ in moves], rowvar=False), moves[0][1]
    found = find_noise(wider, before, 0.3)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found / np.outer(scale, scale), noise / np.outer(scale, scale), atol=0.006)
    np.testing.assert_allclose((wider - found) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.01)
    assert all(moved[3] == 0.0 for moved, _ in moves)
    assert wider[3, 3] == pytest.approx(0.09)


def test_a_column_of_a_few_women_tells_no_model_anything() -> None:
    women = pd.DataFrame({"age": np.linspace(25, 40, 30), "follicles_visible": [1.0] * 3 + [0.0] * 27})
    features = build_features(read_codebook(), FeatureSettings(("age", "follicles_visible"))).set_params(least=5)
    derived = features.fit_transform(women)
    rare = [name for name in derived if name.startswith("follicles_visible")]
    assert rare
    assert (derived[rare] == 0.0).all(axis=None)
    assert (features.transform(women.assign(follicles_visible=1.0))[rare] == 0.0).all(axis=None)
    enough = features.fit_transform(women.assign(follicles_visible=[1.0] * 5 + [0.0] * 25))
    assert enough[rare].to_numpy().any()


def test_the_few_women_of_a_level_enter_the_evidence_model_as_the_others_do() -> None:
    values = np.array([[1.0, 33.0, np.nan]] + [[0.0, 30.0 + i, np.nan] for i in range(9)])
    values[4, 2] = 7.0
    silenced, spoken = silence_few(values, 5)
    assert spoken.tolist() == [False, True, False]
    assert (silenced[:, 0] == 0.0).all()
    assert np.isnan(silenced[:, 2]).all()
    np.testing.assert_array_equal(silenced[:, 1], values[:, 1])


def test_fitted_steps_hold_no_value_of_a_woman() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(33.0, 4.0, size=(60, 6))
    values[rng.random(values.shape) < 0.1] = np.nan
    imputer = GaussianImputer(least=5).fit(values)
    scaler = RoundedScaler(least=5).fit(imputer.transform(values))
    extremes = np.r_[np.nanmin(values, axis=0), np.nanmax(values, axis=0)]
    stored = np.r_[imputer.mean_, imputer.low_, imputer.high_, scaler.mean_, scaler.scale_]
    assert np.abs(stored[:, None] - values[~np.isnan(values)]).min(axis=1).max() > 0
    assert (imputer.low_ > np.nanmin(values, axis=0)).all()
    assert not np.isin(np.round(extremes, 6), np.round(stored, 6)).any()
    exact = GaussianImputer().fit(values)
    difference = imputer.transform(values) - exact.transform(values)
    assert np.abs(difference).mean() < 0.1  # of a spread of 4, where one cell in ten is filled


def test_small_counts_are_hidden_with_what_they_would_follow_from() -> None:
    hidden = find_hidden_cells([[10, 3, 7], [30, 12, 18], [20, 10, 10]])
    assert hidden[0].tolist() == [False, True, True]
    assert hidden.sum(axis=0)[1] != 1
    assert not find_hidden_cells([[10, 5, 5], [0, 0, 0]]).any()
    centres = [{"centre": c, "n": n, "events": e} for c, n, e in (("C1", 40, 20), ("C2", 3, 1), ("C3", 30, 12))]
    found = hide_small_groups(centres, "")
    assert [each["n"] for each in found] == [40, None, None]


def test_table_one_shows_no_count_below_five() -> None:
    data = pd.DataFrame({"cell_source": ["adipose"] * 12 + ["bone_marrow"] * 3 + ["none"] * 15})
    table = compute_table_one(data, read_codebook(), ["cell_source"], np.tile([1.0, 0.0, 0.0], 10))
    counts = table["summary"].str.extract(r"^(\d+) ")[0].dropna().astype(int)
    assert not counts.between(1, 4).any()
    assert (table["summary"] == "< 5").any()
