"""Figures of the drift page: differences with intervals, predictions, and where each variable lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.drift_words import MILLION, describe_aspect, describe_variable, is_share
from poi_predict.report.formatting import is_missing
from poi_predict.report.style import (
    BLUE,
    GREY,
    MUTED,
    ORANGE,
    PALE,
    VERMILION,
    clean_axes,
    house_style,
    shorten_label,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_bins", "plot_differences", "plot_prediction_shift", "scale_of"]

_WIDTH = 8.6
_LABEL_INCHES = 3.3
_ROW_INCHES = 0.27
_PER_LINE = 4
_TRAINING = "#c9d2d7"


def scale_of(aspect: Mapping[str, Any]) -> float | None:
    """Return what turns a difference into what is drawn: points of a share, standard deviations of a mean.

    None where that is not known: a mean that does not differ at all shows no scale.
    """
    if is_share(aspect):
        return 100.0
    difference, sd_units = aspect.get("difference"), aspect.get("sd_units")
    if difference is None or sd_units is None or is_missing(difference) or is_missing(sd_units) or not difference:
        return None
    return float(sd_units) / float(difference)


def plot_differences(aspects: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Figure:
    """Draw each difference, here less training, with its interval; shown ones in colour.

    Parameters
    ----------
    aspects : sequence of mapping
        As in a drift comparison, in the order drawn from the top. Means are drawn in standard deviations of training
        (bounds ``sd_low`` and ``sd_high``; without them the interval in units is scaled), shares in percentage points,
        one panel each.
    labels : mapping of str to str
        Variable → label.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = [
        (title, [each for each in aspects if is_share(each) == of_shares])
        for title, of_shares in (("Means, in standard deviations of training", False), ("Shares, in points", True))
    ]
    panels = [(title, rows) for title, rows in panels if rows]
    heights = [0.62 + _ROW_INCHES * len(rows) for _, rows in panels]
    height = sum(heights) + 0.1
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        top = height
        for (title, rows), tall in zip(panels, heights, strict=True):
            left = _LABEL_INCHES / _WIDTH
            axes = figure.add_axes((left, (top - tall + 0.3) / height, 0.985 - left, (tall - 0.58) / height))
            _draw_differences(axes, rows, labels)
            axes.set_title(title, fontweight="bold", fontsize=9, loc="left", pad=6)
            top -= tall
    return figure


def _draw_differences(axes: Axes, rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> None:
    reach = 0.0
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    for place, row in enumerate(rows):
        axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
        middle, low, high = _drawn(row)
        ink = VERMILION if row["shown"] else MUTED
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=ink, linewidth=1.6, zorder=3)
        axes.plot(middle, place, "D" if row["shown"] else "o", color=ink, markersize=5, zorder=4)
        reach = max(reach, *(abs(value) for value in (middle, low, high) if value is not None))
    reach = 1.06 * reach or 1.0
    axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [shorten_label(describe_aspect(row, labels), 54) for row in rows], fontsize=8.5)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row["shown"] else "normal")
    axes.locator_params(axis="x", nbins=7)
    axes.xaxis.set_major_formatter(lambda value, _: "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", "−"))
    clean_axes(axes)


def _drawn(row: Mapping[str, Any]) -> tuple[float, float | None, float | None]:
    if not is_share(row) and not is_missing(row.get("sd_low")) and not is_missing(row.get("sd_high")):
        return float(row["sd_units"]), float(row["sd_low"]), float(row["sd_high"])
    scale = scale_of(row)
    if scale is None or is_missing(row.get("ci_low")) or is_missing(row.get("ci_high")):
        middle = row["difference"] * scale if scale is not None else row.get("sd_units") or 0.0
        return float(middle), None, None
    return scale * float(row["difference"]), scale * float(row["ci_low"]), scale * float(row["ci_high"])


def plot_prediction_shift(predictions: Mapping[str, Any]) -> Figure:
    """Draw how the predictions are spread, women of training as bars behind those here as a line.

    Parameters
    ----------
    predictions : mapping
        ``edges`` and the shares of each bin, ``training`` and ``here``; a share that is not told is None.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    edges = np.asarray(predictions["edges"], dtype=float)
    training, here = (_shares(predictions[side]) for side in ("training", "here"))
    with house_style():
        figure = Figure(figsize=(6.6, 2.9), layout="constrained")
        axes = figure.subplots()
        _draw_two(axes, edges, training, here)
        axes.set_xlim(edges[0], edges[-1])
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("Predicted chance")
        axes.set_ylabel("Share of women")
        axes.legend(loc="upper right", fontsize=8.5)
        clean_axes(axes, keep=("left", "bottom"))
    return figure


def _shares(shares: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if share is None else share for share in shares], dtype=float)


def _draw_two(axes: Axes, edges: np.ndarray, training: np.ndarray, here: np.ndarray) -> None:
    width = np.diff(edges)
    axes.bar(
        edges[:-1], training, width, align="edge", color=_TRAINING, edgecolor="white", linewidth=0.6, label="training"
    )
    axes.stairs(here, edges, color=BLUE, linewidth=2, label="here")
    hidden = np.isnan(here)
    if hidden.any():
        tallest = float(np.nanmax(np.concatenate([training, here, [0.01]])))
        axes.bar(
            edges[:-1][hidden],
            0.06 * tallest,
            width[hidden],
            align="edge",
            color="none",
            edgecolor=ORANGE,
            hatch="////",
            linewidth=0,
            label="here: fewer than 5 women",
        )


def plot_bins(bins: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> Figure:
    """Draw where each numeric variable lies, one small panel each: bins of training as bars, those here as a line.

    Parameters
    ----------
    bins : mapping of str to mapping
        Variable → ``edges`` (finite or not), and the share of each bin, ``training`` and ``here``.
    labels : mapping of str to str
        Variable → label.

    Returns
    -------
    Figure
        Bins are drawn equally wide, because they hold about as many women of training each; edges stand below.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    n_lines = -(-len(bins) // _PER_LINE)
    with house_style():
        figure = Figure(figsize=(_WIDTH, 1.8 * n_lines), layout=ConstrainedLayoutEngine(h_pad=0.1))
        panels = np.atleast_1d(figure.subplots(n_lines, _PER_LINE, squeeze=False).ravel())
        for axes, (variable, found) in zip(panels, bins.items(), strict=False):
            training, here = _shares(found["training"]), _shares(found["here"])
            places = np.arange(len(training) + 1, dtype=float)
            _draw_two(axes, places, training, here)
            axes.set_title(shorten_label(describe_variable(variable, labels), 24), fontsize=8.6, pad=4)
            ticks, words = _edge_ticks(found["edges"], len(training))
            axes.set_xticks(ticks, words, fontsize=7)
            axes.set_yticks([])
            axes.set_ylim(0, None)
            clean_axes(axes)
        for axes in panels[len(bins) :]:
            axes.set_axis_off()
    return figure


def _edge_ticks(edges: Sequence[float | None], n_bins: int) -> tuple[list[float], list[str]]:
    """Return at most four edges as ticks: inner edges only where the outer bins are open."""
    first = 1 if len(edges) == n_bins - 1 else 0
    known = [(place + first, float(edge)) for place, edge in enumerate(edges) if edge is not None and np.isfinite(edge)]
    if len(known) > 4:
        known = [known[place] for place in np.unique(np.linspace(0, len(known) - 1, 4).round().astype(int))]
    return [float(place) for place, _ in known], [_short(edge) for _, edge in known]


def _short(edge: float) -> str:
    size = abs(edge)
    text = f"{edge / MILLION:.3g} M" if size >= MILLION else f"{edge:.0f}" if size >= 1000 else f"{edge:.3g}"
    return text.replace("-", "−")
