"""The sections of the drift page, one function each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.drift_figures import plot_bins, plot_differences, plot_prediction_shift
from poi_predict.report.drift_words import (
    describe_aspect,
    describe_flag,
    describe_variable,
    format_count,
    format_difference,
    format_side,
    is_share,
)
from poi_predict.report.formatting import format_number, format_percent, format_signed, is_missing, join_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["build_drift_sections"]

MOST_ROWS = 24
"""Aspects drawn and tabled; the others stand in the summary file."""

MOST_PANELS = 12
INSIDE = ("missing", "synthetic_model", "reference_model")
"""Flags that do not put a woman outside what the model knows."""


def build_drift_sections(drift: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[Section, ...]:
    """Return the sections in the order of the page; those with nothing to say are left out."""
    sections = (
        _power(drift),
        _differences(drift, labels),
        _distributions(drift, labels),
        _predictions(drift),
        _applicability(drift, labels),
    )
    return tuple(section for section in sections if section is not None)


def _power(drift: Mapping[str, Any]) -> Section | None:
    power = drift.get("power") or {}
    if not power:
        return None
    shown: list[tuple[str, str]] = []
    if not is_missing(power.get("smallest_shift_sd")):
        size = f"{format_number(power['smallest_shift_sd'])} standard deviations"
        shown.append(("Smallest shift of a mean that these rows would show", size))
    if not is_missing(power.get("smallest_share")):
        points = f"{format_number(100 * power['smallest_share'], 0)} percentage points"
        shown.append(("Smallest change of a share that they would show", points))
    for name, size in (("rows_for_half_sd", "half a standard deviation"), ("rows_for_fifth_sd", "a fifth of one")):
        if name in power:
            needed = power[name]
            answer = "none would do: too few women of training" if is_missing(needed) else format_count(needed)
            shown.append((f"Rows needed to show a shift of {size}", answer))
    frame = pd.DataFrame(shown, columns=["Question", "Answer"])
    note = "Shown: with a chance of 80 %, at an error of 5 % over all comparisons of this page together."
    tables = (SectionTable(f"What {format_count(drift['n_rows'])} rows can show", frame, note),) if shown else ()
    return Section("What so many rows can show", (str(power.get("message", "")),), tables)


def _order(aspects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Shown ones first, then the largest: a point of a share counts like a fiftieth of a standard deviation."""

    def size(aspect: Mapping[str, Any]) -> float:
        value = aspect["difference"] if is_share(aspect) else aspect.get("sd_units")
        return 0.0 if value is None or is_missing(value) else abs(value) * (2 if is_share(aspect) else 1)

    return sorted(aspects, key=lambda aspect: (not aspect["shown"], -size(aspect)))


def _differences(drift: Mapping[str, Any], labels: Mapping[str, str]) -> Section | None:
    ordered = _order(drift.get("aspects") or [])
    if not ordered:
        return None
    most = ordered[:MOST_ROWS]
    n_shown = sum(bool(aspect["shown"]) for aspect in ordered)
    said = [
        f"{n_shown} of {len(ordered)} comparisons show a difference; the intervals hold for all of them together.",
        *_membership(drift.get("membership")),
    ]
    figure = SectionFigure(
        plot_differences(most, labels),
        "Here less training.",
        "Dot-and-interval plot. " + (_in_words(ordered, labels) or "No interval lies apart from zero."),
        "Line: interval, simultaneous over all comparisons. Diamond in colour: it does not hold zero, so a difference "
        "is shown. Right of zero: more, or more often, here.",
    )
    table = pd.DataFrame(
        {
            "Compared": [describe_aspect(aspect, labels) for aspect in most],
            "Training": [format_side(aspect, "training") for aspect in most],
            "Here": [format_side(aspect, "here") for aspect in most],
            "Difference, simultaneous interval": [format_difference(aspect) for aspect in most],
            "In SD": ["" if is_share(each) else format_signed(each.get("sd_units")) for each in most],
            "Shown": ["yes" if aspect["shown"] else "no" for aspect in most],
        }
    )
    left = len(ordered) - len(most)
    note = "Of a variable that the model takes as a logarithm the mean is the geometric one."
    note += f" {left} smaller comparisons stand in the summary file." if left > 0 else ""
    return Section(
        "Where these women differ",
        tuple(said),
        (SectionTable("Every comparison, shown ones first, then the largest", table, note),),
        (figure,),
    )


def _in_words(ordered: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    shown = [aspect for aspect in ordered if aspect["shown"]]
    return "; ".join(f"{describe_aspect(each, labels)} {format_difference(each)}" for each in shown)


def _membership(found: Mapping[str, Any] | None) -> list[str]:
    if not found or is_missing(found.get("estimate")):
        return []
    shown = format_number(found["estimate"])
    if not is_missing(found.get("ci_low")) and not is_missing(found.get("ci_high")):
        shown += f" ({format_number(found['ci_low'])}–{format_number(found['ci_high'])})"
    text = (
        f"Distinguishing these women from those of training by all their characteristics at once: c-statistic {shown}. "
        "At 0.5 they cannot be distinguished; towards 1 they are other women."
    )
    return [text]


def _distributions(drift: Mapping[str, Any], labels: Mapping[str, str]) -> Section | None:
    bins = {name: found for name, found in (drift.get("bins") or {}).items() if found.get("training")}
    if not bins:
        return None
    order = [str(aspect["variable"]) for aspect in _order(drift.get("aspects") or [])]
    ranked = sorted(bins, key=lambda name: order.index(name) if name in order else len(order))[:MOST_PANELS]
    names = join_words(describe_variable(name, labels) for name in ranked)
    figure = SectionFigure(
        plot_bins({name: bins[name] for name in ranked}, labels),
        "Share of women in each range of a variable.",
        f"Small histograms of {names}: training as bars, these women as a line.",
        "Grey bars: training. Blue line: here. Ranges hold about equally many women of training and are drawn equally "
        "wide; below stand some of their bounds. Hatched: fewer than 5 women here, not told.",
    )
    return Section("Where each variable lies", figures=(figure,))


def _predictions(drift: Mapping[str, Any]) -> Section | None:
    found = drift.get("predictions") or {}
    if not found.get("training") or not found.get("here"):
        return None
    said = (
        f"Mean predicted chance: {format_percent(found.get('mean_training'))} in training, "
        f"{format_percent(found.get('mean_here'))} here"
    )
    if not is_missing(found.get("ci_low")) and not is_missing(found.get("ci_high")):
        low, middle, high = (format_signed(100 * found[name], 1) for name in ("ci_low", "difference", "ci_high"))
        said += f"; difference {middle} points ({low} to {high})"
    sentences = [f"{said}."]
    if not is_missing(found.get("psi")):
        expected = found.get("psi_expected")
        beside = "" if is_missing(expected) else f"; about {format_number(expected, 3)} is expected without any drift"
        sentences.append(f"Population stability index: {format_number(found['psi'], 3)}{beside}.")
    figure = SectionFigure(
        plot_prediction_shift(found),
        "Predicted chances here and in training.",
        f"Histogram. {sentences[0]}",
        "Grey bars: training. Blue line: here. A shift may be right: other women have other chances.",
    )
    return Section("What they were predicted", tuple(sentences), figures=(figure,))


def _applicability(drift: Mapping[str, Any], labels: Mapping[str, str]) -> Section | None:
    found = drift.get("applicability") or {}
    flags = {str(flag): count for flag, count in (found.get("flags") or {}).items()}
    if not found:
        return None
    title = "How far the model knows them"
    rows = drift["n_rows"]
    text = (
        f"{format_count(found['rows_flagged'])} of {format_count(rows)} scored rows lie outside what the model knows "
        "in some way. A missing value alone does not count as that."
    )
    if not flags:
        return Section(title, (text, "No row bears a flag."))
    named = sorted(flags.items(), key=lambda each: (not _is_outside(each[0]), -(each[1] or 0), each[0]))
    table = pd.DataFrame(
        {
            "Flag": [describe_flag(flag, labels) for flag, _ in named],
            "Rows": ["fewer than 5" if count is None else format_count(count) for _, count in named],
            "Share": ["—" if count is None or not rows else format_percent(count / rows) for _, count in named],
            "Outside what it knows": ["yes" if _is_outside(flag) else "no" for flag, _ in named],
        }
    )
    return Section(title, (text,), (SectionTable("Flags of the scored rows; a row may bear several", table),))


def _is_outside(flag: str) -> bool:
    return flag.partition(":")[0] not in INSIDE
