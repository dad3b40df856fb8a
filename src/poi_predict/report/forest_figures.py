"""Forest plots: subgroups and centres, one line each, with what is too small to show said in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.formatting import is_missing
from poi_predict.report.glossary import MetricWords, describe_metric
from poi_predict.report.style import BLUE, GREY, INK, MUTED, PALE, clean_axes, house_style, shorten_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ForestRow", "plot_forest"]

_WIDTH = 8.6
_LABEL_INCHES = 2.75
_ROW_INCHES = 0.27
WIDEST = {"c_statistic": (0.0, 1.0), "o_e_ratio": (0.0, 4.0), "calibration_slope": (-2.0, 4.0)}


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot.

    Attributes
    ----------
    label : str
        Shown at the left.
    n, events : int or None
        Shown in columns beside the label; None leaves them out.
    found : mapping
        Metric → estimate with ``estimate``, ``ci_low``, ``ci_high``; for a summary also ``pi_low``,
        ``pi_high``.
    note : str
        Why there is nothing to draw; shown across the panels.
    kind : {"row", "heading", "summary"}
        A heading has a label only; a summary is a diamond with its prediction interval as a thin line.
    """

    label: str
    n: int | None = None
    events: int | None = None
    found: Mapping[str, Mapping[str, Any]] | None = None
    note: str = ""
    kind: str = "row"


def plot_forest(
    rows: Sequence[ForestRow], metrics: Sequence[str], *, overall: Mapping[str, float] | None = None
) -> Figure:
    """Draw rows by metrics: dot and interval, diamonds for summaries.

    Parameters
    ----------
    rows : sequence of ForestRow
        From the top down.
    metrics : sequence of str
        One panel each.
    overall : mapping of str to float, optional
        Metric → figure of all women, drawn as a thin blue line to compare with.

    Returns
    -------
    Figure
        A dashed line marks chance or perfect calibration; an interval that leaves the panel ends in an arrow.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    height = 0.95 + _ROW_INCHES * len(rows)
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        bottom, top = 0.52 / height, 1 - 0.43 / height
        left, gap = _LABEL_INCHES / _WIDTH, 0.025
        width = (0.995 - left - gap * (len(metrics) - 1)) / max(1, len(metrics))
        _write_labels(figure.add_axes((0, bottom, left, top - bottom)), rows)
        for place, name in enumerate(metrics):
            axes = figure.add_axes((left + place * (width + gap), bottom, width, top - bottom))
            _draw_panel(axes, rows, describe_metric(name), (overall or {}).get(name), is_first=place == 0)
    return figure


def _write_labels(axes: Axes, rows: Sequence[ForestRow]) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
    for place, row in enumerate(rows):
        indent = 0.0 if row.kind != "row" or not any(each.kind == "heading" for each in rows) else 0.04
        weight = "normal" if row.kind == "row" else "bold"
        axes.text(indent, place, shorten_label(row.label, 32), va="center", fontsize=8.8, fontweight=weight)
        for x, count in ((0.8, row.n), (0.96, row.events)):
            if count is not None:
                axes.text(x, place, f"{count:d}", va="center", ha="right", fontsize=8.5, color=INK)
    for x, head in ((0.8, "n"), (0.96, "events")):
        axes.text(x, -0.85, head, va="bottom", ha="right", fontsize=8, color=MUTED, clip_on=False)


def _draw_panel(
    axes: Axes, rows: Sequence[ForestRow], words: MetricWords, overall: float | None, *, is_first: bool
) -> None:
    low, high = _find_limits(rows, words, overall)
    if words.reference is not None:
        axes.axvline(words.reference, color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    if overall is not None and low <= overall <= high:
        axes.axvline(overall, color=BLUE, linewidth=0.7, alpha=0.55, zorder=1)
    for place, row in enumerate(rows):
        if row.kind == "heading":
            continue
        axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
        found = (row.found or {}).get(words.name) or {}
        if row.note:
            _say(axes, place, row.note if is_first else "")
        elif is_missing(found.get("estimate")):
            _say(axes, place, "not estimable")
        elif row.kind == "summary":
            _draw_summary(axes, place, found, (low, high))
        else:
            _draw_row(axes, place, found, (low, high))
    axes.set(xlim=(low, high), ylim=(len(rows) - 0.4, -0.6), yticks=[])
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(words.label, fontweight="bold", pad=7, fontsize=9)
    axes.set_xlabel(words.reading, color=MUTED, fontsize=8)
    clean_axes(axes)


def _find_limits(rows: Sequence[ForestRow], words: MetricWords, overall: float | None) -> tuple[float, float]:
    keys = ("estimate", "ci_low", "ci_high", "pi_low", "pi_high")
    shown = [((row.found or {}).get(words.name) or {}).get(key) for row in rows if not row.note for key in keys]
    values = [float(value) for value in shown if value is not None and not is_missing(value)]
    values += [value for value in (words.reference, overall) if value is not None]
    if not values:
        return 0.0, 1.0
    widest = WIDEST.get(words.name, words.limits)
    low, high = float(np.clip(min(values), *widest)), float(np.clip(max(values), *widest))
    margin = 0.05 * (high - low) or 0.1
    return low - margin, high + margin


def _draw_line(axes: Axes, place: int, bounds: tuple[Any, Any], limits: tuple[float, float], **style: Any) -> None:
    if is_missing(bounds[0]) or is_missing(bounds[1]):
        return
    low, high = max(bounds[0], limits[0]), min(bounds[1], limits[1])
    axes.plot([low, high], [place, place], zorder=3, **style)
    for outside, x, marker in ((bounds[0] < limits[0], low, "<"), (bounds[1] > limits[1], high, ">")):
        if outside:
            axes.plot(x, place, marker, color=style["color"], markersize=4, clip_on=False)


def _draw_row(axes: Axes, place: int, found: Mapping[str, Any], limits: tuple[float, float]) -> None:
    _draw_line(axes, place, (found.get("ci_low"), found.get("ci_high")), limits, color=MUTED, linewidth=1.4)
    axes.plot(np.clip(found["estimate"], *limits), place, "o", color=INK, markersize=4.6, zorder=4)


def _draw_summary(axes: Axes, place: int, found: Mapping[str, Any], limits: tuple[float, float]) -> None:
    _draw_line(axes, place, (found.get("pi_low"), found.get("pi_high")), limits, color=BLUE, linewidth=1.1)
    low, high = found.get("ci_low"), found.get("ci_high")
    if low is None or high is None or is_missing(low) or is_missing(high):
        axes.plot(np.clip(found["estimate"], *limits), place, "D", color=BLUE, markersize=6, zorder=4)
        return
    low, high = max(low, limits[0]), min(high, limits[1])
    middle = found["estimate"]
    axes.fill([low, middle, high, middle], [place, place - 0.3, place, place + 0.3], color=BLUE, linewidth=0, zorder=4)


def _say(axes: Axes, place: int, note: str) -> None:
    if note:
        axes.text(
            0.02,
            place,
            note,
            transform=axes.get_yaxis_transform(),
            va="center",
            style="italic",
            color=MUTED,
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=5,
        )
