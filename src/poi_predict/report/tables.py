"""Tidy frames into the plain rows of text that the templates print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from poi_predict.privacy import format_count
from poi_predict.report.formatting import (
    NO_REASON,
    format_estimate,
    format_interval,
    format_number,
    is_missing,
)
from poi_predict.report.glossary import (
    METRICS,
    MetricWords,
    describe_level,
    describe_metric,
)

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
            else format_count(row["excluded_rows"]),
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
    missing: tuple[str, ...]
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
    silent = tuple("" for _ in groups)
    return [
        heading,
        *(
            TableOneRow(describe_level(str(level)), "", _cells(part, groups)[0], silent, nested=True)
            for level, part in zip(levels, by_level, strict=True)
        ),
    ]


def _cells(part: pd.DataFrame, groups: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    by_group = part.drop_duplicates("group").set_index("group")
    cells = tuple(_text(by_group["summary"].get(group)) for group in groups)
    counts = (_whole(by_group["missing"].get(group)) for group in groups)
    missing = tuple(format_count(count) if count else "" for count in counts)
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
    """Return the performance frame as tables of at most five metrics, candidates in their given order.

    A table leaves out the candidates that have none of its metrics.
    """
    records = performance.to_dict("records")
    cells = {(row["candidate"], row["metric"]): _performance_cell(row) for row in records}
    labels = {str(row["candidate"]): _text(row["label"]) for row in records}
    given = dict.fromkeys(str(row["metric"]) for row in records)
    names = [name for name in METRICS if name in given] + [name for name in given if name not in METRICS]
    return [
        PerformanceTable(
            tuple(describe_metric(name) for name in chunk),
            tuple(
                PerformanceRow(
                    name,
                    label,
                    _tags(name, primary, champion),
                    tuple(cells.get((name, metric)) for metric in chunk),
                )
                for name, label in labels.items()
                if any((name, metric) in cells for metric in chunk)
            ),
        )
        for chunk in _even_chunks(names)
    ]


def _even_chunks(names: list[str]) -> list[list[str]]:
    n_tables = -(-len(names) // _METRICS_PER_TABLE)
    size = -(-len(names) // n_tables) if n_tables else 1
    return [names[i : i + size] for i in range(0, len(names), size)]


def _tags(name: str, primary: str, champion: str | None) -> tuple[str, ...]:
    return (("primary",) if name == primary else ()) + (("champion",) if name == champion else ())


def _performance_cell(row: dict[Any, Any]) -> PerformanceCell:
    digits = describe_metric(str(row["metric"])).digits
    if is_missing(row["estimate"]):
        return PerformanceCell("not estimable", "", "", _text(row["reason"], "") or NO_REASON)
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
        return format_number(value, 0 if value.is_integer() or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2)
    return str(value)


def _count(value: object) -> str:
    return "—" if is_missing(value) else f"{_whole(value):,}".replace(",", "\u202f")


def _whole(value: Any) -> int:
    return 0 if is_missing(value) else round(float(value))


def _text(value: object, default: str = "—") -> str:
    return default if is_missing(value) or value == "" else str(value)
