"""The figure of what was believed of each effect before, what is believed now, and where that comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.report.formatting import is_missing
from poi_predict.report.style import BLUE, GREY, INK, MUTED, ORANGE, PALE, RUST, clean_axes, house_style, shorten_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["choose_effects", "plot_prior_to_posterior"]

_WIDTH = 8.6
_LABELS = 3.05
_LABEL_LENGTH = 43
_ROW = 0.235
WIDEST = 3.2
ODDS = {1 / 16: "1/16", 1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 1: "1", 2: "2", 4: "4", 8: "8", 16: "16"}
MOVED, NOTABLE = 0.05, 0.05
_SHARES = (
    ("share_prior", "#c3ccd1", "assumed"),
    ("share_arms", ORANGE, "published arms"),
    ("share_patients", BLUE, "these women"),
)
Row = dict[str, Any]


def choose_effects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the effects worth drawing: those that data moved, or that are not near zero.

    Parameters
    ----------
    frame : DataFrame
        parameter, mean, share_arms, share_patients.

    Examples
    --------
    >>> frame = pd.DataFrame({"parameter": ["fsh__log", "sides__both"], "mean": [-0.6, 0.0],
    ...                       "share_arms": [0.0, 0.0], "share_patients": [0.4, 0.01]})
    >>> list(choose_effects(frame)["parameter"])
    ['fsh__log']
    """
    shares = frame[["share_arms", "share_patients"]].astype(float).fillna(0).sum(axis=1)
    return frame[(shares > MOVED) | (frame["mean"].astype(float).abs() > NOTABLE)]


def plot_prior_to_posterior(frame: pd.DataFrame, *, link: str = "logit") -> Figure:
    """Draw what was believed of each effect before, what is believed now, and where that comes from.

    Parameters
    ----------
    frame : DataFrame
        One row an effect: group (its heading), label, prior_mean, prior_sd, mean, ci_low, ci_high (log odds ratios),
        share_prior, share_arms, share_patients (0 to 1), flagged (in conflict).
    link : str
        Of the model; only a logit has odds ratios.

    Returns
    -------
    Figure
        Grey: 95 % of the prior. Blue: 95 % interval now. Right: share of the information. Groups in the order of the
        frame, within them the most favourable effect first. Odds ratios on the upper axis.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = _effect_rows(frame)
    height = 1.2 + _ROW * len(rows)
    with house_style():
        figure = Figure(figsize=(_WIDTH, height))
        bottom, tall = 0.5 / height, 1 - 1.2 / height
        names = figure.add_axes((0, bottom, _LABELS / _WIDTH, tall))
        axes = figure.add_axes((_LABELS / _WIDTH, bottom, 0.43, tall))
        shares = figure.add_axes((_LABELS / _WIDTH + 0.46, bottom, 0.175, tall))
        reach = _find_reach(frame)
        axes.axvline(0, color=GREY, linewidth=0.9, zorder=1)
        for place, row in enumerate(rows):
            _write_effect(names, place, row)
            if "heading" not in row:
                _draw_effect(axes, place, row, reach)
                _draw_shares(shares, place, row)
        axes.set(xlim=(-reach, reach), yticks=[])
        scale = "log odds ratio" if link == "logit" else f"{link} scale"
        axes.set_xlabel(f"← fewer respond · {scale} · more respond →", color=MUTED)
        shares.set(xlim=(0, 1), yticks=[], xticks=[0, 0.5, 1], xticklabels=["0", "50", "100 %"])
        names.set(xlim=(0, 1))
        for panel in (names, axes, shares):
            panel.set_ylim(len(rows) - 0.4, -0.6)
            clean_axes(panel)
        names.set_axis_off()
        if link == "logit":
            _draw_odds_axis(axes, reach)
        _draw_effect_keys(axes, shares)
    return figure


def _effect_rows(frame: pd.DataFrame) -> list[Row]:
    rows: list[Row] = []
    for heading, part in frame.groupby("group", sort=False):
        ordered = part.sort_values("mean", ascending=False, kind="stable").to_dict("records")
        rows += [{"heading": str(heading)}, *({str(key): value for key, value in row.items()} for row in ordered)]
    return rows


def _prior_bounds(row: Row) -> tuple[float, float]:
    half = 1.96 * float(row["prior_sd"])
    return float(row["prior_mean"]) - half, float(row["prior_mean"]) + half


def _find_reach(frame: pd.DataFrame) -> float:
    half = 1.96 * frame["prior_sd"].astype(float)
    middle = frame["prior_mean"].astype(float)
    ends = pd.concat([middle - half, middle + half, frame["ci_low"].astype(float), frame["ci_high"].astype(float)])
    return float(np.clip(1.05 * ends.abs().max(), 0.8, WIDEST)) if len(frame) else 1.0


def _write_effect(names: Axes, place: int, row: Row) -> None:
    if "heading" in row:
        names.text(0, place, row["heading"], va="center", fontsize=9, fontweight="bold")
        return
    mark, colour = (" !", RUST) if row.get("flagged") else ("", INK)
    names.text(0.03, place, _fit_label(str(row["label"])) + mark, va="center", fontsize=8.5, color=colour)


def _fit_label(label: str) -> str:
    """Return a label that fits; the level of a variable tells rows apart, so the variable is shortened first."""
    variable, colon, level = label.rpartition(": ")
    room = _LABEL_LENGTH - len(level) - 2
    if colon and len(label) > _LABEL_LENGTH and room >= 8:
        return f"{shorten_label(variable, room)}: {level}"
    return shorten_label(label, _LABEL_LENGTH)


def _draw_effect(axes: Axes, place: int, row: Row, reach: float) -> None:
    axes.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    _draw_range(axes, place - 0.16, _prior_bounds(row), reach, color=GREY, linewidth=1.0)
    axes.plot(np.clip(row["prior_mean"], -reach, reach), place - 0.16, "|", color=GREY, markersize=5, zorder=3)
    colour = RUST if row.get("flagged") else BLUE
    if not is_missing(row["ci_low"]) and not is_missing(row["ci_high"]):
        _draw_range(axes, place + 0.14, (row["ci_low"], row["ci_high"]), reach, color=colour, linewidth=2.4)
    axes.plot(np.clip(row["mean"], -reach, reach), place + 0.14, "o", color=colour, markersize=4.6, zorder=5)


def _draw_range(axes: Axes, y: float, bounds: Sequence[float], reach: float, **style: Any) -> None:
    low, high = max(bounds[0], -reach), min(bounds[1], reach)
    axes.plot([low, high], [y, y], zorder=3, **style)
    for outside, x, marker in ((bounds[0] < -reach, -reach, "<"), (bounds[1] > reach, reach, ">")):
        if outside:
            axes.plot(x, y, marker, color=style["color"], markersize=3.6, clip_on=False, zorder=4)


def _draw_shares(axes: Axes, place: int, row: Row) -> None:
    left = 0.0
    for name, colour, _ in _SHARES:
        width = 0.0 if is_missing(row[name]) else float(row[name])
        axes.barh(place, width, height=0.5, left=left, color=colour, linewidth=0)
        left += width


def _draw_odds_axis(axes: Axes, reach: float) -> None:
    upper = axes.secondary_xaxis("top")
    inside = {odds: text for odds, text in ODDS.items() if abs(np.log(odds)) <= reach}
    upper.set_xticks([float(np.log(odds)) for odds in inside], list(inside.values()))
    upper.set_xlabel("Odds ratio", color=MUTED, fontsize=8.5, labelpad=3)


def _draw_effect_keys(axes: Axes, shares: Axes) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    before = Line2D([], [], color=GREY, linewidth=1.0, marker="|", markersize=6)
    now = Line2D([], [], color=BLUE, linewidth=2.4, marker="o", markersize=4.6)
    figure: Any = axes.figure
    figure.legend(
        [before, now, *(Patch(color=colour, linewidth=0) for _, colour, _ in _SHARES)],
        ["before (prior)", "now", *(text for _, _, text in _SHARES)],
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=5,
        fontsize=8,
        handlelength=1.4,
        columnspacing=1.6,
        borderaxespad=0.1,
    )
    shares.set_title("Where it comes from", fontsize=8.5, color=MUTED, pad=8)
