"""What the survey of one table ends in: its plan and blocks, or the reasons why it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.columns import column_missing
from poi_predict.cohort.findings import TABLE, Findings
from poi_predict.cohort.headers import plan_columns
from poi_predict.cohort.identity import synthetic_rows
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.rules import column_finding
from poi_predict.cohort.streaming.plans import BlockSize, TablePlan
from poi_predict.cohort.unread_columns import find_unread
from poi_predict.errors import CohortError
from poi_predict.files import shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import pandas as pd

    from poi_predict.cohort.codebook import Codebook
    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.identity import LongIds
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.streaming.plans import BlockPlan
    from poi_predict.cohort.table_cells import SpeltCells

__all__ = ["Columns", "Surveyed", "Terms", "changed", "conclude", "count_synthetic"]


@dataclass(frozen=True)
class Terms:
    """On what terms a table is surveyed: the arguments of `survey_cohort`."""

    codebook: Codebook
    settings: ReadingSettings
    required: Collection[str] = ()
    size: BlockSize = field(default_factory=BlockSize)


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold variables, and what is wrong with headers and units."""

    plans: tuple[ColumnPlan, ...]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, headers: tuple[str, ...], terms: Terms, cells: Callable[[int], Sequence[str | None]]) -> Columns:
        """Match headers to the variables of the codebook; `cells` gives those of a column, or the first of them."""
        plans, findings = plan_columns(headers, terms.codebook, terms.settings, terms.required)
        unread = find_unread(headers, cells, plans, terms.settings)
        return cls(tuple(plans), (*findings, *unread))

    def are_contradicted(
        self, headers: tuple[str, ...], cells: Callable[[int], Sequence[str | None]], settings: ReadingSettings
    ) -> bool:
        """Whether columns that are not read say otherwise somewhere, now that `cells` gives all of them."""
        return bool(find_unread(headers, cells, self.plans, settings))

    @property
    def numeric(self) -> tuple[ColumnPlan, ...]:
        """Columns of numbers."""
        return tuple(plan for plan in self.plans if plan.variable.is_numeric)

    @property
    def origin(self) -> ColumnPlan | None:
        """The column that says whether rows are SYNTHETIC."""
        return next((plan for plan in self.plans if plan.variable.name == "data_origin"), None)


@dataclass(frozen=True)
class Surveyed:
    """The plan of a table and its blocks; `findings` holds the errors that make it unusable."""

    plan: TablePlan
    blocks: tuple[BlockPlan, ...]
    findings: Findings


def conclude(
    path: Path,
    sha256: str,
    headers: tuple[str, ...],
    columns: Columns,
    rows: tuple[int, int],
    shape: Sequence[Finding],
    long_ids: LongIds,
) -> tuple[TablePlan, Findings]:
    """Return the plan of a table, and everything that is wrong with the table as a whole.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Hash of its bytes.
    headers : tuple of str
        Headers of the columns that have a name or hold anything.
    columns : Columns
        Which of them are variables.
    rows : (int, int)
        Rows that hold anything; those of them that are SYNTHETIC.
    shape : sequence of Finding
        What is to be said of the table as such.
    long_ids : LongIds
        Identifiers that a spreadsheet program may have cut.
    """
    n_rows, n_synthetic = rows
    if not n_rows and not any(finding.severity == "error" for finding in shape):
        shape = [column_finding("no_rows", TABLE)]
    mixed = 0 < n_synthetic < n_rows
    origin = [column_finding("mixed_origin", "data_origin", count=n_synthetic, total=n_rows)] if mixed else []
    named = next((plan.shown for plan in columns.plans if plan.variable.kind == "id"), "patient_id")
    alone = any(finding.severity == "error" for finding in shape)
    findings = Findings.of(shape if alone else [*shape, *long_ids.findings(named), *columns.findings, *origin])
    plan = TablePlan(
        path=path,
        name=shown_name(path),
        sha256=sha256,
        n_rows=n_rows,
        headers=headers,
        columns=columns.plans,
        facts={},
        n_synthetic=n_synthetic,
        layout=None,
        warnings=findings.warnings,
    )
    return plan, findings


def count_synthetic(cells: pd.Series | SpeltCells, plan: ColumnPlan, settings: ReadingSettings) -> int:
    """Return how many rows say that they are SYNTHETIC."""
    missing = column_missing(plan, settings)
    levels = parse_levels(cells, plan.variable, spellings=plan.mapping.levels, missing=missing)
    return int(np.count_nonzero(synthetic_rows(levels.values)))


def changed(name: str) -> CohortError:
    """Return the error that a table is not the one that was surveyed."""
    return CohortError(f'A cohort must stay as it is while it is read; "{name}" changed. Start again.')
