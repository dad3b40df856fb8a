"""Figures of one question: what to expect with the therapy, without it, and how women added to the evidence move that.

Blue and solid: with. Rust and dashed: without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poi_predict.report.formatting import format_number, format_percent, format_signed
from poi_predict.report.style import BLUE, GREY, INK, MUTED, PALE, RUST, clean_axes, house_style

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Interval = Mapping[str, float]

__all__ = ["plot_learning_curve", "plot_with_and_without"]

_WIDTH = 8.6
_CURVE = ["n", "p_with", "with_low", "with_high", "p_without", "without_low", "without_high"]
WITH: Any = {"color": BLUE, "linestyle": "-"}
WITHOUT: Any = {"color": RUST, "linestyle": (0, (5, 2))}


def plot_learning_curve(frame: pd.DataFrame) -> Figure:
    """Draw how the chance moves as women are added to the published evidence.

    Parameters
    ----------
    frame : DataFrame
        n (women added; 0 is the evidence alone), p_with, with_low, with_high, p_without, without_low, without_high
        (probabilities, 0 to 1).

    Returns
    -------
    Figure
        Two lines with their 95 % bands, named at their right ends.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    line = frame[_CURVE].astype(float).sort_values("n", kind="stable")
    with house_style():
        figure = Figure(figsize=(_WIDTH, 3.3))
        axes = figure.add_axes((0.075, 0.15, 0.745, 0.8))
        for name, style in (("with", WITH), ("without", WITHOUT)):
            low, high = line[f"{name}_low"], line[f"{name}_high"]
            axes.fill_between(line["n"], low, high, color=style["color"], alpha=0.11, linewidth=0)
            for bound in (low, high):
                axes.plot(line["n"], bound, linewidth=0.7, alpha=0.7, **style)
            axes.plot(line["n"], line[f"p_{name}"], linewidth=2, marker="o", markersize=3.4, **style)
        axes.set_xlim(line["n"].min(), line["n"].max())
        top = float(line[["with_high", "without_high"]].max().max())
        axes.set_ylim(0, min(1.0, 1.08 * top))
        _name_ends(axes, line.iloc[-1])
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("Women of this cohort added to the evidence (0: published evidence alone)", color=MUTED)
        axes.set_ylabel("Chance of the outcome")
        clean_axes(axes, keep=("left", "bottom"))
        axes.grid(axis="y", color=PALE, linewidth=0.5)
    return figure


def _name_ends(axes: Axes, last: pd.Series[float]) -> None:
    """Name the lines at their ends, pushed apart where they meet."""
    places = {"with": float(last["p_with"]), "without": float(last["p_without"])}
    apart = 0.085 * axes.get_ylim()[1]
    middle, half = sum(places.values()) / 2, abs(places["with"] - places["without"]) / 2
    upper = "with" if places["with"] >= places["without"] else "without"
    for name, style in (("with", WITH), ("without", WITHOUT)):
        y = middle + (1 if name == upper else -1) * max(half, apart / 2)
        axes.annotate(
            f"{name} therapy {format_percent(places[name])}",
            (1, y),
            (7, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=style["color"],
            fontsize=9,
            fontweight="bold",
        )


def plot_with_and_without(frame: pd.DataFrame) -> Figure:
    """Draw the chance with and without the therapy, and beside it the difference against none.

    Parameters
    ----------
    frame : DataFrame
        quantity (``with``, ``without``, ``difference``), estimate, ci_low, ci_high (probabilities).
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    found = {
        str(row["quantity"]): {name: float(row[name]) for name in ("estimate", "ci_low", "ci_high")}
        for row in frame.to_dict("records")
    }
    with house_style():
        figure = Figure(figsize=(_WIDTH, 1.55))
        left = figure.add_axes((0.135, 0.3, 0.4, 0.52))
        right = figure.add_axes((0.6, 0.3, 0.39, 0.52))
        for place, (name, style) in enumerate((("with", WITH), ("without", WITHOUT))):
            _draw_interval(left, place, found[name], style)
            text = format_percent(found[name]["estimate"])
            _write_above(left, place, found[name], text, style["color"])
        left.set_yticks([0, 1], ["With therapy", "Without"])
        highest = max(found["with"]["ci_high"], found["without"]["ci_high"])
        left.set_xlim(0, min(1.0, max(0.2, 1.15 * highest)))
        left.set_title("Chance of the outcome", fontweight="bold", pad=6)
        left.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        _draw_difference(right, found["difference"])
        for axes in (left, right):
            axes.set_ylim(1.6, -0.75)
            axes.locator_params(axis="x", nbins=6)
            clean_axes(axes)
    return figure


def _draw_interval(axes: Axes, place: float, found: Interval, style: Any) -> None:
    axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    dashes = (0, (2.2, 1.1)) if style is WITHOUT else "-"
    ends = [found["ci_low"], found["ci_high"]]
    axes.plot(ends, [place] * 2, color=style["color"], linewidth=2.6, linestyle=dashes, solid_capstyle="butt", zorder=3)
    axes.plot(found["estimate"], place, "o", color=style["color"], markersize=7, markeredgecolor="white", zorder=4)


def _write_above(axes: Axes, place: float, found: Interval, text: str, colour: str) -> None:
    axes.annotate(
        text,
        (found["estimate"], place),
        (0, 6),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=colour,
        fontsize=8.8,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )


def _draw_difference(axes: Axes, found: Interval) -> None:
    axes.axvline(0, color=GREY, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    _draw_interval(axes, 0.5, found, {"color": INK})
    points = {name: 100 * value for name, value in found.items()}
    said = (
        f"{format_signed(points['estimate'], 0)} of 100 ({format_signed(points['ci_low'], 0)} to "
        f"{format_signed(points['ci_high'], 0)})"
    )
    _write_above(axes, 0.5, found, said, INK)
    reach = 1.15 * max(abs(found["ci_low"]), abs(found["ci_high"]), 0.05)
    axes.set_xlim(-reach, reach)
    axes.set_yticks([])
    axes.set_title("Difference", fontweight="bold", pad=6)
    axes.xaxis.set_major_formatter(lambda value, _: format_number(100 * value, 0))
    axes.set_xlabel("← fewer with therapy · of 100 women · more →", color=MUTED, fontsize=8.5)
