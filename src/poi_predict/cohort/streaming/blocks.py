"""A block of a cohort: its rows in canonical columns, and what makes some of them unusable."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from poi_predict.cohort.codebook import Codebook
from poi_predict.cohort.contract_checks import check_contract
from poi_predict.cohort.findings import TABLE
from poi_predict.cohort.identity import nameless_rows, rounded_rows
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.plausibility import consistency_breaches
from poi_predict.cohort.rules import Breach, row_message
from poi_predict.cohort.streaming.cells import series_of, texts_of
from poi_predict.cohort.streaming.parquet_tables import read_parquet_block
from poi_predict.cohort.streaming.plans import ParquetLayout, TextLayout
from poi_predict.cohort.streaming.surveyed import changed
from poi_predict.cohort.streaming.text_blocks import kinds_of, parse_text_block
from poi_predict.cohort.streaming.whole_tables import read_whole_block
from poi_predict.cohort.table_cells import as_texts
from poi_predict.cohort.table_files import speaking_of
from poi_predict.cohort.typed_table import enforce_contract, mark_breaches, read_columns, tabulate
from poi_predict.cohort.visits import VISIT, find_empty_rows, find_follow_up_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.lab_clues import LabFacts
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.streaming.cells import BlockCells
    from poi_predict.cohort.streaming.plans import BlockPlan, CohortPlan, TablePlan
    from poi_predict.cohort.table_cells import Mark, SpeltCells

__all__ = ["Block", "RowFault", "check_cells", "read_block"]


class RowFault(NamedTuple):
    """A rule that rows of a block break, so that they cannot be used.

    `rows` are positions in the block's data; `message` speaks of one row and is the same for each of them.
    """

    column: str
    rule: str
    message: str
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of a cohort.

    Attributes
    ----------
    data : DataFrame
        Canonical columns as `read_cohort` gives them, RangeIndex; cells at fault are missing.
    row_number : array of int, shape (n,)
        Number of each row in its table, 1 for the first row under the header.
    faults : list of RowFault
        What makes rows unusable.
    table : int
        Position of the table in the cohort.
    assumed : dict of str to array of bool
        Rows whose detection limit is not their own but the smallest of the column or the usual one, by variable.
    """

    data: pd.DataFrame = field(repr=False)
    row_number: np.ndarray = field(repr=False)
    faults: list[RowFault] = field(repr=False)
    table: int
    assumed: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def usable(self) -> np.ndarray:
        """Which rows have no fault."""
        usable = np.ones(len(self.data), dtype=bool)
        for fault in self.faults:
            usable[fault.rows] = False
        return usable

    def assumed_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return `assumed` of some rows, a mask."""
        return {name: assumed[rows] for name, assumed in self.assumed.items()}


def read_block(plan: CohortPlan, block: BlockPlan) -> Block:
    r"""Read one block of a surveyed cohort; blocks can be read in any order, by any thread or process.

    Parameters
    ----------
    plan : CohortPlan
        What `survey_cohort` found.
    block : BlockPlan
        One of `plan.blocks`.

    Raises
    ------
    CohortError
        If the file vanished, cannot be read, or changed since the survey.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> from poi_predict.cohort.streaming import survey_cohort
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name) / "clinic.csv"
    >>> _ = file.write_text("id;Age;AMH [ng/mL]\n007;36,5;<0,1\n008;290;1,4\n")
    >>> plan = survey_cohort(file, read_codebook(), ReadingSettings(), required=["age"])
    >>> block = read_block(plan, plan.blocks[0])
    >>> block.data.values.tolist()
    [['007', 36.5, 0.1, True], ['008', nan, 1.4, False]]
    >>> [(fault.rule, fault.rows.tolist(), fault.message) for fault in block.faults]
    [('hard_range', [1], 'age must lie between 12 and 55 years; this row is outside. Check the unit and the cells.')]
    >>> folder.cleanup()
    """
    table = plan.tables[block.table]
    with speaking_of(table.path):
        cells = _cells(table, block, plan.settings)
    if len(cells.position) != block.n_rows:
        raise changed(table.name)
    row_number = cells.position + block.first_row
    read = check_cells(
        cells.columns, table.columns, plan.settings, row_number, table.facts, cells.overlong, cells.marks
    )
    return replace(read, table=block.table)


def check_cells(
    cells: Mapping[int, pd.Series | SpeltCells],
    plans: Sequence[ColumnPlan],
    settings: ReadingSettings,
    row_number: np.ndarray,
    facts: Mapping[str, LabFacts] | None = None,
    overlong: np.ndarray | None = None,
    marks: Sequence[Mark] = (),
) -> Block:
    """Return cells as a block: read as their variables, with the rules that each row breaks.

    Parameters
    ----------
    cells : mapping of int to Series or SpeltCells
        Columns by position.
    plans : sequence of ColumnPlan
        Which of them is which variable.
    settings : ReadingSettings
        How the cells are written.
    row_number : array of int, shape (n,)
    facts : mapping of str to LabFacts, optional
        What whole columns say, where `cells` are a part of them.
    overlong : array of bool, shape (n,), optional
        Rows with more cells than the header.
    marks : sequence of Mark
        What the file's own way of holding the cells breaks.
    """
    ids, breaches = _identify(cells, plans, row_number)
    columns, found = read_columns(cells.__getitem__, plans, settings, facts)
    for plan in plans:
        found += mark_breaches(plan, [mark for mark in marks if mark.position == plan.position])
    data = tabulate(ids, columns)
    numeric = [column for column in plans if column.variable.is_numeric]  # levels are known ones once read
    beyond = np.zeros(len(row_number), dtype=bool) if overlong is None else overlong
    breaches = [
        Breach(TABLE, "overlong_row", beyond, {}),
        *[Breach(TABLE, mark.rule, mark.rows, {}) for mark in marks if mark.position is None],
        *breaches,
        *found,
        *enforce_contract(data, numeric, check_contract),
        *consistency_breaches(data),
        *find_follow_up_rows(data, settings.visits),
    ]
    faulty = np.any([breach.rows for breach in breaches if breach.is_error], axis=0)
    breaches += find_empty_rows(data, Codebook(plan.variable for plan in plans), faulty)
    data = data.drop(columns=VISIT.name, errors="ignore")
    faults = [
        RowFault(breach.variable, breach.rule, _message(breach), np.flatnonzero(breach.rows))
        for breach in breaches
        if breach.is_error and breach.rows.any()
    ]
    assumed = {b.variable: b.rows for b in breaches if b.rule == "borrowed_limit" and b.rows.any()}
    return Block(data, row_number, faults, 0, assumed)


def _message(breach: Breach) -> str:
    return row_message(breach.rule, breach.variable, **breach.facts)


def _identify(
    cells: Mapping[int, pd.Series | SpeltCells], plans: Sequence[ColumnPlan], row_number: np.ndarray
) -> tuple[pd.Series, list[Breach]]:
    """Return the identifiers exactly as given, and the rows without one."""
    plan = next((plan for plan in plans if plan.variable.kind == "id"), None)
    if plan is None:
        return pd.Series([f"row-{number}" for number in row_number.tolist()], dtype="str"), []
    column = cells[plan.position]
    texts = texts_of(as_texts(column) if isinstance(column, pd.Series) else column)
    nameless = nameless_rows(texts)
    ids = series_of(texts)
    if nameless.any():
        ids = ids.where(~nameless)
    shown = {"column": plan.shown}
    return ids, [
        Breach("patient_id", "empty_patient_id", nameless, shown),
        Breach("patient_id", "rounded_patient_id", rounded_rows(texts), shown),
    ]


def _cells(table: TablePlan, block: BlockPlan, settings: ReadingSettings) -> BlockCells:
    if isinstance(table.layout, ParquetLayout):
        return read_parquet_block(table, block, table.layout)
    if not isinstance(table.layout, TextLayout):
        return read_whole_block(table, block, settings)
    with table.path.open("rb") as file:
        file.seek(block.start)
        content = file.read(block.stop - block.start)
        size = file.seek(0, os.SEEK_END)
    if zlib.crc32(content) != block.checksum or size != table.layout.n_bytes:
        raise changed(table.name)
    kinds = kinds_of(table.columns, settings, table.layout.spelt)
    return parse_text_block(content, table.layout, kinds or {0: "text"}, missing_spellings(map(str, settings.missing)))
