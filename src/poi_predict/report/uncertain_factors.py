"""What one woman's chance is made of, with error bars: the picture and the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poi_predict.report.content import Section, SectionFigure
from poi_predict.report.formatting import format_percent, format_signed, is_missing, join_words
from poi_predict.report.style import (
    BLUE,
    GREY,
    INK,
    MUTED,
    PALE,
    RUST,
    VERMILION,
    clean_axes,
    house_style,
    shorten_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["build_factor_section", "plot_uncertain_factors", "write_in_sentence"]

TITLE = "What her chance is made of"
_MOST_FACTORS = 12
_WIDTH = 8.6
HOW_TO_READ = (
    "Each bar says how many points of chance one of her values adds or takes away, against average values; the "
    "line is where 90 % of the draws lie. Filled: at least 90 of 100 draws agree on the direction. Hollow, with a "
    "question mark: it may as well be the other way. A value that is not known counts with all that it could be."
)


def build_factor_section(factors: pd.DataFrame, chance: tuple[float, float], pairs: pd.DataFrame | None) -> Section:
    """Return what her chance is made of, with error bars.

    Parameters
    ----------
    factors : DataFrame
        As `plot_uncertain_factors` takes it.
    chance : tuple of float
        Starting point of the explanation, and her probability.
    pairs : DataFrame, optional
        Interactions: first and second (labels), probability_share, share_low, share_high and stable.
    """
    ordered = _sort(factors).to_dict("records")
    drawn = ordered[:_MOST_FACTORS]
    said = [_say_sure(ordered, chance)]
    said += [_say_pair(row) for row in ([] if pairs is None else pairs.to_dict("records"))]
    rest = len(ordered) - len(drawn)
    if rest:
        said.append(f"{rest} more {'value moves' if rest == 1 else 'values move'} her chance less than those drawn.")
    alt = "; ".join(
        f"{row['label']} {_say_range(row)}{'' if row['stable'] else ', direction not sure'}" for row in drawn
    )
    figure = SectionFigure(
        plot_uncertain_factors(factors),
        f"From the starting point of {format_percent(chance[0])} to hers of {format_percent(chance[1])}.",
        f"Bars of points of chance with ranges: {alt or 'the model reads no variable'}.",
        HOW_TO_READ,
    )
    return Section(TITLE, tuple(said), figures=(figure,), after="explanation")


def _say_sure(rows: Sequence[dict[Any, Any]], chance: tuple[float, float]) -> str:
    sure = [
        write_in_sentence(str(row["label"])) for row in rows if row["stable"] and abs(row["probability_share"]) >= 0.005
    ]
    unsure = sum(not row["stable"] for row in rows)
    start = (
        f"The explanation starts from a chance of {format_percent(chance[0])}, where all values are average, and ends "
        f"at hers of {format_percent(chance[1])}."
    )
    if not sure:
        return f"{start} None of her values clearly raises or lowers her chance."
    first = f"{start} Which way it is moved is fairly sure for {join_words(sure)}"
    return f"{first}; for {unsure} other {'value' if unsure == 1 else 'values'} it is open." if unsure else f"{first}."


def write_in_sentence(label: str) -> str:
    """Return a label as it stands within a sentence; an abbreviation keeps its capitals.

    Examples
    --------
    >>> write_in_sentence("Time since last menses"), write_in_sentence("FSH")
    ('time since last menses', 'FSH')
    """
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _say_range(row: dict[Any, Any]) -> str:
    share, low, high = (
        format_signed(100 * float(row[name]), 0) for name in ("probability_share", "share_low", "share_high")
    )
    return f"{share} ({low} to {high})"


def _say_pair(row: dict[Any, Any]) -> str:
    sure = "" if row["stable"] else ", in a direction that is not sure"
    return (
        f"In this model {row['first']} and {row['second']} work together: that moves her chance by {_say_range(row)} "
        f"points{sure}, half of it in the bar of each."
    )


def _sort(factors: pd.DataFrame) -> pd.DataFrame:
    size = factors["probability_share"].astype(float).abs()
    return factors.loc[size.sort_values(ascending=False, kind="stable").index]


def plot_uncertain_factors(factors: pd.DataFrame) -> Figure:
    """Draw what each of her values adds to her chance, with the range of 90 % of the draws.

    Parameters
    ----------
    factors : DataFrame
        label, value (text), probability_share, share_low, share_high (probabilities) and stable. The largest twelve
        are drawn.

    Returns
    -------
    Figure
        Bars from zero, the largest first; hollow where the direction cannot be relied on.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = _sort(factors).head(_MOST_FACTORS).to_dict("records")
    height = 0.62 + 0.235 * max(1, len(rows))
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        axes = figure.add_axes((0.42, 0.45 / height, 0.4, 1 - 0.5 / height))
        axes.axvline(0, color=GREY, linewidth=0.9, zorder=1)
        for place, row in enumerate(rows):
            _draw_factor(axes, place, row)
        axes.set_yticks(range(len(rows)), ["" for _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(*_find_reach(rows))
        axes.xaxis.set_major_formatter(lambda value, _: format_signed(100 * value, 0))
        axes.set_xlabel("← lowers her chance · points of chance · raises it →", color=MUTED)
        clean_axes(axes)
    return figure


def _draw_factor(axes: Axes, place: int, row: dict[Any, Any]) -> None:
    share, low, high = (float(row[name]) for name in ("probability_share", "share_low", "share_high"))
    colour, stable = (BLUE if share >= 0 else VERMILION), bool(row["stable"])
    axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    axes.barh(
        place, share, height=0.52, facecolor=colour if stable else "white", edgecolor=colour, linewidth=1.0, zorder=2
    )
    axes.plot([low, high], [place, place], color=INK, linewidth=1.1, zorder=4)
    for end in (low, high):
        axes.plot([end, end], [place - 0.16, place + 0.16], color=INK, linewidth=1.1, zorder=4)
    left = axes.get_yaxis_transform()
    value = "" if is_missing(row["value"]) or row["value"] == "" else f": {shorten_label(row['value'], 28)}"
    axes.text(-0.03, place, f"{shorten_label(row['label'], 34)}{value}", transform=left, ha="right", va="center")
    said = _say_range(row) if stable else f"{_say_range(row)} ?"
    ink = (BLUE if share >= 0 else RUST) if stable else MUTED
    axes.text(1.02, place, said, transform=left, va="center", fontsize=8.5, color=ink)


def _find_reach(rows: Sequence[dict[Any, Any]]) -> tuple[float, float]:
    low = min([float(row["share_low"]) for row in rows], default=-0.1)
    high = max([float(row["share_high"]) for row in rows], default=0.1)
    margin = 0.04 * (high - low) + 0.005
    return min(low, 0.0) - margin, max(high, 0.0) + margin
