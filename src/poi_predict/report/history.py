"""Performance over time: what validations of one model found, cohort after cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.formatting import format_estimate, is_missing
from poi_predict.report.glossary import describe_metric
from poi_predict.report.style import BLUE, GREY, INK, MUTED, PALE, clean_axes, house_style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["build_history_section", "plot_history"]

DRAWN = ("c_statistic", "calibration_in_the_large", "brier")
TABLED = ("c_statistic", "calibration_in_the_large", "brier")
DIGEST_LENGTH = 8
_WIDTH = 8.6


def build_history_section(history: Sequence[Mapping[str, Any]]) -> Section:
    """Return the section on earlier validations of the same model and this one.

    Parameters
    ----------
    history : sequence of mapping
        ``day``, ``cohort_sha256``, ``n``, ``events`` and ``metrics`` (name → ``estimate``, ``ci_low``, ``ci_high``), in
        order of the days; the last is the validation of the report.
    """
    table = pd.DataFrame(
        {
            "Validated on": [str(each["day"]) for each in history],
            "Rows": [str(each["n"]) for each in history],
            "Events": [str(each["events"]) for each in history],
        }
        | {describe_metric(name).label: [_show(each, name) for each in history] for name in TABLED}
        | {"Cohort": [str(each["cohort_sha256"])[:DIGEST_LENGTH] for each in history]}
    )
    said = "; ".join(f"{each['day']}: c-statistic {_show(each, 'c_statistic')}" for each in history)
    figure = SectionFigure(
        plot_history(history),
        f"The same model on {len(history)} cohorts, in the order in which they were judged.",
        f"Dots with intervals by date. {said}.",
        "Dot: estimate. Line: 95 % interval. Blue: this report. Dashed: chance, or perfect calibration. A change may "
        "be of the women rather than of the model: read the cohorts' differences beside it.",
    )
    text = (
        f"The store holds {len(history) - 1} earlier "
        f"{'validation' if len(history) == 2 else 'validations'} of this very model, byte for byte. Of a cohort judged "
        "more than once, the last counts."
    )
    note = "95 % intervals. Cohort: the first digits of its file's SHA-256."
    return Section(
        "Performance over time", (text,), (SectionTable("Every validation on record", table, note),), (figure,)
    )


def _show(entry: Mapping[str, Any], metric: str) -> str:
    found = entry["metrics"].get(metric) or {}
    if is_missing(found.get("estimate")):
        return "not estimable"
    digits = describe_metric(metric).digits
    return format_estimate(found["estimate"], found.get("ci_low"), found.get("ci_high"), digits=digits)


def plot_history(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw discrimination, calibration and accuracy by date, each with its interval.

    Parameters
    ----------
    history : sequence of mapping
        See `build_history_section`; places are evenly spaced, whatever time lies between.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    with house_style():
        figure = Figure(figsize=(_WIDTH, 2.7), layout="constrained")
        for axes, metric in zip(figure.subplots(1, len(DRAWN)), DRAWN, strict=True):
            _draw_metric(axes, history, metric)
    return figure


def _draw_metric(axes: Axes, history: Sequence[Mapping[str, Any]], metric: str) -> None:
    words = describe_metric(metric)
    if words.reference is not None:
        axes.axhline(words.reference, color=GREY, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    for place, entry in enumerate(history):
        found = entry["metrics"].get(metric) or {}
        is_last = place == len(history) - 1
        axes.axvline(place, color=PALE, linewidth=0.5, zorder=0)
        if is_missing(found.get("estimate")):
            continue
        if not is_missing(found.get("ci_low")) and not is_missing(found.get("ci_high")):
            line = BLUE if is_last else MUTED
            axes.plot([place, place], [found["ci_low"], found["ci_high"]], color=line, linewidth=1.6, zorder=3)
        axes.plot(place, found["estimate"], "o", color=BLUE if is_last else INK, markersize=5.5, zorder=4)
    shown = _spread_ticks(len(history))
    axes.set_xticks(shown, [str(history[place]["day"]) for place in shown], rotation=30, ha="right", fontsize=7.5)
    axes.set_xlim(-0.6, len(history) - 0.4)
    axes.set_title(words.label, fontweight="bold", fontsize=9, pad=7)
    clean_axes(axes, keep=("left", "bottom"))


def _spread_ticks(n: int) -> list[int]:
    """Return at most six places, the last among them."""
    step = -(-n // 6)
    return sorted(range(n - 1, -1, -step))
