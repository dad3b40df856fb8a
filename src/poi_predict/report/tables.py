"""Numbers into words, and tidy frames into the plain rows that the templates print.

Every formatter returns text; none of them hides a missing number: it says *not estimable* and why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.glossary import METRICS, MetricWords, describe_metric

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "GROUP_LABELS",
    "AttritionRow",
    "PerformanceCell",
    "PerformanceRow",
    "PerformanceTable",
    "TableOneRow",
    "TableOneView",
    "format_estimate",
    "format_number",
    "format_p_value",
    "format_percent",
    "is_missing",
    "probability_in_words",
    "view_attrition",
    "view_frame",
    "view_performance",
    "view_table_one",
]

GROUP_LABELS: dict[str, str] = {
    "overall": "All",
    "responder": "Responders",
    "non_responder": "Non-responders",
    "censored": "Censored",
}
_METRICS_PER_TABLE = 5
_NO_REASON = "no reason was recorded"


def is_missing(value: object) -> bool:
    """Return whether a cell holds no value: None, NaN, NA or NaT."""
    nothing = value is None or value is pd.NA or value is pd.NaT
    return nothing or (isinstance(value, float) and math.isnan(value))


def format_number(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus sign, or an em dash when there is none.

    Examples
    --------
    >>> format_number(-0.251)
    '−0.25'
    >>> format_number(None)
    '—'
    """
    if value is None or is_missing(float(value)):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def format_estimate(
    estimate: float | None,
    ci_low: float | None = None,
    ci_high: float | None = None,
    *,
    digits: int = 2,
    reason: str | None = None,
) -> str:
    """Return an estimate with its interval, or why it cannot be given.

    Examples
    --------
    >>> format_estimate(0.694, 0.61, 0.764)
    '0.69 (0.61–0.76)'
    >>> format_estimate(-0.1, -0.42, 0.2)
    '−0.10 (−0.42 to 0.20)'
    >>> format_estimate(None, reason="only one woman responded")
    'not estimable: only one woman responded'
    """
    if is_missing(estimate):
        return f"not estimable: {_NO_REASON if is_missing(reason) or not reason else reason}"
    point = format_number(estimate, digits)
    interval = format_interval(ci_low, ci_high, digits)
    return f"{point} ({interval})" if interval else point


def format_interval(ci_low: float | None, ci_high: float | None, digits: int = 2) -> str:
    """Return ``low–high``, with "to" when a bound is negative; empty when there is no interval."""
    if is_missing(ci_low) or is_missing(ci_high):
        return ""
    low, high = format_number(ci_low, digits), format_number(ci_high, digits)
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def format_percent(share: float | None) -> str:
    """Return a share as a percentage: whole above 1 %, one decimal below.

    Examples
    --------
    >>> format_percent(0.331), format_percent(0.004), format_percent(0.0)
    ('33 %', '0.4 %', '0 %')
    """
    if is_missing(share) or share is None:
        return "—"
    percent = 100 * share
    digits = 1 if 0 < abs(percent) < 1 or 99 < percent < 100 else 0
    return f"{format_number(percent, digits)} %"


def format_p_value(p: float | None) -> str:
    """Return a p-value as a journal prints it.

    Examples
    --------
    >>> format_p_value(0.0004), format_p_value(0.032), format_p_value(0.4)
    ('p < 0.001', 'p = 0.032', 'p = 0.40')
    """
    if is_missing(p) or p is None:
        return "p not estimable"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.{3 if p < 0.1 else 2}f}"


def probability_in_words(p: float) -> str:
    """Return a chance as a frequency that a person can picture.

    Natural frequencies are understood better than percentages (Gigerenzer and Edwards 2003,
    doi:10.1136/bmj.327.7417.741).

    Examples
    --------
    >>> probability_in_words(0.31)
    'about 3 of 10 women'
    >>> probability_in_words(0.052)
    'about 5 of 100 women'
    >>> probability_in_words(0.001)
    'fewer than 1 of 100 women'
    """
    if p < 0.005:
        return "fewer than 1 of 100 women"
    if p > 0.995:
        return "more than 99 of 100 women"
    tens, hundreds = round(10 * p), round(100 * p)
    if 1 <= tens <= 9 and abs(10 * p - tens) <= 0.15:
        return f"about {tens} of 10 women"
    return f"about {hundreds} of 100 women"


@dataclass(frozen=True)
class AttritionRow:
    """One step from the file to the analysis set; `width` is the share of rows kept, in percent."""

    step: str
    excluded: str
    rows: str
    patients: str
    events: str
    note: str
    width: float


def view_attrition(attrition: pd.DataFrame) -> list[AttritionRow]:
    """Return the attrition table as text rows, in the order of the frame."""
    whole = pd.to_numeric(attrition["remaining_rows"], errors="coerce").max() if len(attrition) else 0
    return [
        AttritionRow(
            step=_text(row["step"]),
            excluded=""
            if is_missing(row["excluded_rows"]) or not row["excluded_rows"]
            else _count(row["excluded_rows"]),
            rows=_count(row["remaining_rows"]),
            patients=_count(row["remaining_patients"]),
            events=_count(row["remaining_events"]),
            note=_text(row["note"], ""),
            width=round(100 * float(row["remaining_rows"]) / float(whole), 1) if whole else 0.0,
        )
        for row in attrition.to_dict("records")
    ]


@dataclass(frozen=True)
class TableOneRow:
    """One line of table one: `cells` and `missing` in the order of the groups; `nested` lines are levels."""

    label: str
    unit: str
    cells: tuple[str, ...]
    missing: tuple[int, ...]
    nested: bool = False
    heading: bool = False


@dataclass(frozen=True)
class TableOneView:
    """Table one: groups as (label, size), then its lines."""

    groups: tuple[tuple[str, int], ...]
    rows: tuple[TableOneRow, ...]


def view_table_one(table_one: pd.DataFrame) -> TableOneView:
    """Return table one with a column per group and a line per variable or level.

    Groups that hold no woman are left out. A variable with levels gets a heading line and nested lines; one
    whose only level is ``yes`` gets a single line.
    """
    present = [group for group in GROUP_LABELS if (table_one["group"] == group).any()]
    sizes = {group: _group_size(table_one, group) for group in present}
    groups = [group for group in present if sizes[group] > 0]
    rows: list[TableOneRow] = []
    for _, block in table_one.groupby("variable", sort=False):
        rows.extend(_table_one_block(block, groups))
    return TableOneView(tuple((GROUP_LABELS[group], sizes[group]) for group in groups), tuple(rows))


def _group_size(table_one: pd.DataFrame, group: str) -> int:
    # n counts the women in whom the variable is known, so n + missing is the size of the group.
    of_group = table_one.loc[table_one["group"] == group]
    return int((of_group["n"].fillna(0) + of_group["missing"].fillna(0)).max())


def _table_one_block(block: pd.DataFrame, groups: list[str]) -> list[TableOneRow]:
    first = block.iloc[0]
    label, unit = _text(first["label"]), _text(first["unit"], "")
    levels = [level for level in block["level"].drop_duplicates() if not is_missing(level) and level != ""]
    if levels in ([], ["yes"]):
        return [TableOneRow(label, unit, *_cells(block, groups))]
    by_level = [block.loc[block["level"] == level] for level in levels]
    blank = tuple("" for _ in groups)
    heading = TableOneRow(label, unit, blank, _cells(by_level[0], groups)[1], heading=True)
    silent = tuple(0 for _ in groups)
    return [
        heading,
        *(
            TableOneRow(str(level).replace("_", " "), "", _cells(part, groups)[0], silent, nested=True)
            for level, part in zip(levels, by_level, strict=True)
        ),
    ]


def _cells(part: pd.DataFrame, groups: list[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    by_group = part.drop_duplicates("group").set_index("group")
    cells = tuple(_text(by_group["summary"].get(group)) for group in groups)
    missing = tuple(_whole(by_group["missing"].get(group)) for group in groups)
    return cells, missing


@dataclass(frozen=True)
class PerformanceCell:
    """One number of one candidate; `reason` is filled when it is not estimable."""

    estimate: str
    interval: str
    apparent: str
    reason: str


@dataclass(frozen=True)
class PerformanceRow:
    """One candidate's line."""

    candidate: str
    label: str
    tags: tuple[str, ...]
    cells: tuple[PerformanceCell | None, ...]


@dataclass(frozen=True)
class PerformanceTable:
    """At most five metrics side by side, one line per candidate."""

    metrics: tuple[MetricWords, ...]
    rows: tuple[PerformanceRow, ...]


def view_performance(performance: pd.DataFrame, primary: str, champion: str | None) -> list[PerformanceTable]:
    """Return the performance frame as tables of at most five metrics, candidates in their given order."""
    known = [name for name in METRICS if (performance["metric"] == name).any()]
    known += [name for name in performance["metric"].drop_duplicates() if name not in METRICS]
    chunks = [known[i : i + _METRICS_PER_TABLE] for i in range(0, len(known), _METRICS_PER_TABLE)]
    cells = {
        (row["candidate"], row["metric"]): _performance_cell(row) for row in performance.to_dict("records")
    }
    candidates = performance.drop_duplicates("candidate")[["candidate", "label"]].itertuples(index=False)
    lines = [(str(name), _text(label), _tags(str(name), primary, champion)) for name, label in candidates]
    return [
        PerformanceTable(
            tuple(describe_metric(name) for name in chunk),
            tuple(
                PerformanceRow(name, label, tags, tuple(cells.get((name, metric)) for metric in chunk))
                for name, label, tags in lines
            ),
        )
        for chunk in chunks
    ]


def _tags(name: str, primary: str, champion: str | None) -> tuple[str, ...]:
    return (("primary",) if name == primary else ()) + (("champion",) if name == champion else ())


def _performance_cell(row: dict[Any, Any]) -> PerformanceCell:
    digits = describe_metric(str(row["metric"])).digits
    if is_missing(row["estimate"]):
        return PerformanceCell("not estimable", "", "", _text(row["reason"], "") or _NO_REASON)
    apparent = "" if is_missing(row["apparent"]) else format_number(row["apparent"], digits)
    reason = _text(row["reason"], "")
    return PerformanceCell(
        format_number(row["estimate"], digits),
        format_interval(row["ci_low"], row["ci_high"], digits),
        apparent,
        reason,
    )


def view_frame(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return any frame as header and text cells; numbers get three significant digits, gaps an em dash."""
    header = [str(column) for column in frame.columns]
    return header, [[_any_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]


def _any_cell(value: object) -> str:
    if is_missing(value):
        return "—"
    if isinstance(value, float):
        return format_number(
            value, 0 if value.is_integer() or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
        )
    return str(value)


def _count(value: object) -> str:
    return "—" if is_missing(value) else f"{_whole(value):,}".replace(",", "\u202f")


def _whole(value: Any) -> int:
    return 0 if is_missing(value) else round(float(value))


def _text(value: object, default: str = "—") -> str:
    return default if is_missing(value) or value == "" else str(value)


def join_words(words: Iterable[str]) -> str:
    """Return words as a person lists them.

    Examples
    --------
    >>> join_words(["age", "FSH", "AMH"])
    'age, FSH and AMH'
    """
    items = list(words)
    return items[0] if len(items) == 1 else " and ".join([", ".join(items[:-1]), items[-1]]) if items else ""
