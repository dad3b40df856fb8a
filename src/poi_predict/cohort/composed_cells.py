"""The cells of one variable that stand in several columns, put together row by row into what one cell would say.

"0.14" beside "pmol/L" becomes "0.14 [pmol/L]", "0.02" beside "<" becomes "<0.02", a tick under PRP and one under HRT
"prp+hrt"; from there on they are read as any other cells. A row depends on itself alone, so it is the same read in
blocks or whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from poi_predict.cohort.codebook_data import yes_no_levels
from poi_predict.cohort.lab_spelling import UNKNOWN_SIGN, means_undetected, take_apart
from poi_predict.cohort.level_values import SEVERAL_LEVELS, UNKNOWN_LEVEL
from poi_predict.cohort.spelling import level_key, plain_text, unit_key
from poi_predict.cohort.table_cells import SpeltCells, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from poi_predict.cohort.headers import ColumnPlan

    Cells = pd.Series | SpeltCells
    Row = Sequence[str | None]

__all__ = ["compose_cells", "is_yes_no", "read_sign"]

_BELOW = frozenset({"<", "≤", "⩽", "≦", "<=", "=<", "lt", "le", "less than", "below"})
_ABOVE = frozenset({">", "≥", "⩾", "≧", ">=", "=>", "gt", "ge", "more than", "above"})
_EQUAL = frozenset({"=", "==", "eq", "equal"})
# Flags that only compare a result with its reference range (HL7 v2 table 0078)
_REFERENCE_FLAGS = frozenset({"l", "ll", "h", "hh", "n", "a", "aa", "low", "high", "normal", "abnormal"})
_TICKS = {
    level_key(text): level
    for level, texts in yes_no_levels(
        {"yes": ("checked", "selected", "x"), "no": ("unchecked", "not selected")}
    ).items()
    for text in texts
} | dict.fromkeys(("✓", "✔", "☑", "✅", "☒"), "yes")  # the last is a crossed box, which is how boxes are ticked
_NONE = "none"


def compose_cells(plan: ColumnPlan, cells: Callable[[int], Cells], missing: frozenset[str]) -> Cells:
    """Return the cells of a variable, whatever number of columns they stand in.

    Parameters
    ----------
    plan : ColumnPlan
        Which columns those are.
    cells : callable
        The cells of a column, by its position.
    missing : frozenset of str
        Spellings of "missing".
    """
    if not plan.is_composed:
        return cells(plan.position)
    if plan.group:
        levels = [level for _, level in plan.group]
        columns = [cells(at) for at, _ in plan.group]
        has_none = _NONE in plan.variable.levels
        several = plan.variable.kind == "multi"
        return _combine(columns, lambda row: _join_levels(row, levels, missing, has_none=has_none, several=several))
    columns = [cells(plan.position), *(cells(at) for at in plan.companions)]
    units, signs = plan.unit_position is not None, plan.sign_position is not None

    def join(row: Row) -> str | None:
        beside = list(row[1:])
        unit = _given(beside.pop(0), missing) if units else None
        sign = beside.pop(0) if signs else None
        return _join_number(row[0], unit, sign, plan, missing)

    return _combine(columns, join)


def _combine(columns: Sequence[Cells], join: Callable[[Row], str | None]) -> SpeltCells:
    """Put the columns' cells together; each combination of spellings is looked at once."""
    spelt = [spell(column) for column in columns]
    spellings = [[*column.spellings.to_pylist(), None] for column in spelt]
    codes = np.stack([np.asarray(column.codes, dtype=np.int64) for column in spelt])
    distinct, inverse = np.unique(codes, axis=1, return_inverse=True)
    texts = [join([names[i] for names, i in zip(spellings, row, strict=True)]) for row in distinct.T.tolist()]
    known = np.cumsum([text is not None for text in texts]) - 1
    place = np.where([text is None for text in texts], -1, known).astype(np.int64)
    kept = pa.array([text for text in texts if text is not None], pa.string())
    return SpeltCells(place[inverse.reshape(-1)] if len(place) else inverse.reshape(-1), kept)


def _given(cell: str | None, missing: frozenset[str]) -> str | None:
    return None if cell is None or plain_text(cell) in missing else cell


def _join_number(
    cell: str | None, unit: str | None, sign: str | None, plan: ColumnPlan, missing: frozenset[str]
) -> str | None:
    meant = read_sign(sign, plan.signs_mean, missing)
    if _given(cell, missing) is None:
        return "ND" if meant == "<" and plan.signs_mean in ("below", "measured") else cell
    plain = plain_text(cell or "")
    if meant is None:
        return UNKNOWN_SIGN
    if means_undetected(plain):
        return plain
    parts = take_apart(plain)
    if parts is None:
        return plain
    if meant and parts.sign and meant != parts.sign:
        return UNKNOWN_SIGN
    if unit is not None and plan.units_may_be_other and not plan.variable.knows_unit(unit) and "/" not in unit:
        unit = None
    if unit is not None and parts.unit:
        unit = None if unit_key(unit) == unit_key(parts.unit) else f"{parts.unit}, {unit}"
        plain = plain if unit is None else plain.removesuffix(parts.unit)
    signed = plain if parts.sign or not meant else meant + plain
    return signed if unit is None else f"{signed} [{unit}]"


def read_sign(cell: str | None, means: str, missing: frozenset[str]) -> str | None:
    """Return "<", ">" or "" for none; None if nobody can say what the cell means."""
    plain = "" if cell is None else plain_text(cell)
    if not plain or plain in missing or plain in _EQUAL:
        return ""
    if plain in _BELOW or means_undetected(plain) or means_undetected(plain.removeprefix("<")):
        return "<"
    if plain in _ABOVE:
        return ">"
    if means == "perhaps" or (means == "flag" and plain in _REFERENCE_FLAGS):
        return ""
    answer = _TICKS.get(level_key(plain))
    if answer is None or means not in ("below", "measured"):
        return None
    return "<" if (answer == "yes") == (means == "below") else ""


def is_yes_no(cell: str) -> bool:
    """Whether a cell is a tick, a yes or a no."""
    return level_key(cell) in _TICKS


def _join_levels(
    row: Row, levels: Sequence[str], missing: frozenset[str], *, has_none: bool, several: bool
) -> str | None:
    """Return the levels that are ticked. Nothing ticked is "none" only where every box is known to be empty."""
    answers = [None if _given(cell, missing) is None else _TICKS.get(level_key(cell or ""), "?") for cell in row]
    if "?" in answers:
        return UNKNOWN_LEVEL
    ticked = sorted({level for level, answer in zip(levels, answers, strict=True) if answer == "yes"})
    if not ticked:
        return _NONE if has_none and _NONE not in levels and None not in answers else None
    return "+".join(ticked) if several or len(ticked) == 1 else SEVERAL_LEVELS
