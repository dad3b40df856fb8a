"""Figures of regimens compared in a cohort: who was alike, where nobody can be compared, and the contrasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.formatting import format_number, format_signed, is_missing
from poi_predict.report.style import BLUE, GREY, INK, MUTED, PALE, clean_axes, house_style, shorten_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_balance", "plot_contrasts", "plot_gains", "plot_positivity"]

_WIDTH = 8.6
_MOST_COVARIATES = 20
NOTABLE = 0.1
WIDEST = 2.0
"""Standardised differences beyond this are drawn at the edge, with an arrow."""


def plot_balance(balance: pd.DataFrame) -> Figure:
    """Draw how far apart women with different options are in each covariate, before and after weighting.

    Known as a love plot (Austin 2009, doi:10.1002/sim.3697, on standardised differences).

    Parameters
    ----------
    balance : DataFrame
        label, before, after: the largest absolute standardised difference of any pair of options, perhaps infinite.
        The twenty largest before weighting are drawn.

    Returns
    -------
    Figure
        Open circle: before; filled: after. Dashed at 0.1.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    ordered = balance.sort_values("before", ascending=False, kind="stable").head(_MOST_COVARIATES)
    rows = ordered.to_dict("records")
    height = 0.75 + 0.24 * max(1, len(rows))
    sizes = [float(row[side]) for row in rows for side in ("before", "after")]
    reach = min(WIDEST, max([0.25, *sizes]) * 1.08)
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.36, 0.46 / height, 0.62, 1 - 0.76 / height))
        axes.axvline(NOTABLE, color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        for place, row in enumerate(rows):
            before, after = (min(float(row[side]), reach) for side in ("before", "after"))
            axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
            axes.plot([before, after], [place, place], color=GREY, linewidth=1.0, zorder=2)
            axes.plot(before, place, "o", markersize=6, markerfacecolor="white", markeredgecolor=INK, zorder=3)
            axes.plot(after, place, "o", markersize=5.5, color=BLUE, zorder=4)
            if max(row["before"], row["after"]) > reach:
                axes.plot(reach * 1.012, place, ">", color=INK, markersize=4, clip_on=False)
        _name_rows(axes, [shorten_label(row["label"], 42) for row in rows])
        axes.set_xlim(0, reach * 1.02)
        axes.set_xlabel("Largest difference between any two options, in standard deviations", color=MUTED)
        _draw_key(axes)
        clean_axes(axes)
    return figure


def _draw_key(axes: Axes) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    plain: Any = {"linestyle": "", "marker": "o", "markersize": 5.5}
    before = Line2D([], [], markerfacecolor="white", markeredgecolor=INK, label="before weighting", **plain)
    after = Line2D([], [], color=BLUE, label="after weighting", **plain)
    limit = Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), label="0.1")
    _write_legend(axes, [before, after, limit])


def plot_positivity(positivity: pd.DataFrame) -> Figure:
    """Draw for how many women each option was all but ruled out.

    Parameters
    ----------
    positivity : DataFrame
        arm (what they had), option, n and below (share of them with a propensity of that option below 5 %); every
        option is an arm.

    Returns
    -------
    Figure
        One row a group of women, one column an option; the darker, the fewer can be compared.
    """
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    arms = list(dict.fromkeys(positivity["arm"]))
    shares = positivity.pivot_table(index="arm", columns="option", values="below").loc[arms, arms].to_numpy(dtype=float)
    counts = positivity.drop_duplicates("arm").set_index("arm")["n"]
    height = 1.0 + 0.3 * len(arms)
    shades = LinearSegmentedColormap.from_list("rare", ["#f4f8fa", "#7db9dd", "#0b4f78"])
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.44, 0.06 / height, 0.54, 1 - 0.7 / height))
        axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
        for (row, column), share in np.ndenumerate(shares):
            ink = "white" if share > 0.55 else INK
            text = f"{format_number(100 * share, 0)} %"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8.5, color=ink)
        numbers = range(1, len(arms) + 1)
        labels = [f"{shorten_label(arm, 48)} ({counts[arm]})  {k}" for k, arm in zip(numbers, arms, strict=True)]
        axes.set_yticks(np.arange(len(arms)) + 0.5, labels)
        axes.set_xticks(np.arange(len(arms)) + 0.5, [str(k) for k in numbers])
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("Chance below 5 % of having had regimen", color=MUTED, labelpad=5)
        axes.invert_yaxis()
        axes.tick_params(length=0)
        clean_axes(axes, keep=())
    return figure


def plot_contrasts(contrasts: pd.DataFrame) -> Figure:
    """Draw contrasts between options: adjusted with both intervals, and what a plain comparison would say.

    Parameters
    ----------
    contrasts : DataFrame
        label, difference, ci_low, ci_high (adjusted; each alone), together_low, together_high (holding together) and
        naive (probabilities); missing where not estimable.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = contrasts.to_dict("records")
    height = 0.85 + 0.27 * max(1, len(rows))
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.4, 0.5 / height, 0.58, 1 - 0.8 / height))
        axes.axvline(0, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)), zorder=1)
        for place, row in enumerate(rows):
            axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
            _draw_contrast(axes, place, row)
        _name_rows(axes, [shorten_label(row["label"], 52) for row in rows])
        axes.margins(x=0.04)
        axes.xaxis.set_major_formatter(lambda value, _: format_signed(100 * value, 0))
        axes.set_xlabel("← fewer · points of the outcome · more →", color=MUTED)
        _draw_contrast_key(axes)
        clean_axes(axes)
    return figure


def _draw_contrast(axes: Axes, place: int, row: dict[Any, Any]) -> None:
    if not is_missing(row["naive"]):
        axes.plot(row["naive"], place, "D", markersize=4.6, markerfacecolor="white", markeredgecolor=MUTED, zorder=3)
    if is_missing(row["difference"]):
        left = axes.get_yaxis_transform()
        axes.text(0.01, place, "not estimable", transform=left, va="center", style="italic", color=MUTED, fontsize=8)
        return
    for low, high, width in (("together_low", "together_high", 1.0), ("ci_low", "ci_high", 2.6)):
        if not (is_missing(row[low]) or is_missing(row[high])):
            axes.plot([row[low], row[high]], [place, place], color=BLUE, linewidth=width, zorder=4)
    axes.plot(row["difference"], place, "o", color=BLUE, markersize=5.5, zorder=5)


def _draw_contrast_key(axes: Axes) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    adjusted = Line2D([], [], color=BLUE, marker="o", markersize=5, linewidth=2.6, label="adjusted")
    together = Line2D([], [], color=BLUE, linewidth=1.0, label="all contrasts together")
    plain = {"linestyle": "", "marker": "D", "markersize": 4.6, "markerfacecolor": "white"}
    naive = Line2D([], [], markeredgecolor=MUTED, label="before adjusting", **plain)  # type: ignore[arg-type]
    _write_legend(axes, [adjusted, together, naive])


def _write_legend(axes: Axes, handles: list[Any]) -> None:
    """Put the legend in one line above the axes."""
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(handles),
        fontsize=8,
        borderaxespad=0.2,
    )


def plot_gains(gains: pd.DataFrame) -> Figure:
    """Draw what treating by the model gains over every other way of treating.

    Parameters
    ----------
    gains : DataFrame
        label, gain, ci_low, ci_high (probabilities); missing where not estimable.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = gains.to_dict("records")
    height = 0.6 + 0.27 * max(1, len(rows))
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.4, 0.5 / height, 0.58, 1 - 0.55 / height))
        axes.axvline(0, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)), zorder=1)
        for place, row in enumerate(rows):
            axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
            if not (is_missing(row["ci_low"]) or is_missing(row["ci_high"])):
                axes.plot([row["ci_low"], row["ci_high"]], [place, place], color=INK, linewidth=1.6, zorder=3)
            if not is_missing(row["gain"]):
                axes.plot(row["gain"], place, "o", color=INK, markersize=5.5, zorder=4)
        _name_rows(axes, [shorten_label(row["label"], 52) for row in rows])
        axes.margins(x=0.04)
        axes.xaxis.set_major_formatter(lambda value, _: format_signed(100 * value, 0))
        axes.set_xlabel("← the rule does worse · points gained by the rule · better →", color=MUTED)
        clean_axes(axes)
    return figure


def _name_rows(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
