"""The cells of a file and their two kinds: numbers as the file holds them, and text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort.findings import Finding

__all__ = [
    "Cells",
    "Mark",
    "SpeltCells",
    "as_texts",
    "cell_text",
    "cells_of_objects",
    "refuse_too_wide",
    "spell",
    "written",
]

AGGREGATE = "aggregate"  # marks a formula that sums up cells of its own column; a reader's word, no rule
TOP_ROWS = 30  # rows under the first that are looked at for the header, should the first be a title
EXACT_INTEGERS = 2**53  # beyond, float64 would round an identifier


class Mark(NamedTuple):
    """Cells that break a rule by the way in which the file holds them; `position` None means whole rows."""

    rule: str
    position: int | None
    rows: np.ndarray  # of bool

    def taken(self, kept: np.ndarray | slice) -> Mark:
        """Return the mark of some of the rows: a mask, positions or a slice."""
        return self._replace(rows=self.rows[kept])


class Cells(NamedTuple):
    """What a file holds: headers, columns of equal length, and which rows have more cells than the header.

    Columns are float64 where the file itself holds numbers, otherwise text (`str`), missing where no cell is.
    `top` holds the first rows, uncut, each with its row in the file.
    `shown` holds the columns, by position, that a number format shows otherwise, such as 7 as 0007. `header_row` is
    the header's row in the file, from 1, and `row_number` that of each row below it; None means that none was skipped.
    """

    headers: list[str]
    columns: list[pd.Series]
    overlong: np.ndarray
    header_row: int = 1
    row_number: np.ndarray | None = None
    shown: Mapping[int, pd.Series] = MappingProxyType({})
    top: tuple[tuple[int, tuple[str, ...]], ...] = ()
    marks: tuple[Mark, ...] = ()
    notes: tuple[Finding, ...] = ()


class SpeltCells(NamedTuple):
    """A column of text by its distinct spellings, so that each of them is read once.

    `codes` says which spelling each cell has, -1 where there is no cell.
    """

    codes: np.ndarray
    spellings: pa.StringArray


def spell(cells: pd.Series | SpeltCells) -> SpeltCells:
    """Return a column by its distinct spellings; numbers are written out.

    >>> spell(pd.Series(["no", "yes", None, "no"], dtype="str")).codes.tolist()
    [0, 1, -1, 0]
    """
    if isinstance(cells, SpeltCells):
        return cells
    codes, distinct = pd.factorize(cells, use_na_sentinel=True)
    return SpeltCells(codes, pa.array(as_texts(pd.Series(distinct)), pa.string(), from_pandas=True))


def refuse_too_wide(n_columns: int, max_columns: int) -> None:
    """Raise `CohortError` if a table has too many columns; called before its rows are read."""
    if n_columns > max_columns:
        raise CohortError(
            f"A cohort must have at most {max_columns} columns; this table has {n_columns}. One row is one "
            "treatment: transpose the table or drop columns, or raise cohort.max_columns."
        )


def cells_of_objects(cells: Sequence[Any]) -> pd.Series:
    """Return a column of Python objects as numbers if it holds nothing else, otherwise as text.

    >>> cells_of_objects([36, None, 29.5]).tolist(), cells_of_objects([36, "<0.02", True]).tolist()
    ([36.0, nan, 29.5], ['36', '<0.02', 'true'])
    """
    if all(cell is None or _is_exact_number(cell) for cell in cells):
        return pd.Series(cells, dtype="float64")
    return pd.Series([cell_text(cell) for cell in cells], dtype="str")


def _is_exact_number(cell: Any) -> bool:
    if isinstance(cell, bool):
        return False
    return isinstance(cell, float) or (isinstance(cell, int) and abs(cell) <= EXACT_INTEGERS)


def as_texts(cells: pd.Series) -> pd.Series:
    """Return a column as text; whole numbers lose their ".0".

    >>> as_texts(pd.Series([12.0, 0.5, None])).tolist()
    ['12', '0.5', nan]
    """
    if cells.dtype != "float64":
        return cells
    return pd.Series([cell_text(number) for number in cells.tolist()], dtype="str")


def written(cells: pd.Series) -> list[str | None]:
    """Return a column as text; None for no cell.

    >>> written(pd.Series([12.0, 0.5, None]))
    ['12', '0.5', None]
    """
    texts = as_texts(cells)
    return [None if empty else text for text, empty in zip(texts, texts.isna(), strict=True)]


def cell_text(cell: Any) -> str | None:
    """Return what a cell of a workbook or a Parquet file says, as text; None for no cell.

    >>> cell_text(12.0), cell_text(0.5), cell_text(True), cell_text(None)
    ('12', '0.5', 'true', None)
    """
    text: str | None = None
    if isinstance(cell, str):
        text = cell
    elif isinstance(cell, bytes):
        text = cell.decode()  # a Parquet file need not say that its bytes are text
    elif isinstance(cell, bool):
        text = "true" if cell else "false"
    elif isinstance(cell, float):
        text = None if np.isnan(cell) else _digits(cell) if cell.is_integer() else repr(cell)
    elif isinstance(cell, dt.datetime | dt.date | dt.time):
        text = cell.isoformat()
    elif cell is not None:
        text = str(cell)
    return text


def _digits(number: float) -> str:
    """Return a whole number in digits: those that a workbook stores, and zeros from where it stores none.

    >>> _digits(12.0), _digits(3.2010119901101e17)
    ('12', '320101199011010000')
    """
    return f"{number:.0f}" if abs(number) <= EXACT_INTEGERS else f"{Decimal(repr(number)):f}".removesuffix(".0")
