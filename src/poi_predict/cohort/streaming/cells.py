"""Some rows of a table as cells, before anything is interpreted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.table_cells import SpeltCells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort.table_cells import Mark

__all__ = ["BlockCells", "Column", "as_series", "cells_of_arrow", "holds", "joined", "series_of", "texts_of"]

Column = pd.Series | SpeltCells


@dataclass(frozen=True, eq=False)
class BlockCells:
    """The cells of some rows; wholly empty rows are left out.

    Attributes
    ----------
    columns : mapping of int to Series or SpeltCells
        By position in the table, those that were asked for.
    position : array of int, shape (n,)
        Which of the block's rows, from 0, blank ones counted.
    overlong : array of bool, shape (n,)
        Rows with more cells than the header.
    n_records : int
        Rows of the block, blank ones counted.
    marks : tuple of Mark
        What the file's own way of holding the cells breaks.
    """

    columns: Mapping[int, Column]
    position: np.ndarray
    overlong: np.ndarray
    n_records: int
    marks: tuple[Mark, ...] = ()

    @classmethod
    def of(cls, columns: Mapping[int, Column], filled: np.ndarray, overlong: np.ndarray | None = None) -> BlockCells:
        """Keep the rows that hold anything."""
        position = np.flatnonzero(filled)
        if len(position) < len(filled):
            columns = {i: _taken(column, position) for i, column in columns.items()}
        beyond = np.zeros(len(filled), dtype=bool) if overlong is None else overlong
        return cls(columns, position, beyond[position], len(filled))


def _taken(column: Column, rows: np.ndarray) -> Column:
    if isinstance(column, SpeltCells):
        return SpeltCells(column.codes[rows], column.spellings)
    return column.iloc[rows].reset_index(drop=True)


def cells_of_arrow(column: pa.Array) -> Column:
    """Return an Arrow array of numbers, text or dictionary-encoded text as cells."""
    if pa.types.is_floating(column.type):
        return pd.Series(column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False))
    if pa.types.is_dictionary(column.type):
        codes = column.indices.fill_null(-1) if column.null_count else column.indices
        return SpeltCells(codes.to_numpy(zero_copy_only=False), column.dictionary)
    return series_of(column)


def series_of(texts: pa.Array) -> pd.Series:
    """Return an Arrow array of text as a column."""
    return pd.Series(texts.to_pandas(), dtype="str")


def as_series(cells: Column) -> pd.Series:
    """Return a column of either form as a Series."""
    return cells if isinstance(cells, pd.Series) else series_of(texts_of(cells))


def texts_of(cells: Column) -> pa.Array:
    """Return a column of text as an Arrow array."""
    if isinstance(cells, SpeltCells):
        codes = pa.array(cells.codes, mask=cells.codes < 0) if len(cells.codes) else pa.array([], pa.int64())
        return cells.spellings.take(codes)
    return pa.array(cells, pa.string(), from_pandas=True)


def holds(texts: pa.Array) -> np.ndarray:
    """Return which texts are more than white space.

    >>> holds(pa.array(["007", " ", None])).tolist()
    [True, False, False]
    """
    held = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), fill_value=False)
    return np.array(held.to_numpy(zero_copy_only=False))


def joined(chunks: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    """Return the chunks of a column as one array."""
    if len(chunks) == 1:
        return chunks[0]
    whole = pa.chunked_array(chunks, kind).unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.Array) else joined(whole.chunks or [pa.array([], kind)], kind)
