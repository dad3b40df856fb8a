"""A column of laboratory values or other numbers, some censored, some in a unit of their own.

A result below the detection limit is a result: it is kept as left-censored at its limit, never as zero and
never as missing (Helsel 2012, *Statistics for Censored Environmental Data*, doi 10.1002/9781118162729).
Nothing is guessed: a number that can be read in two ways, a unit that is not known and a censored value
without any limit are faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.decimals import decimal_marks, parse_mantissa
from poi_predict.cohort.lab_clues import MARK_SETS, LabClues, LabFacts
from poi_predict.cohort.lab_spelling import UNKNOWN_SIGN, NumberParts, means_undetected, take_apart
from poi_predict.cohort.missing import missing_spellings, numeric_missing
from poi_predict.cohort.spelling import plain_text
from poi_predict.cohort.table_cells import SpeltCells, spell

if TYPE_CHECKING:
    from poi_predict.cohort.codebook import Variable
    from poi_predict.cohort.mapping import Decimal

__all__ = ["LabColumn", "LabValues", "parse_lab_values"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
StateArray = npt.NDArray[np.int64]


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
    UNKNOWN_SIGN = 9
    LOOKS_LIKE_DATE = 10
    AMBIGUOUS_POWER = 11


_FAULTS = tuple(state for state in _State if state >= _State.NOT_A_NUMBER)
_SIGNS = {"": _State.NUMBER, "<": _State.BELOW, ">": _State.ABOVE}
_PLAIN = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"  # numbers that need no interpretation
_SHOWS_POINT = r"^[+-]?[0-9]*\.[0-9]+$"
_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}[/-]\d{4}|0[1-9][.,/-][0-3]\d"
    r"|(?:\d{4}年)?\d{1,2}[月월](?:\d{1,2}[日일])?|(?:19|20)\d\d[-./]\d{1,2}(?:[-./]\d{1,2}(?:[t ].*)?)?"
)
_DOUBTFUL_PLAIN = r"^[+-]?10[eE]|^0[1-9]\.[0-3][0-9]$"  # "10e6" is often meant as 1e6, "05.21" as May 2021
_TEN_WITH_POWER = re.compile(r"[<>]?\s*10e[+-]?\d.*")
_DOUBTFUL_POINT = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"  # "1.234" may be 1.234 or 1234


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
    column = LabColumn(variable, factor, decimal, detection_limit, missing_spellings() if missing is None else missing)
    examined = column.examine(cells)
    return examined.read(examined.clues().settle(decimal))


@dataclass(frozen=True)
class LabColumn:
    """How the cells of one column of numbers are read; the arguments of `parse_lab_values`."""

    variable: Variable
    factor: float = 1.0
    decimal: Decimal = "auto"
    detection_limit: float | None = None
    missing: frozenset[str] = field(default_factory=missing_spellings)
    usual_limit: float | None = None

    @property
    def counts_months(self) -> bool:
        """Whether a month of a year may stand where a number of months belongs."""
        return self.variable.unit == "months"

    def examine(self, cells: pd.Series | SpeltCells) -> NumberCells | SpeltNumbers:
        """Take cells apart as far as that is possible without knowing the rest of the column."""
        if isinstance(cells, pd.Series) and cells.dtype == "float64":
            return NumberCells(self, cells.to_numpy(dtype=np.float64))
        return SpeltNumbers(self, spell(cells))

    def conclude(self, values: FloatArray, state: StateArray, facts: LabFacts) -> LabValues:
        """Set censored values to their limits and collect the faults."""
        nowhere = np.zeros(len(values), dtype=bool)
        zero = (state == _State.NUMBER) & (values == 0) if self.variable.censorable else nowhere
        stated = state == _State.BELOW
        unstated = (state == _State.UNDETECTED) | zero
        faults = {fault.name.lower(): state == fault for fault in _FAULTS}
        limit = None if self.detection_limit is None else self.detection_limit * self.factor
        borrowed = nowhere
        if not self.variable.censorable:
            faults["not_censorable"] = stated | unstated
        elif limit is None and facts.limit is not None:
            limit, borrowed = facts.limit, unstated
        elif limit is None and self.usual_limit is not None:
            limit, borrowed = self.usual_limit, unstated
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


@dataclass(frozen=True, eq=False)
class NumberCells:
    """Cells that the file itself holds as numbers; a study may use a number for "missing", as 999."""

    column: LabColumn
    numbers: FloatArray

    def clues(self) -> LabClues:
        """Return what the cells show: not how they were written."""
        return _date_clues(self.numbers) if self.column.counts_months else LabClues()

    def read(self, facts: LabFacts) -> LabValues:
        """Return the canonical values."""
        state = np.full(len(self.numbers), _State.NUMBER, dtype=np.int64)
        codes = numeric_missing(self.column.missing)
        state[np.isnan(self.numbers) | np.isin(self.numbers, codes)] = _State.MISSING
        state[np.isinf(self.numbers)] = _State.NOT_A_NUMBER
        if facts.dates:
            state[_months_of_years(self.numbers)] = _State.LOOKS_LIKE_DATE
        values = np.where(state == _State.NUMBER, self.numbers, np.nan)
        return self.column.conclude(values * self.column.factor, state, facts)


@dataclass(frozen=True, eq=False)
class SpeltNumbers:
    """Cells written out: each spelling is read once, and only those that are no plain number are taken apart."""

    column: LabColumn
    cells: SpeltCells

    @cached_property
    def _trimmed(self) -> pa.Array:
        return pc.utf8_trim_whitespace(self.cells.spellings)

    @cached_property
    def _numbers(self) -> FloatArray:
        """Value of each spelling that is a plain number, correctly rounded; NaN for the others."""
        shaped = pc.match_substring_regex(self._trimmed, _PLAIN)
        if self.column.decimal == ",":
            shaped = pc.and_not(shaped, pc.match_substring(self._trimmed, "."))
        shaped = pc.and_not(shaped, pc.match_substring_regex(self._trimmed, _DOUBTFUL_PLAIN))
        shaped = pc.and_not(shaped, pc.is_in(self._trimmed, pa.array(self.column.missing, pa.string())))
        numbers = pc.cast(pc.if_else(shaped, self._trimmed, pa.scalar(None, pa.string())), pa.float64())
        found = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
        found[~np.isfinite(found) | np.isin(found, numeric_missing(self.column.missing))] = np.nan
        return found

    @cached_property
    def _parts(self) -> dict[int, _State | NumberParts]:
        odd = np.flatnonzero(np.isnan(self._numbers))
        texts = self.cells.spellings.take(pa.array(odd)).to_pylist()
        parts = {int(i): _classify(text, self.column.missing) for i, text in zip(odd, texts, strict=True)}
        if self.column.counts_months:
            dated = [i for i, text in zip(odd, texts, strict=True) if _DATE.fullmatch(plain_text(text))]
            parts |= {int(i): _State.LOOKS_LIKE_DATE for i in dated if parts[int(i)] != _State.MISSING}
        return parts

    def clues(self) -> LabClues:
        """Return what the cells show about the column's decimal mark and detection limit."""
        parts = [part for part in self._parts.values() if isinstance(part, NumberParts)]
        sure = pc.and_not(
            pc.match_substring_regex(self._trimmed, _SHOWS_POINT),
            pc.match_substring_regex(self._trimmed, _DOUBTFUL_POINT),
        )
        below = [part for part in parts if part.sign == "<"]
        dates = _date_clues(self._numbers) if self.column.counts_months else LabClues()
        return LabClues(
            dates=dates.dates,
            fractions=dates.fractions,
            marks=decimal_marks(part.mantissa for part in parts),
            commas=any("," in part.mantissa for part in parts),
            points=bool((sure.to_numpy(zero_copy_only=False) & ~np.isnan(self._numbers)).any()),
            limits=tuple(self._smallest(below, marks) for marks in MARK_SETS),
        )

    def _smallest(self, below: list[NumberParts], marks: frozenset[str]) -> float:
        limits = (value for part in below for value, state in [self._evaluate(part, marks)] if state == _State.BELOW)
        return min(limits, default=np.inf)

    def read(self, facts: LabFacts) -> LabValues:
        """Return the canonical values, given what the whole column shows."""
        values = self._numbers * self.column.factor
        state = np.full(len(values), _State.NUMBER, dtype=np.int64)
        for i, part in self._parts.items():
            values[i], state[i] = (np.nan, part) if isinstance(part, _State) else self._evaluate(part, facts.marks)
        if self.column.decimal == "auto" and facts.marks == {","}:
            # In a column of decimal commas, "1.234" may be 1.234 or 1234
            doubtful = pc.match_substring_regex(self._trimmed, _DOUBTFUL_POINT).to_numpy(zero_copy_only=False)
            doubtful &= ~np.isnan(self._numbers)
            values[doubtful], state[doubtful] = np.nan, _State.AMBIGUOUS_DECIMAL
        if facts.dates:
            state[_months_of_years(self._numbers)] = _State.LOOKS_LIKE_DATE
        codes = self.cells.codes
        return self.column.conclude(
            np.append(values, [np.nan])[codes], np.append(state, [_State.MISSING])[codes], facts
        )

    def _evaluate(self, parts: NumberParts, marks: frozenset[str]) -> tuple[float, _State]:
        """Return the canonical value of a cell taken apart, and what it is."""
        mantissa = parse_mantissa(parts.mantissa, marks)
        if mantissa is None:
            return np.nan, _State.AMBIGUOUS_DECIMAL
        if not mantissa:
            return np.nan, _State.NOT_A_NUMBER
        variable = self.column.variable
        factor = variable.factor(parts.unit) if parts.unit else self.column.factor
        if factor is None:
            refused = variable.refusal(parts.unit) is not None
            return np.nan, _State.REFUSED_CELL_UNIT if refused else _State.UNKNOWN_CELL_UNIT
        number = float(f"{mantissa}e{parts.power}")
        if not (parts.sign or parts.unit) and number in numeric_missing(self.column.missing):
            return np.nan, _State.MISSING
        if not np.isfinite(number) or (parts.sign == "<" and number <= 0):
            return np.nan, _State.NOT_A_NUMBER
        return number * factor, _SIGNS[parts.sign]


def _months_of_years(numbers: FloatArray) -> BoolArray:
    """Return which numbers read like a month and a year, such as 5.2021; 5.2 does not."""
    months = np.floor(numbers)
    years = (numbers - months) * 1e4
    rounded = np.round(years)
    like = (months >= 1) & (months <= 12) & (np.abs(years - rounded) < 1e-4) & (rounded >= 1950) & (rounded < 2100)
    return np.asarray(like & ~_is_short(numbers))


def _is_short(numbers: FloatArray) -> BoolArray:
    """Whether numbers have two decimals at the most."""
    hundreds = numbers * 100
    return np.asarray(np.abs(hundreds - np.round(hundreds)) < 1e-6)


def _date_clues(numbers: FloatArray) -> LabClues:
    known = numbers[np.isfinite(numbers)]
    dates = _months_of_years(known)
    return LabClues(dates=bool(dates.any()), fractions=bool((~_is_short(known) & ~dates).any()))


@lru_cache(maxsize=2**14)  # a table read in blocks meets the same spellings again and again
def _classify(text: str, missing: frozenset[str]) -> _State | NumberParts:
    if text == UNKNOWN_SIGN:
        return _State.UNKNOWN_SIGN
    plain = plain_text(text)
    if plain in missing:
        return _State.MISSING
    if means_undetected(plain):
        return _State.UNDETECTED
    if _TEN_WITH_POWER.fullmatch(plain):
        return _State.AMBIGUOUS_POWER
    return take_apart(plain) or _State.NOT_A_NUMBER
