"""What a page refuses to hold."""

from __future__ import annotations

import pytest

from poi_predict.report.content import FRAME_COLUMNS, Section, empty_frame


@pytest.mark.parametrize("name", sorted(FRAME_COLUMNS))
def test_empty_frame_has_the_columns_and_no_row(name):
    frame = empty_frame(name)
    assert tuple(frame.columns) == FRAME_COLUMNS[name]
    assert frame.empty


def test_frame_without_a_column_is_refused(report, frames):
    with pytest.raises(ValueError, match="performance lacks the columns"):
        report(performance=frames["performance"]().drop(columns="reason"))


@pytest.mark.parametrize(
    "value",
    [
        "/home/clinic/cohort.csv",
        "read from /srv/clinic/cohort.csv",
        r"C:\clinic\cohort.csv",
        "sqlite:////srv/x/mlflow.db",
    ],
)
def test_absolute_path_is_refused(report, value):
    with pytest.raises(ValueError, match="no absolute path"):
        report(provenance={"Cohort file": value})


@pytest.mark.parametrize("value", ["cohort.csv", "sqlite:///mlflow.db", "24 / 30", "n/a", "3.11.2 and/or later"])
def test_plain_provenance_is_accepted(report, value):
    assert report(provenance={"x": value}).provenance == {"x": value}


def test_sections_keep_their_place_and_order(report):
    sections = (Section("B", after="data"), Section("A", after="end"), Section("C", after="data"))
    content = report(extra_sections=sections)
    assert [section.title for section in content.sections_after("data")] == ["B", "C"]


@pytest.mark.parametrize("name", ["p_response", "ci_low", "ci_high", "baseline_probability"])
def test_probability_outside_its_range_is_refused(patient, name):
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1"):
        patient(**{name: 31.0})
