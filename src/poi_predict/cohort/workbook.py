"""One sheet of an XLSX workbook as cells, with what a sheet holds beside values: formulas, merges, hiding, formats."""

from __future__ import annotations

import io
import itertools
import re
import warnings
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort.bombs import refuse_packed_workbook
from poi_predict.cohort.findings import TABLE
from poi_predict.cohort.number_formats import changes_a_number, read_number, show_number
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.shape import count_known
from poi_predict.cohort.spelling import shown_header
from poi_predict.cohort.table_cells import (
    AGGREGATE,
    TOP_ROWS,
    Cells,
    Mark,
    cell_text,
    cells_of_objects,
    refuse_too_wide,
)
from poi_predict.errors import CohortError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["read_workbook_cells"]

_OLE2 = b"\xd0\xcf\x11\xe0"  # container of old .xls files and of password-protected workbooks
_STRICT = b"purl.oclc.org/ooxml"
_AGGREGATES = re.compile(
    r"SUBTOTAL\s*\(|AGGREGATE\s*\("
    r"|(?:SUM|AVERAGE|AVERAGEA|COUNT|COUNTA|MEDIAN|STDEV(?:\.[SP])?|STDEVA?|STDEVP|VAR|MIN|MAX|MODE|QUARTILE(?:\.INC)?)"
    r"\s*\(\s*\$?(?P<first>[A-Z]{1,3})\$?\d+\s*:\s*\$?(?P<last>[A-Z]{1,3})\$?\d+\s*[,)]",
    re.IGNORECASE,
)
_FEWEST_KNOWN = 2  # column names of ours that make a sheet the cohort's
_ALIKE = 0.8  # of the column names of the narrower of two sheets
_LARGEST_FILL = 1_000_000  # cells of one merged area

_RAISED = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")

Row = dict[int, Any]  # cells by column, from 0


def read_workbook_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read one sheet of an XLSX workbook; the first row that holds anything is the header.

    A formula counts by the result that is stored with it, a cell merged over rows in each of them. Hidden rows and
    columns are read and named.

    Raises
    ------
    CohortError
        If the workbook is protected, too large, of another kind or has no such sheet; if several sheets in sight
        hold women and none is declared; if a column's name is a formula without a result.
    """
    _refuse_other_kinds(content)
    refuse_packed_workbook(content)
    _refuse_strict(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles and validations that no cell depends on
        book = _open_book(content)
        try:
            sheet, notes = _choose_sheet(book, settings)
            grid = _read_grid(book, sheet, settings)
            return _cells_of(grid, settings, notes)
        finally:
            book.close()


def _open_book(content: bytes) -> Any:
    from openpyxl.reader.excel import SHARED_STRINGS, ExcelReader  # noqa: PLC0415
    from openpyxl.xml.constants import SHEET_MAIN_NS  # noqa: PLC0415
    from openpyxl.xml.functions import iterparse  # noqa: PLC0415

    class Reader(ExcelReader):  # type: ignore[misc]
        def read_chartsheet(self, sheet: Any, rel: Any) -> None:
            """Leave out sheets that hold a chart and no cell; unusual ones stop openpyxl."""

        def read_strings(self) -> None:
            part = self.package.find(SHARED_STRINGS)
            if part is not None:
                with self.archive.open(part.PartName[1:]) as source:
                    for _, node in iterparse(source):
                        if node.tag == f"{{{SHEET_MAIN_NS}}}si":
                            self.shared_strings.append(_text_of(node).replace("x005F_", ""))
                            node.clear()

    reader = Reader(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    reader.read()
    return reader.wb


def _text_of(node: Any) -> str:
    """Return a text with runs of several looks; raised digits stay raised: 2¹ is no 21, and 10⁷ no 107."""
    from openpyxl.cell.text import Text  # noqa: PLC0415

    text = Text.from_tree(node)
    for run in text.formatted:
        if run.t and run.rPr is not None and run.rPr.vertAlign == "superscript":
            run.t = run.t.translate(_RAISED)
    return str(text.content)


def _refuse_other_kinds(content: bytes) -> None:
    if content.startswith(_OLE2):
        raise CohortError(
            "A workbook must be an unprotected .xlsx; this one has a password or is an old .xls. Save it as .xlsx "
            "without a password."
        )
    start = content[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<?xml", b"<meta")):
        raise CohortError(
            "A workbook must be an .xlsx; this one is a web page or XML under that name, as some programs export it. "
            "Open it in a spreadsheet program and save it as .xlsx."
        )
    if b"opendocument" in content[:200]:
        raise CohortError("A workbook must be an .xlsx; this one is an OpenDocument file. Save it as .xlsx.")


def _refuse_strict(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "_rels/.rels" in archive.namelist() and _STRICT in archive.read("_rels/.rels"):
            raise CohortError(
                "A workbook must be in the usual form of .xlsx; this one is a Strict Open XML one. Save it as "
                '"Excel Workbook (.xlsx)".'
            )


@dataclass
class _Grid:
    """The cells of a sheet that hold anything, and what is known of them beside their values."""

    rows: list[tuple[int, Row]] = field(default_factory=list)  # row of the sheet from 1, cells
    above: dict[int, Row] = field(default_factory=dict)  # rows above the declared one of the header
    unstored: set[tuple[int, int]] = field(default_factory=set)  # formulas without a result
    aggregates: set[int] = field(default_factory=set)  # rows with a formula over cells of its own column
    shown: dict[tuple[int, int], str] = field(default_factory=dict)  # what a number format makes of a number
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)  # first and last
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)  # first and last row, first and last column


def _open_parser(book: Any, sheet: Any, source: Any, grid: _Grid | None) -> Any:
    """Return openpyxl's parser of a sheet, which also notes what `grid` holds of a cell."""
    from openpyxl.worksheet._reader import FORMULA_TAG, INLINE_STRING, VALUE_TAG, WorkSheetParser  # noqa: PLC0415

    formats = _formats_of(book)
    unreliable = bool(getattr(book.calculation, "fullCalcOnLoad", False))

    class Parser(WorkSheetParser):  # type: ignore[misc]
        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            if grid is None:
                return cell
            at = cell["row"], cell["column"] - 1
            if element.get("t") == "inlineStr" and (inline := element.find(INLINE_STRING)) is not None:
                cell["value"] = _text_of(inline)
            formula = element.find(FORMULA_TAG)
            if formula is not None:
                stored = element.findtext(VALUE_TAG, None)
                kind = element.get("t", "n")
                never = not stored and kind != "str"
                # programs that cannot calculate write 0 for every result, and ask for a calculation at the next opening
                if never or (unreliable and kind == "n" and stored == "0"):
                    grid.unstored.add(at)
                    cell["value"] = None
                if _is_aggregate(formula.text or "", cell["column"]):
                    grid.aggregates.add(cell["row"])
            value, code = cell["value"], formats.get(cell["style_id"])
            if code is not None and isinstance(value, int | float) and not isinstance(value, bool):
                grid.shown[at] = show_number(value, code)
                cell["value"] = read_number(value, code) or value
            return cell

    return Parser(
        source,
        sheet._shared_strings,  # noqa: SLF001
        data_only=True,
        epoch=book.epoch,
        date_formats=book._date_formats,  # noqa: SLF001
        timedelta_formats=book._timedelta_formats,  # noqa: SLF001
    )


def _is_aggregate(formula: str, column: int) -> bool:
    """Whether a formula sums up cells of the column in which it stands.

    >>> _is_aggregate("AVERAGE(C2:C25)", 3), _is_aggregate("SUM(A2:B2)", 3), _is_aggregate("SUBTOTAL(101,T[age])", 1)
    (True, False, True)
    """
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    found = _AGGREGATES.search(formula)
    if found is None:
        return False
    first, last = found.group("first"), found.group("last")
    return first is None or first.upper() == last.upper() == get_column_letter(column)


def _formats_of(book: Any) -> dict[int, str]:
    """Return the number formats, by style, that show a number in other digits than its own."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE  # noqa: PLC0415

    formats: dict[int, str] = {}
    for i, style in enumerate(book._cell_styles):  # noqa: SLF001
        own = style.numFmtId - BUILTIN_FORMATS_MAX_SIZE
        known = 0 <= own < len(book._number_formats)  # noqa: SLF001
        code = book._number_formats[own] if known else BUILTIN_FORMATS.get(style.numFmtId, "General")  # noqa: SLF001
        if changes_a_number(code):
            formats[i] = code
    return formats


def _choose_sheet(book: Any, settings: ReadingSettings) -> tuple[Any, list[Finding]]:
    """Return the sheet to be read, and what is to be said of the others."""
    wanted, sheets = settings.sheet, book.worksheets
    in_sight = [sheet for sheet in sheets if sheet.sheet_state == "visible"]
    if wanted != "auto":
        if isinstance(wanted, int) and wanted < len(in_sight):
            return in_sight[wanted], []
        names = {sheet.title: sheet for sheet in sheets}
        if wanted in names:
            return names[str(wanted)], []
        shown = ", ".join(f'"{shown_header(name)}"' for name in list(names)[:10])
        hint = suggest(wanted, names) if isinstance(wanted, str) else ""
        raise CohortError(
            f'cohort.sheet must be a sheet of the workbook; "{wanted}" is none of them{hint}. It holds {shown}.'
        )
    if not in_sight:
        raise CohortError(
            "A workbook must have a sheet of cells in sight; this one has none. Show the sheet, or name it in "
            "cohort.sheet."
        )
    tops = {sheet.title: _top_of(book, sheet) for sheet in in_sight}
    known = {title: max((count_known(row, settings) for row in top[:-1]), default=0) for title, top in tops.items()}
    ours = [sheet for sheet in in_sight if known[sheet.title] >= _FEWEST_KNOWN]
    filled = [sheet for sheet in in_sight if tops[sheet.title]]
    chosen = (ours or filled or in_sight)[0]
    if not filled and len(in_sight) < len(sheets):
        raise CohortError(
            "A workbook must have its women in sight; the sheets in sight are empty, and others are hidden. Show the "
            "sheet, or name it in cohort.sheet."
        )
    if len(sheets) == 1:
        return chosen, []
    _refuse_split_cohorts(chosen, ours, {title: _header_in(top, settings) for title, top in tops.items()})
    others = [sheet.title for sheet in sheets if sheet is not chosen]
    shown = ", ".join(f'"{shown_header(name)}"' for name in others[:10])
    facts = {"sheet": shown_header(chosen.title), "others": shown}
    return chosen, [column_finding("sheet_chosen", TABLE, **facts)]


def _refuse_split_cohorts(chosen: Any, ours: Sequence[Any], headers: dict[str, tuple[str, ...]]) -> None:
    """Refuse to leave out women who stand in a sheet of their own."""
    own = set(headers[chosen.title])
    alike = [
        sheet
        for sheet in ours
        if len(own & set(headers[sheet.title])) >= _ALIKE * min(len(own), len(headers[sheet.title]))
    ]
    if len(alike) > 1:
        shown = ", ".join(f'"{shown_header(sheet.title)}"' for sheet in alike[:10])
        raise CohortError(
            f"A workbook must hold its women in one sheet; {len(alike)} sheets have the same columns, or nearly "
            f"({shown}). Put their rows into one sheet, save each as a file, or name one in cohort.sheet."
        )


def _header_in(top: Sequence[tuple[str, ...]], settings: ReadingSettings) -> tuple[str, ...]:
    row = max(top, key=lambda row: count_known(row, settings), default=())
    return tuple(name.strip().casefold() for name in row if name.strip())


def _top_of(book: Any, sheet: Any) -> list[tuple[str, ...]]:
    """Return the first rows of a sheet that hold anything, as text."""
    with sheet._get_source() as source:  # noqa: SLF001
        rows = _filled_rows(_open_parser(book, sheet, source, None))
        return [tuple(cell_text(cell) or "" for cell in row.values()) for _, row in itertools.islice(rows, TOP_ROWS)]


def _filled_rows(parser: Any) -> Iterator[tuple[int, Row]]:
    for number, cells in parser.parse():
        row = {cell["column"] - 1: cell["value"] for cell in cells if cell["value"] is not None}
        if any(not isinstance(value, str) or value.strip() for value in row.values()):
            yield number, row


def _read_grid(book: Any, sheet: Any, settings: ReadingSettings) -> _Grid:
    grid = _Grid()
    first = 1 if settings.header_row == "auto" else settings.header_row
    with sheet._get_source() as source:  # noqa: SLF001
        parser = _open_parser(book, sheet, source, grid)
        for number, cells in parser.parse():
            row = {cell["column"] - 1: cell["value"] for cell in cells if cell["value"] is not None}
            if number < first:
                grid.above[number] = row
            marked = any((number, cell["column"] - 1) in grid.unstored for cell in cells) if grid.unstored else False
            if number >= first and (marked or any(not isinstance(v, str) or v.strip() for v in row.values())):
                if not grid.rows:
                    refuse_too_wide(max(row, default=0) + 1, settings.max_columns)
                grid.rows.append((number, row))
    grid.hidden_rows = {int(number) for number, facts in parser.row_dimensions.items() if _is_hidden(facts, "ht")}
    grid.hidden_columns = [
        (int(facts["min"]) - 1, int(facts["max"]) - 1)
        for facts in parser.column_dimensions.values()
        if _is_hidden(facts, "width")
    ]
    if parser.merged_cells is not None:
        grid.merged = [
            (area.min_row, area.max_row, area.min_col - 1, area.max_col - 1) for area in parser.merged_cells.mergeCell
        ]
    return grid


def _is_hidden(facts: dict[str, str], extent: str) -> bool:
    return facts.get("hidden") in ("1", "true") or facts.get(extent) in ("0", "0.0")


def _cells_of(grid: _Grid, settings: ReadingSettings, notes: list[Finding]) -> Cells:
    if not grid.rows:
        if settings.header_row != "auto":
            raise CohortError(
                f"cohort.header_row must be a row of the table; it is {settings.header_row}, and the sheet ends above "
                "it. Correct it."
            )
        return Cells([], [], np.zeros(0, dtype=bool))
    header_row, header = grid.rows[0]
    if any(row == header_row for row, _ in grid.unstored):
        raise CohortError(
            "A column's name must be in the file; the header holds a formula whose result is not. Open the workbook in "
            "a spreadsheet program and save it."
        )
    n_filled, across = _fill_merged(grid, header_row)
    width = max(header, default=0) + 1
    rows = grid.rows[1:]
    position = {number: i for i, (number, _) in enumerate(rows)}
    marks = _marks_of(grid, position, across, width)
    columns = [cells_of_objects([row.get(i) for _, row in rows]) for i in range(width)]
    hidden = [
        shown_header(cell_text(header.get(i)) or "")
        for first, last in grid.hidden_columns
        for i in range(first, min(last + 1, width))
        if header.get(i) is not None
    ]
    if hidden:
        names = ", ".join(f'"{name}"' for name in hidden[:10])
        notes = [*notes, column_finding("hidden_columns", TABLE, count=len(hidden), names=names)]
    if n_filled:
        notes = [*notes, column_finding("merged_cells", TABLE, count=n_filled)]
    return Cells(
        headers=[cell_text(header.get(i)) or "" for i in range(width)],
        columns=columns,
        overlong=np.array([any(i >= width and _holds(cell) for i, cell in row.items()) for _, row in rows], dtype=bool),
        header_row=header_row,
        row_number=np.array([number - header_row for number, _ in rows], dtype=np.int64),
        shown=_shown_columns(grid, rows, columns),
        top=tuple(
            (number, tuple(cell_text(row.get(i)) or "" for i in range(max(row, default=-1) + 1)))
            for number, row in rows[:TOP_ROWS]
        ),
        marks=marks,
        notes=tuple(notes),
    )


def _holds(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _fill_merged(grid: _Grid, header_row: int) -> tuple[int, set[tuple[int, int]]]:
    """Give every row of a merged area its value; return their number, and the cells that are merged over columns."""
    rows = dict(grid.rows)
    n_filled, across = 0, set()
    for first_row, last_row, first, last in grid.merged:
        area = [number for number in rows if first_row <= number <= last_row]
        if len(area) * (last - first + 1) > _LARGEST_FILL:
            raise CohortError("A merged area must not span a million cells; one does. Unmerge it.")
        above = rows.get(first_row, grid.above.get(first_row, {})).get(first)
        for number in area:
            if last > first and number > header_row and _holds(above):
                across |= {(number, i) for i in range(first, last + 1)}
            elif _holds(above) and (number == header_row or header_row < first_row < number):
                for i in range(first, last + 1):
                    n_filled += number > header_row and i not in rows[number]
                    rows[number].setdefault(i, above)
                    if (first_row, first) in grid.shown:
                        grid.shown[number, i] = grid.shown[first_row, first]
            if (first_row, first) in grid.unstored:
                grid.unstored |= {(number, i) for i in range(first, last + 1)}
    return n_filled, across


def _marks_of(grid: _Grid, position: dict[int, int], across: set[tuple[int, int]], width: int) -> tuple[Mark, ...]:
    marks = []
    for rule, cells in (("formula_without_result", grid.unstored), ("merged_across", across)):
        for column in sorted({column for _, column in cells if column < width}):
            rows = np.zeros(len(position), dtype=bool)
            rows[[position[row] for row, at in cells if at == column and row in position]] = True
            marks.append(Mark(rule, column, rows))
    for rule, numbers in (("hidden_row", grid.hidden_rows), (AGGREGATE, grid.aggregates)):
        rows = np.zeros(len(position), dtype=bool)
        rows[[position[row] for row in numbers if row in position]] = True
        marks.append(Mark(rule, None, rows))
    return tuple(mark for mark in marks if mark.rows.any())


def _shown_columns(grid: _Grid, rows: list[tuple[int, Row]], columns: Sequence[pd.Series]) -> dict[int, pd.Series]:
    """Return the columns of which a number format shows a cell otherwise than it is stored."""
    position = {number: i for i, (number, _) in enumerate(rows)}
    shown: dict[int, list[Any]] = {}
    for (number, column), text in grid.shown.items():
        if number in position and column < len(columns):
            if column not in shown:
                shown[column] = [cell_text(row.get(column)) for _, row in rows]
            shown[column][position[number]] = text
    return {column: pd.Series(cells, dtype="str") for column, cells in shown.items()}
