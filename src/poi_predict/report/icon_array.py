"""A hundred women as icons: how many are expected to respond, and how many more or fewer it may be.

Counts of people are understood better than percentages, and icons of people better than blocks (Zikmund-Fisher and
others 2014, doi:10.1177/0272989X13511706).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.report.explanation_figures import compute_icon_counts
from poi_predict.report.formatting import format_percent, is_missing
from poi_predict.report.style import house_style, svg_markup

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from matplotlib.path import Path

__all__ = ["SHADES", "picture_hundred", "plot_hundred"]

IN_A_ROW = 20
SHADES: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "with": {
            "surely": ("#0b4f78", "#0b4f78"),
            "expected": ("#56a3d1", "#0072b2"),
            "possible": ("#dcedf8", "#7db9dd"),
            "not_expected": ("#ffffff", "#c3ccd1"),
        },
        "without": {
            "surely": ("#7a2e00", "#7a2e00"),
            "expected": ("#d98a55", "#a63f00"),
            "possible": ("#faeade", "#dca987"),
            "not_expected": ("#ffffff", "#c3ccd1"),
        },
    }
)
"""Face and edge of each kind; the lightness alone tells them apart, also on a grey printer."""


def plot_hundred(counts: pd.DataFrame, shade: str = "with") -> Figure:
    """Draw a hundred women, five rows of twenty.

    Parameters
    ----------
    counts : DataFrame
        kind and count, as `compute_icon_counts` returns them: dark up to the lower end of the interval, lighter up to
        the prediction, lightest up to the upper end.
    shade : str
        A key of `SHADES`.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    kinds = np.repeat(counts["kind"].to_numpy(dtype=object), counts["count"].to_numpy(dtype=int))
    place = np.arange(len(kinds))
    with house_style():
        figure = Figure(figsize=(4.3, 1.55), layout="constrained")
        axes = figure.subplots()
        for kind, (face, edge) in SHADES[shade].items():
            part = kinds == kind
            axes.scatter(
                place[part] % IN_A_ROW,
                -(place[part] // IN_A_ROW),
                s=190,
                marker=_draw_person(),
                facecolor=face,
                edgecolor=edge,
                linewidth=0.7,
            )
        axes.set(xlim=(-0.6, IN_A_ROW - 0.4), ylim=(-4.55, 0.55))
        axes.set_axis_off()
    return figure


def picture_hundred(chance: tuple[float, float | None, float | None], shade: str, words: str) -> Markup:
    """Return a hundred women as SVG.

    Parameters
    ----------
    chance : tuple of float
        Probability and its interval, None where there is none.
    shade : str
        A key of `SHADES`; also makes the ids of the picture unique.
    words : str
        Of whom: "with the therapy".
    """
    p, low, high = chance
    sure = "interval not estimable"
    if not (is_missing(low) or is_missing(high)):
        sure = f"interval {format_percent(low)} to {format_percent(high)}"
    alt = f"A hundred women {words}: {round(100 * p)} expected to have the outcome; {sure}."
    return svg_markup(plot_hundred(compute_icon_counts(p, low, high), shade), f"icons-{shade}", alt)


def _draw_person() -> Path:
    """Return head and shoulders as a marker."""
    from matplotlib.path import Path  # noqa: PLC0415

    head = Path.circle((0.0, 0.46), 0.4)
    corners = [(-0.62, -0.95), (-0.62, -0.3), (-0.45, -0.02), (0.0, -0.02), (0.45, -0.02), (0.62, -0.3), (0.62, -0.95)]
    curve = [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3, Path.CURVE3, Path.CURVE3, Path.LINETO]
    body = Path([*corners, corners[0]], [*curve, Path.CLOSEPOLY])
    return Path.make_compound_path(body, head)
