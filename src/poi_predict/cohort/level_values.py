"""Categories as clinics spell them: "AD-MSC", "46, XX", "是", "PRP + HRT"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from poi_predict.cohort.missing import is_missing, missing_spellings
from poi_predict.cohort.spelling import level_key, plain_text
from poi_predict.cohort.table_cells import SpeltCells, spell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from poi_predict.cohort.codebook import Variable

__all__ = ["SEVERAL_LEVELS", "UNKNOWN_LEVEL", "LevelValues", "parse_levels"]

UNKNOWN_LEVEL = "\ue000level"  # stands for boxes of which one cannot be read; no text holds it
SEVERAL_LEVELS = "\ue000levels"  # stands for several ticked boxes where only one may be

_NONE = "none"
_MINUSES = frozenset("-–—−")  # where "+" is a result, they are the other one and nothing missing
_YES_NO: dict[str | None, float] = {"no": 0.0, "yes": 1.0}
_JOINED = re.compile(
    r"\s*(?:[+;,/|&、，；]|\band\b|\bund\b|\bet\b|\by\b|\be\b|\bve\b|\bи\b|\bو\b|\bplus\b|\bwith\b|和|及)\s*"
)


@dataclass(frozen=True, eq=False)
class LevelValues:
    """A column of canonical levels.

    Attributes
    ----------
    values : Series, shape (n,)
        Binary: float64 1, 0, NaN. Otherwise text: a level, levels joined by "+", or NaN.
    faults : dict of str to array of bool
        Rows that cannot be used, by rule.
    """

    values: pd.Series
    faults: dict[str, npt.NDArray[np.bool_]]


class _Unusable(NamedTuple):
    """A spelling that breaks a rule."""

    rule: str


def parse_levels(
    cells: pd.Series | SpeltCells,
    variable: Variable,
    *,
    spellings: Mapping[str, str] | None = None,
    missing: frozenset[str] | None = None,
    own_missing: frozenset[str] = frozenset(),
) -> LevelValues:
    """Read a column of levels by the codebook's spellings and the clinic's own.

    Parameters
    ----------
    cells : Series of float64 or text, or SpeltCells; shape (n,)
        Cells as they stand in the file.
    variable : Variable
        Binary, category or multi; a category without levels (a centre) takes any name as a level, and
        spellings of one name as the first of them.
    spellings : mapping of str to str, optional
        Clinic spelling to canonical level; takes precedence over the codebook and over "missing".
    missing : frozenset of str, optional
        Spellings of "missing" (`missing_spellings`).
    own_missing : frozenset of str
        Those that the study lists for this column; they take precedence over the codebook's levels.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> codebook = read_codebook()
    >>> sources = pd.Series(["AD-MSC", "UC-MSC", "NA"], dtype="str")
    >>> parse_levels(sources, codebook["cell_source"]).values.tolist()
    ['adipose', 'umbilical_cord', nan]
    >>> adjuvants = pd.Series(["PRP + HRT", "none"], dtype="str")
    >>> parse_levels(adjuvants, codebook["adjuvant"]).values.tolist()
    ['hrt+prp', 'none']
    >>> parse_levels(pd.Series([1.0, 0.0]), codebook["menses_resumed"]).values.tolist()
    [1.0, 0.0]
    """
    missing = missing_spellings() if missing is None else missing
    codes, distinct = spell(cells)  # each spelling is read once
    read = _reader(variable, spellings or {}, missing, own_missing)
    found = [*map(read, distinct.to_pylist()), None]
    faults = {
        rule: np.array([isinstance(item, _Unusable) and item.rule == rule for item in found])[codes]
        for rule in ("unknown_level", "contradicting_levels", "several_levels")
    }
    if variable.role == "provenance":
        faults["unknown_origin"] = faults.pop("unknown_level")
    levels = [item if isinstance(item, str) else None for item in found]
    if not variable.levels:
        first: dict[str, str] = {}
        spelt = [level and first.setdefault(level_key(level), level) for level in levels]
        faults["respelt_centre"] = np.array([a != b for a, b in zip(spelt, levels, strict=True)])[codes]
        levels = spelt
    if variable.kind == "binary":
        number = np.array([_YES_NO.get(level, np.nan) for level in levels])
        return LevelValues(pd.Series(number[codes]), faults)
    place = np.where(codes < 0, len(found) - 1, codes)
    return LevelValues(pd.Series(pa.array(levels, pa.string()).take(pa.array(place)).to_pandas(), dtype="str"), faults)


def _reader(
    variable: Variable, own: Mapping[str, str], missing: frozenset[str], own_missing: frozenset[str]
) -> Callable[[Any], str | _Unusable | None]:
    known = dict(variable.level_of)
    meant = {level_key(text): known.get(level_key(level)) for text, level in own.items()}
    renamed = {level_key(text): level for text, level in own.items()}
    declared = meant if variable.levels else renamed
    known |= {text: level for text, level in meant.items() if level is not None}
    if "+" in declared:
        missing -= _MINUSES

    def read(cell: str) -> str | _Unusable | None:
        if level_key(cell) not in declared and is_missing(cell, own_missing):
            return None
        if variable.kind == "multi":
            return _read_several(cell, known, missing)
        if not variable.levels:
            return _read_free(cell, renamed, missing)
        return _read_one(cell, known, missing)

    return read


def _read_one(cell: str, known: Mapping[str, str], missing: frozenset[str]) -> str | _Unusable | None:
    level = known.get(level_key(cell))
    if level is not None:
        return level
    if cell == SEVERAL_LEVELS:
        return _Unusable("several_levels")
    return None if is_missing(cell, missing) else _Unusable("unknown_level")


def _read_several(cell: str, known: Mapping[str, str], missing: frozenset[str]) -> str | _Unusable | None:
    whole = _read_one(cell, known, missing)
    if not isinstance(whole, _Unusable):
        return whole
    levels = {known.get(level_key(part)) for part in _JOINED.split(plain_text(cell)) if part}
    named = {level for level in levels if level is not None}
    if not named or len(named) < len(levels):
        return whole
    if _NONE in named and len(named) > 1:
        return _Unusable("contradicting_levels")
    return "+".join(sorted(named))


def _read_free(cell: str, renamed: Mapping[str, str], missing: frozenset[str]) -> str | None:
    if level_key(cell) in renamed:
        return renamed[level_key(cell)]
    return None if is_missing(cell, missing) else cell.strip()
