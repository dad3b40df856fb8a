"""The cells of a file and their two kinds: numbers as the file holds them, and text."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Cells", "cell_text", "number_text", "refuse_too_wide", "text_cells"]

_EXACT_INTEGERS = 2**53


class Cells(NamedTuple):
    """Headers and columns of equal length, and which rows have more cells than the header."""

    headers: list[str]
    columns: list[pd.Series]
    overlong: np.ndarray


def refuse_too_wide(n_columns: int, max_columns: int) -> None:
    """Raise `CohortError` if a table has too many columns; called before its rows are read."""
    if n_columns > max_columns:
        raise CohortError(
            f"A cohort must have at most {max_columns} columns; this table has {n_columns}. One row is one treatment: "
            "transpose the table or drop columns, or raise cohort.max_columns."
        )


def text_cells(column: pd.Series) -> pd.Series:
    """Return a column as float64 if the file holds it as numbers, otherwise as text.

    >>> text_cells(pd.Series([12, 7])).tolist(), text_cells(pd.Series([True, False])).tolist()
    ([12.0, 7.0], ['true', 'false'])
    """
    if isinstance(column.dtype, pd.StringDtype) or column.dtype == "float64":
        return column
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return _as_text(column)
    if pd.api.types.is_integer_dtype(column.dtype) and column.abs().max() > _EXACT_INTEGERS:
        return _as_text(column)
    return column.astype("float64")


def _as_text(cells: Iterable[Any]) -> pd.Series:
    return pd.Series([cell_text(cell) for cell in cells], dtype="str")


def cell_text(cell: Any) -> str | None:
    """Return what a cell of a workbook or a Parquet file says, as text; None for no cell.

    >>> cell_text(12.0), cell_text(0.5), cell_text(True), cell_text(None)
    ('12', '0.5', 'true', None)
    """
    if cell is None or cell is pd.NaT or cell is pd.NA:
        return None
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        return number_text(float(cell))
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    return str(cell)


def number_text(number: float) -> str | None:
    """Return the shortest text of a number, without a trailing ".0"; None for NaN."""
    if np.isnan(number):
        return None
    return str(int(number)) if np.isfinite(number) and number == int(number) else repr(number)
