"""Balance, positivity, and a warning where nobody can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from poi_predict.regimen import (
    Courses,
    CrossFitSettings,
    assess_overlap,
    check_courses,
    compute_standardised_differences,
)

FIRST = np.repeat([True, False], [10, 20])


def test_standardised_differences_by_hand() -> None:
    """Austin (2009): difference of means over the root of the mean variance; sample variances, p (1 - p) of shares."""
    rng = np.random.default_rng(1)
    value, share = rng.normal(size=30), rng.integers(0, 2, 30).astype(float)
    found = compute_standardised_differences(np.column_stack([value, share]), FIRST, ~FIRST, np.ones(30))
    a, b = value[FIRST], value[~FIRST]
    p, q = share[FIRST].mean(), share[~FIRST].mean()
    by_hand = [
        (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2),
        (p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2),
    ]
    np.testing.assert_allclose(found, by_hand)


def test_missing_values_and_weights() -> None:
    value = np.arange(30.0)
    value[[3, 25]] = np.nan
    weight = np.ones(30)
    weight[3] = 50.0
    found = compute_standardised_differences(value[:, None], FIRST, ~FIRST, weight)
    rest = ~np.isnan(value)
    np.testing.assert_allclose(
        found, compute_standardised_differences(value[rest, None], FIRST[rest], ~FIRST[rest], np.ones(28))
    )
    heavy = np.where(np.arange(30) == 0, 9.0, 1.0)
    drawn = compute_standardised_differences(value[:, None], FIRST, ~FIRST, heavy, np.ones(30))
    assert drawn[0] < found[0]


def test_constants() -> None:
    matrix = np.column_stack([np.ones(30), FIRST.astype(float), np.where(FIRST, np.nan, 1.0)])
    same, apart, unknown = compute_standardised_differences(matrix, FIRST, ~FIRST, np.ones(30))
    assert same == 0.0
    assert apart == np.inf
    assert np.isnan(unknown)


def test_weighting_balances_what_the_choice_looked_at(
    draw_by_indication: Callable[..., Courses], quick: CrossFitSettings
) -> None:
    overlap = assess_overlap(draw_by_indication(500, 1), settings=quick)
    age = overlap.frame().set_index("variable").loc["age"]
    assert abs(age["before"]) > 0.6
    assert abs(age["after"]) < 0.25 * abs(age["before"])
    arms = overlap.arms.set_index("option")
    assert (arms["effective_n"] < arms["n"]).all()
    assert (arms["effective_n"] > 0.4 * arms["n"]).all()
    assert 0.9 < overlap.in_support <= 1.0
    assert any("tell as much as" in sentence for sentence in overlap.sentences)


def test_a_trial_needs_no_weighting(draw_trial: Callable[..., Courses], quick: CrossFitSettings) -> None:
    courses = draw_trial(400, 2, options=("A", "B", "C"))
    overlap = assess_overlap(courses, settings=quick, propensity=dict.fromkeys("ABC", 1 / 3))
    np.testing.assert_allclose(overlap.arms["effective_n"], overlap.arms["n"])
    np.testing.assert_allclose(overlap.balance["before"], overlap.balance["after"])
    assert overlap.in_support == 1.0
    assert (overlap.positivity[["below", "above"]] == 0.0).all(axis=None)
    assert len(overlap.positivity) == 9
    assert set(overlap.balance["kind"]) == {"value", "level"}


def test_where_an_option_is_ruled_out(quick: CrossFitSettings) -> None:
    rng = np.random.default_rng(6)
    age = rng.uniform(20, 45, 400)
    option = np.where((age > 34) ^ (rng.random(400) < 0.01), "A", "B")
    overlap = assess_overlap(check_courses(rng.integers(0, 2, 400), option, pd.DataFrame({"age": age})), settings=quick)
    cells = overlap.positivity.set_index(["arm", "option"])
    assert cells.loc[("B", "A"), "below"] > 0.5
    assert cells.loc[("B", "B"), "above"] > 0.5
    assert any("hardly any woman like them had it" in sentence for sentence in overlap.sentences)
    assert any("still differ in age after weighting" in sentence for sentence in overlap.sentences)


def test_an_option_of_one_centre_only_is_said_so(quick: CrossFitSettings) -> None:
    rng = np.random.default_rng(7)
    centre = np.repeat(["Basel", "Lyon"], 40)
    courses = check_courses(
        rng.integers(0, 2, 80), np.where(centre == "Basel", "A", "B"), rng.normal(size=(80, 1)), centre=centre
    )
    overlap = assess_overlap(courses, settings=quick)
    assert overlap.sentences[0].startswith("option cannot be distinguished from centre")
    assert overlap.largest_before == np.inf
    plain = json.loads(json.dumps(overlap.as_dict(), allow_nan=False))
    assert plain["confounded"][0]["perfect"]
    assert any(row["before"] is None for row in plain["balance"])


def test_missingness_is_a_covariate(quick: CrossFitSettings) -> None:
    rng = np.random.default_rng(8)
    option = rng.choice(["A", "B"], 200)
    amh = np.where((option == "A") & (rng.random(200) < 0.4), np.nan, rng.normal(size=200))
    courses = check_courses(rng.integers(0, 2, 200), option, pd.DataFrame({"amh": amh}))
    balance = assess_overlap(courses, settings=quick).balance.set_index("term")
    assert balance.loc["missing", "before"] < -0.7
    assert abs(balance.loc["missing", "after"]) < 0.8 * abs(balance.loc["missing", "before"])


def test_rare_options_are_named() -> None:
    courses = check_courses([0, 1] * 12, ["A", "B"] * 11 + ["C", "C"], np.zeros((24, 1)))
    overlap = assess_overlap(courses, propensity={"A": 0.5, "B": 0.5, "C": 0.1})
    assert overlap.sentences[-1] == "Not compared, because fewer than 10 women had it: C."
    with pytest.raises(ValueError, match="must name every option"):
        assess_overlap(courses, propensity={"A": 1.0})
