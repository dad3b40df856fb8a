"""Instability after Riley & Collins (2023, doi:10.1002/bimj.202200302): how far predictions depend on the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.privacy import LEAST
from poi_predict.report.style import BLUE, GREY, INK, MUTED, RUST, clean_axes, house_style
from poi_predict.validation import compute_calibration_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["compute_calibration_instability", "plot_instability"]

_WIDTH = 8.6
MAX_CURVES = 60
N_POINTS = 41
N_GROUPS = 20


def compute_calibration_instability(
    y_true: ArrayLike,
    p_response: ArrayLike,
    p_refits: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return smooth calibration curves of the original model and of its refits, on the original women.

    Parameters
    ----------
    y_true : array of shape (n,)
    p_response : array of shape (n,)
        Of the model fitted to all women.
    p_refits : array of shape (n, refits)
        Columns with NaN are left out; at most 60 curves are made, evenly taken.
    weight, patient : arrays of shape (n,), optional

    Returns
    -------
    DataFrame
        Tidy: ``refit`` (-1 for the original), ``predicted``, ``observed``. A refit whose curve is not
        estimable is left out.
    """
    refits = np.asarray(p_refits, dtype=np.float64)
    usable = np.flatnonzero(~np.isnan(refits).any(axis=0))
    taken = usable[np.linspace(0, len(usable) - 1, min(MAX_CURVES, len(usable))).round().astype(int)]
    columns: dict[int, NDArray[np.float64]] = {-1: np.asarray(p_response, dtype=np.float64)}
    columns |= {int(b): refits[:, b] for b in taken}
    frames = []
    for b, p in columns.items():
        curve = compute_calibration_curve(y_true, p, weight, patient=patient, n_points=N_POINTS).frame
        frames.append(curve[["predicted", "observed"]].assign(refit=b))
    found = pd.concat(frames, ignore_index=True)
    return found.dropna(subset=["predicted", "observed"])[["refit", "predicted", "observed"]]


def plot_instability(women: pd.DataFrame, curves: pd.DataFrame | None = None) -> Figure:
    """Draw the instability plots side by side: predictions, their error, calibration.

    Parameters
    ----------
    women : DataFrame
        From `poi_predict.validation.compute_instability`: p_response, ci_low, ci_high, mean_absolute_error.
    curves : DataFrame, optional
        From `compute_calibration_instability`; without it the third panel is left out.

    Returns
    -------
    Figure
        Left: the 2.5–97.5 % over refits against the prediction. Middle: the mean absolute prediction error. Both are
        means of groups of five women or more with like predictions. Right: calibration of every refit in grey, of the
        original in blue.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    known = women.dropna(subset=["ci_low", "ci_high", "mean_absolute_error"])
    mean = float(known["mean_absolute_error"].mean()) if len(known) else 0.0
    groups = _group_women(known)
    has_curves = curves is not None and len(curves) > 0
    with house_style():
        figure = Figure(figsize=(_WIDTH, 3.25), layout="constrained")
        figure.set_layout_engine("constrained", wspace=0.07)
        panels = figure.subplots(1, 3 if has_curves else 2)
        top = _find_top([groups["p_response"], groups["ci_high"]])
        _draw_intervals(panels[0], groups, top)
        _draw_errors(panels[1], groups, mean, top)
        if has_curves and curves is not None:
            _draw_curves(panels[2], curves)
    return figure


def _find_top(columns: list[pd.Series[float]]) -> float:
    largest = max([float(column.max()) for column in columns if len(column)], default=1.0)
    return float(min(1.0, np.ceil(10 * largest + 1e-9) / 10))


def _percent_axis(axes: Axes, which: str) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def _draw_intervals(axes: Axes, groups: pd.DataFrame, top: float) -> None:
    axes.fill_between(groups["p_response"], groups["ci_low"], groups["ci_high"], color=BLUE, alpha=0.15, linewidth=0)
    axes.vlines(groups["p_response"], groups["ci_low"], groups["ci_high"], color=BLUE, alpha=0.6, linewidth=2, zorder=3)
    axes.plot([0, top], [0, top], color=INK, linewidth=1, zorder=4)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Prediction", ylabel="By refitted models, 2.5–97.5 %")
    axes.set_title("Predictions", fontweight="bold", pad=7)
    _finish(axes)
    _percent_axis(axes, "y")


def _draw_errors(axes: Axes, groups: pd.DataFrame, mean: float, top: float) -> None:
    axes.plot(groups["p_response"], groups["mean_absolute_error"], "o-", color=RUST, markersize=4.5, linewidth=0.8)
    if len(groups):
        axes.axhline(mean, color=RUST, linewidth=1.3, linestyle=(0, (3, 3)))
        axes.set_ylim(0, 1.3 * max(float(groups["mean_absolute_error"].max()), 0.01))
        text = f"-- mean {100 * mean:.1f} points"
        axes.text(
            1, 0.99, text, transform=axes.transAxes, ha="right", va="top", fontsize=8.5, color=RUST, fontweight="bold"
        )
    axes.set(xlim=(0, top), xlabel="Prediction", ylabel="Mean absolute difference")
    axes.set_title("Prediction error (MAPE)", fontweight="bold", pad=7)
    _finish(axes)
    _percent_axis(axes, "y")


def _draw_curves(axes: Axes, curves: pd.DataFrame) -> None:
    original = curves[curves["refit"] == -1].sort_values("predicted")
    refits = curves[curves["refit"] != -1]
    top = _find_top([original["predicted"], original["observed"], refits["predicted"].clip(upper=1)])
    for _, line in refits.groupby("refit", sort=True):
        axes.plot(line["predicted"], line["observed"], color=GREY, alpha=0.35, linewidth=0.7, zorder=2)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (3, 3)), zorder=3)
    axes.plot(original["predicted"], original["observed"], color=BLUE, linewidth=2, zorder=4)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Prediction", ylabel="Observed share")
    axes.set_title("Calibration", fontweight="bold", pad=7)
    _finish(axes)
    _percent_axis(axes, "y")


def _finish(axes: Axes) -> None:
    axes.yaxis.label.set_color(MUTED)
    axes.xaxis.label.set_color(MUTED)
    axes.tick_params(labelsize=8)
    _percent_axis(axes, "x")
    clean_axes(axes, keep=("left", "bottom"))


def _group_women(women: pd.DataFrame) -> pd.DataFrame:
    """Return means of groups of women with like predictions, ordered by them; no group is of fewer than five."""
    ordered = women.sort_values("p_response").reset_index(drop=True)
    n_groups = min(N_GROUPS, len(ordered) // LEAST)
    if not n_groups:
        return ordered.head(0)
    group = np.repeat(np.arange(n_groups), [len(part) for part in np.array_split(ordered.index, n_groups)])
    return ordered.groupby(group).mean(numeric_only=True)
