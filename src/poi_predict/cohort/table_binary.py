"""XLSX workbooks and Parquet files as cells."""

from __future__ import annotations

import io
import itertools
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import Cells, cell_text, refuse_too_wide
from poi_predict.errors import CohortError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["read_parquet_cells", "read_workbook_cells"]

_OLE2 = b"\xd0\xcf\x11\xe0"  # container of old .xls files and of password-protected workbooks
_LARGEST_WORKBOOK = 2 * 1024**3  # bytes once unpacked; more is a mistake or an attack


def read_workbook_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read one sheet of an XLSX workbook; the first row that holds anything is the header.

    Raises
    ------
    CohortError
        If the workbook is protected, damaged, too large or has no such sheet.
    """
    if content.startswith(_OLE2):
        raise CohortError(
            "A workbook must be an unprotected .xlsx; this one has a password or is an old .xls file."
        )
    import openpyxl

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(item.file_size for item in archive.infolist()) > _LARGEST_WORKBOOK:
            raise CohortError(
                "A workbook must be smaller than 2 GiB once unpacked; this one is not. Save it as CSV."
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles and validations that no cell depends on
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        try:
            sheet = _sheet(book, settings.sheet)
            sheet.reset_dimensions()  # the stored extent may claim a million empty rows
            rows = sheet.iter_rows(values_only=True)
            header = next((row for row in rows if any(cell is not None for cell in row)), ())
            refuse_too_wide(len(header), settings.max_columns)
            return _cells_of_rows(header, list(rows))
        finally:
            book.close()


def _sheet(book: Any, wanted: str | int) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    if isinstance(wanted, int):
        if wanted < len(names):
            return book.worksheets[wanted]
        raise CohortError(f"cohort.sheet must be below the number of sheets, {len(names)}; it is {wanted}.")
    if wanted in names:
        return book[wanted]
    raise CohortError(
        f'cohort.sheet must be a sheet of the workbook; "{wanted}" is none{suggest(wanted, names)}.'
    )


def _cells_of_rows(header: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> Cells:
    width = len(header)
    overlong = np.array([any(cell is not None for cell in row[width:]) for row in rows], dtype=bool)
    columns = list(itertools.zip_longest(*(row[:width] for row in rows)))
    columns += [(None,) * len(rows)] * (width - len(columns))
    return Cells(
        [cell_text(name) or "" for name in header], [_column(column) for column in columns], overlong
    )


def _column(cells: tuple[Any, ...]) -> pd.Series:
    numbers = all(
        cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells
    )
    if numbers and not any(isinstance(cell, int) and abs(cell) > 2**53 for cell in cells):
        return pd.Series(cells, dtype="float64")
    return pd.Series([cell_text(cell) for cell in cells], dtype="str")


def read_parquet_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read the columns of a Parquet file.

    Raises
    ------
    CohortError
        If the file is damaged or too wide.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(content))
    refuse_too_wide(len(file.schema_arrow.names), settings.max_columns)
    table = file.read(use_pandas_metadata=False)
    columns = [_arrow_column(table.column(i)) for i in range(table.num_columns)]
    return Cells([str(name) for name in table.column_names], columns, np.zeros(table.num_rows, dtype=bool))


def _arrow_column(column: Any) -> pd.Series:
    """Return an Arrow column without rounding: whole numbers with gaps keep their digits."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_integer(column.type) and column.null_count:
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pd.Series(column.to_pandas(), dtype="str")
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return pd.Series(column.to_pandas())
    return pd.Series([cell_text(cell) for cell in column.to_pylist()], dtype="str")
