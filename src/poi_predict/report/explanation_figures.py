"""Figures of explanation: what moves the predictions, and what one woman's chance is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.report.formatting import format_signed, is_missing
from poi_predict.report.style import (
    BLUE,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PALE,
    RUST,
    SKY,
    VERMILION,
    clean_axes,
    house_style,
    shorten_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

__all__ = ["compute_icon_counts", "plot_attribution_summary", "plot_icon_array", "plot_waterfall"]

_MAX_FACTORS = 8
_MAX_VARIABLES = 15
_WIDTH = 8.6


def plot_attribution_summary(attribution: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """Draw how much each clinical variable moves the predictions: a dot per group of women, the mean as a bar.

    Parameters
    ----------
    attribution
        Tidy: variable, label, mean_abs_log_odds, share.
    points
        Tidy: variable, attribution (log-odds), value_rank (0 lowest to 1 highest, or missing), n: means of groups of
        women whose values are alike, five at least.

    Returns
    -------
    Figure
        The 15 largest variables; a dot is as large as its group.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    shown = attribution.sort_values("mean_abs_log_odds", ascending=False, kind="stable").head(_MAX_VARIABLES)
    with house_style():
        figure = Figure(figsize=(_WIDTH, 1.15 + 0.34 * max(1, len(shown))), layout="constrained")
        swarm, bars = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        swarm.axvline(0, color=GREY, linewidth=0.8)
        for place, name in enumerate(shown["variable"]):
            swarm.axhline(place, color=PALE, linewidth=0.5, zorder=0)
            _draw_swarm(swarm, place, points.loc[points["variable"] == name], max(points["n"].max(), 1))
        swarm.set_yticks(range(len(shown)), [shorten_label(label, 36) for label in shown["label"]])
        swarm.set_ylim(len(shown) - 0.4, -0.6)
        swarm.set_xlabel("← lowers her chance · attribution (log-odds) · raises it →")
        _draw_sizes(bars, shown)
        _draw_rank_key(swarm)
        clean_axes(swarm)
    return figure


def _draw_swarm(axes: Axes, place: int, points: pd.DataFrame, largest: float) -> None:
    shown = points.dropna(subset=["attribution"])
    rank = pd.to_numeric(shown["value_rank"], errors="coerce").to_numpy(dtype=float)
    x, size = shown["attribution"].to_numpy(dtype=float), 12 + 70 * shown["n"].to_numpy(dtype=float) / largest
    edge = [GREY if np.isnan(each) else "white" for each in rank]
    face = ["white" if np.isnan(each) else _rank_colour(each) for each in rank]
    axes.scatter(x, np.full(len(x), place), s=size, color=face, edgecolor=edge, linewidth=0.7, alpha=0.9, zorder=3)


def _rank_colour(rank: float) -> str:
    from matplotlib.colors import LinearSegmentedColormap, to_hex  # noqa: PLC0415

    return to_hex(LinearSegmentedColormap.from_list("rank", [ORANGE, "#9aa3a8", BLUE])(rank))


def _draw_rank_key(axes: Axes) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    def dot(colour: str, edge: str, text: str) -> Line2D:
        return Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=4.5,
            markerfacecolor=colour,
            markeredgecolor=edge,
            label=text,
        )

    low, middle, high = (_rank_colour(rank) for rank in (0.1, 0.5, 0.9))
    handles = [
        dot(low, low, "low values"),
        dot(middle, middle, "middle"),
        dot(high, high, "high"),
        dot("white", GREY, "missing or without order"),
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=4,
        fontsize=8,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def _draw_sizes(axes: Axes, shown: pd.DataFrame) -> None:
    sizes = shown["mean_abs_log_odds"].astype(float)
    axes.barh(range(len(shown)), sizes, height=0.42, color="#b9c4ca")
    for place, (size, share) in enumerate(zip(sizes, shown["share"], strict=True)):
        text = f"{size:.2f} ({100 * share:.0f} %)"
        axes.annotate(text, (size, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_xlim(0, (float(sizes.max()) if len(sizes) else 0) * 1.75 or 1)
    axes.set_xlabel("Mean size (share)")
    axes.set_xticks([])
    clean_axes(axes, keep=())


def plot_waterfall(factors: pd.DataFrame, *, baseline_probability: float) -> Figure:
    """Draw how her clinical variables lead from the starting point of the explanation to her chance.

    Parameters
    ----------
    factors
        Tidy: label, value (text), log_odds, probability_share; one row per clinical variable.
    baseline_probability
        The probability before anything is known about her, 0 to 1.

    Returns
    -------
    Figure
        Bars in log-odds, the largest first; probability ticks on the upper axis; points of probability at the
        right. Variables beyond the eight largest are drawn as one.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = _ordered_factors(factors)
    # A model that is certain has no finite log-odds; the axis ends where it stops mattering.
    inside = min(max(baseline_probability, 0.001), 0.999)
    start = float(np.log(inside / (1 - inside)))
    ends = start + np.cumsum([float(row["log_odds"]) for row in rows])
    edges = [start, *ends]
    with house_style():
        figure = Figure(figsize=(_WIDTH, 1.15 + 0.26 * (len(rows) + 1)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            _draw_step(axes, place, edges[place], edges[place + 1], row)
        _draw_ends(axes, edges[0], edges[-1], len(rows))
        margin = 0.1 * (max(edges) - min(edges)) + 0.15
        axes.set_xlim(min(edges) - margin, max(edges) + margin)
        axes.set_yticks(range(len(rows)), [_factor_label(row) for row in rows])
        axes.set_ylim(len(rows) + 0.6, -1.3)
        _draw_probability_axis(axes)
        clean_axes(axes)
    return figure


def _ordered_factors(factors: pd.DataFrame) -> list[dict[str, Any]]:
    size = factors["log_odds"].astype(float).abs()
    ordered = factors.loc[size.sort_values(ascending=False, kind="stable").index]
    rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in ordered.to_dict("records")]
    if len(rows) <= _MAX_FACTORS + 1:
        return rows
    rest = ordered.iloc[_MAX_FACTORS:]
    pooled = {
        "label": f"{len(rest)} other variables",
        "value": "",
        "log_odds": float(rest["log_odds"].sum()),
        "probability_share": float(rest["probability_share"].sum()),
    }
    return [*rows[:_MAX_FACTORS], pooled]


def _draw_step(axes: Axes, place: int, before: float, after: float, row: dict[str, Any]) -> None:
    colour = BLUE if after >= before else VERMILION
    axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    axes.plot([before, before], [place - 1 + 0.28 if place else -0.8, place - 0.28], color=GREY, linewidth=0.6)
    axes.barh(place, after - before, left=before, height=0.56, color=colour, zorder=3)
    text = f"{format_signed(100 * float(row['probability_share']), 1)} points"
    ink = BLUE if after >= before else RUST
    axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", color=ink, fontsize=8.5)


def _draw_ends(axes: Axes, start: float, end: float, n: int) -> None:
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
    axes.plot([end, end], [n - 1 + 0.28 if n else -0.6, n - 0.25], color=INK, linewidth=1.2)
    axes.text(start, -0.85, "start", ha="center", va="center", fontsize=8.5, color=MUTED, bbox=patch)
    axes.text(end, n - 0.1, "this woman", ha="center", va="center", fontsize=8.5, fontweight="bold", bbox=patch)


def _draw_probability_axis(axes: Axes) -> None:
    axes.set_xlabel("Log-odds of response")
    grid = np.array([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
    low, high = axes.get_xlim()
    ticks = np.log(grid / (1 - grid))
    inside = (ticks > low) & (ticks < high)
    upper = axes.secondary_xaxis("top")
    upper.set_xticks(ticks[inside], [f"{100 * p:g} %" for p in grid[inside]])
    upper.set_xlabel("Chance of response", labelpad=6)
    upper.spines["top"].set_visible(True)


def _factor_label(row: dict[str, Any]) -> str:
    value = row["value"]
    label = shorten_label(row["label"], 34)
    return label if is_missing(value) or value == "" else f"{label}: {shorten_label(value, 24)}"


def compute_icon_counts(p_response: float, ci_low: float | None, ci_high: float | None) -> pd.DataFrame:
    """Return how many of a hundred women are expected to respond, and how many may.

    Returns
    -------
    DataFrame
        kind and count, adding up to 100: ``surely`` up to the lower end of the interval, ``expected`` up to
        the prediction, ``possible`` up to the upper end, ``not_expected`` the rest.

    Examples
    --------
    >>> compute_icon_counts(0.31, 0.18, 0.47).to_dict("list")
    {'kind': ['surely', 'expected', 'possible', 'not_expected'], 'count': [18, 13, 16, 53]}
    """
    expected = round(100 * p_response)
    low = expected if ci_low is None or is_missing(ci_low) else min(expected, round(100 * ci_low))
    high = expected if ci_high is None or is_missing(ci_high) else max(expected, round(100 * ci_high))
    return pd.DataFrame(
        {
            "kind": ["surely", "expected", "possible", "not_expected"],
            "count": [low, expected - low, high - expected, 100 - high],
        }
    )


def plot_icon_array(counts: pd.DataFrame) -> Figure:
    """Draw a hundred women: filled those expected to respond, half-filled those the interval allows.

    Parameters
    ----------
    counts
        Tidy: kind, count, as `compute_icon_counts` returns it.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    faces = {"surely": BLUE, "expected": BLUE, "possible": "#cfe6f5", "not_expected": "#eef1f3"}
    edges = {"surely": BLUE, "expected": BLUE, "possible": SKY, "not_expected": "#c3ccd1"}
    kinds = [str(row["kind"]) for row in counts.to_dict("records") for _ in range(int(row["count"]))]
    place = np.arange(len(kinds))
    with house_style():
        figure = Figure(figsize=(4.3, 1.9), layout="constrained")
        axes = figure.subplots()
        for kind in dict.fromkeys(kinds):
            part = np.array([each == kind for each in kinds])
            axes.scatter(
                place[part] % 20,
                -(place[part] // 20),
                s=235,
                marker=_woman(),
                facecolor=faces[kind],
                edgecolor=edges[kind],
                linewidth=0.6,
            )
        axes.set(xlim=(-0.7, 19.7), ylim=(-4.6, 0.6))
        axes.set_axis_off()
    return figure


def _woman() -> Path:
    """Return a small standing figure as a marker: head and dress."""
    from matplotlib.path import Path  # noqa: PLC0415

    head = Path.circle((0, 0.68), 0.24)
    body = Path(
        [
            (-0.16, 0.38),
            (0.16, 0.38),
            (0.42, -0.42),
            (0.2, -0.42),
            (0.2, -0.92),
            (-0.2, -0.92),
            (-0.2, -0.42),
            (-0.42, -0.42),
            (-0.16, 0.38),
        ],
        closed=True,
    )
    return Path.make_compound_path(head, body)
