"""Where the model holds: subgroups and centres, as forest plots and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.forest_figures import ForestRow, plot_forest
from poi_predict.report.formatting import format_estimate, format_interval, format_number, is_missing
from poi_predict.report.glossary import describe_level, describe_metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Plain = Mapping[str, Any]

__all__ = ["build_internal_external_section", "build_subgroup_section"]

SUBGROUP_METRICS = ("c_statistic", "calibration_in_the_large", "o_e_ratio")
CENTRE_METRICS = ("c_statistic", "calibration_slope", "calibration_in_the_large")


def build_subgroup_section(subgroups: Sequence[Plain], overall: Mapping[str, float] | None = None) -> Section:
    """Return the performance in subgroups; groups too small to judge are named and not judged.

    Parameters
    ----------
    subgroups : sequence of mapping
        ``variable``, ``label``, ``level``, ``n``, ``events``, the metrics, and ``suppressed`` (the reason) or None.
    overall : mapping of str to float, optional
        Metric → figure of all women.
    """
    title = "Does it hold for all women?"
    if not subgroups:
        return Section(title, ("No subgroup was declared, or none could be formed.",), after="performance")
    text = (
        "The same out-of-sample predictions, judged within groups. The groups are small and their intervals wide: a "
        "difference between two of them is rarely more than chance, and no difference is no proof of fairness."
    )
    rows, last = [], None
    for each in subgroups:
        if each["variable"] != last:
            rows.append(ForestRow(str(each["label"]), kind="heading"))
            last = each["variable"]
        rows.append(_subgroup_row(each))
    quiet = sum(bool(each.get("suppressed")) for each in subgroups)
    figure = SectionFigure(
        plot_forest(rows, SUBGROUP_METRICS, overall=overall),
        "Performance in subgroups.",
        f"Forest plot of {len(subgroups)} subgroups, {quiet} too small to be judged. The table gives the numbers.",
        "Dot and line: estimate and 95 % interval. Dashed: chance, or perfect calibration. Thin blue: all women.",
    )
    frame = pd.DataFrame([_subgroup_cells(each) for each in subgroups])
    table = SectionTable("Performance in subgroups: estimate (95 % interval)", frame)
    return Section(title, (text,), (table,), (figure,), after="performance")


def _subgroup_row(each: Plain) -> ForestRow:
    found = {name: each.get(name) or {} for name in SUBGROUP_METRICS}
    note = str(each.get("suppressed") or "")
    return ForestRow(describe_level(str(each["level"])), each["n"], each["events"], found, note)


def _subgroup_cells(each: Plain) -> dict[str, Any]:
    suppressed = each.get("suppressed")
    cells = {
        "Group": f"{each['label']}: {describe_level(str(each['level']))}",
        "n": _format_size(each["n"]),
        "Events": _format_size(each["events"]),
    }
    for place, name in enumerate(SUBGROUP_METRICS):
        shown = f"not shown: {suppressed}" if not place else ""
        cells[describe_metric(name).label] = shown if suppressed else _format(each.get(name))
    return cells


def _format_size(count: int | None) -> str:
    return "hidden" if count is None else str(count)


def _format(found: Plain | None) -> str:
    found = found or {}
    return format_estimate(found.get("estimate"), found.get("ci_low"), found.get("ci_high"), reason=found.get("reason"))


def build_internal_external_section(internal_external: Plain) -> Section:
    """Return what happens when each centre is predicted by a model that never saw it, with a new centre's prediction.

    Parameters
    ----------
    internal_external : mapping
        ``centres`` and ``pooled``, or ``reason`` why there are none.
    """
    title = "Would it hold in another clinic?"
    centres = list(internal_external.get("centres") or ())
    if not centres:
        why = str(internal_external.get("reason") or "there is only one centre")
        return Section(title, (f"It cannot be said from these women: {why.rstrip('.')}.",), after="performance")
    pooled: Mapping[str, Plain] = internal_external.get("pooled") or {}
    text = (
        "Each centre was left out in turn and predicted by a model built on the others alone. The pooled figure is the "
        "average centre; the prediction interval says what a new, similar centre should expect."
    )
    rows = [_centre_row(each) for each in centres]
    rows.append(ForestRow("Pooled, and a new centre", found=pooled, kind="summary"))
    figure = SectionFigure(
        plot_forest(rows, CENTRE_METRICS),
        "Internal–external validation by centre.",
        f"Forest plot of {len(centres)} centres. " + " ".join(_say_pooled(name, pooled) for name in CENTRE_METRICS),
        "Dot and line: one centre and its 95 % interval. Diamond: pooled, with its 95 % interval. Thin blue line: "
        "95 % prediction interval for a new centre. Dashed: chance, or perfect calibration.",
    )
    frame = pd.DataFrame([*(_centre_cells(each) for each in centres), *_pooled_cells(pooled)])
    table = SectionTable("Centre by centre: estimate (95 % interval)", frame, _pooling_note(pooled))
    said = tuple(_say_pooled(name, pooled) for name in ("c_statistic",) if name in pooled)
    return Section(title, (text, *said), (table,), (figure,), after="performance")


def _centre_row(each: Plain) -> ForestRow:
    return ForestRow(
        str(each["centre"]), each["n"], each["events"], {name: each.get(name) or {} for name in CENTRE_METRICS}
    )


def _centre_cells(each: Plain) -> dict[str, Any]:
    cells = {"Centre": str(each["centre"]), "n": _format_size(each["n"]), "Events": _format_size(each["events"])}
    return cells | {describe_metric(name).label: _format(each.get(name)) for name in CENTRE_METRICS}


def _pooled_cells(pooled: Mapping[str, Plain]) -> list[dict[str, Any]]:
    blank = {"n": "", "Events": ""}
    average = {describe_metric(name).label: _format(pooled.get(name)) for name in CENTRE_METRICS}
    new = {
        describe_metric(name).label: format_interval(found.get("pi_low"), found.get("pi_high")) or "not estimable"
        for name in CENTRE_METRICS
        for found in [pooled.get(name) or {}]
    }
    return [{"Centre": "Pooled", **blank, **average}, {"Centre": "New centre: 95 % prediction", **blank, **new}]


def _say_pooled(name: str, pooled: Mapping[str, Plain]) -> str:
    found = pooled.get(name) or {}
    label = describe_metric(name).label
    if is_missing(found.get("estimate")):
        return f"{label} could not be pooled: {found.get('reason') or 'no centre gave an interval'}."
    new = format_interval(found.get("pi_low"), found.get("pi_high"))
    ahead = f"; in a new centre between {new.replace('–', ' and ').replace(' to ', ' and ')}" if new else ""
    return f"Pooled {label}: {_format(found)}{ahead}."


def _pooling_note(pooled: Mapping[str, Plain]) -> str:
    method = next((str(found["method"]) for found in pooled.values() if found.get("method")), "random effects")
    spread = [
        f"{describe_metric(name).label} {format_number(found['tau'], 2)}"
        for name, found in pooled.items()
        if name in CENTRE_METRICS and not is_missing(found.get("tau"))
    ]
    between = f" Spread between centres (τ, on the scale of pooling): {', '.join(spread)}." if spread else ""
    return f"Pooled by {method}.{between} Codes stand for the centres' names."
