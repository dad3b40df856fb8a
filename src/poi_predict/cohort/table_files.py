"""A file of any supported format as columns of cells: the bytes are read once, nothing is interpreted.

Every way in which a file can be unreadable ends in a `CohortError` with one clear sentence. Errors of the
parsers are not chained to it, because parsers quote the cells that they stumble over.
"""

from __future__ import annotations

import errno
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.cell_marks import clean_texts
from poi_predict.cohort.other_rows import find_other_rows
from poi_predict.cohort.table_binary import read_parquet_cells
from poi_predict.cohort.table_cells import AGGREGATE, written
from poi_predict.cohort.table_text import read_text_cells
from poi_predict.cohort.workbook import read_workbook_cells
from poi_predict.errors import CohortError
from poi_predict.files import shorten_name, shown_name
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_cells import Cells, Mark

__all__ = ["NOTHING", "TABLE_SUFFIXES", "RawTable", "read_table_file", "speaking_of", "table_suffix", "unreadable"]

_READERS: dict[str, Callable[[bytes, ReadingSettings], Cells]] = {
    ".csv": read_text_cells,
    ".tsv": read_text_cells,
    ".txt": read_text_cells,
    ".xlsx": read_workbook_cells,
    ".xlsm": read_workbook_cells,
    ".parquet": read_parquet_cells,
}
_OTHER_SPREADSHEETS = {
    ".xls": "an old Excel workbook",
    ".xlsb": "a binary Excel workbook",
    ".xlt": "an old Excel template",
    ".ods": "an OpenDocument workbook",
    ".fods": "an OpenDocument workbook",
    ".numbers": "a Numbers workbook",
    ".et": "a WPS workbook",
}
TABLE_SUFFIXES = tuple(_READERS)
NOTHING = b"\xef\xbb\xbf\xff\xfe \t\r\n,;\x00"


@dataclass(frozen=True, eq=False)
class RawTable:
    """The cells of a file, before anything is interpreted.

    Attributes
    ----------
    headers : tuple of str
        Column names as written.
    columns : tuple of Series
        One per header: float64 where the file itself holds numbers, otherwise text, missing where no cell is.
    row_number : array of int
        Number of each row under the header, from 1; wholly empty rows are left out but counted.
    overlong : array of bool
        Rows with more cells than the header.
    sha256 : str
        Hash of the file's bytes.
    header_row : int
        The header's row in the file, as a spreadsheet program counts them; `row_number` + `header_row` is a row's.
    top : tuple of (int, tuple of str)
        The first rows below the header, uncut, each with its row in the file.
    shown : mapping of int to Series
        Columns, by position, that a number format of a workbook shows otherwise, such as 7 as 0007.
    marks : tuple of Mark
        Cells and rows that break a rule by the way in which the file holds them.
    notes : tuple of Finding
        What else is to be said of the file.
    """

    headers: tuple[str, ...]
    columns: tuple[pd.Series, ...] = field(repr=False)
    row_number: np.ndarray = field(repr=False)
    overlong: np.ndarray = field(repr=False)
    sha256: str
    header_row: int = 1
    top: tuple[tuple[int, tuple[str, ...]], ...] = field(default=(), repr=False)
    shown: Mapping[int, pd.Series] = field(default_factory=dict, repr=False)
    marks: tuple[Mark, ...] = field(default=(), repr=False)
    notes: tuple[Finding, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows that hold anything."""
        return len(self.row_number)

    def cells(self, position: int, *, as_shown: bool = False) -> pd.Series:
        """Return a column, as its number format shows it if asked."""
        return self.shown.get(position, self.columns[position]) if as_shown else self.columns[position]

    def texts(self, position: int) -> list[str | None]:
        """Return a column as text; None for no cell."""
        return written(self.columns[position])

    def marks_of(self, position: int | None) -> list[Mark]:
        """Return what is marked in a column; None means whole rows."""
        return [mark for mark in self.marks if mark.position == position]

    def without(self, rows: np.ndarray) -> RawTable:
        """Return the table without some rows, a mask."""
        kept = ~rows
        return replace(
            self,
            columns=tuple(_taken(column, kept) for column in self.columns),
            row_number=self.row_number[kept],
            overlong=self.overlong[kept],
            shown={i: _taken(column, kept) for i, column in self.shown.items()},
            marks=tuple(mark for mark in (mark.taken(kept) for mark in self.marks) if mark.rows.any()),
        )


def read_table_file(path: Path, settings: ReadingSettings) -> RawTable:
    """Read a CSV, TSV, XLSX or Parquet file as cells.

    Parameters
    ----------
    path : Path
        File; its suffix says the format.
    settings : ReadingSettings
        Encoding, delimiter, sheet, greatest number of columns.

    Raises
    ------
    CohortError
        If the file is missing, empty, damaged, protected, too wide or of another kind.

    Examples
    --------
    >>> from pathlib import Path
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> read_table_file(Path("cohort.cvs"), ReadingSettings())
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: A cohort must be a .csv, .tsv, .txt, .xlsx, .xlsm or .parquet file;
    "cohort.cvs" is none (did you mean ".csv"?). Save it in one of these formats.
    """
    suffix = table_suffix(path)
    content = _read_bytes(path)
    empty = CohortError(f'A cohort must hold a header and rows; "{shown_name(path)}" is empty. Export it again.')
    if not content.strip(NOTHING):
        raise empty
    with speaking_of(path):
        cells = _READERS[suffix](content, settings)
        table = _without_blanks(cells, hashlib.sha256(content).hexdigest())
    if not table.headers:
        raise empty
    return table


def table_suffix(path: Path) -> str:
    """Return the suffix that says a table's format, in lower case.

    Raises
    ------
    CohortError
        If the path is a folder, or its suffix is of no format that can be read.
    """
    suffix = path.suffix.lower()
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if is_folder:
        raise CohortError(f'A cohort must be a file; "{shown_name(path)}" is a folder. Name a file in it.')
    if suffix in _OTHER_SPREADSHEETS:
        raise CohortError(
            f'A cohort must be a table in a current format; "{shown_name(path)}" is {_OTHER_SPREADSHEETS[suffix]}. '
            "Open it in a spreadsheet program and save it as .xlsx, or as .csv in UTF-8."
        )
    if suffix not in _READERS:
        *first, last = _READERS
        raise CohortError(
            f'A cohort must be a {", ".join(first)} or {last} file; "{shown_name(path)}" is none'
            f"{suggest(suffix, _READERS)}. Save it in one of these formats."
        )
    return suffix


@contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Turn whatever a parser raises about a file into one sentence that shows nothing of its content.

    Raises
    ------
    CohortError
        Always instead of another error.
    """
    suffix = path.suffix.lower()
    try:
        yield
    except CohortError:
        raise
    except FileNotFoundError:
        raise CohortError(f'A cohort must be an existing file; "{shown_name(path)}" is not. Check the path.') from None
    except PermissionError:
        raise CohortError(f'A cohort must be readable; "{shown_name(path)}" is not. Check its permissions.') from None
    except MemoryError:
        raise CohortError(f'A cohort must fit into memory; "{shown_name(path)}" does not. Split it.') from None
    except Exception as error:  # noqa: BLE001 - a parser may say anything of damaged bytes: the file is at fault
        raise CohortError(
            f'A {suffix} file must be intact; "{shown_name(path)}" cannot be read ({type(error).__name__}). Export it '
            "again."
        ) from None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CohortError(f'A cohort must be an existing file; "{shown_name(path)}" is not. Check the path.') from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> CohortError:
    """Return the sentence that says why a file could not be opened."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = shorten_name(shown_name(path))
        return CohortError(f'The name of a cohort must not be longer than the system takes; "{name}" is. Shorten it.')
    return CohortError(f'A cohort must be readable; "{shown_name(path)}" is not. Check its permissions.')


def _without_blanks(cells: Cells, sha256: str) -> RawTable:
    """Drop rows that hold nothing, and columns that have neither name nor cells; mark the rows of no woman."""
    cells = clean_texts(cells)
    blank = [_is_blank(column) for column in cells.columns]
    kept = [i for i, header in enumerate(cells.headers) if header.strip() or not blank[i].all()]
    filled = cells.overlong.copy()
    for i in kept:
        filled |= ~blank[i]
    for mark in cells.marks:
        if mark.position is not None:
            filled |= mark.rows  # a formula without a result is no empty cell
    headers = tuple(cells.headers[i] for i in kept)
    columns = tuple(_taken(cells.columns[i], filled) for i in kept)
    row_number = (np.arange(1, len(filled) + 1) if cells.row_number is None else cells.row_number)[filled]
    marks = [mark.taken(filled) for mark in cells.marks if mark.position is None or mark.position in kept]
    aggregated = np.zeros(len(row_number), dtype=bool)
    for mark in marks:
        aggregated |= mark.rule == AGGREGATE and mark.rows
    marks = [
        mark if mark.position is None else mark._replace(position=kept.index(mark.position))
        for mark in marks
        if mark.rule != AGGREGATE and mark.rows.any()
    ]
    return RawTable(
        headers=headers,
        columns=columns,
        row_number=row_number,
        overlong=cells.overlong[filled],
        sha256=sha256,
        header_row=cells.header_row,
        top=cells.top,
        shown={kept.index(i): _taken(column, filled) for i, column in cells.shown.items() if i in kept},
        marks=(*marks, *find_other_rows(headers, columns, row_number, aggregated)),
        notes=cells.notes,
    )


def _taken(column: pd.Series, kept: np.ndarray) -> pd.Series:
    return column[kept].reset_index(drop=True)


def _is_blank(column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy(dtype=bool)
    if column.dtype == "float64":
        return missing
    return missing | (column.str.strip() == "").to_numpy(dtype=bool)
