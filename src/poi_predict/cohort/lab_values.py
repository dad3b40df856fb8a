"""Numbers as laboratories and clinics write them: "1,5", "<0.02", "ND", "3.6 pmol/L", "5×10⁶".

A result below the detection limit is a result: it is kept as left-censored at its limit, never as zero and
never as missing (Helsel 2012, *Statistics for Censored Environmental Data*, doi 10.1002/9781118162729).
Nothing is guessed: a number that can be read in two ways, a unit that is not known and a censored value
without any limit are faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from poi_predict.cohort.decimals import decimal_marks, parse_mantissa
from poi_predict.cohort.missing import missing_spellings
from poi_predict.cohort.spelling import header_key, plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort.codebook import Variable
    from poi_predict.cohort.mapping import Decimal

__all__ = ["LabValues", "parse_lab_values"]

BoolArray = npt.NDArray[np.bool_]

_CELL = re.compile(
    r"""
    (?P<sign> <=|=<|>=|=>|<|>|≤|≥|⩽|⩾|≦|≧ )? \s*
    (?P<mantissa> [+-]?[.,]?\d(?:[\d.,'’ ]*\d)? )
    (?: e(?P<exponent>[+-]?\d+) | \s?[x×*·]\s?10\s?\^\s?(?P<power>[+-]?\d+) | \^(?P<bare_power>\d+) )?
    \s* (?P<unit> .*)
    """,
    re.VERBOSE | re.ASCII,
)
_LESS_THAN = re.compile(
    r"^(?:less than|lower than|smaller than|below|under|kleiner als|unter|inférieur à|小于|低于)\s*(?=[\d.,])"
)
_MORE_THAN = re.compile(
    r"^(?:more than|greater than|higher than|above|over|größer als|über|supérieur à|大于|高于)\s*(?=[\d.,])"
)
_WORD_THEN_LIMIT = re.compile(r"(?P<word>[^\d<]+?)[\s(:,;]*(?P<limit><.*?)\)?")
_UNDETECTED = frozenset(
    header_key(word)
    for word in (
        "nd", "undetectable", "undetected", "undetect", "not detected", "not detectable", "non detectable", "non-detect",
        "none detected", "below detection", "below detection limit", "below the detection limit", "below detectable",
        "below limit of detection", "below the limit of detection", "detection limit", "below lod", "lod", "below loq",
        "loq", "lloq", "below lloq", "llod", "bdl", "blq", "blod", "bloq", "bql", "udl", "below limit", "below range",
        "below assay limit", "unmeasurable", "not measurable", "unmeasurably low", "too low", "nn", "nicht nachweisbar",
        "nicht messbar", "unter nachweisgrenze", "unter der nachweisgrenze", "indétectable", "non détectable",
        "indetectable", "no detectable", "non rilevabile", "niet detecteerbaar", "niet aantoonbaar", "未检出", "检测不出",
        "测不出", "未测出", "低于检测限", "低于检测下限", "低于检出限", "検出せず", "検出限界以下", "測定限界以下",
    )
)  # fmt: skip


class _State(IntEnum):
    """What one cell turned out to be."""

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


class _Parts(NamedTuple):
    """A cell taken apart: sign, mantissa, power of ten, unit."""

    sign: str
    mantissa: str
    power: int
    unit: str


@dataclass(frozen=True)
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
    faults : mapping of str to array of bool
        Rows that cannot be used, by rule.
    """

    values: npt.NDArray[np.float64]
    below: BoolArray
    above: BoolArray
    zero: BoolArray
    borrowed: BoolArray
    faults: Mapping[str, BoolArray]

    @property
    def unusable(self) -> BoolArray:
        """Rows with any fault."""
        return np.logical_or.reduce([np.zeros(len(self.values), dtype=bool), *self.faults.values()])


def parse_lab_values(
    cells: pd.Series,
    variable: Variable,
    *,
    factor: float = 1.0,
    decimal: Decimal = "auto",
    detection_limit: float | None = None,
    missing: frozenset[str] | None = None,
) -> LabValues:
    """Read a column of numbers, some of them censored, some with a unit of their own.

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
    >>> sorted(rule for rule, rows in parse_lab_values(cells[2:3], read_codebook()["amh"]).faults.items() if rows.any())
    ['no_detection_limit']
    """
    missing = missing_spellings() if missing is None else missing
    if cells.dtype == "float64":
        numbers = cells.to_numpy(dtype=np.float64, copy=True)
        state = np.where(np.isnan(numbers), _State.MISSING, _State.NUMBER)
        state[np.isinf(numbers)] = _State.NOT_A_NUMBER
        state[np.isin(numbers, _missing_numbers(missing))] = _State.MISSING
        values = np.where(state == _State.NUMBER, numbers * factor, np.nan)
    else:
        codes, distinct = pd.factorize(cells, use_na_sentinel=True)  # each spelling is read once
        value_of, state_of = _read_spellings(pd.Index(distinct), variable, factor, decimal, missing)
        values = np.append(value_of, np.nan)[codes]
        state = np.append(state_of, _State.MISSING)[codes]
    return _censored(values, state, variable, None if detection_limit is None else detection_limit * factor)


def _censored(
    values: npt.NDArray[np.float64], state: npt.NDArray[np.int64], variable: Variable, limit: float | None
) -> LabValues:
    """Set censored values to their limits and collect the faults."""
    zero = variable.censorable & (state == _State.NUMBER) & (values == 0)
    unstated = (state == _State.UNDETECTED) | zero
    stated = state == _State.BELOW
    faults = {fault.name.lower(): state == fault for fault in _FAULTS}
    none = np.zeros(len(values), dtype=bool)
    borrowed = none
    if not variable.censorable:
        faults["not_censorable"] = stated | unstated
    elif limit is None and stated.any():
        limit = float(values[stated].min())
        borrowed = unstated
    if limit is None:
        faults["no_detection_limit"] = unstated if variable.censorable else none
    else:
        values = np.where(unstated, limit, values)
    unusable = np.logical_or.reduce(list(faults.values()))
    return LabValues(
        values=np.where(unusable, np.nan, values),
        below=(stated | unstated) & ~unusable,
        above=state == _State.ABOVE,
        zero=zero & ~unusable,
        borrowed=borrowed & ~unusable,
        faults=faults,
    )


def _read_spellings(
    distinct: pd.Index, variable: Variable, factor: float, decimal: Decimal, missing: frozenset[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Read each distinct spelling of a column: canonical value and state."""
    texts = distinct.to_series(index=range(len(distinct)))
    values = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    plain = np.isfinite(values) & ~texts.str.strip().isin(missing).to_numpy(dtype=bool)
    if decimal == ",":
        plain &= ~texts.str.contains(".", regex=False).to_numpy(dtype=bool)
    values = np.where(plain, values * factor, np.nan)
    state = np.where(plain, _State.NUMBER, _State.NOT_A_NUMBER)

    apart: dict[int, _Parts] = {}
    for i in np.flatnonzero(~plain):
        found = _take_apart(plain_text(texts.iloc[i]), missing)
        if isinstance(found, _State):
            state[i] = found
        else:
            apart[int(i)] = found
    if not apart:
        return values, state
    marks = (
        frozenset(decimal) if decimal != "auto" else decimal_marks(parts.mantissa for parts in apart.values())
    )
    if decimal == "auto" and any("," in parts.mantissa for parts in apart.values()):
        marks |= decimal_marks(texts[plain])
    for i, parts in apart.items():
        values[i], state[i] = _evaluate(parts, variable, factor, marks)
    if decimal == "auto" and marks == {","}:
        _doubt_points(texts, plain, values, state)
    return values, state


def _missing_numbers(missing: frozenset[str]) -> list[float]:
    """Return the numbers among the spellings of "missing", such as 999."""
    return [float(text) for text in missing if text.lstrip("-").replace(".", "", 1).isdecimal()]


def _doubt_points(
    texts: pd.Series, plain: BoolArray, values: npt.NDArray[np.float64], state: npt.NDArray[np.int64]
) -> None:
    """Mark "1.234" as ambiguous in a column whose decimal mark is the comma: 1.234 or 1234."""
    doubtful = plain & texts.str.strip().str.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}").to_numpy(dtype=bool)
    values[doubtful] = np.nan
    state[doubtful] = _State.AMBIGUOUS_DECIMAL


def _take_apart(text: str, missing: frozenset[str]) -> _Parts | _State:
    if text in missing:
        return _State.MISSING
    if header_key(text) in _UNDETECTED:
        return _State.UNDETECTED
    text = _MORE_THAN.sub(">", _LESS_THAN.sub("<", text)).replace("−", "-")
    worded = _WORD_THEN_LIMIT.fullmatch(text)
    if worded and header_key(worded["word"]) in _UNDETECTED:
        text = worded["limit"]
    cell = _CELL.fullmatch(text)
    if cell is None:
        return _State.NOT_A_NUMBER
    mantissa, power = cell["mantissa"], int(cell["exponent"] or cell["power"] or 0)
    if cell["bare_power"]:
        if mantissa != "10":
            return _State.NOT_A_NUMBER
        mantissa, power = "1", int(cell["bare_power"])
    sign = "" if not cell["sign"] else "<" if set(cell["sign"]) & set("<≤⩽≦") else ">"
    unit = cell["unit"]
    if sign == "<" and header_key(unit) in _UNDETECTED:
        unit = ""
    return _Parts(sign, mantissa, power, unit)


def _evaluate(
    parts: _Parts, variable: Variable, factor: float, marks: frozenset[str]
) -> tuple[float, _State]:
    """Return the canonical value of a cell taken apart, and what it is."""
    mantissa = parse_mantissa(parts.mantissa, marks)
    if mantissa is None:
        return np.nan, _State.AMBIGUOUS_DECIMAL
    try:
        number = float(f"{mantissa}e{parts.power}")
    except ValueError:
        return np.nan, _State.NOT_A_NUMBER
    if not np.isfinite(number) or (parts.sign == "<" and number <= 0):
        return np.nan, _State.NOT_A_NUMBER
    own_factor = variable.factor(parts.unit) if parts.unit else factor
    if own_factor is None:
        refused = variable.refusal(parts.unit) is not None
        return np.nan, _State.REFUSED_CELL_UNIT if refused else _State.UNKNOWN_CELL_UNIT
    state = {"": _State.NUMBER, "<": _State.BELOW, ">": _State.ABOVE}[parts.sign]
    return number * own_factor, state
