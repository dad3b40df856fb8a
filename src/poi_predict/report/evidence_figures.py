"""Figures of the evidence: the ladder, the permutation null, the decision curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.report.formatting import format_number, format_p_value, is_missing
from poi_predict.report.glossary import describe_metric
from poi_predict.report.style import BLUE, GREY, INK, MUTED, PALE, RUST, clean_axes, house_style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["NULL_METRICS", "RUNG_WORDS", "plot_decision_curve", "plot_ladder", "plot_permutation_null"]

_WIDTH = 8.6
NULL_METRICS = ("c_statistic", "log_loss_reduction", "brier", "calibration_slope")
"""Headline metrics of the null, in the order drawn; `log_loss` says the same as its reduction."""

NULL_WORDS = {"log_loss_reduction": "Log-loss reduction"}
BETTER = {"c_statistic": "right is better", "log_loss_reduction": "right is better", "brier": "left is better"}
RUNG_WORDS = {
    "prevalence": "Prevalence only",
    "evidence": "Published evidence",
    "prespecified": "Pre-specified, 1–3 parameters",
    "penalised": "Penalised regression",
    "flexible": "Flexible learners",
}
_SHADE = "#c9d2d7"
VISIBLE = 1e-6
"""Spread below which a histogram shows rounding, not runs."""


def plot_ladder(rungs: Sequence[Mapping[str, Any]], rung: str, n: int | None) -> Figure:
    """Draw the ladder from the bottom up: the women each rung needs, against the women there are.

    Parameters
    ----------
    rungs : sequence of mapping
        ``rung``, ``supported``, ``needs`` and ``n`` (women needed, or None), the lowest first.
    rung : str
        The one this cohort stands on; drawn in colour.
    n : int or None
        Women of this cohort: the vertical line. The axis is logarithmic.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    needed = [_read_count(each.get("n")) for each in rungs]
    known = [value for value in [*needed, n] if value is not None and value > 0]
    low, high = 0.7 * min([*known, 10]), 1.4 * max([*known, 100])
    with house_style():
        figure = Figure(figsize=(_WIDTH, 0.85 + 0.34 * len(rungs)))
        height = float(figure.get_figheight())
        axes = figure.add_axes((0.24, 0.5 / height, 0.47, 1 - 0.75 / height))
        axes.set(xscale="log", xlim=(low, high), ylim=(-0.6, len(rungs) - 0.4))
        if n is not None:
            axes.axvspan(low, n, color=BLUE, alpha=0.06, linewidth=0)
            axes.axvline(n, color=INK, linewidth=1, zorder=2)
            axes.text(n, len(rungs) - 0.35, f"this cohort: {n}", ha="center", va="bottom", fontsize=8.5)
        for place, (each, count) in enumerate(zip(rungs, needed, strict=True)):
            _draw_rung(axes, place, each, count, is_here=each["rung"] == rung)
        axes.set_yticks(range(len(rungs)), [RUNG_WORDS.get(str(each["rung"]), str(each["rung"])) for each in rungs])
        for tick, each in zip(axes.get_yticklabels(), rungs, strict=True):
            tick.set_fontweight("bold" if each["rung"] == rung else "normal")
        axes.set_xticks([value for value in _ROUND if low <= value <= high])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axes.set_xlabel("Women (logarithmic)", color=MUTED)
        clean_axes(axes)
    return figure


_ROUND = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


def _read_count(value: Any) -> float | None:
    return None if is_missing(value) else float(value)


def _draw_rung(axes: Axes, place: int, rung: Mapping[str, Any], count: float | None, *, is_here: bool) -> None:
    is_supported = bool(rung.get("supported"))
    axes.axhline(place, color=PALE, linewidth=0.6, zorder=0)
    ink = BLUE if is_here else INK if is_supported else GREY
    if count:
        face = ink if is_supported or is_here else "white"
        axes.plot(count, place, "o", markersize=8, markerfacecolor=face, markeredgecolor=ink, zorder=3)
    said = f"needs {format_number(count, 0)}" if count else "always possible" if is_supported else "not available"
    said = f"{said}: stands here" if is_here else said
    axes.text(
        1.03,
        place,
        said,
        transform=axes.get_yaxis_transform(),
        va="center",
        color=BLUE if is_here else MUTED,
        fontsize=8.8,
        fontweight="bold" if is_here else "normal",
    )


def plot_permutation_null(
    null: Mapping[str, Mapping[str, Any]], draws: Mapping[str, ArrayLike] | None = None
) -> Figure:
    """Draw what every headline metric looks like when there is nothing to find, and what was observed.

    Parameters
    ----------
    null : mapping
        Metric → ``observed``, ``mean``, ``q05``, ``q95``, ``p_value``.
    draws : mapping, optional
        Metric → its values under permuted outcomes; without them the middle 90 % is drawn as a bar.

    Returns
    -------
    Figure
        Grey: the null. Blue line: observed. Under each panel its one-sided p-value.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = [name for name in NULL_METRICS if name in null] or list(null)[:4]
    with house_style():
        figure = Figure(figsize=(_WIDTH, 2.45), layout="constrained")
        figure.set_layout_engine("constrained", wspace=0.08)
        panels = np.atleast_1d(figure.subplots(1, max(1, len(names))))
        for panel, name in zip(panels, names, strict=False):
            values = np.asarray((draws or {}).get(name, ()), dtype=np.float64)
            _draw_null(panel, name, null[name], values[np.isfinite(values)])
    return figure


def _draw_null(axes: Axes, name: str, found: Mapping[str, Any], values: np.ndarray) -> None:
    words = describe_metric(name)
    if values.size >= 10 and np.ptp(values) > VISIBLE:
        low, high = np.quantile(values, [0.005, 0.995])
        axes.hist(np.clip(values, low, high), bins=min(24, max(8, values.size // 8)), color=_SHADE, edgecolor="white")
        top = axes.get_ylim()[1]
    else:
        top = 1.0
        if not is_missing(found.get("q05")) and not is_missing(found.get("q95")):
            axes.barh(0.28, found["q95"] - found["q05"], 0.3, found["q05"], color=_SHADE)
            axes.plot([found["mean"]] * 2, [0.13, 0.43], color=MUTED, linewidth=1.2)
    axes.set_ylim(0, 1.3 * top)
    observed = found.get("observed")
    if is_missing(observed) or observed is None:
        axes.text(0.5, 0.9, "not estimable", transform=axes.transAxes, ha="center", style="italic", color=MUTED)
    else:
        _mark_observed(axes, float(observed), top, words.digits if name in BETTER else 2)
    axes.set_title(NULL_WORDS.get(name, words.label), fontweight="bold", pad=8)
    reading = BETTER.get(name, words.reading)
    axes.set_xlabel(f"{format_p_value(found.get('p_value'))}\n{reading}", fontsize=8.5, color=INK, linespacing=1.5)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=3)
    clean_axes(axes)


def _mark_observed(axes: Axes, observed: float, top: float, digits: int) -> None:
    axes.plot([observed] * 2, [0, 1.1 * top], color=BLUE, linewidth=2, solid_capstyle="butt", zorder=4)
    low, high = axes.get_xlim()
    span = max(high, observed) - min(low, observed)
    axes.set_xlim(min(low, observed - 0.06 * span), max(high, observed + 0.06 * span))
    low, high = axes.get_xlim()
    where = (observed - low) / (high - low)
    side = "left" if where < 0.25 else "right" if where > 0.75 else "center"
    text = f"observed {format_number(observed, max(2, digits))}"
    axes.text(observed, 1.14 * top, text, ha=side, va="bottom", color=BLUE, fontsize=8.5, fontweight="bold")


def plot_decision_curve(curve: pd.DataFrame) -> Figure:
    """Draw net benefit over thresholds, and beside it what the model adds to the better simple policy.

    Parameters
    ----------
    curve : DataFrame
        From `poi_predict.validation.compute_decision_curve`: threshold, strategy, net_benefit, ci_low,
        ci_high.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    lines = {str(name): part.sort_values("threshold") for name, part in curve.groupby("strategy", sort=False)}
    with house_style():
        figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
        figure.set_layout_engine("constrained", wspace=0.08)
        left, right = figure.subplots(1, 2)
        _draw_strategies(left, lines)
        _draw_gain(right, lines.get("model_minus_best_default"))
        for axes in (left, right):
            axes.set_xlabel("Chance from which one would treat (threshold)", color=MUTED)
            axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return figure


def _draw_strategies(axes: Axes, lines: Mapping[str, pd.DataFrame]) -> None:
    axes.axhline(0, color=INK, linewidth=1, label="treat no one")
    if "treat_all" in lines:
        part = lines["treat_all"]
        dashes = (0, (5, 2))
        axes.plot(
            part["threshold"], part["net_benefit"], color=MUTED, linestyle=dashes, linewidth=1.3, label="treat all"
        )
    if "model" in lines:
        part = lines["model"]
        _draw_band(axes, part, BLUE)
        axes.plot(part["threshold"], part["net_benefit"], color=BLUE, linewidth=2, label="treat by the model")
        top = float(np.nanmax([*part["net_benefit"].astype(float), 0.02]))
        axes.set_ylim(-0.4 * top, 1.35 * top)
    axes.set_title("Net benefit", fontweight="bold", pad=7)
    axes.legend(loc="upper right", fontsize=8.5, handlelength=2)
    clean_axes(axes, keep=("left", "bottom"))


def _draw_gain(axes: Axes, part: pd.DataFrame | None) -> None:
    axes.axhline(0, color=GREY, linewidth=0.9, linestyle=(0, (3, 3)))
    if part is not None and len(part):
        _draw_band(axes, part, RUST)
        axes.plot(part["threshold"], part["net_benefit"], color=RUST, linewidth=1.8)
    axes.set_title("Gain over the better simple policy", fontweight="bold", pad=7)
    axes.locator_params(axis="y", nbins=5)
    clean_axes(axes, keep=("left", "bottom"))
    axes.grid(axis="y", color=PALE, linewidth=0.5)


def _draw_band(axes: Axes, part: pd.DataFrame, colour: str) -> None:
    band = part[["threshold", "ci_low", "ci_high"]].astype(float).dropna()
    axes.fill_between(band["threshold"], band["ci_low"], band["ci_high"], color=colour, alpha=0.13, linewidth=0)
