"""One column of a file, read as the variable it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.cohort.headers import accepted_units
from poi_predict.cohort.lab_values import parse_lab_values
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.rules import row_findings

if TYPE_CHECKING:
    import numpy as np

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["TypedColumns", "read_column"]


@dataclass(frozen=True, eq=False)
class TypedColumns:
    """The canonical columns that one column of a file becomes, and what was found in its cells."""

    columns: dict[str, pd.Series]
    findings: list[Finding]


def read_column(cells: pd.Series, plan: ColumnPlan, settings: ReadingSettings, row_number: np.ndarray) -> TypedColumns:
    """Read the cells of a column as numbers or levels; cells that cannot be used become missing.

    Parameters
    ----------
    cells : Series, shape (n,)
        Cells as they stand in the file.
    plan : ColumnPlan
        Variable, unit factor and the study's mapping.
    settings : ReadingSettings
        The file's decimal mark and its spellings of "missing".
    row_number : array of int, shape (n,)
        Number of each row in the source.
    """
    variable = plan.variable
    if variable.is_numeric:
        columns, breaches = _read_numbers(cells, plan, settings)
        accepted = accepted_units(variable)
    else:
        levels = parse_levels(
            cells, variable, spellings=plan.mapping.levels, missing=missing_spellings(settings.missing)
        )
        columns, breaches = {variable.name: levels.values}, levels.faults
        accepted = ", ".join(variable.levels)
    findings = [
        finding
        for rule, broken in breaches.items()
        for finding in row_findings(rule, variable.name, broken, row_number, column=plan.shown, accepted=accepted)
    ]
    return TypedColumns(columns, findings)


def _read_numbers(
    cells: pd.Series, plan: ColumnPlan, settings: ReadingSettings
) -> tuple[dict[str, pd.Series], dict[str, np.ndarray]]:
    variable, mapping = plan.variable, plan.mapping
    parsed = parse_lab_values(
        cells,
        variable,
        factor=plan.factor,
        decimal=settings.decimal if mapping.decimal == "auto" else mapping.decimal,
        detection_limit=mapping.detection_limit,
        missing=missing_spellings(settings.missing),
    )
    columns = {variable.name: pd.Series(parsed.values)}
    if variable.censorable:
        columns[f"{variable.name}__below"] = pd.Series(parsed.below)
    doubts = {
        "zero_recorded": parsed.zero,
        "borrowed_limit": parsed.borrowed & ~parsed.zero,
        "above_limit": parsed.above,
    }
    return columns, parsed.faults | doubts
