"""One column of a file, read as the variable it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from poi_predict.cohort.headers import ColumnPlan, accepted_units
from poi_predict.cohort.lab_values import parse_lab_values
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.rules import row_findings

if TYPE_CHECKING:
    import numpy as np

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["TypedColumns", "read_column"]


@dataclass(frozen=True)
class TypedColumns:
    """The canonical columns that one column of a file becomes, and what was found in its cells."""

    columns: dict[str, pd.Series]
    findings: list[Finding]


def read_column(
    cells: pd.Series, plan: ColumnPlan, settings: ReadingSettings, row_number: np.ndarray
) -> TypedColumns:
    """Read the cells of a column as numbers or levels; cells that cannot be used become missing and are found.

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
    if plan.variable.is_numeric:
        return _read_numbers(cells, plan, settings, row_number)
    variable = plan.variable
    missing = missing_spellings(settings.missing)
    levels = parse_levels(cells, variable, spellings=plan.mapping.levels, missing=missing)
    findings = [
        finding
        for rule, broken in levels.faults.items()
        for finding in row_findings(
            rule, variable.name, broken, row_number, column=plan.shown, accepted=", ".join(variable.levels)
        )
    ]
    return TypedColumns({variable.name: levels.values}, findings)


def _read_numbers(
    cells: pd.Series, plan: ColumnPlan, settings: ReadingSettings, row_number: np.ndarray
) -> TypedColumns:
    variable, mapping = plan.variable, plan.mapping
    parsed = parse_lab_values(
        cells,
        variable,
        factor=plan.factor,
        decimal=settings.decimal if mapping.decimal == "auto" else mapping.decimal,
        detection_limit=mapping.detection_limit,
        missing=missing_spellings(settings.missing),
    )
    doubts = {
        "zero_recorded": parsed.zero,
        "borrowed_limit": parsed.borrowed & ~parsed.zero,
        "above_limit": parsed.above,
    }
    facts = {"column": plan.shown, "accepted": accepted_units(variable)}
    findings = [
        finding
        for rule, broken in (parsed.faults | doubts).items()
        for finding in row_findings(rule, variable.name, broken, row_number, **facts)
    ]
    columns = {variable.name: pd.Series(parsed.values)}
    if variable.censorable:
        columns[f"{variable.name}__below"] = pd.Series(parsed.below)
    return TypedColumns(columns, findings)
