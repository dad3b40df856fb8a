"""Figures of one woman's page of regimens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.style import BLUE, GREY, MUTED, RUST, clean_axes, house_style, shorten_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["N_DOTS", "plot_chance_dots"]

N_DOTS = 20
_WIDTH = 8.6
_STEP = 0.02
"""Dots whose chances lie within two points are put on top of one another."""


def plot_chance_dots(frame: pd.DataFrame) -> Figure:
    """Draw each chance as twenty dots, any of which may be the true one.

    Quantile dots are read faster and more exactly than densities (Kay and others 2016,
    doi:10.1145/2858036.2858558).

    Parameters
    ----------
    frame : DataFrame
        label, shade (``with`` or ``without``), p, and dots: `N_DOTS` probabilities, ascending.

    Returns
    -------
    Figure
        One row each on a common axis from 0 to 100 %; a line marks the mean.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = frame.to_dict("records")
    stacks = [_stack(np.asarray(row["dots"], dtype=float)) for row in rows]
    heights = [max(4.0, float(y.max()) + 1.6) for _, y in stacks]
    inches = 0.115
    with house_style():
        figure = Figure(figsize=(_WIDTH, inches * sum(heights) + 0.55))
        panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        figure.subplots_adjust(left=0.155, right=0.985, top=0.99, bottom=0.42 / figure.get_figheight(), hspace=0.0)
        for axes, row, (x, y), height in zip(panels, rows, stacks, heights, strict=True):
            colour = BLUE if row["shade"] == "with" else RUST
            axes.axvline(float(row["p"]), color=colour, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
            axes.scatter(x, y + 0.55, s=44, color=colour, linewidth=0, zorder=3)
            axes.axhline(0, color=GREY, linewidth=0.7)
            axes.set(xlim=(0, 1), ylim=(0, height), yticks=[])
            label = shorten_label(row["label"], 24)
            axes.text(-0.012, 0.4, label, transform=axes.transAxes, ha="right", color=colour, fontweight="bold")
            clean_axes(axes, keep=())
            axes.tick_params(axis="x", length=0)
        panels[-1].xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        panels[-1].set_xticks(np.arange(0, 1.01, 0.1))
        panels[-1].set_xlabel("Her chance", color=MUTED)
    return figure


def _stack(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Put dots that are near one another into columns."""
    ordered = np.sort(values)
    x, y = np.empty(len(ordered)), np.empty(len(ordered))
    start = 0
    while start < len(ordered):
        end = int(np.searchsorted(ordered, ordered[start] + _STEP, side="right"))
        x[start:end] = ordered[start:end].mean()
        y[start:end] = np.arange(end - start)
        start = end
    return x, y
