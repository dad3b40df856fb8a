"""What a column as a whole says against the way in which it is read: another unit, a limit without its sign, codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poi_predict.cohort.columns import cells_of, column_missing
from poi_predict.cohort.lab_spelling import take_apart
from poi_predict.cohort.missing import is_missing
from poi_predict.cohort.plausibility import shown_range
from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.spelling import plain_text
from poi_predict.cohort.table_cells import spell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.table_cells import SpeltCells

    CellsOf = Callable[[int], pd.Series | SpeltCells]

__all__ = ["check_columns"]

_FEW = 5  # fewer values show no habit of a column
_USUAL_SHARE = 0.75
_FLOOR_ROWS, _FLOOR_SHARE, _FLOOR_EXCESS = 3, 0.1, 2


def check_columns(
    cells: CellsOf,
    columns: dict[str, pd.Series],
    plans: Sequence[ColumnPlan],
    settings: ReadingSettings,
    row_number: np.ndarray,
) -> list[Finding]:
    """Return what whole columns say against the way in which they are read.

    Parameters
    ----------
    cells : callable
        The cells of a column, by its position.
    columns : dict of str to Series
        What they were read as, hard limits not yet applied.
    plans : sequence of ColumnPlan
        Which columns are which variables.
    settings : ReadingSettings
        The file's spellings of "missing".
    row_number : array of int, shape (n,)
        Number of each row in the source.
    """
    findings: list[Finding] = []
    for plan in plans:
        name = plan.variable.name
        if name not in columns or not plan.variable.is_numeric:
            continue
        values = columns[name].to_numpy(dtype=np.float64)
        below = columns[f"{name}__below"].to_numpy(dtype=bool) if plan.variable.censorable else np.isnan(values)
        findings += _check_units(cells, plan, values, settings, row_number)
        findings += row_findings("looks_like_date", name, _months_of_years(plan, values), row_number, column=plan.shown)
        findings += _check_size(plan, values[~below & ~np.isnan(values)])
        if plan.variable.censorable:
            findings += row_findings("floor_without_sign", name, _floor(values, below), row_number, column=plan.shown)
    return [*findings, *_check_missing(cells, columns, plans, settings, row_number)]


def _check_units(
    cells: CellsOf, plan: ColumnPlan, values: np.ndarray, settings: ReadingSettings, row_number: np.ndarray
) -> list[Finding]:
    """Find the numbers in another unit than their column, and those whose unit is missing in a column of units."""
    if not plan.variable.has_rival_units:
        return []
    codes, spellings = spell(cells_of(plan, cells, settings))
    units = [_other_unit(text, plan) for text in spellings.to_pylist()]
    other = np.array([*map(bool, units), False])[codes] & ~np.isnan(values)
    facts = {"column": plan.shown, "unit": plan.variable.unit}
    named = ", ".join(sorted({unit for i, unit in enumerate(units) if unit and other[codes == i].any()}))
    found = row_findings("other_unit", plan.variable.name, other, row_number, **facts, units=named)
    if plan.unit_position is None or plan.unit_known:
        return found
    missing = column_missing(plan, settings)
    codes, spellings = spell(cells(plan.unit_position))
    empty = [is_missing(text, missing) for text in spellings.to_pylist()]
    unstated = np.append(np.array(empty, dtype=bool), [True])[codes] & ~np.isnan(values)
    return [*found, *row_findings("unit_cell_empty", plan.variable.name, unstated, row_number, **facts)]


def _other_unit(text: str, plan: ColumnPlan) -> str:
    """Return the unit that a cell states, where it is another one than its column's."""
    parts = take_apart(plain_text(text)) if not text.isdecimal() else None
    factor = plan.variable.factor(parts.unit) if parts is not None and parts.unit else None
    return "" if parts is None or factor in (None, plan.factor) else parts.unit


def _months_of_years(plan: ColumnPlan, values: np.ndarray) -> np.ndarray:
    """Return the rows of a column of months that all read like a month and the last digits of a year, such as 5.21."""
    nowhere = np.zeros(len(values), dtype=bool)
    known = values[~np.isnan(values)]
    if plan.variable.unit != "months" or plan.factor != 1 or known.size < _FEW:
        return nowhere
    month, year = np.floor(known), (known - np.floor(known)) * 100
    like = (month >= 1) & (month <= 12) & (np.abs(year - np.round(year)) < 1e-6) & (year > 9.5) & (year < 39.5)
    return ~np.isnan(values) if like.all() else nowhere


def _check_size(plan: ColumnPlan, known: np.ndarray) -> list[Finding]:
    """Find a column whose values would be usual in another unit, and are not in the one that is assumed.

    Months are looked at in any case: a column called "follow-up (months)" that holds days is not rare.
    """
    variable = plan.variable
    stated = plan.mapping.unit is not None or plan.unit_position is not None
    if stated or (plan.unit_known and variable.unit != "months") or variable.typical is None or known.size < _FEW:
        return []
    low, high = variable.typical
    if low <= np.median(known) <= high:
        return []
    units: dict[float, str] = {}
    for unit, factor in variable.units.items():
        units.setdefault(factor / plan.factor, unit)
    likely = [
        unit
        for factor, unit in units.items()
        if factor != 1 and np.mean((known * factor >= low) & (known * factor <= high)) >= _USUAL_SHARE
    ]
    if not likely:
        return []
    facts = {"column": plan.shown, "assumed": variable.unit, "likely": " or ".join(likely), "count": known.size}
    return [
        column_finding(
            "looks_like_other_unit", variable.name, **facts, **shown_range(variable.typical, None),
            from_bundle=plan.from_bundle,
        )
    ]  # fmt: skip


def _floor(values: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the rows that hold exactly the smallest value, where so many do that it must be a limit."""
    known = ~np.isnan(values)
    measured = known & ~below
    nowhere = np.zeros(len(values), dtype=bool)
    if not measured.any():
        return nowhere
    numbers, counts = np.unique(values[measured], return_counts=True)
    others = counts[1:].max(initial=0)
    if counts[0] < max(_FLOOR_ROWS, _FLOOR_SHARE * known.sum(), _FLOOR_EXCESS * others) or numbers[0] <= 0:
        return nowhere
    return np.asarray(measured & (values == numbers[0]))


def _check_missing(
    cells: CellsOf,
    columns: dict[str, pd.Series],
    plans: Sequence[ColumnPlan],
    settings: ReadingSettings,
    row_number: np.ndarray,
) -> Iterator[Finding]:
    """Say how many cells of each column the study's own spellings of "missing" took, and which took none."""
    everywhere = [str(text) for text in settings.missing]
    taken: dict[str, int] = dict.fromkeys(everywhere, 0)
    for plan in plans:
        name = plan.variable.name
        own = [str(text) for text in plan.mapping.missing]
        if name not in columns or not (own or everywhere):
            continue
        codes, spellings = spell(cells_of(plan, cells, settings))
        gone = columns[name].isna().to_numpy(dtype=bool)
        per_spelling = np.bincount(codes[(codes >= 0) & gone], minlength=len(spellings))
        texts = spellings.to_pylist()
        for place, listed in ((f"columns.{name}.missing", own), ("cohort.missing", everywhere)):
            counts = {
                text: sum(n for cell, n in zip(texts, per_spelling, strict=True) if _same(cell, text))
                for text in listed
            }
            here = np.array([any(_same(cell, text) for text in listed) for cell in texts] + [False])[codes] & gone
            yield from row_findings("taken_as_missing", name, here, row_number, column=plan.shown, place=place)
            if listed is own:
                unused = [text for text, count in counts.items() if not count]
                if unused:
                    yield column_finding("unused_missing", name, column=plan.shown, place=place, listed=_listed(unused))
            else:
                taken |= {text: taken[text] + count for text, count in counts.items()}
    if unused := [text for text, count in taken.items() if not count]:
        yield column_finding(
            "unused_missing", "(table)", column="any column", place="cohort.missing", listed=_listed(unused)
        )


def _same(cell: str, listed: str) -> bool:
    return is_missing(cell, frozenset({plain_text(listed)}))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f'"{text}"' for text in texts)
