"""Who had which protocol: women of training and published arms, counted by combination."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.evidence.borrowed import read_arm_protocols, read_borrowed_arms
from poi_predict.regimen.settings import DOSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from poi_predict.cohort import Codebook
    from poi_predict.regimen.settings import RegimenSettings

    FloatArray = NDArray[np.float64]

__all__ = [
    "COUNTS",
    "SOURCE",
    "count_arms",
    "count_combinations",
    "count_options",
    "is_near",
    "join_counts",
    "take_first_rows",
    "type_counts",
]

SOURCE = "cell_source"
COUNTS = ["n_women", "n_arms", "arm_women"]
NEAR = 0.55
"""Doses are counted in quarters of a decade, rounded to one digit; half a decade, threefold, is the same protocol."""


def count_options(
    frame: pd.DataFrame, settings: RegimenSettings, codebook: Codebook, patient: ArrayLike | None = None
) -> pd.DataFrame:
    """Count the women who had each combination of what varies.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_inputs)
        Canonical columns.
    settings : RegimenSettings
    codebook : Codebook
    patient : array-like of shape (n_rows,), optional
        Of each woman the first row counts.

    Returns
    -------
    DataFrame
        One row a combination, commonest first: ``settings.vary``, with ``cell_source`` where the model reads it,
        ``n_women``, ``n_arms`` and ``arm_women`` (both 0). Doses are in total where the table says how they were
        stated, in classes of a quarter of a decade; women without cells are one combination.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.regimen.settings import build_regimen_settings
    >>> settings = build_regimen_settings({}, read_codebook(), ("age", "cell_source", "dose_cells"))
    >>> women = pd.DataFrame({"cell_source": ["adipose", "adipose", "none"], "dose_cells": [9e6, 1.2e7, None]})
    >>> print(count_options(women, settings, read_codebook())[["cell_source", "dose_cells", "n_women"]])
      cell_source  dose_cells  n_women
    0     adipose  10000000.0        2
    1        none         NaN        1
    """
    return count_combinations(take_first_rows(frame, patient), settings, codebook)[0]


def count_arms(
    settings: RegimenSettings, codebook: Codebook, outcome: str, exclude: Sequence[str] = ()
) -> pd.DataFrame:
    """Count the women of the published arms that a model borrows from, by what varies; columns as `count_options`.

    Parameters
    ----------
    settings : RegimenSettings
    codebook : Codebook
    outcome : str
        ``menses`` or ``pregnancy``.
    exclude : sequence of str
        Rows left out.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> from poi_predict.regimen.settings import build_regimen_settings
    >>> settings = build_regimen_settings({}, read_codebook(), ("age", "cell_source"))
    >>> print(count_arms(settings, read_codebook(), "menses").to_string(index=False))
            cell_source  n_women  n_arms  arm_women
                   none        0       2        669
    amniotic_epithelial        0       1         35
            bone_marrow        0       1         10
                adipose        0       1          9
         umbilical_cord        0       1          6
    """
    arms = read_borrowed_arms(outcome=outcome)
    arms = arms[~arms.index.isin(list(exclude))]
    protocols = read_arm_protocols().reindex(arms.index)
    frame = pd.DataFrame(index=arms.index)
    for name in dict.fromkeys([SOURCE, *settings.vary]):
        if name == DOSE:
            frame[name] = np.sqrt(protocols["dose_low"].astype(float) * protocols["dose_high"].astype(float))
        elif name == "n_treatments":
            frame[name] = protocols["n_treatments_max"].astype(float)
        else:
            frame[name] = protocols[name].astype(object) if name in protocols else None
    frame.loc[~arms["treated"], SOURCE] = "none"
    table = _classify(frame, list(frame.columns), codebook)
    table = table.assign(n_women=0, n_arms=1, arm_women=arms["n"].to_numpy())
    return _add_up(table)


def join_counts(women: pd.DataFrame, arms: pd.DataFrame) -> pd.DataFrame:
    """Join counts of women and of arms; the combinations of women keep their places."""
    return _add_up(pd.concat([women, arms], ignore_index=True), sort=False)


def count_combinations(
    frame: pd.DataFrame, settings: RegimenSettings, codebook: Codebook, least: int = 1
) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Count combinations as `count_options` does, and say which one each row has.

    Of a combination that fewer than `least` women had, the numbers (the dose) are left aside; one that is still so
    rare is not listed, and its women have the code -1.
    """
    table = _classify(frame, _list_counted(settings), codebook)
    rare = _is_rare(table, least)
    for name in table.columns:
        if name in codebook and codebook[name].is_numeric:
            table.loc[rare, name] = np.nan
    rare = _is_rare(table, least)
    counted = _add_up(table[~rare].assign(n_women=1, n_arms=0, arm_women=0))
    place = {_key(row): position for position, row in enumerate(counted[table.columns].to_numpy(dtype=object))}
    codes = [place.get(_key(row), -1) for row in table.to_numpy(dtype=object)]
    return counted, np.array(codes, dtype=np.intp)


def _is_rare(table: pd.DataFrame, least: int) -> NDArray[np.bool_]:
    keys = [_key(row) for row in table.to_numpy(dtype=object)]
    counts = Counter(keys)
    return np.array([counts[key] < least for key in keys], dtype=np.bool_)


def take_first_rows(frame: pd.DataFrame, patient: ArrayLike | None) -> pd.DataFrame:
    """Return each woman's first row."""
    if patient is None:
        return frame
    return frame.iloc[np.sort(np.unique(np.asarray(patient), return_index=True)[1])]


def type_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Give counts, numbers and words their types, also in a table without rows."""
    typed = frame.astype(dict.fromkeys(COUNTS, "int64"))
    for name in typed.columns.drop(COUNTS):
        known = typed[name].dropna()
        if len(known) and all(isinstance(value, int | float) for value in known):
            typed[name] = typed[name].astype("float64")
    return typed


def _list_counted(settings: RegimenSettings) -> list[str]:
    extra = [SOURCE] if SOURCE in settings.protocol and SOURCE not in settings.vary else []
    return [*extra, *settings.vary]


def _classify(frame: pd.DataFrame, names: Sequence[str], codebook: Codebook) -> pd.DataFrame:
    """Return the protocol of each row in the words of options; numbers in classes, nothing else without cells."""
    columns: dict[str, Any] = {}
    numeric = [name for name in names if name in codebook and codebook[name].is_numeric]
    for name in names:
        values = frame[name] if name in frame else pd.Series(np.nan, index=frame.index)
        if name in numeric and codebook[name].kind == "continuous":
            columns[name] = _classify_numbers(_total(frame, name, values))
        elif name in numeric:
            columns[name] = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
        else:
            words = values.astype(object).where(values.notna(), None)
            columns[name] = [{1.0: "yes", 0.0: "no"}.get(word, word) for word in words]
    table = pd.DataFrame(columns, index=frame.index)
    if SOURCE in table:
        untreated = (table[SOURCE] == "none").to_numpy()
        for name in table.columns.drop(SOURCE):
            table.loc[untreated, name] = np.nan if name in numeric else None
    return table


def _total(frame: pd.DataFrame, name: str, values: pd.Series[Any]) -> FloatArray:
    """Double a dose per ovary that was given to both sides, as the model does."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if name == DOSE and {"dose_basis", "sides"} <= set(frame.columns):
        doubled = (frame["dose_basis"] == "per_ovary") & (frame["sides"] == "bilateral")
        return np.asarray(numbers * np.where(doubled, 2.0, 1.0), dtype=np.float64)
    return numbers


def _classify_numbers(numbers: FloatArray) -> FloatArray:
    """Return the nearest quarter of a decade, to one digit (1, 2, 3, 6), so that no woman's value is kept."""
    positive = numbers > 0
    decade = 10.0 ** (np.round(4.0 * np.log10(np.where(positive, numbers, 1.0))) / 4.0)
    rounded = np.array([float(f"{value:.0e}") for value in decade])
    return np.where(positive, rounded, numbers)


def is_near(numbers: FloatArray, value: float) -> NDArray[np.bool_]:
    """Whether numbers are within half a decade of a value; False where not known."""
    if value <= 0:
        return np.asarray(numbers == value)
    logs = np.log10(np.where(numbers > 0, numbers, np.nan))
    return np.asarray(np.abs(logs - math.log10(value)) <= NEAR)


def _add_up(table: pd.DataFrame, *, sort: bool = True) -> pd.DataFrame:
    """Add the counts of equal combinations up, in order of first appearance, or with the commonest first."""
    names = [name for name in table.columns if name not in COUNTS]
    totals: dict[tuple[Any, ...], list[int]] = {}
    for row, counts in zip(table[names].to_numpy(dtype=object), table[COUNTS].to_numpy(dtype=np.int64), strict=True):
        total = totals.setdefault(_key(row), [0, 0, 0])
        for position, count in enumerate(counts):
            total[position] += int(count)
    keys = list(totals)
    if sort:
        keys.sort(key=lambda key: (-totals[key][0], -totals[key][2], repr(key)))
    rows = [(*key, *totals[key]) for key in keys]
    return type_counts(pd.DataFrame(rows, columns=[*names, *COUNTS]))


def _key(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else value for value in row)
