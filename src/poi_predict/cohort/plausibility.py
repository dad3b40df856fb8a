"""What is doubtful about a typed table: values rare in the field, and cells that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.endpoint import compute_tolerance
from poi_predict.cohort.rules import Breach, column_finding, row_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poi_predict.cohort.codebook import Codebook
    from poi_predict.cohort.findings import Finding

__all__ = ["check_consistency", "check_typical_ranges", "consistency_breaches", "shown_range"]

_EVENTS = {"menses_resumed": "months_to_menses", "clinical_pregnancy": "months_to_pregnancy"}
_MEASURED = ("fsh_after_month", "amh_after_month", "estradiol_after_month")
_MONTHS_PER_YEAR = 12
_UNSHOWN_UNITS = (None, "count", "grade")
_LARGE = 1e5  # from here on, a number is easier to read with its power of ten
_SEVERAL = 4  # rows from which most of them make a habit, not cells to be checked one by one
_EARLIEST_MENARCHE = 8  # years; menses before are precocious puberty


def check_typical_ranges(data: pd.DataFrame, codebook: Codebook, row_number: np.ndarray) -> list[Finding]:
    """Return a warning for each variable with values outside of what cohorts of the field report.

    >>> from poi_predict.cohort.codebook import read_codebook
    >>> data = pd.DataFrame({"age": [36.0, 44.0]})
    >>> check_typical_ranges(data, read_codebook(), np.array([1, 2]))[0].message
    'age usually lies between 18 and 40 years; 1 of 2 rows is outside. Check these cells.'
    """
    findings = []
    for name, variable in codebook.items():
        if name in data and variable.typical is not None:
            low, high = variable.typical
            values = data[name].to_numpy(dtype=np.float64)
            unusual = (values < low) | (values > high)
            if f"{name}__below" in data:  # the value itself is below the limit that the table holds
                unusual &= ~data[f"{name}__below"].to_numpy(dtype=bool)
            facts = shown_range(variable.typical, variable.unit)
            count, total = int(unusual.sum()), len(unusual)
            if count > total / 2 and total >= _SEVERAL:
                findings.append(column_finding("typical_range_most", name, count=count, total=total, **facts))
            else:
                findings += row_findings("typical_range", name, unusual, row_number, **facts)
    return findings


def shown_range(limits: tuple[float, float] | None, unit: str | None) -> dict[str, str]:
    """Return limits and unit as messages show them.

    >>> shown_range((1e5, 1e9), "cells")
    {'low': '1e5', 'high': '1e9', 'unit': ' cells'}
    """
    if limits is None:
        return {}
    low, high = (_shown_number(limit) for limit in limits)
    return {"low": low, "high": high, "unit": "" if unit in _UNSHOWN_UNITS else f" {unit}"}


def _shown_number(number: float) -> str:
    if abs(number) < _LARGE:
        return f"{number:g}"
    mantissa, power = f"{number:e}".split("e")
    return f"{float(mantissa):g}e{int(power)}"


def check_consistency(data: pd.DataFrame, row_number: np.ndarray) -> list[Finding]:
    """Return what cells of one row say against each other; a missing cell says nothing.

    Whether an event after the end of follow-up makes a row unusable is for the endpoint to decide.
    """
    return [finding for breach in consistency_breaches(data) for finding in breach.findings(row_number)]


def consistency_breaches(data: pd.DataFrame) -> list[Breach]:
    """Return what `check_consistency` reports, as rows of `data`."""
    rows = _Columns(data)
    return [*_events(rows), *_measurements(rows), *_amenorrhea(rows), *_protocol(rows)]


class _Columns:
    """Columns as numbers; one that the table does not have is missing in every row."""

    def __init__(self, data: pd.DataFrame) -> None:
        self._data = data

    def numbers(self, name: str) -> np.ndarray:
        if name not in self._data:
            return np.full(len(self._data), np.nan)
        return self._data[name].to_numpy(dtype=np.float64)

    def texts(self, name: str) -> pd.Series:
        if name not in self._data:
            return pd.Series(np.nan, index=self._data.index, dtype="str")
        return self._data[name]

    def has(self, name: str) -> bool:
        return name in self._data


def _events(rows: _Columns) -> Iterator[Breach]:
    follow_up = rows.numbers("follow_up_months")
    for event, month in _EVENTS.items():
        happened, when = rows.numbers(event), rows.numbers(month)
        yield Breach(month, "event_before_treatment", when < 0, {})
        late = when - compute_tolerance(when) > follow_up
        yield Breach(month, "event_after_follow_up", late & (happened != 0), {})
        if rows.has(event) and rows.has(month):
            yield Breach(month, "event_without_month", (happened == 1) & np.isnan(when), {"event": event})
            yield Breach(month, "month_without_event", (happened != 1) & ~np.isnan(when), {"event": event})
    birth, pregnancy = rows.numbers("live_birth"), rows.numbers("clinical_pregnancy")
    yield Breach("live_birth", "birth_without_pregnancy", (birth == 1) & (pregnancy == 0), {})


def _measurements(rows: _Columns) -> Iterator[Breach]:
    follow_up = rows.numbers("follow_up_months")
    for month in _MEASURED:
        yield Breach(month, "measured_after_follow_up", rows.numbers(month) > follow_up, {})


def _amenorrhea(rows: _Columns) -> Iterator[Breach]:
    age, duration = rows.numbers("age") * _MONTHS_PER_YEAR, rows.numbers("amenorrhea_months")
    impossible = duration > age
    early = (duration > age - _EARLIEST_MENARCHE * _MONTHS_PER_YEAR) & ~impossible
    yield Breach("amenorrhea_months", "amenorrhea_exceeds_age", impossible, {})
    yield Breach("amenorrhea_months", "amenorrhea_since_childhood", early, {"menarche": _EARLIEST_MENARCHE})


def _protocol(rows: _Columns) -> Iterator[Breach]:
    route = rows.texts("route")
    untreated = (rows.texts("cell_source") == "none").to_numpy(dtype=bool)
    treated_route = (route.notna() & (route != "none")).to_numpy(dtype=bool)
    yield Breach("route", "route_without_cells", untreated & treated_route, {})
    treated = (rows.texts("cell_source").notna() & ~untreated).to_numpy(dtype=bool)
    yield Breach("route", "cells_without_route", treated & (route == "none").to_numpy(dtype=bool), {})
    yield Breach("cell_source", "dose_without_cells", untreated & (rows.numbers("dose_cells") > 0), {})
