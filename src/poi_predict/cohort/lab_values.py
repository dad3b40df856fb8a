"""A column of laboratory values or other numbers, some censored, some in a unit of their own.

A result below the detection limit is a result: it is kept as left-censored at its limit, never as zero and
never as missing (Helsel 2012, *Statistics for Censored Environmental Data*, doi 10.1002/9781118162729).
Nothing is guessed: a number that can be read in two ways, a unit that is not known and a censored value
without any limit are faults.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from poi_predict.cohort.decimals import decimal_marks, parse_mantissa
from poi_predict.cohort.lab_spelling import NumberParts, means_undetected, take_apart
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.spelling import plain_text

if TYPE_CHECKING:
    from poi_predict.cohort.codebook import Variable
    from poi_predict.cohort.mapping import Decimal

__all__ = ["LabValues", "parse_lab_values"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


class _State(IntEnum):
    """What one cell turned out to be; the faults come last and carry the codes of their rules."""

    NUMBER = 0
    MISSING = 1
    BELOW = 2
    UNDETECTED = 3
    ABOVE = 4
    NOT_A_NUMBER = 5
    AMBIGUOUS_DECIMAL = 6
    UNKNOWN_CELL_UNIT = 7
    REFUSED_CELL_UNIT = 8


_FAULTS = tuple(state for state in _State if state >= _State.NOT_A_NUMBER)
_SIGNS = {"": _State.NUMBER, "<": _State.BELOW, ">": _State.ABOVE}


@dataclass(frozen=True, eq=False)
class LabValues:
    """A column of numbers in the canonical unit.

    Attributes
    ----------
    values : array of float, shape (n,)
        Canonical values; the limit where the value is censored; NaN where missing or unusable.
    below : array of bool, shape (n,)
        Left-censored: the true value is below the limit held in `values`.
    above : array of bool, shape (n,)
        Given as ">limit".
    zero : array of bool, shape (n,)
        Written as zero although the variable can only be undetectable; included in `below`.
    borrowed : array of bool, shape (n,)
        Censored without a limit of its own, at the smallest limit of the column; included in `below`.
    faults : dict of str to array of bool
        Rows that cannot be used, by rule.
    """

    values: FloatArray
    below: BoolArray
    above: BoolArray
    zero: BoolArray
    borrowed: BoolArray
    faults: dict[str, BoolArray]


def parse_lab_values(
    cells: pd.Series,
    variable: Variable,
    *,
    factor: float = 1.0,
    decimal: Decimal = "auto",
    detection_limit: float | None = None,
    missing: frozenset[str] | None = None,
) -> LabValues:
    """Read a column of numbers as laboratories and clinics write them.

    Parameters
    ----------
    cells : Series of float64 or text, shape (n,)
        Cells as they stand in the file.
    variable : Variable
        Gives the units of single cells and says whether values may be censored.
    factor : float
        From the column's unit to the canonical unit; a unit inside a cell takes precedence.
    decimal : {"auto", ".", ","}
        Decimal mark; "auto" takes the marks that the column itself shows beyond doubt.
    detection_limit : float, optional
        Limit, in the column's unit, of cells that say "ND" without a number, and of zeros. Without it the
        smallest limit written in the column is taken; if there is none either, such cells are faults.
    missing : frozenset of str, optional
        Spellings of "missing" (`missing_spellings`).

    Returns
    -------
    LabValues

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> cells = pd.Series(["0,08", "<0,02", "ND", "1.4 pmol/L", ""], dtype="str")
    >>> amh = parse_lab_values(cells, read_codebook()["amh"])
    >>> amh.values.round(3).tolist(), amh.below.tolist()
    ([0.08, 0.02, 0.02, 0.196, nan], [False, True, True, False, False])
    >>> without_limit = parse_lab_values(cells[2:3], read_codebook()["amh"])
    >>> [rule for rule, rows in without_limit.faults.items() if rows.any()]
    ['no_detection_limit']
    """
    missing = missing_spellings() if missing is None else missing
    if cells.dtype == "float64":
        values, state = _read_numbers(cells.to_numpy(dtype=np.float64), missing)
        values = values * factor
    else:
        codes, distinct = pd.factorize(cells, use_na_sentinel=True)  # each spelling is read once
        column = _Column(variable, factor, decimal, missing)
        value_of, state_of = column.read_spellings(pd.Series(distinct, dtype="str"))
        values = np.append(value_of, [np.nan])[codes]
        state = np.append(state_of, [_State.MISSING])[codes]
    limit = None if detection_limit is None else detection_limit * factor
    return _with_limits(values, state, variable, limit)


def _read_numbers(numbers: FloatArray, missing: frozenset[str]) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Read cells that the file itself holds as numbers; a study may use a number for "missing", as 999."""
    codes = [float(text) for text in missing if text.lstrip("-").replace(".", "", 1).isdecimal()]
    state = np.full(len(numbers), _State.NUMBER, dtype=np.int64)
    state[np.isnan(numbers) | np.isin(numbers, codes)] = _State.MISSING
    state[np.isinf(numbers)] = _State.NOT_A_NUMBER
    return np.where(state == _State.NUMBER, numbers, np.nan), state


def _with_limits(
    values: FloatArray, state: npt.NDArray[np.int64], variable: Variable, limit: float | None
) -> LabValues:
    """Set censored values to their limits and collect the faults."""
    nowhere = np.zeros(len(values), dtype=bool)
    zero = (state == _State.NUMBER) & (values == 0) if variable.censorable else nowhere
    stated = state == _State.BELOW
    unstated = (state == _State.UNDETECTED) | zero
    faults = {fault.name.lower(): state == fault for fault in _FAULTS}
    borrowed = nowhere
    if not variable.censorable:
        faults["not_censorable"] = stated | unstated
    elif limit is None and stated.any():
        limit, borrowed = float(values[stated].min()), unstated
    elif limit is None:
        faults["no_detection_limit"] = unstated
    if limit is not None:
        values = np.where(unstated, limit, values)
    usable = ~np.logical_or.reduce(list(faults.values()))
    return LabValues(
        values=np.where(usable, values, np.nan),
        below=(stated | unstated) & usable,
        above=state == _State.ABOVE,
        zero=zero & usable,
        borrowed=borrowed & usable,
        faults=faults,
    )


@dataclass(frozen=True)
class _Column:
    """How the cells of one column are read."""

    variable: Variable
    factor: float
    decimal: Decimal
    missing: frozenset[str]

    def read_spellings(self, texts: pd.Series) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Read distinct spellings: canonical value and state of each.

        Numbers that need no interpretation are read at once; only the others are taken apart.
        """
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        plain = np.isfinite(numbers) & ~texts.str.strip().isin(self.missing).to_numpy(dtype=bool)
        if self.decimal == ",":
            plain &= ~texts.str.contains(".", regex=False).to_numpy(dtype=bool)
        parts = {int(i): self._classify(texts.iloc[i]) for i in np.flatnonzero(~plain)}
        marks = self._decimal_marks([p for p in parts.values() if isinstance(p, NumberParts)], texts[plain])
        values = np.where(plain, numbers * self.factor, np.nan)
        state = np.full(len(texts), _State.NUMBER, dtype=np.int64)
        for i, part in parts.items():
            values[i], state[i] = (np.nan, part) if isinstance(part, _State) else self._evaluate(part, marks)
        if self.decimal == "auto" and marks == {","}:
            # In a column of decimal commas, "1.234" may be 1.234 or 1234
            doubtful = plain & texts.str.fullmatch(r"\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*").to_numpy(dtype=bool)
            values[doubtful], state[doubtful] = np.nan, _State.AMBIGUOUS_DECIMAL
        return values, state

    def _classify(self, text: str) -> _State | NumberParts:
        plain = plain_text(text)
        if plain in self.missing:
            return _State.MISSING
        if means_undetected(plain):
            return _State.UNDETECTED
        return take_apart(plain) or _State.NOT_A_NUMBER

    def _decimal_marks(self, parts: list[NumberParts], plain: pd.Series) -> frozenset[str]:
        """Return the decimal marks declared, or those that the column shows; points matter beside commas."""
        if self.decimal != "auto":
            return frozenset(self.decimal)
        marks = decimal_marks(part.mantissa for part in parts)
        if any("," in part.mantissa for part in parts):
            marks |= decimal_marks(plain)
        return marks

    def _evaluate(self, parts: NumberParts, marks: frozenset[str]) -> tuple[float, _State]:
        """Return the canonical value of a cell taken apart, and what it is."""
        mantissa = parse_mantissa(parts.mantissa, marks)
        if mantissa is None:
            return np.nan, _State.AMBIGUOUS_DECIMAL
        if not mantissa:
            return np.nan, _State.NOT_A_NUMBER
        factor = self.variable.factor(parts.unit) if parts.unit else self.factor
        if factor is None:
            refused = self.variable.refusal(parts.unit) is not None
            return np.nan, _State.REFUSED_CELL_UNIT if refused else _State.UNKNOWN_CELL_UNIT
        number = float(f"{mantissa}e{parts.power}")
        if not np.isfinite(number) or (parts.sign == "<" and number <= 0):
            return np.nan, _State.NOT_A_NUMBER
        return number * factor, _SIGNS[parts.sign]
