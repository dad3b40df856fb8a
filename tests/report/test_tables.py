"""Numbers in words: nothing missing is hidden, nothing is rounded into a lie."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poi_predict.report.formatting import (
    format_estimate,
    format_number,
    format_p_value,
    format_percent,
    format_signed,
    probability_in_words,
)
from poi_predict.report.tables import view_attrition, view_frame, view_performance, view_table_one


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((0.694, 0.612, 0.764), "0.69 (0.61–0.76)"),
        ((-0.1, -0.42, 0.2), "−0.10 (−0.42 to 0.20)"),
        ((0.5, None, None), "0.50"),
        ((float("nan"), 0.1, 0.2), "not estimable: no reason was recorded"),
    ],
)
def test_format_estimate(given_, expected):
    assert format_estimate(*given_) == expected


def test_a_tiny_negative_number_is_not_minus_zero():
    assert format_number(-0.001) == "0.00"
    assert format_number(-0.0) == "0.00"


def test_a_contribution_shows_its_direction():
    assert [format_signed(value) for value in (0.3, -0.3, 0.0, None)] == ["+0.30", "−0.30", "0.00", "—"]


def test_percent_does_not_round_a_rare_event_to_never():
    assert format_percent(0.004) == "0.4 %"
    assert format_percent(0.996) == "99.6 %"


def test_p_values():
    assert [format_p_value(p) for p in (0.0001, 0.04, None)] == ["p < 0.001", "p = 0.040", "p not estimable"]


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1))
def test_words_agree_with_the_probability(p):
    words = probability_in_words(p)
    count, total = (int(number) for number in re.findall(r"(\d+) of (\d+)", words)[0])
    assert abs(count / total - p) <= 0.0151
    assert ("fewer" in words) == (p < 0.005)


def test_table_one_has_a_column_per_group_and_a_line_per_level(frames):
    view = view_table_one(frames["table_one"]())
    assert view.groups == (("All", 30), ("Responders", 10), ("Non-responders", 15), ("Censored", 5))
    labels = [(row.label, row.nested) for row in view.rows]
    assert labels == [
        ("Age", False),
        ("Aetiology", False),
        ("idiopathic", True),
        ("chemo- or radiotherapy", True),
        ("HRT", False),
    ]
    assert view.rows[1].missing == ("< 5",) * 4  # of one woman each
    assert view.rows[4].cells[0] == "3 (30 %)"


def test_table_one_leaves_out_a_group_without_women(frames):
    table = frames["table_one"]()
    view = view_table_one(table[table["group"] != "censored"])
    assert [label for label, _ in view.groups] == ["All", "Responders", "Non-responders"]


def test_performance_says_why_a_number_is_missing(frames):
    (table,) = view_performance(frames["performance"](), "ridge", None)
    slope = [words.name for words in table.metrics].index("calibration_slope")
    cell = table.rows[0].cells[slope]
    assert (cell.estimate, cell.reason) == ("not estimable", "every prediction is the same")
    assert [row.tags for row in table.rows] == [(), (), ("primary",)]


def test_performance_splits_many_metrics_and_keeps_every_one(frames):
    one = frames["performance"]()
    many = pd.concat([one, one.assign(metric=one["metric"] + "_b"), one.assign(metric=one["metric"] + "_c")])
    tables = view_performance(many, "ridge", None)
    assert [len(table.metrics) for table in tables] == [4, 4, 4]
    assert tables[0].metrics[0].label == "c-statistic"


def test_a_metric_that_one_candidate_lacks_leaves_a_gap(frames):
    frame = frames["performance"]()
    (table,) = view_performance(frame.drop(index=0), "ridge", None)
    assert table.rows[0].cells[0] is None


def test_attrition_bars_are_shares_of_the_first_step(report):
    rows = view_attrition(report().attrition)
    assert [row.width for row in rows] == [100.0, 83.3]
    assert [row.excluded for row in rows] == ["", "5"]


def test_any_frame_becomes_text():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None]})
    assert view_frame(frame) == (["a", "b", "c"], [["1", "0.50", "x"], ["2", "—", "—"]])
