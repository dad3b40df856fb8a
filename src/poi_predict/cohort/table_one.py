"""Table one: who the women are, by outcome, with what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.errors import CohortError
from poi_predict.privacy import LEAST, find_hidden_cells, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort.codebook import Codebook, Variable

__all__ = ["compute_table_one"]

_COLUMNS = ["variable", "label", "level", "unit", "group", "n", "missing", "summary"]
_GROUP_OF_STATUS = {"event": "responder", "no_event": "non_responder", "censored": "censored"}

# A median of so few values would all but print a woman's value.
_FEWEST_FOR_QUARTILES = 5
_QUARTILES = (0.25, 0.5, 0.75)
_MILLION = 1e6


def compute_table_one(
    data: pd.DataFrame,
    codebook: Codebook,
    variables: Sequence[str],
    y_true: NDArray[np.float64],
    status: NDArray[np.str_] | None = None,
    least: int = LEAST,
) -> pd.DataFrame:
    """Summarise variables over all women and by outcome.

    Numbers are summarised by median and quartiles, a quartile below the detection limit as ``<limit``; levels
    by count and share of the women whose level is known. Fewer than five known values give no quartiles.

    A count of one to four women reads ``< 5``, and ``hidden`` where such a count would follow from it.

    Parameters
    ----------
    data
        Canonical columns, one row per treatment course.
    codebook
        Says what the variables are.
    variables
        What to summarise, in order.
    y_true
        1, 0, or NaN for a censored row.
    status
        Status of each row (`poi_predict.cohort.endpoint.Endpoint`); rows that are neither event, no event nor
        censored count in ``overall`` only.
    least
        Fewest women that are counted.

    Returns
    -------
    DataFrame
        variable, label, level (empty for a number), unit, group (``overall``, ``responder``,
        ``non_responder``, and ``censored`` where there are any), n (rows with a known value), missing,
        summary.

    Raises
    ------
    CohortError
        When a variable is not in the data.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> data = pd.DataFrame({"age": [29.0, 31.0, 33.0, 35.0, 37.0, np.nan]})
    >>> table = compute_table_one(data, read_codebook(), ["age"], np.array([1, 0, 0, 1, 0, 0.0]))
    >>> table.loc[table["group"] == "overall", ["n", "missing", "summary"]].to_numpy().tolist()
    [[5, 1, '33.0 (31.0–35.0)']]
    """
    absent = [name for name in variables if name not in data.columns]
    if absent:
        raise CohortError(
            f"Table one needs variables of the cohort; it has no {', '.join(absent)}. Leave them out, or map them."
        )
    groups = _groups(np.asarray(y_true, dtype=float), status)
    rows = [
        (name, codebook[name].label, level, unit, group, n, missing, summary)
        for name in variables
        for group, chosen in groups.items()
        for level, unit, n, missing, summary in _summaries(data, codebook[name], chosen)
    ]
    hidden = {cell: text for name in variables for cell, text in _hide_few(data, codebook[name], groups, least).items()}
    rows = [(*row[:-1], hidden.get((row[0], row[2], row[4]), row[-1])) for row in rows]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    # Levels before groups, so that one line of the printed table is one block of rows.
    order = {level: position for position, level in enumerate(dict.fromkeys(table["level"]))}
    place = pd.DataFrame(
        {
            "variable": table["variable"].map({name: i for i, name in enumerate(variables)}),
            "level": table["level"].map(order),
        }
    )
    return table.loc[place.sort_values(["variable", "level"], kind="stable").index].reset_index(drop=True)


def _groups(y_true: NDArray[np.float64], status: NDArray[np.str_] | None) -> dict[str, NDArray[np.bool_]]:
    if status is None:
        status = np.select([y_true == 1, y_true == 0], ["event", "no_event"], "censored")
    groups = {"overall": np.ones(len(status), dtype=bool)}
    groups |= {group: np.asarray(status == name) for name, group in _GROUP_OF_STATUS.items()}
    if not groups["censored"].any():
        del groups["censored"]
    return groups


def _summaries(
    data: pd.DataFrame, variable: Variable, chosen: NDArray[np.bool_]
) -> Iterator[tuple[str, str, int, int, str]]:
    """Yield (level, unit, n, missing, summary) of one variable in one group."""
    column = data[variable.name]
    known = chosen & column.notna().to_numpy()
    n, missing = int(known.sum()), int((chosen & ~known).sum())
    if variable.is_numeric:
        yield "", variable.unit or "", n, missing, _quartiles(data, variable.name, known)
        return
    for level, holds in _levels(column, variable).items():
        yield level, "", n, missing, _share(int((holds & known).sum()), n)


def _hide_few(
    data: pd.DataFrame, variable: Variable, groups: Mapping[str, NDArray[np.bool_]], least: int
) -> dict[tuple[str, str, str], str]:
    """Return what stands in the cells (variable, level, group) from which fewer than `least` women could be told."""
    if variable.is_numeric:
        return {}
    column = data[variable.name]
    known = column.notna().to_numpy()
    levels = _levels(column, variable)
    if variable.kind == "binary":
        levels["no"] = ~levels["yes"]
    counts = np.array([[(holds & known & chosen).sum() for chosen in groups.values()] for holds in levels.values()])
    if not counts.size:
        return {}
    exclusive = bool((np.sum(list(levels.values()), axis=0)[known] == 1).all())
    hidden = find_hidden_cells(counts, exclusive=exclusive, least=least)
    return {
        (variable.name, level, group): format_count(count, least) if 0 < count < least else "hidden"
        for level, row, hides in zip(levels, counts, hidden, strict=True)
        for group, count, hide in zip(groups, row, hides, strict=True)
        if hide
    }


def _levels(column: pd.Series[Any], variable: Variable) -> dict[str, NDArray[np.bool_]]:
    """Return, of each level that occurs in the cohort, which rows hold it; in the codebook's order."""
    if variable.kind == "binary":
        return {"yes": (column == 1.0).to_numpy(dtype=bool, na_value=False)}
    held = [frozenset[str]() if pd.isna(cell) else frozenset(str(cell).split("+")) for cell in column]
    occurring: frozenset[str] = frozenset().union(*held)
    ordered = [level for level in variable.levels if level in occurring]
    ordered += sorted(occurring.difference(ordered))
    return {level: np.array([level in levels for levels in held]) for level in ordered}


def _share(count: int, n: int) -> str:
    return f"{count} ({count / n:.0%})".replace("%", " %") if n else "–"


def _quartiles(data: pd.DataFrame, name: str, known: NDArray[np.bool_]) -> str:
    """Median and quartiles; a quartile that falls among values below the detection limit reads ``<limit``."""
    values = data[name].to_numpy(dtype=float)[known]
    if len(values) < _FEWEST_FOR_QUARTILES:
        return f"fewer than {_FEWEST_FOR_QUARTILES} values" if len(values) else "–"
    below = np.zeros(len(values), dtype=bool)
    if f"{name}__below" in data.columns:
        below = data[f"{name}__below"].to_numpy(dtype=bool)[known]
    if not below.any():
        quartiles = np.quantile(values, _QUARTILES)
        if quartiles[0] >= _MILLION:
            return f"{_spread(quartiles / _MILLION)} million"
        return _spread(quartiles)
    # A censored value is lower than any measured one; rank it so, and show the limit in its place.
    limit = _number(float(values[below].max()))
    ranked = np.sort(np.where(below, -np.inf, values))
    low, median, high = (
        f"<{limit}" if np.isinf(quartile) else _number(float(quartile))
        for quartile in np.quantile(ranked, _QUARTILES, method="inverted_cdf")
    )
    share = f"{below.mean():.0%}".replace("%", " %")
    shown = median if low == high else f"{median} ({low}–{high})"
    return f"{shown}; {share} below detection"


def _spread(quartiles: NDArray[np.float64]) -> str:
    low, median, high = (_number(float(quartile)) for quartile in quartiles)
    return f"{median} ({low}–{high})"


def _number(value: float) -> str:
    """Three significant digits, one decimal for tens, millions in words."""
    if abs(value) >= _MILLION:
        return f"{value / _MILLION:.3g} million"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10 or value == 0:
        return f"{value:.1f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"
