"""What cells of one row say against each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.plausibility import check_consistency, check_typical_ranges
from poi_predict.cohort.schema import find_breaches

NAN = np.nan


def found(**columns: list[object]) -> dict[str, tuple[int, ...]]:
    data = pd.DataFrame(columns)
    return {item.rule: item.rows for item in check_consistency(data, np.arange(1, len(data) + 1))}


@pytest.mark.parametrize(
    ("event", "month"),
    [("menses_resumed", "months_to_menses"), ("clinical_pregnancy", "months_to_pregnancy")],
)
def test_events_and_their_months(event: str, month: str) -> None:
    columns = {
        event: [1.0, 1.0, 0.0, 1.0, 1.0, NAN, 0.0],
        month: [3.0, NAN, 4.0, -2.0, 9.0, 5.0, NAN],
        "follow_up_months": [6.0, 6.0, 6.0, 6.0, 6.0, 6.0, NAN],
    }
    assert found(**columns) == {
        "event_before_treatment": (4,),
        "event_after_follow_up": (5,),
        "event_without_month": (2,),
        "month_without_event": (3, 6),
    }


def test_a_table_without_months_says_nothing_about_them() -> None:
    assert found(menses_resumed=[1.0, 0.0]) == {}


def test_births_measurements_and_routes() -> None:
    assert found(live_birth=[1.0, 1.0, NAN], clinical_pregnancy=[0.0, 1.0, 0.0]) == {"birth_without_pregnancy": (1,)}
    assert found(fsh_after_month=[3.0, 9.0], follow_up_months=[6.0, 6.0]) == {"measured_after_follow_up": (2,)}
    assert found(cell_source=["none", "none", "adipose"], route=["intravenous", "none", "intravenous"]) == {
        "route_without_cells": (1,)
    }


def test_amenorrhea_and_age() -> None:
    assert found(age=[20.0, 20.0, 20.0, NAN], amenorrhea_months=[241.0, 200.0, 60.0, 300.0]) == {
        "amenorrhea_exceeds_age": (1,),
        "amenorrhea_since_childhood": (2,),
    }


def test_a_limit_above_the_typical_range_is_not_unusual() -> None:
    data = pd.DataFrame({"amh": [1.0, 1.0], "amh__below": [True, False]})
    (finding,) = check_typical_ranges(data, read_codebook(), np.array([1, 2]))
    assert finding.rows == (2,)
    assert finding.severity == "warning"


def test_the_contract_of_a_table() -> None:
    data = pd.DataFrame(
        {
            "fsh": [80.0, 5052.0, -1.0, NAN],
            "previous_births": [0.0, 1.5, 21.0, NAN],
            "route": pd.Series(["intravenous", "orally", None, "none"], dtype="str"),
        }
    )
    breaches = {key: rows.tolist() for key, rows in find_breaches(data, read_codebook()).items()}
    assert breaches == {
        ("fsh", "hard_range"): [False, True, True, False],
        ("previous_births", "hard_range"): [False, False, True, False],
        ("previous_births", "whole_number"): [False, True, False, False],
        ("route", "unknown_level"): [False, True, False, False],
    }


def test_limits_themselves_are_inside() -> None:
    codebook = read_codebook()
    for name, variable in codebook.items():
        if variable.hard is not None:
            assert find_breaches(pd.DataFrame({name: list(variable.hard)}), codebook) == {}
