"""XLSX workbooks and Parquet files as cells."""

from __future__ import annotations

import io
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort.bombs import refuse_packed_parquet, refuse_packed_workbook
from poi_predict.cohort.table_cells import (
    EXACT_INTEGERS,
    Cells,
    cell_text,
    cells_of_objects,
    refuse_too_wide,
)
from poi_predict.errors import CohortError
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["read_parquet_cells", "read_workbook_cells"]

_OLE2 = b"\xd0\xcf\x11\xe0"  # container of old .xls files and of password-protected workbooks


def read_workbook_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read one sheet of an XLSX workbook; the first row that holds anything is the header.

    Raises
    ------
    CohortError
        If the workbook is protected, too large or has no such sheet.
    """
    import openpyxl  # noqa: PLC0415

    if content.startswith(_OLE2):
        raise CohortError(
            "A workbook must be an unprotected .xlsx; this one has a password or is an old .xls. Save it as "
            ".xlsx without a password."
        )
    refuse_packed_workbook(content)
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
    if isinstance(wanted, int) and wanted < len(names):
        return book.worksheets[wanted]
    if wanted in names:
        return book[wanted]
    hint = suggest(wanted, names) if isinstance(wanted, str) else ""
    raise CohortError(
        f"cohort.sheet must be a sheet of the workbook; it is none of the {len(names)}{hint}. Correct it."
    )


def _cells_of_rows(header: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> Cells:
    width = len(header)
    overlong = np.array([any(cell is not None for cell in row[width:]) for row in rows], dtype=bool)
    columns = list(itertools.zip_longest(*(row[:width] for row in rows)))
    columns += [(None,) * len(rows)] * (width - len(columns))
    return Cells([cell_text(name) or "" for name in header], list(map(cells_of_objects, columns)), overlong)


def read_parquet_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read the columns of a Parquet file.

    Raises
    ------
    CohortError
        If the file is too wide, or claims more than its size can hold.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = pq.ParquetFile(pa.BufferReader(content))
    refuse_too_wide(len(file.schema_arrow.names), settings.max_columns)
    refuse_packed_parquet(pa.BufferReader(content), len(content))
    table = file.read()
    columns = [_arrow_column(table.column(i)) for i in range(table.num_columns)]
    return Cells([str(name) for name in table.column_names], columns, np.zeros(table.num_rows, dtype=bool))


def _arrow_column(column: Any) -> pd.Series:
    """Return an Arrow column as numbers or text, without rounding a long whole number."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_integer(column.type):
        extremes = pc.min_max(column).as_py()
        exact = all(number is None or abs(number) <= EXACT_INTEGERS for number in extremes.values())
        column = column.cast(pa.float64() if exact else pa.string())
    if pa.types.is_floating(column.type):
        return pd.Series(column.to_pandas(), dtype="float64")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column.validate(full=True)  # damaged pages may hold what is no UTF-8; better here than later
        return pd.Series(column.to_pandas(), dtype="str")
    return cells_of_objects([cell_text(cell) for cell in column.to_pylist()])
