"""What is wrong with a table as such, before any cell is read: separator, header, rows."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import TABLE, Finding
from poi_predict.cohort.other_rows import NOT_WOMEN
from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.spelling import header_key, read_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_files import RawTable

    Top = Sequence[tuple[int, tuple[str, ...]]]

__all__ = ["check_header", "check_shape", "count_known", "other_rows"]

_FEWEST_KNOWN = 3  # names of ours in a row below the first that make it the header
_FEWEST_UNITS = 2
_LARGEST_SHORT_SHARE = 0.5
_NUMBER = re.compile(r"[<>]?\s*[+-]?\d[\d.,]*")
_SEPARATORS = {",": ("commas", ","), ";": ("semicolons", ";"), "\t": ("tabs", "\\t"), "|": ("bars", "|")}


def check_shape(table: RawTable, settings: ReadingSettings) -> list[Finding]:
    """Return the findings about the table as such.

    An error of the table as a whole comes alone: whatever else would be found is its consequence.
    """
    return check_header(table.headers, table.header_row, table.top, settings) or _rows(table)


def check_header(headers: Sequence[str], header_row: int, top: Top, settings: ReadingSettings) -> list[Finding]:
    """Return the finding that what stands first is no header, not cut into columns, or the header's first line only.

    Parameters
    ----------
    headers : sequence of str
        What stands first.
    header_row : int
        Its row in the file.
    top : sequence of (int, tuple of str)
        The first rows below, uncut, each with its row in the file.
    settings : ReadingSettings
        The study's own column names.

    Examples
    --------
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> rows = [(2, ("id", "age", "fsh")), (3, ("1", "36", "80"))]
    >>> check_header(["Women treated 2019 to 2023"], 1, rows, ReadingSettings())[0].message
    'The first row must hold column names; they seem to be in row 2. Set cohort.header_row = 2, or ...'
    """
    return (
        _header_below(headers, header_row, top, settings)
        or _separator(headers)
        or _header(headers)
        or _units_below(headers, top)
    )


def count_known(row: Sequence[str], settings: ReadingSettings) -> int:
    """Return how many cells of a row are names of variables: the codebook's, or those that the study maps.

    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> count_known(("Patient ID", "Age (y)", "AMH [pmol/L]", "36"), ReadingSettings())
    3
    """
    known = _known_names() | {header_key(mapping.column) for mapping in settings.columns if mapping.column}
    found = set()
    for cell in row:
        keys = [header_key(cell), *(header_key(reading.name) for reading in read_header(cell) if not reading.unmarked)]
        found |= set(keys[:1] if keys[0] in known else [key for key in keys if key in known][:1])
    return len(found - {""})


@cache
def _known_names() -> frozenset[str]:
    variables = read_codebook().values()
    return frozenset(header_key(name) for variable in variables for name in (variable.name, *variable.aliases))


def _header_below(headers: Sequence[str], header_row: int, top: Top, settings: ReadingSettings) -> list[Finding]:
    here = count_known(headers, settings)
    counts = [(count_known(row, settings), -number) for number, row in top]
    best, row = max(counts, default=(0, 0))
    if best < _FEWEST_KNOWN or best <= here:
        return []
    if settings.header_row != "auto":
        return [column_finding("wrong_header_row", TABLE, declared=header_row, row=-row)]
    return [column_finding("header_below", TABLE, row=-row)]


def _units_below(headers: Sequence[str], top: Top) -> list[Finding]:
    """Find a row of units under the header: it is no woman, and without it the numbers may mean something else."""
    number, first = next(((number, row) for number, row in top if any(map(str.strip, row))), (0, ()))
    cells = [cell.strip().strip("()[]") for cell in first[: len(headers)] if cell.strip()]
    variables = read_codebook().values()
    units = sum(any(variable.knows_unit(cell) for variable in variables) for cell in cells)
    if units < _FEWEST_UNITS or any(_NUMBER.fullmatch(cell) for cell in cells):
        return []
    return [column_finding("units_below", TABLE, row=number)]


def _separator(headers: Sequence[str]) -> list[Finding]:
    header = headers[0]
    probable = max(_SEPARATORS, key=header.count)
    if len(headers) > 1 or probable not in header:
        return []
    name, written = _SEPARATORS[probable]
    return [column_finding("wrong_delimiter", TABLE, separator=name, written=written)]


def _header(headers: Sequence[str]) -> list[Finding]:
    named = [header.strip() for header in headers if header.strip()]
    numbers = sum(_NUMBER.fullmatch(header) is not None for header in named)
    return [column_finding("no_header", TABLE)] if numbers > len(named) / 2 else []


def _rows(table: RawTable) -> list[Finding]:
    if table.n_rows == 0:
        return [column_finding("no_rows", TABLE)]
    short = sum(int(mark.rows.sum()) for mark in table.marks if mark.rule == "short_row")
    if short > _LARGEST_SHORT_SHARE * table.n_rows and short > 1:
        return [column_finding("short_rows", TABLE, count=short, total=table.n_rows)]
    findings = row_findings("overlong_row", TABLE, table.overlong, table.row_number)
    for mark in table.marks_of(None):
        findings += row_findings(mark.rule, TABLE, mark.rows, table.row_number)
    return [*findings, *table.notes]


def other_rows(table: RawTable) -> tuple[np.ndarray, list[Finding]]:
    """Return which rows are no woman's treatment, and the warnings that name them as left out."""
    left_out = np.zeros(table.n_rows, dtype=bool)
    findings = []
    for mark in table.marks_of(None):
        if mark.rule in NOT_WOMEN:
            left_out |= mark.rows
            findings += row_findings(f"left_out_{mark.rule}", TABLE, mark.rows, table.row_number)
    return left_out, findings
