"""What the report shows of the evidence model: what was borrowed, what the women changed, and with against without.

"Evidence" means published evidence here; evidence on the skill of a model is in `evidence_sections`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.cohort import read_codebook
from poi_predict.report.borrowed_changes import build_change_section
from poi_predict.report.borrowed_checks import (
    build_computation_section,
    build_conflict_section,
    computation_banner,
    conflict_banner,
)
from poi_predict.report.borrowed_figures import plot_published_arms, plot_with_and_without
from poi_predict.report.borrowed_words import describe_contrast, describe_definition, keep_together, name_variable
from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.formatting import (
    format_estimate,
    format_number,
    format_percent,
    format_signed,
    is_missing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort import Codebook

    Plain = Mapping[str, Any]

__all__ = ["build_borrowed_sections", "computation_banner", "conflict_banner"]

INTRO = (
    "This model does not start from nothing. What was published enters as sums (how many of how many women), each "
    "averaged over the kind of women it came from; effects that others found enter as priors, widened because none "
    "was found in women given cells."
)


def build_borrowed_sections(details: Plain, codebook: Codebook | None = None) -> tuple[Section, ...]:
    """Return what the report says of an evidence model, in reading order; nothing for a run without one.

    Parameters
    ----------
    details : mapping
        ``assessment.details``. Read: ``evidence`` with ``outcome``, ``arms``, ``effects``, ``tau``, ``conflict``,
        ``contrast``, ``diagnostics`` and ``learning_curve``. A part that is not there is left out, or said to be
        missing where a reader would look for it.
    codebook : Codebook, optional
        Labels and roles of the variables; the shipped one by default.

    Examples
    --------
    >>> build_borrowed_sections({"skill": "none"})
    ()
    """
    evidence = details.get("evidence")
    if not evidence:
        return ()
    book = codebook or read_codebook()
    parts = (
        _borrowed(evidence, book),
        _with_and_without(evidence),
        build_change_section(evidence, book),
        build_conflict_section(evidence, book),
        build_computation_section(evidence),
    )
    return tuple(part for part in parts if part is not None)


def _borrowed(evidence: Plain, codebook: Codebook) -> Section:
    arms = list(evidence.get("arms") or ())
    title, spread = "What was borrowed", _say_spread(evidence.get("tau") or {})
    if not arms:
        nothing = "No published arm entered this model: only the effects that others found, as priors."
        return Section(title, (INTRO, nothing, *spread), after="data")
    frame = pd.DataFrame(
        [{**each, "label": _name_arm(each), "definition": each.get("definition") or ""} for each in arms]
    )
    figure = SectionFigure(
        plot_published_arms(frame),
        "What was published, and what the model makes of it.",
        f"Forest plot of {len(arms)} published arms. "
        + "; ".join(f"{_name_arm(each)} {each['events']} of {each['n']}" for each in arms)
        + ".",
        "Square: the share that was published, with its exact 95 % interval; a larger square is more women. Blue "
        "diamond: the share by the model, with its interval. Arms and cohorts come from different studies: a gap "
        "between the groups is no proof of an effect." + (_DAGGER if frame["definition"].map(bool).any() else ""),
    )
    caption = "The published arms: share of women with the outcome (95 % interval)"
    tables = [SectionTable(caption, pd.DataFrame([_arm_cells(each) for each in arms]))]
    silent = _silent_rows(arms, codebook)
    if silent:
        tables.append(SectionTable("What the arms do not say of their women", pd.DataFrame(silent)))
    tables[-1] = replace(tables[-1], note=_NOTE)
    said = (INTRO, _count_arms(arms), *spread, *((_SILENT,) if silent else ()))
    return Section(title, said, tuple(tables), (figure,), after="data")


_DAGGER = " † The arm counted otherwise; the model gives that an effect of its own."
_NOTE = (
    "Observed intervals are exact (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404). Codes are rows of the "
    "evidence tables that come with this software."
)
_SILENT = (
    "No arm says everything about its women. Missing characteristics were set to typical published values, with the "
    "spread that others reported; the second table says which."
)


def _say_spread(tau: Plain) -> tuple[str, ...]:
    if is_missing(tau.get("mean")):
        return ()
    found = format_estimate(tau["mean"], tau.get("ci_low"), tau.get("ci_high"))
    text = (
        "Studies differ by more than their women explain: from one to the next the log-odds of the outcome spread with "
        f"an SD of {found}. A clinic that the model has not seen may lie anywhere in that spread, and its women's "
        "intervals allow for it."
    )
    if not tau.get("therapy"):
        return (text,)
    of_therapy = (
        f"What therapy adds may differ between clinics as well, by an SD of {format_number(tau['therapy'], 2)}. "
        "Published studies had treated or untreated women, not both, so this is assumed more than estimated; chances "
        "with and without therapy in a clinic that the model has not seen allow for it."
    )
    return text, of_therapy


def _count_arms(arms: Sequence[Plain]) -> str:
    def count(*, treated: bool) -> str:
        part = [each for each in arms if bool(each["treated"]) == treated]
        women, events = sum(int(each["n"]) for each in part), sum(int(each["events"]) for each in part)
        return f"{len(part)} {'arm' if len(part) == 1 else 'arms'} ({events} of {women} women)"

    return f"Borrowed: {count(treated=True)} with cell therapy, and {count(treated=False)} without."


def _name_arm(arm: Plain) -> str:
    year = "" if is_missing(arm.get("year")) else f" {arm['year']}"
    study = f"{arm['study']}{year}"
    label = str(arm.get("label") or "")
    if str(arm["study"]) in label:
        return label
    return f"{study}: {label}" if label else study


def _arm_cells(arm: Plain) -> dict[str, str]:
    return {
        "Arm": f"{_name_arm(arm)} ({arm['row_id']})",
        "Cell therapy": "yes" if arm["treated"] else "no",
        "Events / women": f"{arm['events']} / {arm['n']}",
        "Observed": _share(arm, "observed", "ci_low", "ci_high"),
        "By the model": _share(arm, "fitted", "fitted_low", "fitted_high"),
        "Outcome counted": describe_definition(str(arm.get("definition") or "")),
    }


def _share(found: Plain, middle: str, low: str, high: str) -> str:
    if is_missing(found.get(middle)):
        return "not estimable"
    ends = [found.get(low), found.get(high)]
    if any(is_missing(end) for end in ends):
        return format_percent(found[middle])
    low_end, high_end = (format_percent(end).removesuffix(" %") for end in ends)
    return keep_together(f"{format_percent(found[middle])} ({low_end}–{high_end})")


def _silent_rows(arms: Sequence[Plain], codebook: Codebook) -> list[dict[str, str]]:
    silent: dict[str, list[str]] = {}
    for arm in arms:
        for label in dict.fromkeys(name_variable(str(name), codebook) for name in arm.get("silent") or ()):
            silent.setdefault(label, []).append(str(arm["row_id"]))
    return [
        {"Variable": label, "Silent arms": f"{len(ids)} of {len(arms)}", "Which": ", ".join(ids)}
        for label, ids in sorted(silent.items(), key=lambda each: -len(each[1]))
    ]


def _with_and_without(evidence: Plain) -> Section | None:
    contrast = evidence.get("contrast") or {}
    if not contrast:
        return None
    woman = str(contrast.get("woman") or "the average woman of this cohort")
    said = describe_contrast(_flatten_contrast(contrast), woman)
    flat = {name: _read_interval(contrast.get(name)) for name in ("with", "without", "difference")}
    if any(is_missing(value) for found in flat.values() for value in found):
        return Section("With and without the therapy", said, after="explanation")
    frame = pd.DataFrame(
        [
            {"quantity": name, "estimate": found[0], "ci_low": found[1], "ci_high": found[2]}
            for name, found in flat.items()
        ]
    )
    verdict = "distinguishable" if contrast.get("distinguishable") else "not distinguishable"
    figure = SectionFigure(
        plot_with_and_without(frame),
        f"With and without the therapy: {woman}.",
        f"Intervals of the chance with and without therapy and of their difference: {verdict}. {said[0]}",
        "Dot and bar: estimate and 95 % interval. Where the bar of the difference crosses the dashed line, the data "
        "cannot tell whether the therapy adds anything.",
    )
    table = SectionTable(
        f"With and without the therapy: {woman}",
        pd.DataFrame(_contrast_rows(flat, contrast.get("odds_ratio") or {}, verdict)),
    )
    return Section("With and without the therapy", said, (table,), (figure,), after="explanation")


def _read_interval(found: Plain | None) -> tuple[Any, Any, Any]:
    found = found or {}
    return (
        found.get("p", found.get("estimate")),
        found.get("low", found.get("ci_low")),
        found.get("high", found.get("ci_high")),
    )


def _flatten_contrast(contrast: Plain) -> dict[str, Any]:
    flat: dict[str, Any] = {"distinguishable": contrast.get("distinguishable")}
    for name, names in (
        ("with", ("p_with", "with_low", "with_high")),
        ("without", ("p_without", "without_low", "without_high")),
        ("difference", ("difference", "difference_low", "difference_high")),
    ):
        flat |= dict(zip(names, _read_interval(contrast.get(name)), strict=True))
    return flat


def _contrast_rows(flat: Mapping[str, tuple[Any, Any, Any]], ratio: Plain, verdict: str) -> list[dict[str, str]]:
    def of_100(name: str, show: Any) -> str:
        middle, low, high = (show(100 * value, 1) for value in flat[name])
        return f"{middle} ({low} to {high})"

    odds = format_estimate(ratio.get("estimate"), ratio.get("ci_low"), ratio.get("ci_high"))
    return [
        {"Quantity": "With the therapy, of 100 women", "Estimate (95 % interval)": of_100("with", format_number)},
        {"Quantity": "Without it, of 100 women", "Estimate (95 % interval)": of_100("without", format_number)},
        {"Quantity": "Difference, of 100 women", "Estimate (95 % interval)": of_100("difference", format_signed)},
        {"Quantity": "Odds ratio", "Estimate (95 % interval)": odds},
        {"Quantity": "Can they be distinguished?", "Estimate (95 % interval)": verdict},
    ]
