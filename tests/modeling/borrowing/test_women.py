"""Who the women are: correlated points, blended moments, and gaps filled as a normal model fills them."""

from __future__ import annotations

import numpy as np
import pytest

from poi_predict.modeling.borrowing import Arm, Marginal
from poi_predict.modeling.borrowing.women import Moments, build_copula, compute_women, fill_gaps, list_marginals

FIELD = (
    Marginal(("age",), "normal", 34.0, 5.0),
    Marginal(("fsh",), "log_normal", 60.0, 30.0, transform="log"),
    Marginal(("surgical", "fmr1"), "categorical", shares=(0.3, 0.05)),
)
COLUMN = {"age": 0, "fsh": 1, "surgical": 2, "fmr1": 3, "other": 4}


def blend(values: np.ndarray, weight: np.ndarray | None = None, correlations: tuple = ()) -> tuple[Moments, Moments]:
    return compute_women(values, np.ones(len(values)) if weight is None else weight, FIELD, correlations, COLUMN, 0)


def test_copula_has_the_stated_correlation_of_normal_scores() -> None:
    copula = build_copula(FIELD, [("age", "fsh", -0.6), ("fsh", "unknown", 0.9)], 4096, 1)
    assert copula.variable == {"age": 0, "fsh": 1, "surgical": 2}
    correlation = np.corrcoef(copula.points.T)
    assert correlation[0, 1] == pytest.approx(-0.6, abs=0.01)
    assert abs(correlation[0, 2]) < 0.01
    women = copula.place(FIELD, COLUMN)
    assert np.corrcoef(women[:, 0], women[:, 1])[0, 1] == pytest.approx(-0.6, abs=0.01)
    assert np.isnan(women[:, 4]).all()


def test_correlations_that_cannot_hold_together_become_some_that_can() -> None:
    stated = [("age", "fsh", 0.95), ("fsh", "surgical", 0.95), ("age", "surgical", -0.95)]
    points = build_copula(FIELD, stated, 512, 1).points
    correlation = np.corrcoef(points.T)
    assert np.linalg.eigvalsh(correlation).min() > -1e-12
    np.testing.assert_allclose(points.std(axis=0), 1, atol=0.05)
    assert correlation[0, 1] > 0.3
    assert correlation[0, 2] < -0.2


def test_a_fixed_variable_needs_no_points() -> None:
    copula = build_copula([Marginal(("age",), "fixed", 33.0)], [], 8, 1)
    assert copula.points.shape == (8, 0)
    assert (copula.place([Marginal(("age",), "fixed", 33.0)], {"age": 0}) == 33.0).all()


def test_without_women_the_field_stands_alone() -> None:
    field, blended = blend(np.empty((0, 5)))
    np.testing.assert_allclose(field.mean, [34.0, np.log(60) - 0.5 * np.log(1.25), 0.3, 0.05, 0.0], atol=0.01)
    np.testing.assert_allclose(field.sd, [5.0, np.sqrt(np.log(1.25)), 0.458, 0.218, 1.0], rtol=0.03)
    np.testing.assert_allclose(blended.mean, field.mean)
    np.testing.assert_allclose(blended.sd, field.sd)
    assert field.covariance[2, 3] < 0  # levels exclude each other


def test_variables_of_the_field_that_the_table_lacks_are_passed_over() -> None:
    own = {"fsh": 0, "surgical": 1}
    field, _ = compute_women(np.empty((0, 2)), np.empty(0), FIELD, (), own, 0)
    np.testing.assert_allclose(field.mean, [np.log(60) - 0.5 * np.log(1.25), 0.0], atol=0.01)


def test_many_women_outweigh_the_field_and_none_is_needed_for_a_column_it_lacks() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.normal([28.0, 3.0], [2.0, 0.2], (4000, 2)), np.zeros((4000, 2)), rng.normal(7, 3, 4000)]
    )
    values[:2000, 0] = np.nan
    field, blended = blend(values)
    assert blended.mean[0] == pytest.approx(28.0, abs=0.2)
    assert blended.sd[0] == pytest.approx(2.0, abs=0.1)
    assert field.mean[0] == pytest.approx(34.0, abs=0.1)
    assert field.mean[4] == blended.mean[4] == pytest.approx(7.0, abs=0.2)
    ten = blend(values[2000:2010])[1]
    assert ten.mean[0] == pytest.approx(0.5 * (34.0 + values[2000:2010, 0].mean()), abs=0.05)


def test_a_weight_of_two_is_two_women() -> None:
    values = np.random.default_rng(1).normal(30, 4, (12, 5))
    twice, weighted = blend(np.vstack([values, values])), blend(values, np.full(12, 2.0))
    for one, other in zip(twice, weighted, strict=True):
        np.testing.assert_allclose(one.mean, other.mean)
        np.testing.assert_allclose(one.covariance, other.covariance)


@pytest.mark.parametrize("value", [0.0, 30.0, np.nan])
def test_a_column_without_spread_can_be_conditioned_on(value: float) -> None:
    values = np.full((6, 5), value)
    moments = blend(values)[1]
    assert np.isfinite(moments.covariance).all()
    assert np.linalg.eigvalsh(moments.covariance).min() > 0
    assert moments.sd[4] == 1.0


def test_a_gap_is_filled_by_its_conditional_mean_and_keeps_its_conditional_covariance() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 4))
    moments = Moments(np.array([1.0, 2.0, 3.0, 4.0]), root @ root.T + np.eye(4))
    values = rng.normal(2, 1, (5, 4))
    values[1, [0, 2]] = values[3, 1] = values[4, [0, 2]] = np.nan
    filled, (rows, pattern, spread) = fill_gaps(values, moments, np.ones(4, dtype=bool))
    assert sorted(rows) == [1, 3, 4]
    for row in (1, 3, 4):
        gap, seen = np.isnan(values[row]), ~np.isnan(values[row])
        c = moments.covariance
        slope = c[np.ix_(gap, seen)] @ np.linalg.inv(c[np.ix_(seen, seen)])
        expected = moments.mean[gap] + slope @ (values[row, seen] - moments.mean[seen])
        np.testing.assert_allclose(filled[row, gap], expected)
        rest = np.zeros((4, 4))
        rest[np.ix_(gap, gap)] = c[np.ix_(gap, gap)] - slope @ c[np.ix_(seen, gap)]
        np.testing.assert_allclose(spread[pattern[list(rows).index(row)]], rest, atol=1e-12)
    np.testing.assert_array_equal(filled[[0, 2]], values[[0, 2]])


def test_columns_that_may_not_be_filled_get_their_mean_and_tell_nothing() -> None:
    moments = Moments(np.array([1.0, 2.0, 3.0]), np.array([[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]]))
    values = np.array([[np.nan, 5.0, np.nan], [np.nan, np.nan, 9.0]])
    known = np.array([True, True, False])
    filled, (_, pattern, spread) = fill_gaps(values, moments, known)
    np.testing.assert_allclose(filled, [[1 + 0.9 * 3, 5.0, 3.0], [1.0, 2.0, 9.0]])
    assert (spread[:, 2] == 0).all()
    np.testing.assert_allclose(spread[pattern[0], 0, 0], 1 - 0.81)


def test_without_gaps_nothing_is_open() -> None:
    filled, spread = fill_gaps(np.ones((2, 1)), Moments(np.zeros(1), np.eye(1)), np.array([True]))
    assert (filled == 1).all()
    assert spread == []


def test_marginals_are_those_of_the_field_then_those_of_the_arms() -> None:
    own = Marginal(("age",), "normal", 30.0, 4.0)
    assert list_marginals([Arm("A", "s", 1, 9, treated=True, marginals=(own,))], FIELD) == [*FIELD, own]
