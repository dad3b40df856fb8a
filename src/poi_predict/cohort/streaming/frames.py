"""Rows handed over by a program instead of a file, held to the same contract as a clinic's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.codebook_data import yes_no_levels
from poi_predict.cohort.headers import ColumnPlan
from poi_predict.cohort.level_values import parse_levels
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.rules import row_message
from poi_predict.cohort.streaming.blocks import Block, RowFault, check_cells
from poi_predict.cohort.table_cells import cells_of_objects
from poi_predict.cohort.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.codebook import Codebook

__all__ = ["read_frame"]

_PATIENT = Variable("patient_id", "patient", "id", "id", "baseline")
_BELOW = Variable("below", "below the detection limit", "binary", "baseline", "baseline", levels=yes_no_levels({}))


def read_frame(frame: pd.DataFrame, codebook: Codebook, settings: ReadingSettings) -> Block:
    """Read a frame of canonical columns in canonical units as one block; no row is lost, whatever it holds.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Cells of any type: numbers, text, truths, None. Columns that the codebook does not know are passed over; an
        ``amh__below`` companion says that the value is the limit below which AMH was found.
    codebook : Codebook
    settings : ReadingSettings
        The clinic's spellings of levels and of "missing", and its detection limits.

    Returns
    -------
    Block
        As many rows as the frame has; cells at fault are missing, and `faults` says which rows and why.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> women = pd.DataFrame({"age": [33, 290, None], "amh": [0.5, "<0.1", None], "follicles_visible": [True, "no", 7]})
    >>> block = read_frame(women, read_codebook(), ReadingSettings())
    >>> block.data[["age", "amh", "amh__below", "follicles_visible"]].values.tolist()
    [[33.0, 0.5, False, 1.0], [nan, 0.1, True, 0.0], [nan, nan, False, nan]]
    >>> [(fault.column, fault.rule, fault.rows.tolist()) for fault in block.faults]
    [('follicles_visible', 'unknown_level', [2]), ('age', 'hard_range', [1])]
    """
    names = [str(name) for name in frame.columns]
    plans = [
        ColumnPlan(variable, names.index(name), name, _mapping(variable, settings))
        for name, variable in ({_PATIENT.name: _PATIENT} | dict(codebook.items())).items()
        if name in names
    ]
    cells = {plan.position: cells_of_objects(_objects(frame.iloc[:, plan.position])) for plan in plans}
    block = check_cells(cells, plans, settings, np.arange(1, len(frame) + 1))
    block.faults.extend(_read_companions(frame, block.data, plans))
    return block


def _objects(column: pd.Series) -> list[object]:
    """Return cells as plain Python objects, None where nothing is known."""
    values = column.astype(object).tolist()
    return [None if _is_nothing(value) else value for value in values]


def _is_nothing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _mapping(variable: Variable, settings: ReadingSettings) -> ColumnMapping:
    """Return how the clinic writes a variable, but for name and unit, which are the canonical ones here."""
    own = settings.mapping_of(variable.name)
    if own is None:
        return ColumnMapping(variable.name, variable.name)
    factor = 1.0 if not variable.has_rival_units else variable.factor(own.unit) if own.unit else None
    limit = own.detection_limit
    limit = None if limit is None or factor is None else limit * factor  # a limit in an unknown unit is none
    return ColumnMapping(variable.name, variable.name, levels=own.levels, detection_limit=limit)


def _read_companions(frame: pd.DataFrame, data: pd.DataFrame, plans: Sequence[ColumnPlan]) -> list[RowFault]:
    """Let companions mark values as limits, and return what is wrong with the companions themselves."""
    faults = []
    for variable in (plan.variable for plan in plans):
        name = f"{variable.name}__below"
        if not variable.censorable or name not in frame:
            continue
        read = parse_levels(cells_of_objects(_objects(frame[name])), _BELOW)
        data[name] |= (read.values == 1.0) & data[variable.name].notna()
        faults += [
            RowFault(name, rule, row_message(rule, name, accepted="yes, no"), np.flatnonzero(rows))
            for rule, rows in read.faults.items()
            if rows.any()
        ]
    return faults
