from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.table_one import compute_table_one
from poi_predict.errors import CohortError

NAN = np.nan
DATA = pd.DataFrame(
    {
        "age": [20.0, 22.0, 24.0, 26.0, 28.0, 30.0, NAN, 34.0, 36.0, 38.0],
        "amh": [0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.3, 0.4, 0.5, NAN],
        "amh__below": [True] * 6 + [False] * 4,
        "dose_cells": [5e6, 5e6, 1e7, 1e7, 1.5e7, 1.5e7, 2e7, 6e7, 6e7, 6e7],
        "aetiology": ["idiopathic"] * 6 + ["autoimmune", "autoimmune", None, "surgical"],
        "follicles_visible": [1.0, 0.0, 1.0, 1.0, 0.0, NAN, 0.0, 0.0, 1.0, 1.0],
        "adjuvant": ["hrt+prp", "none", "prp", "none", "hrt", "none", None, "none", "none", "none"],
        "centre": ["B", "A", "B", "A", "B", "A", "B", "A", "B", "A"],
    }
)
Y = np.array([1, 0, 1, 0, 1, 0, 0, 0, NAN, NAN])


def table(*variables: str, **more) -> pd.DataFrame:
    found = compute_table_one(DATA, read_codebook(), variables, Y, **more, least=1)
    return found.set_index(["variable", "level", "group"])


def test_a_number_is_median_and_quartiles_with_its_unit():
    row = table("age").loc[("age", "", "overall")]
    assert (row["label"], row["unit"], row["n"], row["missing"]) == ("Age", "years", 9, 1)
    assert row["summary"] == "28.0 (24.0–34.0)"


def test_groups_follow_the_outcome_and_censored_women_have_their_own():
    groups = table("centre").loc[("centre", "A")]
    assert groups["summary"].to_dict() == {
        "overall": "5 (50 %)",
        "responder": "0 (0 %)",
        "non_responder": "4 (80 %)",
        "censored": "1 (50 %)",
    }


def test_without_censoring_there_is_no_column_for_it():
    found = compute_table_one(DATA, read_codebook(), ["age"], np.where(np.isnan(Y), 0, Y), least=1)
    assert found["group"].tolist() == ["overall", "responder", "non_responder"]


def test_rows_of_unknown_outcome_count_overall_only():
    status = np.array(["event"] * 3 + ["no_event"] * 3 + ["unknown"] * 4)
    found = table("age", status=status)
    assert found["n"].groupby("group").sum().to_dict() == {"overall": 9, "responder": 3, "non_responder": 3}


def test_a_quartile_among_undetectable_values_is_shown_as_the_limit():
    assert table("amh").loc[("amh", "", "overall"), "summary"] == "<0.02 (<0.02–0.3); 67 % below detection"


def test_few_values_give_no_quartiles():
    assert table("age").loc[("age", "", "responder"), "summary"] == "fewer than 5 values"
    assert "20" not in table("age").loc[("age", "", "responder"), "summary"]


def test_levels_come_in_the_codebooks_order_with_shares_of_the_known():
    found = table("aetiology")
    overall = found.xs("overall", level="group")
    assert overall.index.get_level_values("level").tolist() == ["idiopathic", "surgical", "autoimmune"]
    assert overall["summary"].tolist() == ["6 (67 %)", "1 (11 %)", "2 (22 %)"]
    assert set(overall["missing"]) == {1}


def test_a_yes_or_no_shows_yes():
    found = table("follicles_visible").xs("overall", level="group")
    assert found.index.get_level_values("level").tolist() == ["yes"]
    assert found["summary"].tolist() == ["5 (56 %)"]


def test_each_of_several_levels_is_counted():
    overall = table("adjuvant").xs("overall", level="group")["summary"].droplevel("variable")
    assert overall.to_dict() == {"none": "6 (67 %)", "prp": "2 (22 %)", "hrt": "2 (22 %)"}


def test_large_numbers_are_millions():
    assert table("dose_cells").loc[("dose_cells", "", "overall"), "summary"] == "15.0 (10.0–50.0) million"


def test_variables_keep_the_order_asked_for():
    found = compute_table_one(DATA, read_codebook(), ["centre", "age"], Y, least=1)
    assert found["variable"].drop_duplicates().tolist() == ["centre", "age"]
    assert found.columns.tolist() == [
        "variable",
        "label",
        "level",
        "unit",
        "group",
        "n",
        "missing",
        "summary",
    ]


def test_a_variable_nobody_has_known_is_a_dash():
    data = DATA.assign(fsh=NAN)
    found = compute_table_one(data, read_codebook(), ["fsh"], Y, least=1)
    assert set(found["summary"]) == {"–"}
    assert found.loc[0, "missing"] == 10


def test_absent_variables_are_refused():
    with pytest.raises(CohortError, match="it has no lh"):
        compute_table_one(DATA, read_codebook(), ["age", "lh"], Y, least=1)
