"""Whether rows of a block are all plain: a woman's treatment each, so that no other row says what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.other_rows import LABEL_PATTERN, find_other_rows
from poi_predict.cohort.spelling import header_key
from poi_predict.cohort.streaming.cells import holds
from poi_predict.cohort.table_cells import SpeltCells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poi_predict.cohort.streaming.cells import BlockCells, Column

__all__ = ["Gaps", "label_columns", "rows_are_plain"]


class Gaps(NamedTuple):
    """Where blank rows stand in a block: between its rows, above the first, below the last."""

    inside: bool
    before: bool
    after: bool

    @classmethod
    def of(cls, cells: BlockCells) -> Gaps:
        """Return the gaps of a block."""
        position, n = cells.position, cells.n_records
        if not len(position):
            return cls(False, n > 0, n > 0)
        return cls(bool((np.diff(position) > 1).any()), bool(position[0] > 0), bool(position[-1] < n - 1))

    @staticmethod
    def any_between(blocks: Sequence[tuple[Gaps, int]]) -> bool:
        """Whether a blank row stands between two that are filled; each block comes with the number of its rows."""
        pending = started = False
        for gaps, n_rows in blocks:
            if n_rows:
                if gaps.inside or (started and (pending or gaps.before)):
                    return True
                started, pending = True, gaps.after
            else:
                pending |= gaps.after
        return False


def label_columns(headers: Sequence[str]) -> set[int]:
    """Return the columns in which a row that is none of a woman's says so: the first, and the first with a name."""
    return {0, next((i for i, header in enumerate(headers) if header.strip()), 0)}


def rows_are_plain(
    cells: BlockCells, headers: Sequence[str], read_all: Callable[[], tuple[list[pd.Series], np.ndarray]]
) -> bool:
    """Whether every row is a woman's treatment, by the columns at hand, and by all of them where these leave a doubt.

    Parameters
    ----------
    cells : BlockCells
        The label columns and those that the study reads.
    headers : sequence of str
        Names of all columns.
    read_all : callable
        Gives all columns as text or numbers, and the number of each row.
    """
    if not len(cells.position):
        return True
    filled = np.zeros(len(cells.position), dtype=np.int64)
    for column in cells.columns.values():
        filled += _held(column)
    labels = label_columns(headers)
    doubtful = (filled <= 1).any() or not _held(cells.columns[0]).all()
    if not doubtful and not any(_may_label(cells.columns[i], header_key(headers[i])) for i in labels):
        return True
    columns, row_number = read_all()
    return not find_other_rows(headers, columns, row_number, np.zeros(len(row_number), dtype=bool))


def _held(column: Column) -> np.ndarray:
    if isinstance(column, SpeltCells):
        return np.asarray(np.append(holds(column.spellings), [False])[column.codes])
    if column.dtype == "float64":
        return column.notna().to_numpy(dtype=bool)
    return holds(pa.array(column, pa.string(), from_pandas=True))


def _may_label(column: Column, name: str) -> bool:
    if isinstance(column, pd.Series) and column.dtype == "float64":
        return False
    texts = column.spellings if isinstance(column, SpeltCells) else pa.array(column, pa.string(), from_pandas=True)
    if pc.any(pc.match_substring_regex(texts, LABEL_PATTERN)).as_py():
        return True
    if not name:
        return False
    keys = pc.replace_substring_regex(pc.utf8_lower(texts), r"[^0-9a-z]+", "")
    if name.isascii() and pc.any(pc.equal(keys, name)).as_py():
        return True
    foreign = texts.filter(pc.fill_null(pc.match_substring_regex(texts, r"[^\x00-\x7f]"), fill_value=False))
    return any(header_key(text) == name for text in foreign.unique().to_pylist())
