"""Units, signs and levels that stand in columns of their own: used, or said not to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import Findings
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.reading import Cohort, check_cohort, read_cohort
from poi_predict.cohort.streaming import BlockSize, read_block, survey_cohort
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()


def read(folder: Path, table: dict[str, list[str | None]], reading: ReadingSettings | None = None) -> Cohort:
    """Read a table whole; in blocks, from text and from Parquet, it is the same."""
    reading = reading or ReadingSettings()
    frame = pd.DataFrame(table, dtype="str")
    text, parquet = folder / "clinic.csv", folder / "clinic.parquet"
    frame.to_csv(text, index=False)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), parquet)
    cohort = read_cohort(text, CODEBOOK, reading, permit_row_errors=True)
    for path in (text, parquet):
        plan = survey_cohort(path, CODEBOOK, reading, size=BlockSize(40, 2))
        blocks = [read_block(plan, block) for block in plan.blocks]
        data = pd.concat([block.data for block in blocks], ignore_index=True)
        pd.testing.assert_frame_equal(data, cohort.data, check_exact=True)
        faults = sorted((f.rule, f.column, int(row)) for b in blocks for f in b.faults for row in b.row_number[f.rows])
        assert faults == sorted((f.rule, f.column, row) for f in cohort.findings.errors for row in f.rows)
    return cohort


def ids(n: int) -> list[str | None]:
    return [f"W{i}" for i in range(n)]


def rules(cohort: Cohort) -> set[str]:
    return {finding.rule for finding in cohort.findings}


@pytest.mark.parametrize(
    "header", ["AMH unit", "AMH_unit", "AMH units", "Unit AMH", "AMH (unit)", "amh Einheit", "AMH单位", "AMH birimi"]
)
def test_a_column_of_units_is_used_row_by_row(tmp_path: Path, header: str) -> None:
    table = {"id": ids(4), "AMH": ["0.14", "0.14", "<0.14", "0.5"], header: ["pmol/L", "ng/mL", "pmol/L", None]}
    cohort = read(tmp_path, table)
    assert cohort.data["amh"].round(4).tolist() == [0.0196, 0.14, 0.0196, 0.5]
    assert cohort.data["amh__below"].tolist() == [False, False, True, False]
    assert {"companion_read", "unit_cell_empty"} <= rules(cohort)
    assert "unit_assumed" not in rules(cohort)


def test_a_unit_that_cannot_be_used_is_an_error_of_its_row(tmp_path: Path) -> None:
    table = {
        "id": ids(4),
        "FSH": ["40", "51", "62", "70"],
        "FSH units": ["mIU/mL", "ng/mL", "500", "IU/L"],
        "age": ["30"] * 4,
    }
    cohort = read(tmp_path, table)
    assert cohort.data["fsh"].tolist()[::3] == [40.0, 70.0]
    assert {f.rule: f.rows for f in cohort.findings.errors} == {"refused_cell_unit": (2,), "unknown_cell_unit": (3,)}


@pytest.mark.parametrize(
    ("header", "below", "plain"),
    [
        ("AMH qualifier", "<", "="),
        ("AMH_flag", "<", "H"),
        ("AMH <", "<", None),
        ("AMH sign", "<", None),
        ("op AMH", "≤", "="),
        ("AMH below", "yes", "no"),
        ("amh__below", "true", "false"),
        ("AMH censored", "1", "0"),
        ("AMH detected", "no", "yes"),
        ("AMH undetectable", "evet", "hayır"),
    ],
)
def test_a_column_of_signs_is_used_row_by_row(tmp_path: Path, header: str, below: str, plain: str | None) -> None:
    table = {"id": ids(4), "AMH (ng/mL)": ["0.02", "0.5", "<0.02", "0.02"], header: [below, plain, below, plain]}
    cohort = read(tmp_path, table)
    assert cohort.data["amh"].tolist() == [0.02, 0.5, 0.02, 0.02]
    assert cohort.data["amh__below"].tolist() == [True, False, True, False]
    assert "companion_read" in rules(cohort)


def test_a_sign_nobody_can_read_is_an_error(tmp_path: Path) -> None:
    table = {"id": ids(3), "AMH (ng/mL)": ["0.02", ">5", "0.1"], "AMH flag": ["?!", "<", None]}
    assert {f.rule: f.rows for f in read(tmp_path, table).findings.errors} == {"unknown_sign": (1, 2)}


def test_undetectable_without_a_number_is_undetectable(tmp_path: Path) -> None:
    table = {"id": ids(3), "AMH (ng/mL)": [None, "<0.02", None], "AMH undetectable": ["yes", "yes", None]}
    cohort = read(tmp_path, table)
    assert cohort.data["amh__below"].tolist() == [True, True, False]
    assert np.isnan(cohort.data["amh"][2])


def test_a_column_that_only_says_unit_or_sign_belongs_to_its_neighbour(tmp_path: Path) -> None:
    table = {"id": ids(3), "amh": ["0.14", "0.3", "0.4"], "unit": ["pmol/L", "ng/mL", "Ward 3"], "age": ["30"] * 3}
    assert read(tmp_path, table).data["amh"].round(4).tolist() == [0.0196, 0.3, 0.4]
    table = {"id": ids(2), "fsh": ["40", "41"], "sign": ["<", "left"], "amh": ["0.02", "0.3"]}
    assert read(tmp_path, table).data["amh__below"].tolist() == [True, False]
    table = {"id": ids(1), "amh": ["0.1"], "op": ["<"], "estradiol": ["10"]}
    assert "unread_companion" in rules(read(tmp_path, table))


@pytest.mark.parametrize(
    ("header", "cells", "rule"),
    [
        *((header, ["pmol/L", "ng/mL"], "unread_unit") for header in ("AMH lab in", "AMH result unit", "dimension")),
        *((header, ["<", None], "unread_sign") for header in ("AMH symbol", "AMH result qualifier", "how", "AMH_cens")),
        ("AMH comment", ["below LOD", "repeat"], "unread_sign"),
        ("AMH result <", ["yes", "no"], "unread_companion"),
        ("dimension", ["ng/mL", "ug/L"], None),  # says what is read
        ("AMH 6 months", ["ND", "0.3"], None),  # another measurement
        ("Ward", ["<", "left"], None),
    ],
)
def test_a_column_not_read_is_judged_by_what_it_holds(
    tmp_path: Path, header: str, cells: list[str | None], rule: str | None
) -> None:
    path = tmp_path / "clinic.csv"
    pd.DataFrame({"id": ids(2), "amh": ["0.14", "0.3"], header: cells}, dtype="str").to_csv(path, index=False)
    found = check_cohort(path, CODEBOOK, ReadingSettings())
    said = {f.rule for f in (found if isinstance(found, Findings) else found.findings)}
    assert said & {"unread_unit", "unread_sign", "unread_companion"} == ({rule} if rule else set())
    if rule in ("unread_unit", "unread_sign"):
        with pytest.raises(CohortError, match="which is not read"):  # the same where it is read in blocks
            survey_cohort(path, CODEBOOK, ReadingSettings(from_bundle=True))
        survey_cohort(path, CODEBOOK, ReadingSettings(ignore=(header,)))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("header", "cell"), [("AMH reported in", "pmol/L"), ("AMH lab", "<")])
def test_a_column_not_read_is_judged_to_its_last_row(tmp_path: Path, suffix: str, header: str, cell: str) -> None:
    path = tmp_path / f"clinic{suffix}"
    first = "ng/mL" if cell == "pmol/L" else None
    table = pd.DataFrame({"id": ids(120), "amh": [0.25] * 120, header: pd.Series([first] * 119 + [cell], dtype="str")})
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    with pytest.raises(CohortError, match="which is not read"):
        survey_cohort(path, CODEBOOK, ReadingSettings(from_bundle=True))


def test_the_study_names_the_columns(tmp_path: Path) -> None:
    mapping = ColumnMapping("amh", "AMH", unit_column="E1", sign_column="V1")
    table = {"id": ids(2), "AMH": ["0.14", "0.3"], "E1": ["pmol/L", "ng/mL"], "V1": ["<", None]}
    cohort = read(tmp_path, table, ReadingSettings(columns=(mapping,)))
    assert cohort.data["amh"].round(4).tolist() == [0.0196, 0.3]
    assert cohort.data["amh__below"].tolist() == [True, False]


def test_days_in_a_unit_column(tmp_path: Path) -> None:
    table = {"id": ids(2), "follow up": ["365.25", "12"], "follow up unit": ["days", "months"]}
    assert read(tmp_path, table).data["follow_up_months"].round(6).tolist() == [12.0, 12.0]


def test_check_boxes_with_clear_names_are_read_and_said(tmp_path: Path) -> None:
    for names in (
        ("adjuvant___prp", "adjuvant___hrt"),
        ("Adjuvant (choice=PRP)", "Adjuvant (choice=HRT)"),
        ("adjuvant: PRP", "adjuvant: HRT"),
        ("adjuvant_prp", "adjuvant_hrt"),
    ):
        table = {
            "id": ids(5),
            "age": ["30"] * 5,
            names[0]: ["1", "0", "1", None, "2"],
            names[1]: ["0", "0", "1", None, "1"],
        }
        cohort = read(tmp_path, table)
        assert cohort.data["adjuvant"].fillna("?").tolist() == ["prp", "none", "hrt+prp", "?", "?"]
        assert {f.rule: f.rows for f in cohort.findings.errors} == {"unknown_level": (5,)}
        assert "group_read" in rules(cohort)


def test_check_boxes_by_number_need_the_study(tmp_path: Path) -> None:
    table = {
        "id": ids(3),
        "age": ["30"] * 3,
        "adjuvant___1": ["1", "Unchecked", "Checked"],
        "adjuvant___2": ["0", "Unchecked", "Checked"],
    }
    with pytest.raises(Exception, match="group"):
        read(tmp_path, table)
    mapping = ColumnMapping("adjuvant", group={"adjuvant___1": "PRP", "adjuvant___2": "none"})
    cohort = read(tmp_path, table, ReadingSettings(columns=(mapping,)))
    assert cohort.data["adjuvant"].fillna("?").tolist() == ["prp", "?", "?"]
    assert {f.rule: f.rows for f in cohort.findings.errors} == {"contradicting_levels": (3,)}


def test_one_box_of_a_category_may_be_ticked(tmp_path: Path) -> None:
    table = {
        "id": ids(3),
        "cell_source_adipose": ["1", "0", "1"],
        "cell_source_bone_marrow": ["0", "1", "1"],
        "age": ["30"] * 3,
    }
    cohort = read(tmp_path, table)
    assert cohort.data["cell_source"].fillna("?").tolist() == ["adipose", "bone_marrow", "?"]
    assert {f.rule: f.rows for f in cohort.findings.errors} == {"several_levels": (3,)}
