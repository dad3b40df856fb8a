"""Parquet files, surveyed and read a slice of a row group at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.bombs import refuse_packed_parquet
from poi_predict.cohort.columns import cells_of, lab_column
from poi_predict.cohort.identity import LongIds, count_long_ids
from poi_predict.cohort.lab_clues import LabClues
from poi_predict.cohort.other_rows import find_other_rows
from poi_predict.cohort.shape import check_header
from poi_predict.cohort.streaming.cells import BlockCells, as_series, cells_of_arrow, holds, joined, texts_of
from poi_predict.cohort.streaming.plain_rows import Gaps, label_columns, rows_are_plain
from poi_predict.cohort.streaming.plans import BlockPlan, ParquetLayout
from poi_predict.cohort.streaming.row_groups import RowGroup, open_parquet, row_group_checksum, slices_of, take_slice
from poi_predict.cohort.streaming.surveyed import Columns, Surveyed, conclude, count_synthetic
from poi_predict.cohort.streaming.text_blocks import UnfitText
from poi_predict.cohort.table_binary import parquet_top, read_parquet_cells
from poi_predict.cohort.table_cells import (
    EXACT_INTEGERS,
    TOP_ROWS,
    SpeltCells,
    as_texts,
    cell_text,
    refuse_too_wide,
    written,
)
from poi_predict.cohort.trailing_summaries import MOST_ROWS
from poi_predict.cohort.unread_columns import column_of_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.streaming.cells import Column
    from poi_predict.cohort.streaming.plans import TablePlan
    from poi_predict.cohort.streaming.surveyed import Terms

__all__ = ["read_parquet_block", "survey_parquet"]


def survey_parquet(path: Path, terms: Terms) -> Surveyed:
    """Return the plan of a Parquet file.

    Raises
    ------
    CohortError
        If it is too wide, or claims more than its size can hold.
    UnfitText
        If its rows are not all plain, so that it must be read whole.
    """
    with path.open("rb") as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
    with open_parquet(path) as file:
        schema = file.schema_arrow
        headers = tuple(str(name) for name in schema.names)
        refuse_too_wide(len(headers), terms.settings.max_columns)
        refuse_packed_parquet(path, path.stat().st_size, terms.size.n_rows)
        first = next(file.iter_batches(TOP_ROWS, use_threads=False), None)
        top = () if first is None else parquet_top(pa.Table.from_batches([first]))
        columns = Columns.of(headers, terms, column_of_rows(top))
        layout = ParquetLayout(headers, frozenset(_numbers(file, columns.plans)), terms.size.n_rows)
        survey = _Survey(columns, terms, layout)
        for group in range(file.num_row_groups):
            survey.look(path, file, group)
        kept = tuple(header for i, header in enumerate(headers) if header.strip() or i in survey.used)
    if Gaps.any_between(survey.gaps):
        raise UnfitText  # what stands below a blank row may be another table
    if 0 < survey.n_rows <= MOST_ROWS:
        cells = read_parquet_cells(path.read_bytes(), terms.settings)
        row_number = np.arange(len(cells.overlong))
        if columns.are_contradicted(headers, lambda at: written(cells.columns[at]), terms.settings):
            raise UnfitText  # a unit or sign that stands below the first rows
        if find_other_rows(cells.headers, cells.columns, row_number, cells.overlong):
            raise UnfitText  # a summary of the others, as only all rows together show
    shape = check_header(kept, 1, top, terms.settings) if kept else []
    rows = (survey.n_rows, survey.n_synthetic)
    plan, findings = conclude(path, sha256, kept, columns, rows, shape, survey.long_ids)
    facts = {
        plan.variable.name: survey.clues[plan.variable.name].settle(lab_column(plan, terms.settings).decimal)
        for plan in columns.numeric
    }
    return Surveyed(replace(plan, facts=facts, layout=layout), tuple(survey.blocks), findings)


def _numbers(file: Any, plans: Iterable[ColumnPlan]) -> Iterator[int]:
    """Yield the columns that are read as numbers: not those with whole numbers that float64 would round."""
    for plan in plans:
        if plan.group:
            continue
        kind = _value_type(file.schema_arrow.field(plan.position).type)
        if pa.types.is_floating(kind):
            yield plan.position
        elif pa.types.is_integer(kind):
            batches = file.iter_batches(columns=[plan.header], use_threads=False)
            if all(_is_exact(batch.column(0)) for batch in batches):
                yield plan.position


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_exact(column: pa.Array) -> bool:
    extremes = pc.min_max(column.cast(_value_type(column.type))).as_py().values()
    return all(number is None or abs(number) <= EXACT_INTEGERS for number in extremes)


@dataclass
class _Survey:
    """What the row groups looked at so far show."""

    columns: Columns
    terms: Terms
    layout: ParquetLayout
    blocks: list[BlockPlan] = field(default_factory=list)
    clues: dict[str, LabClues] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    n_records: int = 0
    n_rows: int = 0
    n_synthetic: int = 0
    gaps: list[tuple[Gaps, int]] = field(default_factory=list)
    long_ids: LongIds = field(default_factory=LongIds)

    def __post_init__(self) -> None:
        self.clues = {plan.variable.name: LabClues() for plan in self.columns.numeric}

    def look(self, path: Path, file: Any, group: int) -> None:
        """Look at a row group slice by slice."""
        origin, layout = self.columns.origin, self.layout
        written = [
            plan
            for plan in self.columns.numeric
            if plan.is_composed or plan.position not in layout.numbers or plan.variable.unit == "months"
        ]
        named = [plan for plan in self.columns.plans if plan.variable.kind == "id"]
        wanted = {at for plan in (*written, *named, *([] if origin is None else [origin])) for at in plan.positions}
        wanted |= label_columns(layout.headers)
        checksum = row_group_checksum(path, file, group)
        source = RowGroup(path, group, layout.names(wanted), layout.n_slice, checksum)
        for start, table in slices_of(file, source):
            cells = _cells_of(table, wanted, source, start, layout)
            for plan in written:
                own = cells_of(plan, cells.columns.__getitem__, self.terms.settings)
                clues = lab_column(plan, self.terms.settings).examine(own).clues()
                self.clues[plan.variable.name] = self.clues[plan.variable.name].joined(clues)
            if origin is not None:
                self.n_synthetic += count_synthetic(cells.columns[origin.position], origin, self.terms.settings)
            first_row, n_rows = self.n_records + 1, len(cells.position)
            self._look_at_rows(cells, source, start, [plan.position for plan in named])
            if n_rows:
                where = (start, start + cells.n_records)
                self.blocks.append(BlockPlan(0, 0, *where, first_row, n_rows, group=group, checksum=checksum))
            self.n_records += cells.n_records
            self.n_rows += n_rows
        self._look_for_names(file, source)

    def _look_at_rows(self, cells: BlockCells, source: RowGroup, start: int, named: Iterable[int]) -> None:
        headers = self.layout.headers

        def read_all() -> tuple[list[pd.Series], np.ndarray]:
            found = take_slice(source._replace(columns=None), start)
            whole = _cells_of(found, range(len(headers)), source, start, self.layout)
            return [as_series(whole.columns[i]) for i in range(len(headers))], whole.position + 1

        if any(_has_odd_text(column) for column in cells.columns.values()) or not rows_are_plain(
            cells, headers, read_all
        ):
            raise UnfitText
        self.gaps.append((Gaps.of(cells), len(cells.position)))
        for position in named:
            column = cells.columns[position]
            texts = texts_of(as_texts(column) if isinstance(column, pd.Series) else column)
            self.long_ids = self.long_ids.joined([count_long_ids(texts)])

    def _look_for_names(self, file: Any, source: RowGroup) -> None:
        """Find the columns without a name that hold something: they count as columns."""
        nameless = [i for i, header in enumerate(self.layout.headers) if not header.strip()]
        if nameless:
            for _, table in slices_of(file, source._replace(columns=None)):
                self.used |= {i for i in nameless if _holds(table.column(i)).any()}


def _has_odd_text(column: Column) -> bool:
    """Whether a cell may be one that a spreadsheet program wrote for itself, such as ="0042"."""
    if not isinstance(column, SpeltCells):
        return False
    return bool(pc.any(pc.match_substring_regex(column.spellings, r"^\s*['=#]")).as_py())


def read_parquet_block(plan: TablePlan, block: BlockPlan, layout: ParquetLayout) -> BlockCells:
    """Return the cells of a slice of a row group.

    Raises
    ------
    CohortError
        If the row group is not the one that was surveyed.
    """
    wanted = {at for column in plan.columns for at in column.positions} or {0}
    source = RowGroup(plan.path, block.group, layout.names(wanted), layout.n_slice, block.checksum)
    return _cells_of(take_slice(source, block.start), wanted, source, block.start, layout)


def _cells_of(
    table: pa.Table, wanted: Iterable[int], source: RowGroup, start: int, layout: ParquetLayout
) -> BlockCells:
    found = {i: table.column(layout.headers[i]) for i in wanted}
    filled = np.zeros(table.num_rows, dtype=bool)
    for column in found.values():
        filled |= filled.all() or _holds(column)
    if not filled.all():  # only now the other columns matter
        everything = take_slice(source._replace(columns=None), start)
        for i in range(everything.num_columns):
            filled |= _holds(everything.column(i))
    columns = {i: cells_of_arrow(_typed(column, number=i in layout.numbers)) for i, column in found.items()}
    return BlockCells.of(columns, filled)


def _holds(column: pa.ChunkedArray) -> np.ndarray:
    """Return which cells are neither missing nor white space."""
    typed = _typed(column, number=pa.types.is_floating(_value_type(column.type)))
    if pa.types.is_floating(typed.type):
        return np.asarray(~np.isnan(typed.to_numpy(zero_copy_only=False)))
    return holds(typed.dictionary_decode())


def _typed(column: pa.ChunkedArray, *, number: bool) -> pa.Array:
    """Return a column as numbers, or as text by its distinct spellings."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if number:
        return joined(column.cast(pa.float64()).chunks, pa.float64())
    if pa.types.is_integer(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        column = pa.chunked_array([pa.array([cell_text(cell) for cell in column.to_pylist()], pa.string())])
    encoded = joined(column.chunks, pa.string()).dictionary_encode()
    encoded.dictionary.validate(full=True)  # damaged pages may hold what is no UTF-8; better here than later
    return encoded
