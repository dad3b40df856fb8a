"""The sections of an external validation's report, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.privacy import format_count
from poi_predict.report.content import FRAME_COLUMNS, Section, SectionFigure, SectionTable
from poi_predict.report.evidence_figures import plot_decision_curve
from poi_predict.report.figures import count_predictions, plot_calibration, plot_performance
from poi_predict.report.formatting import format_estimate, format_number, format_percent
from poi_predict.report.glossary import describe_level, describe_metric
from poi_predict.report.performance_sections import describe_gain
from poi_predict.validation import METRICS, compute_proportion
from poi_predict.validation.external import EXTERNAL_METRICS
from poi_predict.validation.recalibration_options import OPTIMISM_NOTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort import Codebook
    from poi_predict.report.external import ExternalWomen, ModelText
    from poi_predict.validation import Estimate
    from poi_predict.validation.external import ExternalAssessment
    from poi_predict.validation.recalibration_options import RecalibrationOption

__all__ = ["build_sections", "show_figure", "show_with_reason"]

MODEL = "model"
N_GROUPS = 5
N_COLUMNS = 20
NO_FIGURES: Mapping[str, Any] = {}


def build_sections(text: ModelText, women: ExternalWomen, found: ExternalAssessment) -> tuple[Section, ...]:
    """Return the sections in the order of the report."""
    return (
        _performance(text, found),
        _calibration(women, found),
        _decisions(found),
        _case_mix(women),
        _recalibration(found),
        _rejected(women),
    )


def show_figure(figures: Mapping[str, Any] | None, metric: str) -> str:
    """Return an estimate with its interval in words; empty where nothing is known of it."""
    if not figures:
        return ""
    digits = describe_metric(metric).digits
    return format_estimate(
        figures.get("estimate"),
        figures.get("ci_low"),
        figures.get("ci_high"),
        digits=digits,
        reason=figures.get("reason"),
    )


def show_with_reason(figures: Mapping[str, Any], metric: str) -> str:
    """Return as `_shown`, with the reason where only the interval is missing."""
    shown = show_figure(figures, metric)
    lacks = figures["estimate"] is not None and figures["ci_low"] is None
    return f"{shown}; no interval: {figures['reason']}" if lacks else shown


def _performance(text: ModelText, found: ExternalAssessment) -> Section:
    here = "Here, as it is"
    rows = [("In development", text.development, NO_FIGURES), (here, _plain(found.metrics), NO_FIGURES)]
    for option in found.options:
        if option.is_offered:
            corrected = {metric: result.corrected.as_dict() for metric, result in option.corrected.items()}
            label = "intercept" if option.kind == "intercept" else "both"
            rows.append((f"Here, {label} recalibrated", corrected, _plain(option.apparent)))
    frame = pd.DataFrame(
        [
            {"candidate": label, "label": label, "metric": metric}
            | {key: figures[metric].get(key) for key in ("estimate", "ci_low", "ci_high", "reason")}
            | {"apparent": apparent.get(metric, NO_FIGURES).get("estimate")}
            for label, figures, apparent in rows
            for metric in METRICS
            if metric in figures
        ]
    )
    table = pd.DataFrame(
        {
            "Figure": [describe_metric(metric).label for metric in EXTERNAL_METRICS],
            "On these women, 95 % interval": [
                show_with_reason(found.metrics[metric].as_dict(), metric) for metric in EXTERNAL_METRICS
            ],
            "In development": [show_figure(text.development.get(metric), metric) or "—" for metric in EXTERNAL_METRICS],
            "Read as": [describe_metric(metric).reading or "0 is ideal" for metric in EXTERNAL_METRICS],
        }
    )
    methods = "; ".join(dict.fromkeys(found.metrics[metric].method for metric in EXTERNAL_METRICS))
    figure = SectionFigure(
        plot_performance(frame, primary=here),
        "The model in its development and on these women.",
        f"Dot-and-interval plot. c-statistic here: {show_figure(_plain(found.metrics)['c_statistic'], 'c_statistic')}.",
        "Dot: estimate. Line: 95 % interval. Dashed: chance, or perfect calibration. Open diamond: after "
        "recalibration, judged on the very women it was learnt from.",
    )
    return Section(
        "How well it predicts these women",
        (f"{text.label}, fixed as it was stored. No part of it has seen these women.",),
        (SectionTable("Every figure of the model as it is", table, f"How the figures were made: {methods}."),),
        (figure,),
    )


def _plain(metrics: Mapping[str, Estimate]) -> dict[str, dict[str, Any]]:
    return {name: estimate.as_dict() for name, estimate in metrics.items()}


def _calibration(women: ExternalWomen, found: ExternalAssessment) -> Section:
    title = "Does 30 % mean 30 %?"
    curve = found.calibration_curve
    if curve.form is None:
        return Section(title, (f"A calibration curve is not estimable: {curve.reason}.",))
    frame = curve.frame.rename(columns={"predicted": "p", "ci_low": "low", "ci_high": "high"}).assign(candidate=MODEL)
    groups = _groups(women)
    figure = plot_calibration(
        frame,
        groups,
        count_predictions(women.y_true, women.p_response, women.weight).assign(candidate=MODEL),
        primary=MODEL,
        label="the model as it is",
    )
    said = "; ".join(
        f"predicted {format_percent(row['predicted'])}, observed {format_percent(row['observed'])}"
        for row in groups.to_dict("records")
    )
    caption = "Calibration on these women."
    how = (
        "On the diagonal, what was predicted is what happened. Below it the model promises too much, above it too "
        "little. The band and the bars say how little is known."
    )
    return Section(title, figures=(SectionFigure(figure, caption, f"Calibration plot. Groups of women: {said}.", how),))


def _groups(women: ExternalWomen) -> pd.DataFrame:
    """Women in groups by prediction: the mean prediction against the weighted share of responders."""
    p, rows = women.p_response, []
    for members in np.array_split(np.argsort(p, kind="stable"), min(N_GROUPS, max(1, len(p) // 10))):
        weight = women.weight[members]
        observed = float(np.average(women.y_true[members], weights=weight))
        effective = float(weight.sum() ** 2 / (weight**2).sum())
        interval = compute_proportion(observed * effective, effective)
        predicted = float(np.average(p[members], weights=weight))
        rows.append((MODEL, predicted, observed, interval.ci_low, interval.ci_high, len(members)))
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS["calibration_groups"]))


def _decisions(found: ExternalAssessment) -> Section:
    title, curve = "Would deciding by it help?", found.decision_curve
    if not len(curve):
        return Section(title, (f"A decision curve is not estimable: {found.calibration_curve.reason}.",))
    text = describe_gain(curve)
    figure = SectionFigure(
        plot_decision_curve(curve),
        "Net benefit of deciding by the model, against treating all and treating no one.",
        f"Decision curve. {text}",
        "A threshold is the chance from which one would treat: the lower it is, the less an unneeded treatment costs. "
        "The model helps only where the band of the gain lies above zero.",
    )
    return Section(title, (text,), figures=(figure,))


def _case_mix(women: ExternalWomen) -> Section:
    title, mix = "Are these women like those it was made from?", women.case_mix
    if mix["reason"]:
        return Section(title, (f"That cannot be said: {mix['reason']}.",))
    predictor, membership = mix["linear_predictor"], mix["membership_c"]
    alike = show_with_reason(membership, "c_statistic")
    spread = show_with_reason(predictor["sd_ratio"], "c_statistic")
    apart = (
        f"Distinguishing the two cohorts by their characteristics alone: c-statistic {alike}. 0.5 means that they are "
        "alike and that this validation tests whether the model can be reproduced; towards 1 they differ, and it tests "
        "whether the model can be transported."
    )
    spreads = (
        f"The predictions' log-odds are {format_number(predictor['mean_here'])} here on average and "
        f"{format_number(predictor['mean_development'])} in development; ratio of their spreads, here over "
        f"development: {spread}. Women who are more alike are harder to distinguish: a ratio below 1 lowers the "
        "c-statistic of even a true model."
    )
    columns = pd.DataFrame(mix["columns"])
    size = pd.Series([found["estimate"] for found in columns["mean_difference"]], dtype=float).abs()
    largest = columns.loc[size.sort_values(ascending=False, kind="stable").index].head(N_COLUMNS)
    table = pd.DataFrame(
        {
            "Characteristic": [_column_label(row, women.codebook) for row in largest.to_dict("records")],
            "In development": [_spread(row, "development") for row in largest.to_dict("records")],
            "Here": [_spread(row, "here") for row in largest.to_dict("records")],
            "Standardised difference, 95 % interval": [show_figure(found, "") for found in largest["mean_difference"]],
        }
    )
    note = (
        "Mean (standard deviation), or share; known: share of women in whom it is. Above 0.2 in size is worth a look."
    )
    left = len(columns) - len(largest)
    note += f" {left} columns with smaller differences are in validation.json." if left > 0 else ""
    return Section(
        title, (apart, spreads), (SectionTable("The columns the model sees, most different first", table, note),)
    )


def _column_label(row: Mapping[Any, Any], codebook: Codebook) -> str:
    label = codebook[row["variable"]].label if row["variable"] in codebook else str(row["variable"])
    derivation = str(row["column"]).partition("__")[2]
    return f"{label}: {describe_level(derivation)}" if derivation else label


def _spread(row: Mapping[Any, Any], where: str) -> str:
    known = row[f"known_{where}"]
    if not known:
        return "known in too few women"
    mean, spread = float(row[f"mean_{where}"]), float(row[f"sd_{where}"])
    is_share = all(_is_share(float(row[f"mean_{w}"]), float(row[f"sd_{w}"])) for w in ("development", "here"))
    shown = format_percent(mean) if is_share else f"{format_number(mean)} ({format_number(spread)})"
    text = shown if known > 0.995 else f"{shown}, known {format_percent(known)}"
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _is_share(mean: float, spread: float) -> bool:
    """Whether a column of yes and no has this mean and spread, which are stored blurred."""
    return 0 <= mean <= 1 and abs(spread**2 - mean * (1 - mean)) < 0.03


def _recalibration(found: ExternalAssessment) -> Section:
    paragraphs = [OPTIMISM_NOTE] if any(option.is_offered for option in found.options) else []
    columns: dict[str, list[str]] = {"Figure": [describe_metric(metric).label for metric in METRICS]}
    columns["As it is"] = [show_figure(found.metrics[metric].as_dict(), metric) for metric in METRICS]
    for option in found.options:
        if not option.is_offered:
            paragraphs.append(f"Recalibrating the {option.label} is not offered: {option.refusal}.")
            continue
        paragraphs.append(_option_in_words(option))
        name = option.label.capitalize()
        columns[f"{name}, corrected"] = [show_figure(option.corrected[m].corrected.as_dict(), m) for m in METRICS]
        columns[f"{name}, apparent"] = [
            format_number(option.apparent[m].estimate, describe_metric(m).digits) for m in METRICS
        ]
    offered = any(option.is_offered for option in found.options)
    advised = "Nothing found calls for a recalibration: the mildest choice is to leave the model as it is."
    if found.advised is not None:
        advised = f"The intervals call for recalibrating the {found.advised.label}."
    elif not offered:
        advised = "No recalibration can be learnt from these women."
    table = SectionTable("Before and after recalibration", pd.DataFrame(columns))
    return Section("Can it be mended?", (advised, *paragraphs), (table,) if offered else ())


def _option_in_words(option: RecalibrationOption) -> str:
    intercept, slope = option.coefficients
    equation = f"log-odds = {format_number(intercept, 3)} + {format_number(slope, 3)} × log-odds of the model"
    result = option.corrected["log_loss"]
    lost = f"; {result.n_failed} of {result.n_ok + result.n_failed} resamples failed" if result.n_failed else ""
    return f"Recalibrating the {option.label}: {equation}{lost}. The order of the women stays."


def _rejected(women: ExternalWomen) -> Section:
    title = "Rejected rows"
    if women.rejected.empty:
        return Section(title, ("No row broke the model's contract.",))
    table = women.rejected[["column", "rule", "rows", "message"]].set_axis(
        ["Column", "Rule", "Rows", "Finding"], axis=1
    )
    table["Rows"] = [format_count(rows) for rows in table["Rows"]]
    return Section(
        title,
        ("These rows break the model's contract and were not analysed. rejected.csv names them by row number.",),
        (SectionTable("Rejected rows by column and rule; a row may break several", table),),
    )
