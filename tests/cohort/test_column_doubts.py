"""What a column as a whole says: codes of missing, dates, limits without a sign, another unit, centres spelt alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.reading import Cohort, read_cohort
from poi_predict.cohort.streaming import read_block, survey_cohort

CODEBOOK = read_codebook()


def read(folder: Path, table: dict[str, list[str | None]], reading: ReadingSettings | None = None) -> Cohort:
    """Read a table whole; in blocks it is the same."""
    reading = reading or ReadingSettings()
    path = folder / "clinic.csv"
    n_rows = len(next(iter(table.values())))
    pd.DataFrame({"id": [f"W{i}" for i in range(n_rows)]} | table, dtype="str").to_csv(path, index=False)
    cohort = read_cohort(path, CODEBOOK, reading, permit_row_errors=True)
    plan = survey_cohort(path, CODEBOOK, reading)
    data = pd.concat([read_block(plan, block).data for block in plan.blocks], ignore_index=True)
    pd.testing.assert_frame_equal(data, cohort.data, check_exact=True)
    return cohort


def messages(cohort: Cohort) -> dict[str, str]:
    return {finding.rule: finding.message for finding in cohort.findings}


def test_a_code_of_missing_counts_in_its_own_column_alone(tmp_path: Path) -> None:
    reading = ReadingSettings(columns=(ColumnMapping("amh", missing=("32", 77)),))
    table = {"AMH (ng/mL)": ["0.3", "32.0", "3.2E1", "0.1"], "age": ["32", "32.0", "30", "28"]}
    cohort = read(tmp_path, table, reading)
    assert cohort.data["amh"].isna().tolist() == [False, True, True, False]
    assert cohort.data["age"].tolist() == [32.0, 32.0, 30.0, 28.0]
    assert "2 of 4 rows" in messages(cohort)["taken_as_missing"]
    assert '"77"' in messages(cohort)["unused_missing"]


def test_a_code_for_all_columns_is_counted_in_each(tmp_path: Path) -> None:
    table = {"age": ["5052", "30"], "fsh": ["5052.0", "40"]}
    cohort = read(tmp_path, table, ReadingSettings(missing=("5052", "gone")))
    assert cohort.data[["age", "fsh"]].isna().to_numpy().tolist() == [[True, True], [False, False]]
    assert sum(finding.rule == "taken_as_missing" for finding in cohort.findings) == 2
    assert '"gone"' in messages(cohort)["unused_missing"]


def test_a_word_may_mean_missing_in_one_column(tmp_path: Path) -> None:
    table = {"cell_source": ["None", "AD-MSC"], "dose_cells": ["1e7", "1e7"]}
    assert "dose_without_cells" in messages(read(tmp_path, table))
    reading = ReadingSettings(columns=(ColumnMapping("cell_source", missing=("None",)),))
    cohort = read(tmp_path, table, reading)
    assert cohort.data["cell_source"].fillna("?").tolist() == ["?", "adipose"]
    assert "dose_without_cells" not in messages(cohort)


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["05.2021", "11.2020", None], [True, True, False]),
        (["5.2021", "3", "12.5"], [True, False, False]),
        (["5/2021", "2021-05", "01.05.2021"], [True, True, True]),
        (["5.2021", "3.7321", "2"], [False, False, False]),
        (["12.5", "5.2", "0.25"], [False, False, False]),
        (["05.21", "5.21", "7,25"], [True, False, False]),
    ],
)
def test_a_month_of_a_year_is_no_number_of_months(tmp_path: Path, cells: list[str | None], dates: list[bool]) -> None:
    cohort = read(tmp_path, {"months_to_menses": cells})
    found = {finding.rule: finding.rows for finding in cohort.findings.errors}
    assert found.get("looks_like_date", ()) == tuple(i for i, date in enumerate(dates, start=1) if date)
    assert np.isnan(cohort.data["months_to_menses"].to_numpy()[dates]).all()


@pytest.mark.parametrize(("last", "dates"), [("12.19", 5), ("12.64", 0), ("12", 0)])
def test_months_that_all_end_in_a_year_are_dates(tmp_path: Path, last: str, dates: int) -> None:
    cohort = read(tmp_path, {"months_to_menses": ["5.21", "11.20", "3.22", "7.21", last]})
    assert [len(finding.rows) for finding in cohort.findings.errors] == ([dates] if dates else [])


def test_cells_in_another_unit_are_counted(tmp_path: Path) -> None:
    cohort = read(tmp_path, {"AMH (ng/mL)": ["0.3", "<0.14 pmol/L", "1.4 pmol/L", "0.1 ug/L"]})
    assert "2 of 4 rows are in another (pmol/l)" in messages(cohort)["other_unit"]


def test_ten_with_a_power_is_not_guessed(tmp_path: Path) -> None:
    cohort = read(tmp_path, {"dose_cells": ["10e6", "1e7", "10×10^6", "10 million"]})
    assert cohort.data["dose_cells"].tolist()[1:] == [1e7] * 3
    assert [finding.rows for finding in cohort.findings.errors] == [(1,)]


def test_a_limit_printed_without_its_sign_is_said(tmp_path: Path) -> None:
    values = ["0.01"] * 6 + ["0.02", "0.05", "0.1", "0.3"]
    assert "6 of 10 rows" in messages(read(tmp_path, {"AMH (ng/mL)": values}))["floor_without_sign"]
    spread: list[str | None] = [f"0.{i:02d}" for i in range(1, 11)]
    assert "floor_without_sign" not in messages(read(tmp_path, {"AMH (ng/mL)": spread}))


@pytest.mark.parametrize(
    ("header", "values", "likely"),
    [
        ("AMH", ["0.9", "1.4", "2.1", "0.7", "1.1"], "pmol/L"),
        ("E2", ["75", "90", "110", "150", "80"], "pmol/L"),
        ("follow up", ["180", "90", "120", "200", "150"], "days"),
        ("follow_up_months", ["180", "90", "120", "200", "150"], "days"),
        ("dose", ["10", "5", "20", "10", "5"], "million"),
    ],
)
def test_values_that_would_be_usual_in_another_unit_are_said(
    tmp_path: Path, header: str, values: list[str | None], likely: str
) -> None:
    assert likely in messages(read(tmp_path, {header: values}))["looks_like_other_unit"]


def test_centres_spelt_alike_are_one_or_said(tmp_path: Path) -> None:
    for cells, n_respelt, n_centres in (
        (["Ankara", "ankara", "ANKARA\u00a0", "Ankara."], 3, 1),
        (["Ege Üniv.", "EGE ÜNİV", "Ege-Üniv.\u200b", "ege üniv"], 3, 1),
        (["Ａ", "A", "B", "b "], 2, 2),
        (["1", "1.0", "01", "1"], 1, 2),
        (["A+", "A", "Aa", "AB"], 0, 4),
    ):
        cohort = read(tmp_path, {"centre": cells, "age": ["30"] * 4})
        said = messages(cohort)
        assert cohort.data["centre"].nunique() == n_centres
        assert ("respelt_centre" in said) == (n_respelt > 0)
        assert n_respelt == 0 or f"{n_respelt} of 4" in said["respelt_centre"]
        assert ("similar_centre" in said) == ("01" in cells)
    assert "similar_centre" not in messages(read(tmp_path, {"centre": ["Ankara", "Izmir"], "age": ["30"] * 2}))


def test_undetected_takes_the_limit_usual_in_training(tmp_path: Path) -> None:
    reading = ReadingSettings(usual_limits={"amh": 0.02}, from_bundle=True)
    cohort = read(tmp_path, {"AMH (ng/mL)": ["ND"]}, reading)
    assert (cohort.data["amh"].tolist(), cohort.data["amh__below"].tolist()) == ([0.02], [True])
    assert "columns." not in messages(cohort)["borrowed_limit"]
    own = read(tmp_path, {"AMH (ng/mL)": ["ND", "<0.1"]}, reading)
    assert own.data["amh"].tolist() == [0.1, 0.1]


def test_an_error_in_an_unused_column_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clinic.csv"
    path.write_text("id,age,origin,Side,Para\n1,30,Ankara,front,G2P1\n2,31,Ankara,back,G0\n")
    cohort = read_cohort(path, CODEBOOK, ReadingSettings(), required=["age"], used=["age", "patient_id", "data_origin"])
    assert cohort.findings.errors == ()
    assert not cohort.synthetic
    assert {finding.column for finding in cohort.findings} >= {"data_origin", "sides", "previous_births"}
