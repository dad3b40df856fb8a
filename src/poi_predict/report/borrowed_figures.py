"""Figures of the evidence model: what was published, and what the women of a cohort made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.borrowed_contrast_figures import plot_learning_curve, plot_with_and_without
from poi_predict.report.borrowed_effect_figures import choose_effects, plot_prior_to_posterior
from poi_predict.report.formatting import format_percent, is_missing
from poi_predict.report.style import (
    BLUE,
    INK,
    MUTED,
    PALE,
    clean_axes,
    house_style,
    shorten_label,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "choose_effects",
    "plot_learning_curve",
    "plot_prior_to_posterior",
    "plot_published_arms",
    "plot_with_and_without",
]

_WIDTH = 8.6
_LABELS = 3.4
_ROW = 0.34
Row = dict[str, Any]


def plot_published_arms(frame: pd.DataFrame) -> Figure:
    """Draw the published arms with cell therapy beside the cohorts without, as a forest plot.

    Parameters
    ----------
    frame : DataFrame
        One row an arm: label, row_id, treated, events, n, observed, ci_low, ci_high, fitted, fitted_low,
        fitted_high (shares, 0 to 1), definition (empty where the arm counted what the model predicts).

    Returns
    -------
    Figure
        Square: observed share and exact interval, its area by the number of women. Diamond: what the model makes
        of it, with its interval. Arms that counted something else carry a dagger.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = _arm_rows(frame)
    height = 0.95 + _ROW * len(rows)
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        bottom, tall = 0.5 / height, 1 - 0.95 / height
        names = figure.add_axes((0, bottom, _LABELS / _WIDTH, tall))
        axes = figure.add_axes((_LABELS / _WIDTH, bottom, 0.335, tall))
        numbers = figure.add_axes((_LABELS / _WIDTH + 0.35, bottom, 0.255, tall))
        top = _highest_share(frame)
        most = float(frame["n"].astype(float).max()) if len(frame) else 1.0
        for place, row in enumerate(rows):
            _write_arm(names, numbers, place, row)
            if "heading" not in row:
                _draw_arm(axes, place, row, most)
        _head_columns(names, numbers)
        axes.set(xlim=(-0.015, top), ylim=(len(rows) - 0.4, -0.6), yticks=[])
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("Share of women with the outcome", color=MUTED)
        axes.locator_params(axis="x", nbins=6)
        _draw_arm_key(axes)
        clean_axes(axes)
        for side in (names, numbers):
            side.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
            side.set_axis_off()
    return figure


def _arm_rows(frame: pd.DataFrame) -> list[Row]:
    rows: list[Row] = []
    treated = frame["treated"].astype(bool)
    for heading, part in (("With cell therapy", frame[treated]), ("Without", frame[~treated])):
        if len(part):
            found = [{str(key): value for key, value in row.items()} for row in part.to_dict("records")]
            rows += [{"heading": heading}, *found]
    return rows


def _highest_share(frame: pd.DataFrame) -> float:
    known = frame[["observed", "ci_high", "fitted_high"]].astype(float).to_numpy()
    known = known[np.isfinite(known)]
    return float(min(1.015, np.ceil(10 * known.max() + 0.2) / 10)) if known.size else 1.015


def _write_arm(names: Axes, numbers: Axes, place: int, row: Row) -> None:
    if "heading" in row:
        names.text(0, place, row["heading"], va="center", fontsize=9, fontweight="bold")
        return
    dagger = " †" if not is_missing(row["definition"]) and row["definition"] else ""
    name = f"{shorten_label(row['label'], 35)} ({row['row_id']}){dagger}"
    names.text(0.03, place, name, va="center", fontsize=8.5)
    names.text(0.955, place, f"{row['events']:.0f}/{row['n']:.0f}", va="center", ha="right", fontsize=8.5)
    for x, (share, low, high) in ((0.0, ("observed", "ci_low", "ci_high")), (0.53, _FITTED)):
        colour = INK if share == "observed" else BLUE
        numbers.text(x, place, _say_share(row[share], row[low], row[high]), va="center", fontsize=8.2, color=colour)


_FITTED = ("fitted", "fitted_low", "fitted_high")


def _say_share(share: Any, low: Any, high: Any) -> str:
    if is_missing(share):
        return "—"
    interval = "" if is_missing(low) or is_missing(high) else f" ({100 * low:.0f}–{100 * high:.0f})"
    return f"{format_percent(share)}{interval}"


def _head_columns(names: Axes, numbers: Axes) -> None:
    for axes, x, side, text in (
        (names, 0.955, "right", "events/women"),
        (numbers, 0.0, "left", "observed"),
        (numbers, 0.53, "left", "by the model"),
    ):
        axes.text(x, -0.75, text, va="bottom", ha=side, fontsize=8, color=MUTED, clip_on=False)


def _draw_arm(axes: Axes, place: int, row: Row, most: float) -> None:
    axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    upper, lower = place - 0.13, place + 0.2
    if not is_missing(row["ci_low"]) and not is_missing(row["ci_high"]):
        axes.plot([row["ci_low"], row["ci_high"]], [upper, upper], color=MUTED, linewidth=1.3, zorder=3)
    if not is_missing(row["observed"]):
        area = max(9.0, 110 * float(row["n"]) / most)
        axes.scatter(row["observed"], upper, s=area, marker="s", color=INK, linewidth=0, zorder=4)
    if is_missing(row["fitted"]):
        return
    if not is_missing(row["fitted_low"]) and not is_missing(row["fitted_high"]):
        axes.plot([row["fitted_low"], row["fitted_high"]], [lower, lower], color=BLUE, linewidth=1.1, zorder=3)
    axes.plot(row["fitted"], lower, "D", markersize=4.4, color=BLUE, markerfacecolor="white", zorder=5)


def _draw_arm_key(axes: Axes) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles = [
        Line2D([], [], color=MUTED, marker="s", markersize=5.5, markerfacecolor=INK, markeredgewidth=0, linewidth=1.3),
        Line2D([], [], color=BLUE, marker="D", markersize=4.4, markerfacecolor="white", linewidth=1.1),
    ]
    axes.legend(
        handles, ["observed", "by the model"], loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, fontsize=8
    )
