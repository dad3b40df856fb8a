"""Workbooks: typed text, the same bytes for the same rows, exact where another program reads them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

from poi_predict.errors import OutputError
from poi_predict.scoring.output import encode_scores, write_xlsx
from poi_predict.scoring.output.xlsx import LONGEST_TEXT


def read_cells(path: Path) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(path).active.iter_rows(values_only=True))


def test_text_is_never_a_formula_and_stays_text(tmp_path: Path) -> None:
    ids = ["=1+1", "+1", "-1", "@x", "0042", " 7 ", "<&>", 'a "b"', "two\nlines", "é中", None]
    write_xlsx(tmp_path / "s.xlsx", ["patient_id"], [pa.table({"patient_id": ids})])
    cells = [row[0] for row in openpyxl.load_workbook(tmp_path / "s.xlsx").active.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == ids
    assert {(cell.data_type, cell.number_format) for cell in cells[:-1]} == {("s", "@")}


def test_numbers_and_truth_are_typed_and_what_is_not_finite_is_empty(tmp_path: Path) -> None:
    table = pa.table(
        {"p": [0.1, float("nan"), float("inf"), -1e-7], "n": [1, 2, None, 4], "t": [True, False, None, True]}
    )
    write_xlsx(tmp_path / "s.xlsx", table.column_names, [table.slice(0, 1), table.slice(1)])
    assert read_cells(tmp_path / "s.xlsx") == [
        ("p", "n", "t"),
        (0.1, 1, True),
        (None, 2, False),
        (None, None, None),
        (-1e-7, 4, True),
    ]


def test_signs_that_xml_cannot_hold_are_escaped(tmp_path: Path) -> None:
    ids = ["bell\x07", "cr\rhere", "_x0041_", "\uffff", "plain_x"]
    write_xlsx(tmp_path / "s.xlsx", ["id"], [pa.table({"id": ids})])
    sheet = zipfile.ZipFile(tmp_path / "s.xlsx").read("xl/worksheets/sheet1.xml").decode()
    for escaped in ("bell_x0007_", "cr_x000D_here", "_x005F_x0041_", "_xFFFF_", ">plain_x<"):
        assert escaped in sheet
    assert len(read_cells(tmp_path / "s.xlsx")) == 1 + len(ids)


def test_the_same_rows_are_the_same_bytes_whatever_the_day_and_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"id": [str(row) for row in range(50)], "p": [row / 7 for row in range(50)]})
    write_xlsx(tmp_path / "one.xlsx", table.column_names, [table])
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    write_xlsx(tmp_path / "many.xlsx", table.column_names, [table.slice(start, 7) for start in range(0, 50, 7)])
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "many.xlsx").read_bytes()


def test_a_large_sheet_is_still_a_workbook(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "s.xlsx", ["id"], [pa.table({"id": ["1"]})], large=True)
    assert read_cells(tmp_path / "s.xlsx") == [("id",), ("1",)]


def test_a_text_too_long_for_a_cell_is_refused_without_showing_it() -> None:
    long = "secret" * LONGEST_TEXT
    with pytest.raises(OutputError, match="column patient_id has longer texts") as refusal:
        encode_scores(pa.table({"patient_id": [long]}), ".xlsx")
    assert "secret" not in str(refusal.value)
