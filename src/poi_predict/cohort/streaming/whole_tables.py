"""Tables that can only be read whole (workbooks, other encodings, stray quotes), handed out in slices of rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from poi_predict.cohort.columns import cells_of, lab_column
from poi_predict.cohort.identity import LongIds, count_long_ids
from poi_predict.cohort.shape import check_shape
from poi_predict.cohort.streaming.cells import BlockCells
from poi_predict.cohort.streaming.plans import BlockPlan
from poi_predict.cohort.streaming.surveyed import Columns, Surveyed, changed, conclude, count_synthetic
from poi_predict.cohort.table_cells import as_texts
from poi_predict.cohort.table_files import read_table_file
from poi_predict.cohort.typed_table import reads_as_shown

if TYPE_CHECKING:
    from pathlib import Path

    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.streaming.plans import TablePlan
    from poi_predict.cohort.streaming.surveyed import Terms
    from poi_predict.cohort.table_files import RawTable

__all__ = ["read_whole_block", "survey_whole"]


@dataclass
class _LastTable:
    """The table read last in this process: its blocks are asked for one after the other."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    key: tuple[Path, str, ReadingSettings] | None = None
    table: RawTable | None = None

    def read(self, path: Path, settings: ReadingSettings) -> RawTable:
        """Read a table afresh."""
        with self.lock:
            return self._read(path, settings)

    def get(self, plan: TablePlan, settings: ReadingSettings) -> RawTable:
        """Return the table of a plan; read it only if another one was read last."""
        with self.lock:
            if self.table is not None and self.key == (plan.path, plan.sha256, settings):
                return self.table
            table = self._read(plan.path, settings)
        if table.sha256 != plan.sha256:
            raise changed(plan.name)
        return table

    def _read(self, path: Path, settings: ReadingSettings) -> RawTable:
        table = read_table_file(path, settings)
        self.key, self.table = (path, table.sha256, settings), table
        return table


_LAST = _LastTable()


def survey_whole(path: Path, terms: Terms) -> Surveyed:
    """Return the plan of a table that is read whole.

    Raises
    ------
    CohortError
        If it cannot be read.
    """
    table = _LAST.read(path, terms.settings)
    shape = check_shape(table, terms.settings)
    columns = Columns.of(table.headers, terms, table.texts)
    n_synthetic, facts = 0, {}
    if columns.origin is not None:
        n_synthetic = count_synthetic(table.columns[columns.origin.position], columns.origin, terms.settings)
    for column in columns.numeric:
        lab = lab_column(column, terms.settings)
        cells = cells_of(column, table.columns.__getitem__, terms.settings)
        facts[column.variable.name] = lab.examine(cells).clues().settle(lab.decimal)
    named = next(
        (table.cells(plan.position, as_shown=True) for plan in columns.plans if plan.variable.kind == "id"), None
    )
    long_ids = LongIds() if named is None else count_long_ids(pa.array(as_texts(named), pa.string(), from_pandas=True))
    shape = [finding for finding in shape if finding.severity == "warning" or not finding.concerns_rows]
    plan, findings = conclude(path, table.sha256, table.headers, columns, (table.n_rows, n_synthetic), shape, long_ids)
    size = terms.size.n_rows
    blocks = tuple(
        BlockPlan(0, 0, start, stop, int(table.row_number[start]), stop - start)
        for start in range(0, table.n_rows, size)
        for stop in (min(start + size, table.n_rows),)
    )
    return Surveyed(replace(plan, facts=facts), blocks, findings)


def read_whole_block(plan: TablePlan, block: BlockPlan, settings: ReadingSettings) -> BlockCells:
    """Return the cells of some rows of a table that is read whole; their positions count from `first_row`."""
    table = _LAST.get(plan, settings)
    rows = slice(block.start, block.stop)
    columns = {
        at: table.cells(at, as_shown=reads_as_shown(column)).iloc[rows].reset_index(drop=True)
        for column in plan.columns
        for at in column.positions
    }
    position = table.row_number[rows] - block.first_row
    n_records = int(position[-1]) + 1 if len(position) else 0
    marks = tuple(mark.taken(rows) for mark in table.marks)
    return BlockCells(columns, np.asarray(position), table.overlong[rows], n_records, marks)
