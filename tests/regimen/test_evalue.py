"""E-values against published ones."""

from __future__ import annotations

import json

import pytest

from poi_predict.regimen import compute_evalue, compute_evalue_of_difference, compute_evalue_of_odds_ratio


@pytest.mark.parametrize(
    ("risk_ratio", "low", "high", "point", "limit"),
    [
        # VanderWeele & Ding (2017), the paper's two examples.
        (3.9, 1.8, 8.7, 7.26, 3.0),
        (0.80, 0.71, 0.91, 1.81, 1.43),
        # Hammond & Horn's lung cancer, in the vignette of R's EValue.
        (10.73, 8.02, 14.36, 20.95, 15.52),
    ],
)
def test_published_evalues(risk_ratio: float, low: float, high: float, point: float, limit: float) -> None:
    evalue = compute_evalue(risk_ratio, low, high)
    assert round(evalue.point, 2) == point
    assert evalue.limit is not None
    assert round(evalue.limit, 2) == limit


def test_nothing_is_needed_where_the_interval_holds_one() -> None:
    evalue = compute_evalue(1.4, 0.9, 2.2)
    assert evalue.limit == 1.0
    assert "no unrecorded reason is needed" in evalue.sentence
    assert compute_evalue(1.0).point == 1.0


def test_either_side_is_alike() -> None:
    assert compute_evalue(0.5, 0.4, 0.8).point == pytest.approx(compute_evalue(2.0, 1.25, 2.5).point)
    assert compute_evalue(0.5, 0.4, 0.8).limit == pytest.approx(compute_evalue(2.0, 1.25, 2.5).limit)


def test_odds_ratios_of_common_events_are_drawn_in() -> None:
    assert compute_evalue_of_odds_ratio(4.0, 2.25, 9.0) == compute_evalue(2.0, 1.5, 3.0)
    assert compute_evalue_of_odds_ratio(4.0, 2.25, 9.0, rare=True) == compute_evalue(4.0, 2.25, 9.0)


def test_a_difference_is_a_ratio_once_the_reference_is_known() -> None:
    evalue = compute_evalue_of_difference(-0.08, 0.16, -0.20, -0.02)
    assert evalue.risk_ratio == pytest.approx(0.5)
    assert evalue.limit == pytest.approx(compute_evalue(0.875).point)


def test_results_as_rows_and_plain_values() -> None:
    evalue = compute_evalue(3.9, 1.8, 8.7)
    assert evalue.frame().loc[0, "point"] == evalue.point
    assert json.loads(json.dumps(evalue.as_dict()))["sentence"] == evalue.sentence
    assert "7.26 times" in evalue.sentence


@pytest.mark.parametrize("wrong", [(0.0,), (float("inf"),), (2.0, 1.5), (2.0, 2.5, 3.0), (2.0, -1.0, 3.0)])
def test_impossible_ratios_are_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"risk ratio|together"):
        compute_evalue(*wrong)


def test_impossible_differences_are_refused() -> None:
    with pytest.raises(ValueError, match=r"p_reference \+ difference"):
        compute_evalue_of_difference(0.9, 0.2)
