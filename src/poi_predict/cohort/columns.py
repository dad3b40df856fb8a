"""One column of a file, read as the variable it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.cohort.composed_cells import compose_cells
from poi_predict.cohort.headers import accepted_units
from poi_predict.cohort.lab_values import LabColumn
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.rules import Breach
from poi_predict.cohort.spelling import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.lab_clues import LabFacts
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_cells import SpeltCells

__all__ = ["TypedColumns", "cells_of", "column_missing", "lab_column", "read_column"]


@dataclass(frozen=True, eq=False)
class TypedColumns:
    """The canonical columns that one column of a file becomes, and what was found in its cells."""

    columns: dict[str, pd.Series]
    breaches: list[Breach]


def column_missing(plan: ColumnPlan, settings: ReadingSettings) -> frozenset[str]:
    """Return the spellings of "missing" in a column: the usual ones, the file's and its own."""
    return missing_spellings(map(str, (*settings.missing, *plan.mapping.missing)))


def cells_of(
    plan: ColumnPlan, cells: Callable[[int], pd.Series | SpeltCells], settings: ReadingSettings
) -> pd.Series | SpeltCells:
    """Return the cells of a variable, put together where they stand in several columns."""
    return compose_cells(plan, cells, column_missing(plan, settings))


def lab_column(plan: ColumnPlan, settings: ReadingSettings) -> LabColumn:
    """Return how the cells of a column of numbers are read, as the study and the file's settings say."""
    mapping = plan.mapping
    return LabColumn(
        plan.variable,
        factor=plan.factor,
        decimal=settings.decimal if mapping.decimal == "auto" else mapping.decimal,
        detection_limit=mapping.detection_limit,
        missing=column_missing(plan, settings),
        usual_limit=settings.usual_limits.get(plan.variable.name),
    )


def read_column(
    cells: pd.Series | SpeltCells, plan: ColumnPlan, settings: ReadingSettings, facts: LabFacts | None = None
) -> TypedColumns:
    """Read the cells of a column as numbers or levels; cells that cannot be used become missing.

    Parameters
    ----------
    cells : Series or SpeltCells, shape (n,)
        Cells as they stand in the file.
    plan : ColumnPlan
        Variable, unit factor and the study's mapping.
    settings : ReadingSettings
        The file's decimal mark and its spellings of "missing".
    facts : LabFacts, optional
        What the whole column says about each cell, where `cells` are not the whole column.
    """
    variable = plan.variable
    if variable.is_numeric:
        columns, broken = _read_numbers(cells, lab_column(plan, settings), facts)
        accepted = accepted_units(variable)
    else:
        levels = parse_levels(
            cells,
            variable,
            spellings=plan.mapping.levels,
            missing=column_missing(plan, settings),
            own_missing=frozenset(map(plain_text, map(str, plan.mapping.missing))),
        )
        columns, broken = {variable.name: levels.values}, levels.faults
        accepted = ", ".join(variable.levels)
    shown = {"column": plan.shown, "accepted": accepted, "from_bundle": plan.from_bundle}
    return TypedColumns(columns, [Breach(variable.name, rule, rows, shown) for rule, rows in broken.items()])


def _read_numbers(
    cells: pd.Series | SpeltCells, column: LabColumn, facts: LabFacts | None
) -> tuple[dict[str, pd.Series], dict[str, np.ndarray]]:
    name = column.variable.name
    examined = column.examine(cells)
    parsed = examined.read(facts or examined.clues().settle(column.decimal))
    columns = {name: pd.Series(parsed.values)}
    if column.variable.censorable:
        columns[f"{name}__below"] = pd.Series(parsed.below)
    doubts = {
        "zero_recorded": parsed.zero,
        "borrowed_limit": parsed.borrowed,
        "above_limit": parsed.above,
    }
    return columns, parsed.faults | doubts
