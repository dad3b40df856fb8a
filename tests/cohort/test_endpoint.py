from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.cohort.endpoint import (
    EndpointSettings,
    build_endpoint,
    classify_outcome,
    compute_censoring_survival,
    count_representatives,
)
from poi_predict.errors import CohortError, StudyError

MENSES = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)
NAN = np.nan


def women(rows: list[tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["menses_resumed", "months_to_menses", "follow_up_months"], dtype=float)


@pytest.mark.parametrize(
    ("event", "month", "follow_up", "status"),
    [
        (1, 5, 12, "event"),
        (1, 12, 12, "event"),
        (1, 5, NAN, "event"),
        (1, 13, 20, "no_event"),
        (1, NAN, 10, "event"),
        (1, NAN, 12, "event"),
        (1, NAN, 20, "undated"),
        (1, NAN, NAN, "undated"),
        (0, NAN, 12, "no_event"),
        (0, NAN, 24, "no_event"),
        (0, NAN, 11.9, "censored"),
        (0, NAN, NAN, "unfollowed"),
        (0, 8, 8, "censored"),
        (NAN, NAN, 24, "unknown"),
        (1, 8, 6, "inconsistent"),
        (1, -1, 6, "inconsistent"),
        (0, NAN, 365 / 30.4375, "no_event"),
        (0, NAN, 52 * 7 / 30.4375, "no_event"),
        (0, NAN, 11.99, "no_event"),
        (0, NAN, 360 / 30.4375, "censored"),
        (1, 366 / 30.4375, 20, "event"),
        (1, 12.1, 20, "no_event"),
        (1, NAN, 366 / 30.4375, "event"),
        (1, 12, 365 / 30.4375, "event"),
        (1, 12, 11.8, "inconsistent"),
    ],
)
def test_what_is_known_at_the_horizon(event, month, follow_up, status):
    assert classify_outcome(women([(event, month, follow_up)]), MENSES).tolist() == [status]


@pytest.mark.parametrize(
    ("horizon", "days", "status"),
    [
        (6, 182, "no_event"),
        (6, 183, "no_event"),
        (6, 26 * 7, "no_event"),
        (6, 180, "censored"),
        (3, 13 * 7, "no_event"),
        (3, 90, "no_event"),
        (24, 730, "no_event"),
        (24, 104 * 7, "no_event"),
        (24, 720, "censored"),
        (36, 156 * 7, "no_event"),
        (1, 30, "no_event"),
        (1, 28, "censored"),
    ],
)
def test_a_horizon_in_days_or_weeks_is_reached(horizon, days, status):
    settings_ = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", horizon)
    assert classify_outcome(women([(0, NAN, days / 30.4375)]), settings_).tolist() == [status]


def test_a_year_of_365_days_weighs_as_a_year_of_twelve_months():
    rows = [(1, 2, 12), (0, NAN, 4), (1, 6, 12), (0, NAN, 6), (1, 9, 12), (0, NAN, 12)]
    in_days = [(e, m, 365 / 30.4375 if f == 12 else f) for e, m, f in rows]
    months, days = build_endpoint(women(rows), MENSES), build_endpoint(women(in_days), MENSES)
    np.testing.assert_array_equal(days.weight, months.weight)
    np.testing.assert_array_equal(days.y_true, months.y_true)


def simulate_undated(seed: int, n: int, unknown: float, risk: float = 0.448) -> pd.DataFrame:
    """Women with a known risk by 12 months, followed for 3 to 36 months; some events have no month."""
    rng = np.random.default_rng(seed)
    month = 12 * rng.standard_exponential(n) / -np.log1p(-risk)
    follow_up = rng.uniform(3, 36, n)
    happened = month <= follow_up
    dated = happened & (rng.random(n) >= unknown)
    rows = zip(happened.astype(float), np.where(dated, month, NAN), follow_up, strict=True)
    return women(list(rows))


def response(data: pd.DataFrame, chosen: EndpointSettings = MENSES) -> float:
    endpoint = build_endpoint(data, chosen)
    known = ~np.isnan(endpoint.y_true)
    return float(np.average(endpoint.y_true[known], weights=endpoint.weight[known]))


@pytest.mark.parametrize("unknown", [0.0, 0.3, 0.6])
def test_events_of_unknown_month_leave_the_response_where_it_is(unknown):
    assert response(simulate_undated(5, 40_000, unknown)) == pytest.approx(0.448, abs=0.012)


def test_without_representatives_the_undated_events_are_missing():
    dropped = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12, censoring="exclude")
    known, unknown = (response(simulate_undated(5, 40_000, share), dropped) for share in (0.0, 0.3))
    assert unknown < known - 0.03


def test_dated_events_stand_for_undated_ones_by_hand():
    # Five dated events in women followed for 24 months, two undated: each of the five stands for 1.4 women.
    rows = [(1, m, 24) for m in (2, 4, 6, 15, 18)] + [(1, NAN, 24)] * 2 + [(1, 3, 12)] + [(0, NAN, 24)] * 4
    data = women(rows)
    endpoint = build_endpoint(data, MENSES)
    raw = np.array([1.4] * 5 + [0, 0] + [1] * 5)
    np.testing.assert_allclose(endpoint.weight, raw / raw[raw > 0].mean())
    assert count_representatives(data, MENSES, endpoint.status) == (5, 2)
    assert count_representatives(data.iloc[1:], MENSES, endpoint.status[1:]) == (0, 2)  # four are too few


def test_weights_of_a_hand_computed_example():
    # One of five leaves at 4 months. At 6 months one woman has her event before one of three others leaves.
    data = women([(1, 2, 12), (0, NAN, 4), (1, 6, 12), (0, NAN, 6), (1, 9, 12), (0, NAN, 12)])
    endpoint = build_endpoint(data, MENSES)
    g4, g6 = 4 / 5, 4 / 5 * 2 / 3
    raw = np.array([1, 0, 1 / g4, 0, 1 / g6, 1 / g6])
    assert endpoint.status.tolist() == ["event", "censored", "event", "censored", "event", "no_event"]
    assert raw.sum() == pytest.approx(6)
    np.testing.assert_allclose(endpoint.weight, raw / raw[raw > 0].mean())
    np.testing.assert_array_equal(endpoint.y_true, [1, NAN, 1, NAN, 1, 0])


def test_an_event_that_shares_its_month_with_a_censoring_came_first():
    time, censored = np.array([6.0, 6.0, 12.0]), np.array([False, True, True])
    survival = compute_censoring_survival(time, censored, np.array([6.0, 6.1, 12.0]))
    np.testing.assert_allclose(survival, [1, 0.5, 0.5])


def test_weights_recover_the_true_risk_where_complete_cases_do_not():
    rng = np.random.default_rng(3)
    n, risk = 40_000, 0.33
    month = 12 * rng.standard_exponential(n) / -np.log1p(-risk)
    follow_up = rng.uniform(3, 24, n)
    seen = month <= follow_up
    data = women(
        list(zip(seen.astype(float), np.where(seen, month, NAN), np.where(seen, 24.0, follow_up), strict=True))
    )
    endpoint = build_endpoint(data, MENSES)
    known = ~np.isnan(endpoint.y_true)
    weighted = np.average(endpoint.y_true[known], weights=endpoint.weight[known])
    complete_case = endpoint.y_true[known].mean()
    counted_as_failures = np.nan_to_num(endpoint.y_true).mean()
    assert weighted == pytest.approx(risk, abs=0.01)
    assert complete_case > risk + 0.05
    assert counted_as_failures < risk - 0.03


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0.1, 24), st.floats(0.1, 24)),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=80, deadline=None)
def test_weights_are_finite_mean_one_and_grow_with_time(drawn):
    rows = [(float(e), m if e else NAN, max(m, f) if e else f) for e, m, f in drawn]
    endpoint = build_endpoint(women(rows), MENSES)
    known = ~np.isnan(endpoint.y_true)
    assert np.isfinite(endpoint.weight).all()
    assert (endpoint.weight[~known] == 0).all()
    if known.any():
        assert endpoint.weight[known].mean() == pytest.approx(1)
        time = np.array([min(m, 12.0) if e and m <= 12 else 12.0 for e, m, _ in rows])[known]
        assert (np.diff(endpoint.weight[known][np.argsort(time, kind="stable")]) >= -1e-12).all()


def test_row_order_changes_nothing():
    data = women([(1, 2, 12), (0, NAN, 4), (1, 6, 12), (0, NAN, 6), (1, 9, 12), (0, NAN, 12)])
    order = np.array([3, 0, 5, 1, 4, 2])
    straight, shuffled = build_endpoint(data, MENSES), build_endpoint(data.iloc[order], MENSES)
    np.testing.assert_allclose(shuffled.weight, straight.weight[order])


def test_nobody_censored_means_no_weighting():
    endpoint = build_endpoint(women([(1, 2, 12), (0, NAN, 14)]), MENSES)
    assert endpoint.weight.tolist() == [1, 1]


def test_exclude_drops_the_censored_without_weighting():
    settings_ = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12, censoring="exclude")
    endpoint = build_endpoint(women([(1, 8, 12), (0, NAN, 6), (0, NAN, 14)]), settings_)
    assert endpoint.weight.tolist() == [1, 0, 1]


def test_all_censored_is_weight_zero_not_a_crash():
    endpoint = build_endpoint(women([(0, NAN, 6), (0, NAN, 3)]), MENSES)
    assert endpoint.weight.tolist() == [0, 0]


def test_inconsistent_months_are_refused_with_count_and_remedy():
    rows = [(1, 8, 6)] * 3 + [(0, NAN, 12)] * 409
    with pytest.raises(CohortError) as raised:
        build_endpoint(women(rows), MENSES)
    assert str(raised.value) == (
        "follow_up_months must not be shorter than months_to_menses; 3 of 412 rows are. "
        'Correct them, or set endpoint.inconsistent = "exclude".'
    )


def test_both_kinds_of_inconsistency_are_reported_at_once():
    with pytest.raises(CohortError, match=r"1 of 3 rows is\. months_to_menses must not be before"):
        build_endpoint(women([(1, 8, 6), (1, -2, 12), (0, NAN, 12)]), MENSES)


def test_inconsistent_rows_can_be_left_out():
    chosen = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12, inconsistent="exclude")
    endpoint = build_endpoint(women([(1, 8, 6), (1, 5, 12), (0, NAN, 12)]), chosen)
    assert endpoint.status.tolist() == ["inconsistent", "event", "no_event"]
    assert endpoint.weight.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"at_most": 6}, [1, 1, 0, NAN]),
        ({"at_least": 6}, [0, 1, 1, NAN]),
        ({"at_least": 5, "at_most": 6}, [0, 1, 0, NAN]),
    ],
)
def test_a_number_becomes_an_event_without_time(limits, expected):
    data = pd.DataFrame({"oocytes": [2.0, 6.0, 11.0, NAN]})
    endpoint = build_endpoint(data, EndpointSettings("oocytes", **limits))
    np.testing.assert_array_equal(endpoint.y_true, expected)
    assert endpoint.weight.tolist() == [1, 1, 1, 0]


def test_a_count_without_limits_is_no_event():
    with pytest.raises(CohortError, match=r"oocytes must be 0 or 1 .* 2 of 3 rows are not"):
        build_endpoint(pd.DataFrame({"oocytes": [2.0, 6.0, 1.0]}), EndpointSettings("oocytes"))


def test_missing_and_textual_columns_are_refused():
    with pytest.raises(CohortError, match="needs follow_up_months as a column"):
        build_endpoint(women([(1, 2, 3)]).drop(columns="follow_up_months"), MENSES)
    with pytest.raises(CohortError, match="needs numbers in aetiology"):
        build_endpoint(pd.DataFrame({"aetiology": ["idiopathic"]}), EndpointSettings("aetiology"))


@pytest.mark.parametrize(
    "parts",
    [
        {"event": ""},
        {"event": "menses_resumed", "horizon_months": 12},
        {"event": "menses_resumed", "event_month": "months_to_menses"},
        {"event": "e", "event_month": "m", "follow_up": "f", "horizon_months": -1},
        {"event": "e", "event_month": "m", "follow_up": "f", "horizon_months": float("nan")},
        {"event": "e", "at_least": 7, "at_most": 6},
        {"event": "e", "censoring": "ignore"},
        {"event": "e", "inconsistent": "ignore"},
    ],
)
def test_settings_check_themselves(parts):
    with pytest.raises(StudyError, match=r"endpoint\."):
        EndpointSettings(**parts)


def test_defining_variables_are_those_named():
    assert MENSES.defining_variables == ("menses_resumed", "months_to_menses", "follow_up_months")
    assert EndpointSettings("oocytes", at_most=6).defining_variables == ("oocytes",)
