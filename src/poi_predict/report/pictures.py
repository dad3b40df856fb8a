"""Figures as a page shows them: inline SVG, with the words for a reader who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.report.explanation_figures import (
    compute_icon_counts,
    plot_attribution_summary,
    plot_icon_array,
    plot_waterfall,
)
from poi_predict.report.figures import plot_calibration, plot_performance
from poi_predict.report.formatting import format_estimate, format_percent, join_words
from poi_predict.report.style import svg_markup

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from poi_predict.report.content import PatientContent, ReportContent

__all__ = ["by_size", "picture_icons", "picture_report", "picture_waterfall"]


def picture_report(content: ReportContent) -> dict[str, Markup]:
    """Return the report's figures as SVG: performance, calibration, attribution, as far as there is data."""
    pictures = {}
    if len(content.performance):
        figure = plot_performance(content.performance, primary=content.primary, champion=content.champion)
        pictures["performance"] = svg_markup(figure, "performance", _performance_alt(content))
    drawn = [*content.calibration["candidate"], *content.calibration_groups["candidate"]]
    if content.primary in drawn:
        figure = plot_calibration(
            content.calibration,
            content.calibration_groups,
            content.predictions,
            primary=content.primary,
            label=content.candidate_label(content.primary),
        )
        pictures["calibration"] = svg_markup(figure, "calibration", _calibration_alt(content))
    if len(content.attribution):
        figure = plot_attribution_summary(content.attribution, content.attribution_points)
        pictures["attribution"] = svg_markup(figure, "attribution", _attribution_alt(content))
    return pictures


def _performance_alt(content: ReportContent) -> str:
    rows = content.performance.loc[content.performance["metric"] == "c_statistic"].to_dict("records")
    said = []
    for row in rows:
        figure = format_estimate(row["estimate"], row["ci_low"], row["ci_high"], reason=row["reason"])
        said.append(f"{row['label']} {figure}")
    return f"Dot-and-interval plot of the candidates. c-statistic: {'; '.join(said) or 'not computed'}."


def _calibration_alt(content: ReportContent) -> str:
    groups = content.calibration_groups.loc[content.calibration_groups["candidate"] == content.primary]
    said = [
        f"predicted {format_percent(row['predicted'])}, observed {format_percent(row['observed'])}"
        for row in groups.to_dict("records")
    ]
    return f"Calibration plot. Groups of women: {'; '.join(said) or 'too few to form'}."


def _attribution_alt(content: ReportContent) -> str:
    largest = by_size(content.attribution, "mean_abs_log_odds").head(5).to_dict("records")
    said = [f"{row['label']} {format_percent(row['share'])}" for row in largest]
    return f"Dot plot of attributions. Largest shares: {join_words(said)}."


def picture_icons(p_response: float, low: float | None, high: float | None) -> Markup:
    """Return a hundred women as SVG, those expected to respond filled."""
    sure = "not estimable"
    if low is not None and high is not None:
        sure = f"{format_percent(low)} to {format_percent(high)}"
    alt = f"A hundred women, {round(100 * p_response)} of them filled; interval {sure}."
    return svg_markup(plot_icon_array(compute_icon_counts(p_response, low, high)), "icons", alt)


def picture_waterfall(content: PatientContent) -> Markup:
    """Return the way from the starting point to hers as SVG."""
    largest = by_size(content.factors, "log_odds").head(3).to_dict("records")
    said = [f"{row['label']} {'raises' if row['log_odds'] > 0 else 'lowers'} it" for row in largest]
    alt = (
        f"From the starting point of {format_percent(content.baseline_probability)} to hers of "
        f"{format_percent(content.p_response)}. Largest: {join_words(said) or 'no variable'}."
    )
    figure = plot_waterfall(content.factors, baseline_probability=content.baseline_probability)
    return svg_markup(figure, "waterfall", alt)


def by_size(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows sorted by absolute size, the largest first; ties keep their order."""
    return frame.sort_values(column, key=lambda x: -x.astype(float).abs(), kind="stable")
