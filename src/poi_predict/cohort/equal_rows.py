"""Rows that equal an earlier one in every cell: copies, since a second course of treatment differs somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.findings import TABLE, Finding
from poi_predict.cohort.rules import row_findings
from poi_predict.cohort.table_cells import as_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_files import RawTable

__all__ = ["EQUAL_ROWS_READ", "find_equal_rows"]

EQUAL_ROWS_READ = "equal_rows_read"


def find_equal_rows(
    table: RawTable, plans: Sequence[ColumnPlan], settings: ReadingSettings, *, refuse: bool
) -> tuple[np.ndarray, list[Finding]]:
    """Return which rows repeat an earlier one of the same woman, and the finding that says so.

    A running number that the study does not read makes no difference. Where the table names no woman, two of them
    may be alike by chance, so that such rows are pointed out but not refused.

    Parameters
    ----------
    table : RawTable
        The cells.
    plans : sequence of ColumnPlan
        Columns that the study reads.
    settings : ReadingSettings
        Whether copies are refused or dropped.
    refuse : bool
        Whether either is to happen; a woman may be scored twice.
    """
    read = {plan.position for plan in plans}
    compared = [
        as_texts(column).str.strip()
        for i, column in enumerate(table.columns)
        if i in read or not _is_running_number(column)
    ]
    if not compared or table.n_rows == 0:
        return np.zeros(table.n_rows, dtype=bool), []
    copies = pd.concat(compared, axis=1, ignore_index=True).fillna("").duplicated().to_numpy(dtype=bool)
    if not any(plan.variable.kind == "id" for plan in plans):
        return np.zeros_like(copies), row_findings("equal_unnamed_rows", TABLE, copies, table.row_number)
    rule = {"refuse": "equal_rows", "drop": "dropped_equal_rows"}[settings.duplicates] if refuse else EQUAL_ROWS_READ
    return copies, row_findings(rule, TABLE, copies, table.row_number)


def _is_running_number(column: pd.Series) -> bool:
    """Whether a column counts the rows.

    >>> _is_running_number(pd.Series(["1", "2", "3"], dtype="str")), _is_running_number(pd.Series([1.0, 1.0]))
    (True, False)
    """
    texts = as_texts(column)
    if texts.isna().any() or not texts.map(lambda text: re.fullmatch(r"\s*\d{1,9}\s*", text) is not None).all():
        return False
    numbers = texts.astype(int).to_numpy()
    return len(numbers) > 1 and bool((np.diff(numbers) > 0).all())
