"""Figures of a cohort: each takes a tidy frame and returns a `matplotlib.figure.Figure`.

matplotlib is imported inside the functions, so that nothing else pays for it; no pyplot, no global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.privacy import format_count, hide_count
from poi_predict.report.formatting import is_missing
from poi_predict.report.glossary import METRICS, MetricWords, describe_metric
from poi_predict.report.style import (
    BLUE,
    GREY,
    INK,
    MUTED,
    PALE,
    RUST,
    clean_axes,
    house_style,
    shorten_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["count_predictions", "plot_attrition", "plot_calibration", "plot_performance"]

HEADLINE_METRICS = ("c_statistic", "brier", "calibration_in_the_large", "calibration_slope")
_WIDTH = 8.6


def plot_performance(
    performance: pd.DataFrame,
    *,
    primary: str | None = None,
    champion: str | None = None,
    metrics: Sequence[str] | None = None,
) -> Figure:
    """Draw the candidates side by side: dot and interval per metric, apparent value as an open diamond.

    Parameters
    ----------
    performance
        Tidy: candidate, label, metric, estimate, ci_low, ci_high, apparent.
    primary, champion
        Drawn in colour and bold; the others are grey.
    metrics
        At most four names; by default the headline metrics that the frame holds.

    Returns
    -------
    Figure
        One panel per metric. A dashed line marks chance or perfect calibration. An interval that leaves the
        panel ends in an arrow. A number that is not estimable is said so in the panel.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    chosen = _chosen_metrics(performance, metrics)
    labels = performance.drop_duplicates("candidate").set_index("candidate")["label"]
    with house_style():
        figure = Figure(figsize=(_WIDTH, 0.95 + 0.36 * len(labels)), layout="constrained")
        figure.set_layout_engine("constrained", wspace=0.06)
        panels = np.atleast_1d(figure.subplots(1, max(1, len(chosen)), sharey=True))
        for panel, words in zip(panels, chosen, strict=False):
            rows = performance.loc[performance["metric"] == words.name].set_index("candidate").reindex(labels.index)
            _draw_forest(panel, rows, words, {primary, champion})
        panels[0].set_yticks(range(len(labels)), [shorten_label(label, 34) for label in labels])
        panels[0].set_ylim(len(labels) - 0.4, -0.6)
        for tick, name in zip(panels[0].get_yticklabels(), labels.index, strict=True):
            tick.set_fontweight("bold" if name in (primary, champion) else "normal")
    return figure


def _chosen_metrics(performance: pd.DataFrame, metrics: Sequence[str] | None) -> list[MetricWords]:
    present = list(performance["metric"].drop_duplicates())
    names = [name for name in (metrics or HEADLINE_METRICS) if name in present]
    names = names or [name for name in [*METRICS, *present] if name in present]
    return [describe_metric(name) for name in dict.fromkeys(names)][:4]


def _draw_forest(axes: Axes, rows: pd.DataFrame, words: MetricWords, marked: set[str | None]) -> None:
    low, high = _forest_limits(rows, words)
    reference = _reference_value(rows, words)
    if reference is not None:
        axes.axvline(reference, color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    for place, (name, row) in enumerate(rows.iterrows()):
        axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
        if is_missing(row["estimate"]):
            _say_not_estimable(axes, place, (low + high) / 2)
            continue
        colour = BLUE if name in marked else MUTED
        _draw_interval(axes, place, row, (low, high), colour)
        if not is_missing(row["apparent"]) and low <= row["apparent"] <= high:
            axes.plot(row["apparent"], place, "D", markersize=3.8, markerfacecolor="white", markeredgecolor=colour)
        axes.plot(np.clip(row["estimate"], low, high), place, "o", color=colour, markersize=5.5, zorder=4)
    axes.set_xlim(low, high)
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(words.label, fontweight="bold", color=INK, pad=8)
    axes.set_xlabel(words.reading, color=MUTED, fontsize=8)
    clean_axes(axes)


def _reference_value(rows: pd.DataFrame, words: MetricWords) -> float | None:
    """Return the value of "no model": by definition, or as the prevalence candidate got it."""
    if words.reference is None and "prevalence" in rows.index:
        found: Any = rows.loc["prevalence", "estimate"]
        return None if is_missing(found) else float(found)
    return words.reference


def _forest_limits(rows: pd.DataFrame, words: MetricWords) -> tuple[float, float]:
    columns = [pd.to_numeric(rows[name], errors="coerce") for name in ("estimate", "ci_low", "ci_high", "apparent")]
    shown = pd.concat(columns).dropna()
    shown = shown.clip(*words.limits)
    values = [*shown, *([] if words.reference is None else [words.reference])]
    if not values:
        return 0.0, 1.0
    low, high = float(min(values)), float(max(values))
    margin = 0.08 * (high - low) or 0.1
    if words.name == "c_statistic":
        return min(0.4, low - margin), 1.0
    return low - margin, high + margin


def _draw_interval(axes: Axes, place: int, row: pd.Series[Any], limits: tuple[float, float], colour: str) -> None:
    if is_missing(row["ci_low"]) or is_missing(row["ci_high"]):
        return
    low, high = max(row["ci_low"], limits[0]), min(row["ci_high"], limits[1])
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6, zorder=3)
    if row["ci_low"] < limits[0]:
        axes.plot(low, place, "<", color=colour, markersize=4.5, clip_on=False)
    if row["ci_high"] > limits[1]:
        axes.plot(high, place, ">", color=colour, markersize=4.5, clip_on=False)


def _say_not_estimable(axes: Axes, place: int, x: float) -> None:
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(
        x,
        place,
        "not estimable",
        ha="center",
        va="center",
        style="italic",
        color=MUTED,
        bbox=patch,
        fontsize=8,
    )


def count_predictions(y_true: NDArray[Any], p_response: NDArray[Any], weight: NDArray[Any]) -> pd.DataFrame:
    """Count responders and non-responders by prediction in tenths, to multiples of five women.

    Parameters
    ----------
    y_true, p_response, weight : ndarray of shape (n_women,)

    Returns
    -------
    DataFrame
        left, right, responders, non_responders; tenths with a woman. One to four women count as two.

    Examples
    --------
    >>> count_predictions(np.array([1, 1, 0]), np.array([0.31, 0.35, 0.02]), np.ones(3))[["left", "responders"]].values
    array([[0. , 0. ],
           [0.3, 2. ]])
    """
    edges = np.round(np.linspace(0, 1, 11), 1)
    counts = {
        group: [hide_count(n) for n in np.histogram(p_response[chosen], edges, weights=weight[chosen])[0]]
        for group, chosen in (("responders", y_true == 1), ("non_responders", y_true == 0))
    }
    frame = pd.DataFrame({"left": edges[:-1], "right": edges[1:], **counts})
    return frame[(frame["responders"] > 0) | (frame["non_responders"] > 0)].reset_index(drop=True)


def plot_calibration(
    curve: pd.DataFrame,
    groups: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    primary: str,
    label: str = "",
) -> Figure:
    """Draw what was predicted against what happened, with the predictions' distribution below.

    Parameters
    ----------
    curve
        Tidy: candidate, p, observed, low, high; the primary is drawn with its band, the others as thin lines.
    groups
        Tidy: candidate, predicted, observed, low, high, n; dots of the primary, sized by n.
    predictions
        Tidy: candidate, left, right, responders, non_responders; histogram of the primary.
    primary
        The candidate in colour.
    label
        The primary in words, for the legend.

    Returns
    -------
    Figure
        Upper panel: observed against predicted, diagonal = perfect. Lower panel: responders upwards,
        non-responders downwards.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    with house_style():
        figure = Figure(figsize=(5.2, 6.1))
        upper = figure.add_axes((0.12, 0.27, 0.85, 0.85 * 5.2 / 6.1))
        lower = figure.add_axes((0.12, 0.07, 0.85, 0.15), sharex=upper)
        top = _calibration_limit(curve, groups, predictions, primary)
        _draw_curves(upper, curve, primary, shorten_label(label or primary, 32), top)
        _draw_groups(upper, groups.loc[groups["candidate"] == primary])
        upper.set(xlim=(0, top), ylim=(0, top), ylabel="Observed share of women")
        clean_axes(upper, keep=("left", "bottom"))
        _draw_histogram(lower, predictions.loc[predictions["candidate"] == primary])
        for axis in (upper.xaxis, upper.yaxis):
            # Steps of 2.5 would be printed as 2 %, 5 %, 8 %.
            axis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        upper.tick_params(axis="x", labelbottom=False)
        lower.set_xlabel("Predicted chance (out of sample)")
        if len(curve) or len(groups):
            upper.legend(loc="lower right", fontsize=8, handlelength=1.8, borderaxespad=0.6)
    return figure


def _calibration_limit(curve: pd.DataFrame, groups: pd.DataFrame, predictions: pd.DataFrame, primary: str) -> float:
    mine = [
        curve.loc[curve["candidate"] == primary, ["p", "observed"]].max(),
        groups.loc[groups["candidate"] == primary, ["predicted", "observed", "high"]].max(),
        pd.Series(predictions.loc[predictions["candidate"] == primary, "right"].max()),
    ]
    values = pd.to_numeric(pd.concat(mine), errors="coerce").dropna()
    largest = float(values.max()) if len(values) else 1.0
    return float(min(1.0, max(0.2, np.ceil(10 * largest) / 10)))


def _draw_curves(axes: Axes, curve: pd.DataFrame, primary: str, label: str, top: float) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (3, 3)), label="perfect")
    others = curve.loc[curve["candidate"] != primary]
    for place, (_, line) in enumerate(others.groupby("candidate", sort=False)):
        name = "other candidates" if place == 0 else None
        axes.plot(line["p"], line["observed"], color="#b3bdc2", linewidth=0.9, label=name, zorder=2)
    mine = curve.loc[curve["candidate"] == primary].sort_values("p")
    if len(mine):
        band = mine.dropna(subset=["low", "high"]).astype({"p": float, "low": float, "high": float})
        axes.fill_between(band["p"], band["low"], band["high"], color=BLUE, alpha=0.14, linewidth=0, zorder=1)
        axes.plot(mine["p"], mine["observed"], color=BLUE, linewidth=2, label=label, zorder=4)
    else:
        axes.text(top / 2, top / 2, "curve not estimable", ha="center", style="italic", color=MUTED)


def _draw_groups(axes: Axes, groups: pd.DataFrame) -> None:
    if groups.empty:
        return
    known = groups.dropna(subset=["low", "high"])
    axes.vlines(known["predicted"], known["low"], known["high"], color=INK, linewidth=0.9, zorder=5)
    sizes = 14 + 46 * groups["n"].astype(float) / float(groups["n"].max())
    axes.scatter(
        groups["predicted"],
        groups["observed"],
        s=sizes,
        color="white",
        edgecolor=INK,
        linewidth=1,
        zorder=6,
        label="groups of women, 95 % interval",
    )


def _draw_histogram(axes: Axes, bins: pd.DataFrame) -> None:
    if len(bins):
        left, width = bins["left"].astype(float), (bins["right"] - bins["left"]).astype(float)
        up, down = bins["responders"].astype(float), bins["non_responders"].astype(float)
        axes.bar(left, up, width, align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
        axes.bar(left, -down, width, align="edge", color="#b9c4ca", edgecolor="white", linewidth=0.5)
        reach = float(max(up.max(), down.max(), 1))
        axes.set_ylim(-1.15 * down.max() - 0.3 * reach, 1.15 * up.max() + 0.3 * reach)  # room for both words
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_yticks([])
    axes.text(1, 0.97, "responders ↑", transform=axes.transAxes, ha="right", va="top", fontsize=8, color=BLUE)
    axes.text(1, 0.03, "non-responders ↓", transform=axes.transAxes, ha="right", fontsize=8, color=MUTED)
    axes.set_ylabel("Women")
    clean_axes(axes)


def plot_attrition(attrition: pd.DataFrame) -> Figure:
    """Draw how many rows remained after each step; what fell out is named beside the bar.

    Parameters
    ----------
    attrition
        Tidy: step, excluded_rows, remaining_rows, remaining_patients, remaining_events.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = attrition["remaining_rows"].astype(float)
    with house_style():
        figure = Figure(figsize=(_WIDTH, 0.6 + 0.42 * max(1, len(attrition))), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(attrition)), rows, height=0.55, color=[GREY] * (len(attrition) - 1) + [BLUE])
        for place, row in enumerate(attrition.to_dict("records")):
            lost = f"  (−{format_count(row['excluded_rows'])})" if row["excluded_rows"] else ""
            text, ink = f"{row['remaining_rows']:.0f}{lost}", RUST if lost else INK
            place_of_text = (row["remaining_rows"], place)
            axes.annotate(text, place_of_text, (4, 0), textcoords="offset points", va="center", color=ink)
        axes.set_yticks(range(len(attrition)), [shorten_label(step, 40) for step in attrition["step"]])
        axes.set_ylim(len(attrition) - 0.4, -0.6)
        axes.set_xlim(0, (float(rows.max()) if len(rows) else 1) * 1.15)
        axes.set_xlabel("Rows that remain")
        clean_axes(axes)
    return figure
