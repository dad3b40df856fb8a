"""The door through which every comparison enters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poi_predict.errors import ModelError, StudyError
from poi_predict.regimen import CrossFitSettings, check_courses
from poi_predict.regimen.courses import keep_common_options


def test_rows_without_weight_are_not_looked_at() -> None:
    courses = check_courses(
        [1, np.nan, 0, 1],
        ["A", "C", "B", "B"],
        pd.DataFrame({"age": [30.0, 31.0, np.nan, 33.0]}),
        weight=[1, 0, 2, 1],
        patient=["k", "l", "m", "k"],
        centre=["Basel", "Oslo", None, "Basel"],
    )
    assert courses.options == ("A", "B")
    assert courses.rows.tolist() == courses.covariates.frame.index.tolist() == [0, 2, 3]
    assert courses.patient.tolist() == [0, 1, 0]
    assert courses.n_patients == 2
    labels = [column.label for column in courses.covariates.columns]
    assert labels == ["age", "age: missing", "centre: C1", "centre: missing"]
    np.testing.assert_array_equal(courses.covariates.matrix[:, 1], [0, 1, 0])


def test_kinds_of_columns() -> None:
    frame = pd.DataFrame(
        {"fsh": [50.0, 60.0, 70.0], "afc": [0, 1, 0], "smokes": [True, False, True], "why": list("xyx")}
    )
    columns = check_courses([0, 1, 0], ["A", "B", "A"], frame).covariates.columns
    assert [column.kind for column in columns] == ["value", "binary", "binary", "level", "level"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": [0, 2, 1]}, "only 0 and 1"),
        ({"option": ["A", None, "B"]}, "option must be known"),
        ({"option": ["A", "B"]}, "option must have 3 values"),
        ({"covariates": [[1.0], [np.inf], [2.0]]}, "finite or missing"),
        ({"covariates": [1.0, 2.0, 3.0]}, "two dimensions"),
        ({"covariates": pd.DataFrame({"age": [1.0]})}, "3 rows"),
        ({"patient": [1, 2]}, "patient must have 3 values"),
        ({"weight": [1, -1, 1]}, "not negative"),
    ],
)
def test_malformed_arrays_are_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"y_true": [0, 1, 1], "option": ["A", "B", "A"], "covariates": np.zeros((3, 1))}
    with pytest.raises(ValueError, match=message):
        check_courses(**(good | change))  # type: ignore[arg-type]


def test_women_count_not_rows() -> None:
    courses = check_courses([1, 0, 1, 0], ["A", "A", "B", "B"], np.zeros((4, 1)), patient=[1, 1, 2, 3])
    assert (courses.count_women(0), courses.count_women(1), courses.count_women(1, 1.0)) == (1, 2, 1)
    with pytest.raises(ModelError, match="1 of 2 options"):
        keep_common_options(courses, 2)


def test_centres_that_share_no_option() -> None:
    courses = check_courses([1, 0, 1, 0], ["A", "B", "B", "C"], np.zeros((4, 1)), centre=["x", "x", "y", "y"])
    assert courses.share_centre(0, 1)
    assert courses.share_centre(1, 2)
    assert not courses.share_centre(0, 2)
    unknown = check_courses([1, 0, 1, 0], ["A", "B", "B", "C"], np.zeros((4, 1)), centre=["x", "x", "y", None])
    assert unknown.share_centre(0, 2)


@pytest.mark.parametrize("change", [{"repeats": 0}, {"truncate_at": 0.5}, {"folds": 8}, {"level": 1.0}])
def test_settings_check_themselves(change: dict[str, float]) -> None:
    with pytest.raises(StudyError, match=r"regimens\."):
        CrossFitSettings(**change)  # type: ignore[arg-type]
