"""Columns of cells become the canonical table, and the table keeps its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.codebook import Codebook
from poi_predict.cohort.columns import cells_of, read_column
from poi_predict.cohort.plausibility import shown_range
from poi_predict.cohort.rules import Breach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.lab_clues import LabFacts
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_cells import Mark, SpeltCells

    BreachFinder = Callable[[pd.DataFrame, Codebook], Mapping[tuple[str, str], np.ndarray]]

__all__ = ["enforce_contract", "mark_breaches", "read_columns", "reads_as_shown", "tabulate"]


def read_columns(
    cells: Callable[[int], pd.Series | SpeltCells],
    plans: Sequence[ColumnPlan],
    settings: ReadingSettings,
    facts: Mapping[str, LabFacts] | None = None,
) -> tuple[dict[str, pd.Series], list[Breach]]:
    """Return the canonical columns of every plan but the identifier's, and what was found in their cells.

    Parameters
    ----------
    cells : callable
        The cells of a column, by its position.
    plans : sequence of ColumnPlan
        Columns to read.
    settings : ReadingSettings
        How the file is written.
    facts : mapping of str to LabFacts, optional
        What whole columns say, by variable, where `cells` gives parts of them.
    """
    columns: dict[str, pd.Series] = {}
    breaches: list[Breach] = []
    for plan in plans:
        if plan.variable.kind != "id":
            known = None if facts is None else facts.get(plan.variable.name)
            typed = read_column(cells_of(plan, cells, settings), plan, settings, known)
            columns |= typed.columns
            breaches += typed.breaches
    return columns, breaches


def reads_as_shown(plan: ColumnPlan) -> bool:
    """Whether a column holds names, which are what a number format shows: 0007 and not 7."""
    return plan.variable.kind == "id" or (plan.variable.kind == "category" and not plan.variable.levels)


def mark_breaches(plan: ColumnPlan, marks: Sequence[Mark]) -> list[Breach]:
    """Return what the file's own way of holding the cells of a column breaks, such as a formula without a result."""
    return [Breach(plan.variable.name, mark.rule, mark.rows, {"column": plan.shown}) for mark in marks]


def tabulate(ids: pd.Series, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the canonical table; a comparison woman's dose of zero is no dose.

    >>> doses = {"cell_source": pd.Series(["none", "adipose"]), "dose_cells": pd.Series([0.0, 5e6])}
    >>> tabulate(pd.Series(["A", "B"]), doses)["dose_cells"].tolist()
    [nan, 5000000.0]
    """
    data = pd.DataFrame({"patient_id": ids} | dict(columns))
    if {"dose_cells", "cell_source"} <= set(data.columns):
        undosed = (data["dose_cells"] == 0) & (data["cell_source"] == "none")
        if undosed.any():
            data.loc[undosed, "dose_cells"] = np.nan
    return data


def enforce_contract(data: pd.DataFrame, plans: Sequence[ColumnPlan], find_breaches: BreachFinder) -> list[Breach]:
    """Find the cells that breach the table's contract, and make them missing in `data`."""
    by_name = {plan.variable.name: plan for plan in plans}
    codebook = Codebook(plan.variable for plan in plans)
    columns = [column for column in data.columns if str(column).split("__", 1)[0] in codebook]
    breaches = []
    for (name, rule), broken in find_breaches(data[columns], codebook).items():
        plan = by_name[name]
        facts = {"column": plan.shown, "accepted": ", ".join(plan.variable.levels), "from_bundle": plan.from_bundle}
        breaches.append(Breach(name, rule, broken, facts | shown_range(plan.variable.hard, plan.variable.unit)))
        data.loc[broken, name] = np.nan
        if plan.variable.censorable:
            data.loc[broken, f"{name}__below"] = False
    return breaches
