"""Workbooks as grids of cells: no value lost, none invented, and whatever is not a plain cell is said."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.worksheet.worksheet import Worksheet

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import Findings
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.reading import Cohort, check_cohort, read_cohort
from poi_predict.cohort.streaming import read_block, survey_cohort
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()
HEADER = ["patient_id", "centre", "age", "fsh", "amh", "cell_source", "menses_resumed"]
WOMEN = [
    ["P001", "A", 26, 40, "<0.02", "AD-MSC", "yes"],
    ["P002", "A", 33, 51, 0.05, "BM-MSC", "no"],
    ["P003", "B", 27, 62, 0.11, "UC-MSC", "no"],
    ["P004", "B", 36, 73, 0.3, "AD-MSC", "yes"],
]


def book(change: Callable[[Worksheet], object] | None = None, above: int = 0) -> Workbook:
    """A workbook of four women, changed."""
    made = Workbook()
    sheet = made.worksheets[0]
    for _ in range(above):
        sheet.append([])
    for row in (HEADER, *WOMEN):
        sheet.append(row)
    if change is not None:
        change(sheet)
    return made


def save(folder: Path, made: Workbook) -> Path:
    made.save(folder / "clinic.xlsx")
    return folder / "clinic.xlsx"


def with_cell(content: bytes, old: bytes, new: bytes, part: str = "xl/worksheets/sheet1.xml") -> bytes:
    """Exchange the XML of a part, for what openpyxl does not write."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(packed, "w") as out:
        for name in archive.namelist():
            text = archive.read(name)
            assert name != part or old in text
            out.writestr(name, text.replace(old, new) if name == part else text)
    return packed.getvalue()


def check(path: Path, **reading: object) -> dict[str, tuple[int, ...]]:
    """The rules broken, with their rows; both readers give the same women."""
    settings = ReadingSettings(**reading)  # type: ignore[arg-type]
    found = check_cohort(path, CODEBOOK, settings)
    findings = found if isinstance(found, Findings) else found.findings
    return {finding.rule: finding.rows for finding in findings if finding.rule != "unit_assumed"}


def read(path: Path, **reading: object) -> Cohort:
    """The women, as both readers give them."""
    settings = ReadingSettings(**reading)  # type: ignore[arg-type]
    cohort = read_cohort(path, CODEBOOK, settings, permit_row_errors=True)
    plan = survey_cohort(path, CODEBOOK, settings)
    block = read_block(plan, plan.blocks[0])
    assert block.data.equals(cohort.data)
    assert sorted(int(r) for f in block.faults for r in block.row_number[f.rows]) == sorted(
        row for finding in cohort.findings.errors for row in finding.rows
    )
    return cohort


@pytest.mark.parametrize("formula", ["=2024-1990", "=ROUND(B2,0)", '=IF(A2="","",1)'])
@pytest.mark.parametrize("column", ["A", "B", "C", "F"])
def test_a_formula_without_a_result_is_no_missing_value(tmp_path: Path, formula: str, column: str) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.__setitem__(f"{column}3", formula)))
    assert check(path)["formula_without_result"] == (2,)
    with pytest.raises(CohortError, match=r"formula whose result is not in the file\. Open the file in a spreadsheet"):
        read_cohort(path, CODEBOOK, ReadingSettings())


def test_a_formula_with_its_result_counts_by_it(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.__setitem__("C3", "=2024-1990")))
    stored = with_cell(path.read_bytes(), b"<f>2024-1990</f><v />", b"<f>2024-1990</f><v>34</v>")
    path.write_bytes(with_cell(stored, b'fullCalcOnLoad="1"', b'fullCalcOnLoad="0"', "xl/workbook.xml"))
    assert read(path).data["age"].tolist() == [26, 34, 27, 36]
    assert "formula_without_result" not in check(path)
    path.write_bytes(with_cell(stored, b"<v>34</v>", b"<v>0</v>"))  # as programs write it that cannot calculate
    assert check(path)["formula_without_result"] == (2,)


def test_no_by_a_formula_is_a_result(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.__setitem__("G3", "=C3>40")))
    path.write_bytes(
        with_cell(path.read_bytes(), b'<c r="G3"><f>C3&gt;40</f><v />', b'<c r="G3" t="b"><f>1</f><v>0</v>')
    )
    assert read(path).data["menses_resumed"].tolist() == [1, 0, 0, 1]


def test_raised_digits_are_no_digits_of_the_number(tmp_path: Path) -> None:
    def raise_digit(cell: str, plain: str, raised: str) -> Callable[[Worksheet], object]:
        run = TextBlock(InlineFont(vertAlign="superscript"), raised)
        return lambda sheet: sheet.__setitem__(cell, CellRichText(plain, run))

    path = save(tmp_path, book(raise_digit("E3", "0.0", "1")))  # a note, and not 0.01
    assert check(path)["not_a_number"] == (2,)

    def dose(sheet: Worksheet) -> None:
        sheet["H1"] = "dose_cells"
        raise_digit("H2", "5×10", "6")(sheet)

    assert read(save(tmp_path, book(dose))).data["dose_cells"][0] == 5e6


def test_a_formula_in_a_column_that_is_not_read_stops_nothing(tmp_path: Path) -> None:
    def add(sheet: Worksheet) -> None:
        sheet["H1"], sheet["H2"] = "remark", "=1+1"

    assert check(save(tmp_path, book(add))) == {}


@pytest.mark.parametrize(
    ("cell", "rule"), [("#REF!", "cell_error"), ("#DIV/0!", "cell_error"), ("#N/A", "not_available")]
)
def test_errors_of_the_spreadsheet_are_no_levels(tmp_path: Path, cell: str, rule: str) -> None:
    def put(sheet: Worksheet) -> None:
        sheet["B3"].value = cell
        sheet["B3"].data_type = "e"

    path = save(tmp_path, book(put))
    assert check(path)[rule] == (2,)
    assert read(path).data["centre"].isna().tolist() == [False, True, False, False]


def add_sheet(made: Workbook, title: str, rows: list[list[object]], position: int = 0, state: str = "visible") -> None:
    sheet = made.create_sheet(title, position)
    for row in rows:
        sheet.append(row)
    sheet.sheet_state = state  # type: ignore[assignment]


OLD = [HEADER, *[[*row[:3], 33, *row[4:]] for row in WOMEN]]
COVER = [["POI registry", None], ["Author", "Dr X"], ["Date", "2023-05-01"]]


@pytest.mark.parametrize(
    ("rows", "state"), [(OLD, "hidden"), (OLD, "veryHidden"), (COVER, "visible"), ([], "visible"), ([["x"]], "visible")]
)
def test_the_first_sheet_in_sight_with_women_is_read_and_named(
    tmp_path: Path, rows: list[list[object]], state: str
) -> None:
    made = book()
    add_sheet(made, "old", rows, state=state)
    path = save(tmp_path, made)
    cohort = read(path)
    assert cohort.data["fsh"].tolist() == [40, 51, 62, 73]
    message = next(found.message for found in cohort.findings if found.rule == "sheet_chosen")
    assert '"Sheet" is read, and "old" not' in message
    if rows is OLD:
        assert read(path, sheet="old").data["fsh"].tolist() == [33] * 4


def test_a_list_of_the_columns_is_no_cohort(tmp_path: Path) -> None:
    made = book()
    add_sheet(made, "Codebook", [HEADER])
    assert read(save(tmp_path, made)).n_rows == 4


def test_women_in_hidden_sheets_alone_are_said(tmp_path: Path) -> None:
    made = book()
    made.worksheets[0].sheet_state = "hidden"
    made.create_sheet("empty")
    with pytest.raises(CohortError, match=r"sheets in sight are empty, and others are hidden"):
        read_cohort(save(tmp_path, made), CODEBOOK, ReadingSettings())


def test_a_name_merged_into_the_rows_below_is_no_cell_of_theirs(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.merge_cells("A1:A2")))
    assert check(path)["empty_patient_id"] == (1,)


def test_a_name_merged_over_both_rows_of_a_header_is_the_column_s(tmp_path: Path) -> None:
    def group(sheet: Worksheet) -> None:
        sheet["A1"], sheet["C1"] = "patient_id", "Hormones"
        sheet.merge_cells("A1:A2")

    cohort = read(save(tmp_path, book(group, above=1)), header_row=2)
    assert cohort.patient_id.tolist() == ["P001", "P002", "P003", "P004"]


def test_a_chart_sheet_is_none(tmp_path: Path) -> None:
    made = book()
    chart = BarChart()
    chart.add_data(Reference(made.worksheets[0], min_col=4, min_row=1, max_row=5))
    made.create_chartsheet("Chart", 0).add_chart(chart)
    made.create_chartsheet("Empty")
    assert read(save(tmp_path, made)).n_rows == 4


def test_women_in_several_sheets_are_not_lost(tmp_path: Path) -> None:
    made = book()
    add_sheet(made, "Izmir", OLD, 1)
    path = save(tmp_path, made)
    with pytest.raises(
        CohortError, match=r'2 sheets have the same columns, or nearly \("Sheet", "Izmir"\).*cohort\.sheet'
    ):
        read_cohort(path, CODEBOOK, ReadingSettings())
    assert read(path, sheet="Izmir").data["fsh"].tolist() == [33] * 4
    assert read(path, sheet=0).data["fsh"].tolist() == [40, 51, 62, 73]
    with pytest.raises(CohortError, match=r'"Izmr" is none of them \(did you mean "Izmir"\?\)'):
        read_cohort(path, CODEBOOK, ReadingSettings(sheet="Izmr"))


def test_hidden_rows_and_columns_are_read_and_said(tmp_path: Path) -> None:
    def hide(sheet: Worksheet) -> None:
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["D"].hidden = True

    path = save(tmp_path, book(hide))
    assert check(path) == {"hidden_row": (2,), "hidden_columns": ()}
    assert read(path).data["fsh"].tolist() == [40, 51, 62, 73]


def test_a_cell_merged_over_rows_counts_in_each(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: [sheet.merge_cells(area) for area in ("F2:F4", "B2:B3", "A4:A5")]))
    cohort = read(path)
    assert cohort.data["cell_source"].tolist() == ["adipose"] * 3 + ["adipose"]
    assert cohort.data["centre"].tolist() == ["A", "A", "B", "B"]
    assert cohort.data["patient_id"].tolist() == ["P001", "P002", "P003", "P003"]
    assert check(path)["merged_cells"] == ()


def test_a_merged_area_fills_no_row_that_is_not_there(tmp_path: Path) -> None:
    assert read(save(tmp_path, book(lambda sheet: sheet.merge_cells("F5:F60")))).n_rows == 4


def test_a_cell_merged_over_columns_belongs_to_none_of_them(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.merge_cells("C3:D3")))
    assert check(path)["merged_across"] == (2,)


def test_a_name_merged_over_columns_is_two_columns_of_that_name(tmp_path: Path) -> None:
    assert "duplicated_header" in check(save(tmp_path, book(lambda sheet: sheet.merge_cells("D1:E1"))))


def test_a_heading_merged_over_the_row_is_no_woman(tmp_path: Path) -> None:
    def head(sheet: Worksheet) -> None:
        sheet.insert_rows(4)
        sheet["A4"] = "Centre B"
        sheet.merge_cells("A4:G4")

    path = save(tmp_path, book(head))
    assert check(path) == {"left_out_note_row": (3,)}
    cohort = read_cohort(path, CODEBOOK, ReadingSettings())
    assert cohort.row_number.tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize("above", [1, 3])
def test_a_title_above_the_header_is_said_and_skipped_on_demand(tmp_path: Path, above: int) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.__setitem__("A1", "POI cohort 2019-2023 (n=4)"), above=above))
    with pytest.raises(CohortError, match=rf"seem to be in row {above + 1}\. Set cohort\.header_row = {above + 1}"):
        read_cohort(path, CODEBOOK, ReadingSettings())
    cohort = read(path, header_row=above + 1)
    assert (cohort.n_rows, cohort.header_row, cohort.row_number.tolist()) == (4, above + 1, [1, 2, 3, 4])
    with pytest.raises(CohortError, match="age must be a column of the table"):
        read_cohort(path, CODEBOOK, ReadingSettings(header_row=above + 2), required=["age"])


def test_a_header_of_two_rows_is_said(tmp_path: Path) -> None:
    def group(sheet: Worksheet) -> None:
        sheet["A1"], sheet["C1"] = "Woman", "Hormones"
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("C1:E1")

    path = save(tmp_path, book(group, above=1))
    assert "header_below" in check(path)
    assert read(path, header_row=2).n_rows == 4


@pytest.mark.parametrize("label", ["Mean ± SD", "TOTAL", "Ortalama", "平均", "합계", "n = 4", "SD", "Итого"])
def test_a_summary_below_is_no_woman(tmp_path: Path, label: str) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.append([label, "A", 30.5, 56.5, 0.1, "AD-MSC", "no"])))
    assert check(path) == {"left_out_summary_row": (5,)}
    assert read_cohort(path, CODEBOOK, ReadingSettings()).n_rows == 4
    assert [f.rule for f in read(path).findings.errors] == ["summary_row"]


def test_min_and_max_are_summaries_beside_others_only(tmp_path: Path) -> None:
    named = save(tmp_path, book(lambda sheet: sheet.append(["Min", "A", 30, 56, 0.1, "AD-MSC", "no"])))
    assert check(named) == {}

    def summarise(sheet: Worksheet) -> None:
        for label in ("Mean", "Min", "Max"):
            sheet.append([label, "A", 30, 56, 0.1, "AD-MSC", "no"])

    assert check(save(tmp_path, book(summarise))) == {"left_out_summary_row": (5, 6, 7)}


@pytest.mark.parametrize("formula", ["SUBTOTAL(101,C2:C5)", "AVERAGE(C2:C5)", "SUM($C$2:$C$5)"])
def test_a_row_of_totals_needs_no_label(tmp_path: Path, formula: str) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.append(["P005", "B", f"={formula}", 56, 0.1, "AD-MSC", "no"])))
    content = with_cell(path.read_bytes(), f"<f>{formula}</f><v />".encode(), f"<f>{formula}</f><v>31</v>".encode())
    path.write_bytes(content)
    assert check(path) == {"left_out_summary_row": (5,)}


def test_notes_and_another_table_below_are_no_women(tmp_path: Path) -> None:
    def add(sheet: Worksheet) -> None:
        for row in ([], ["* AMH by Beckman Gen II"], [], ["Group", "n"], ["A", 2], ["B", 2]):
            sheet.append(row)

    path = save(tmp_path, book(add))
    assert check(path) == {"left_out_note_row": (6, 8, 9, 10)}
    assert read_cohort(path, CODEBOOK, ReadingSettings()).n_rows == 4


def test_a_blank_row_between_women_loses_none(tmp_path: Path) -> None:
    path = save(tmp_path, book(lambda sheet: sheet.insert_rows(4)))
    assert check(path) == {}
    assert read(path).row_number.tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0000", "0007"),
        ('"P-"000', "P-007"),
        ("00-00", "00-07"),
        ("0", "7"),
        ("General", "7"),
        ("@", "7"),
        ("#,##0", "7"),
    ],
)
def test_a_name_is_what_its_number_format_shows(tmp_path: Path, code: str, shown: str) -> None:
    def number(sheet: Worksheet) -> None:
        sheet["A2"].value, sheet["A2"].number_format = 7, code
        sheet["D2"].number_format = "0000"  # a hormone stays a number

    cohort = read(save(tmp_path, book(number)))
    assert cohort.patient_id[0] == shown
    assert cohort.data["fsh"][0] == 40


@pytest.mark.parametrize(
    ("column", "code", "stored", "meant"),
    [
        ("fsh", '#,##0.0" IU/L"', 40.26, 40.26),
        ("fsh", '#,##0.00 "€"', 40.26, 40.26),
        ("fsh", '_-* #,##0_-;-* #,##0_-;_-* "-"??_-', 40.26, 40.26),
        ("fsh", '0.0,"k"', 40.26, 40.26),  # thousands are how a number is shown, not what it is
        ("amh", '0.0" pmol/L"', 2.14, 2.14 / 7.14),
        ("amh", "General\\ \\p\\m\\o\\l\\/\\L", 2.14, 2.14 / 7.14),
        ("menses_resumed", '"no";;"yes"', 1, 0.0),
        ("menses_resumed", '"no";;"yes"', 0, 1.0),
        ("menses_resumed", '[=1]"yes";[=2]"no";General', 2, 0.0),
        ("menses_resumed", "0;-0;;@", 1, 1.0),
    ],
)
def test_a_value_is_what_its_number_format_says_beside_it(
    tmp_path: Path, column: str, code: str, stored: float, meant: float
) -> None:
    def number(sheet: Worksheet) -> None:
        cell = sheet.cell(2, HEADER.index(column) + 1)
        cell.value, cell.number_format = stored, code

    assert read(save(tmp_path, book(number))).data[column][0] == pytest.approx(meant, rel=1e-3)


def test_a_limit_that_stands_in_the_number_format_alone_is_one(tmp_path: Path) -> None:
    def number(sheet: Worksheet) -> None:
        sheet["E3"].value, sheet["E3"].number_format = 0.013, '[<0.05]"<0.05";0.00'
        sheet["D2"].value, sheet["D2"].number_format = 0.4, "0%"

    cohort = read(save(tmp_path, book(number)))
    assert cohort.data[["amh", "amh__below"]].iloc[1].tolist() == [0.05, True]
    assert {finding.rule for finding in cohort.findings.errors} == {"unknown_cell_unit"}  # no hormone is 40 %


def test_names_cut_to_fifteen_digits_are_refused(tmp_path: Path) -> None:
    def number(sheet: Worksheet) -> None:
        for row, day in enumerate((1, 2, 3, 4), start=2):
            sheet[f"A{row}"] = 320101199001010000 + day * 10_000_000

    path = save(tmp_path, book(number))
    assert check(path)["truncated_patient_id"] == ()
    with pytest.raises(CohortError, match="beyond the fifteenth digit"):
        survey_cohort(path, CODEBOOK, ReadingSettings())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html><table><tr><td>id</td></tr></table></html>", "web page"),
        (
            b"PK\x03\x04" + bytes(22) + b"\x08\x00\x00\x00mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "OpenDoc",
        ),
    ],
)
def test_other_files_under_the_name_of_a_workbook(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "clinic.xlsx"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=sentence):
        read_cohort(path, CODEBOOK, ReadingSettings())


def test_a_strict_workbook_is_said(tmp_path: Path) -> None:
    path = save(tmp_path, book())
    main, strict = (
        b"http://schemas.openxmlformats.org/officeDocument/2006",
        b"http://purl.oclc.org/ooxml/officeDocument",
    )
    path.write_bytes(with_cell(path.read_bytes(), main, strict, "_rels/.rels"))
    with pytest.raises(CohortError, match="Strict Open XML"):
        read_cohort(path, CODEBOOK, ReadingSettings())
