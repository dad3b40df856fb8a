"""Parquet files as cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort.bombs import refuse_packed_parquet
from poi_predict.cohort.table_cells import (
    EXACT_INTEGERS,
    TOP_ROWS,
    Cells,
    cell_text,
    cells_of_objects,
    refuse_too_wide,
)

if TYPE_CHECKING:
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["parquet_top", "read_parquet_cells"]


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
    overlong = np.zeros(table.num_rows, dtype=bool)
    return Cells([str(name) for name in table.column_names], columns, overlong, top=parquet_top(table[:TOP_ROWS]))


def parquet_top(table: Any) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return the first rows of an Arrow table as text, each with its row, the header's being 1."""
    columns = [column.to_pylist() for column in table.columns]
    rows = zip(*columns, strict=True)
    return tuple((2 + i, tuple(cell_text(cell) or "" for cell in row)) for i, row in enumerate(rows))


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
