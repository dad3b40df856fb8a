"""One woman's page of regimens: her chance with and without, what it is made of, and what can be distinguished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.regimen.settings import NO_THERAPY
from poi_predict.report.formatting import format_number, format_percent, format_signed, is_missing, join_words
from poi_predict.report.icon_array import SHADES, picture_hundred
from poi_predict.report.page import make_environment, view_section
from poi_predict.report.patient import FLAG_WORDS
from poi_predict.report.regimen_content import RegimenContent
from poi_predict.report.regimen_figures import plot_chance_dots
from poi_predict.report.regimen_words import (
    describe_alike,
    describe_chances,
    describe_confounding,
    describe_range,
    describe_verdict,
    describe_waiting,
    head_of_verdict,
    list_unknown,
    tidy_sentence,
)
from poi_predict.report.style import svg_markup
from poi_predict.report.uncertain_factors import write_in_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from poi_predict.regimen.comparison import RegimenComparison
    from poi_predict.regimen.settings import RegimenSettings
    from poi_predict.regimen.timing import WaitingComparison
    from poi_predict.report.content import PatientContent
    from poi_predict.report.regimen_content import Chance, Chances

__all__ = ["build_regimen_content", "order_options", "render_regimen_page"]

MOST_OPTIONS = 10
SAME = 1e-12
"""Probabilities so near are of one regimen."""
MOST_WAITING = 3
PLACES = {"supported": 0, "few": 1, "no data": 2}
UNKNOWN = "not known"
TONES = {
    "better": "shown",
    "partly": "weak",
    "not distinguishable": "weak",
    "too few draws": "none",
    "no comparison": "none",
}
LIMITS = (
    "What changing one of her values would do: only the regimen was changed, everything else of her stayed.",
    "Side effects, cost and what she would have to go through: none of it is in these figures.",
)


def build_regimen_content(
    woman: PatientContent,
    comparison: RegimenComparison,
    settings: RegimenSettings,
    *,
    chances: Chances | None = None,
    waiting: WaitingComparison | None = None,
    details: Mapping[str, Any] | None = None,
) -> RegimenContent:
    """Fill one woman's page of regimens.

    Parameters
    ----------
    woman : PatientContent
        Of `build_patient_content`, made with an `UncertainExplanation`.
    comparison : RegimenComparison
        Of this one woman.
    settings : RegimenSettings
        Those of the comparison.
    chances : Chances, optional
        Of `draw_chances`.
    waiting : WaitingComparison, optional
        Of this one woman; up to three of its options are shown.
    details : mapping, optional
        ``assessment.details["regimens"]`` of the training, where it is there.

    Raises
    ------
    ValueError
        If there is more than one woman, or her factors have no error bars: a defect of the caller.
    """
    if len(comparison) != 1:
        raise ValueError(f"a page is of one woman; the comparison is of {len(comparison)}")
    if "stable" not in woman.factors:
        raise ValueError("the page shows error bars; build the woman's content with an UncertainExplanation")
    known = details or {}
    frame = _with_one_source(comparison.frame(), chances)
    options = order_options(frame)
    untreated = [found.n_women for option, found in _pair(comparison) if not option.is_therapy]
    support = frame["support"].value_counts().to_dict() | {
        "untreated_here": untreated[0] if untreated and woman.n else -1,
        "n_alike": int(comparison.n_alike[0]),
    }
    return RegimenContent(
        woman=woman,
        verdict=comparison.verdicts[0],
        rule=tidy_sentence(" ".join((comparison.rule, *comparison.notes))),
        threshold=settings.threshold,
        chances=chances,
        flags=_gather_flags(woman, comparison.flags[0]),
        factors=woman.extra_sections[0],
        options=options,
        n_left_out=len(frame) - len(options),
        waiting=_tabulate_waiting(waiting),
        waiting_caveat="" if waiting is None else waiting.caveat,
        alike=describe_alike(int(comparison.n_alike[0]), woman.n, comparison.flags[0]),
        confounding=describe_confounding(known),
        unknown=list_unknown(
            [write_in_sentence(label) for label in _list_missing(woman, comparison.flags[0])[0]],
            {"few": 0, "no data": 0} | support,
            float(comparison.p[0, comparison.reference]),
            settings.smallest_difference,
            randomised=bool(known.get("randomised")),
        ),
        limits=LIMITS,
    )


def order_options(frame: pd.DataFrame, most: int = MOST_OPTIONS) -> pd.DataFrame:
    """Return one woman's options as the page shows them: the reference first, those without data last.

    Parameters
    ----------
    frame : DataFrame
        `RegimenComparison.frame` of one woman.
    most : int
        Options shown; those with enough support come first, in the order they were listed.
    """
    place = frame["support"].map(PLACES) - (frame["verdict"] == "reference") * 1
    return frame.loc[place.sort_values(kind="stable").index].head(most).reset_index(drop=True)


def render_regimen_page(content: RegimenContent) -> str:
    """Return one woman's page of regimens as self-contained HTML: two A4 sheets.

    Her identifier and values stand on this page and nowhere else.
    """
    woman = content.woman
    rows = [_view_option(row) for row in content.options.to_dict("records")]
    reference = next((row for row in rows if row["is_reference"]), None)
    return (
        make_environment()
        .get_template("regimen.html.j2")
        .render(
            content=content,
            woman=woman,
            head=head_of_verdict(content.verdict.kind),
            sentence=tidy_sentence(content.verdict.sentence),
            lead=describe_verdict(content.verdict),
            ranked=content.verdict.kind in ("better", "partly"),
            tone=TONES[content.verdict.kind],
            shades=SHADES,
            chances=_view_chances(content.chances),
            factors=view_section(content.factors, "factors"),
            rows=rows,
            reference=reference,
            left_out=_say_left_out(content.n_left_out),
            waiting=_view_waiting(content.waiting),
        )
    )


def _with_one_source(frame: pd.DataFrame, chances: Chances | None) -> pd.DataFrame:
    """Give her own protocol, and no therapy, the interval that stands with her chance, which is that of `score`."""
    if chances is None:
        return frame
    hers = np.isclose(frame["p"], chances.treated.p, rtol=0, atol=SAME) & (frame["option"] != NO_THERAPY)
    frame.loc[hers, ["low", "high"]] = (chances.treated.low, chances.treated.high)
    if chances.untreated is not None:
        frame.loc[frame["option"] == NO_THERAPY, ["low", "high"]] = (chances.untreated.low, chances.untreated.high)
    return frame


def _pair(comparison: RegimenComparison) -> Any:
    return zip(comparison.options, comparison.support, strict=True)


def _list_missing(woman: PatientContent, flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return labels of what is not known of her, and of what is not recorded of the therapy."""
    hers = {flag.partition(":")[2] for flag in flags if flag.startswith("missing:")}
    shown = woman.factors.loc[woman.factors["value"] == UNKNOWN]
    known_to_be_hers = shown["variable"].isin(hers)
    return list(shown.loc[known_to_be_hers, "label"]), list(shown.loc[~known_to_be_hers, "label"])


def _gather_flags(woman: PatientContent, flags: Sequence[str]) -> tuple[str, ...]:
    """Put all that is not known into one sentence each, before what else makes the answer less trustworthy."""
    hers, therapy = _list_missing(woman, flags)
    single = {FLAG_WORDS["missing"].format(label=label) for label in (*hers, *therapy)}
    said = [
        f"{start}: {join_words(write_in_sentence(label) for label in labels)}."
        for start, labels in (
            ("Not known of her, and filled in from the rest", hers),
            ("Not recorded of the therapy, so the average one is meant", therapy),
        )
        if labels
    ]
    return (*said, *(flag for flag in woman.flags if flag not in single))


def _tabulate_waiting(waiting: WaitingComparison | None) -> pd.DataFrame:
    names = ["label", "months", "p", "low", "high", "difference", "difference_low", "difference_high", "recovered"]
    if waiting is None:
        return pd.DataFrame(columns=names)
    frame = waiting.frame()
    return frame.loc[(frame["woman"] == 0) & frame["label"].isin(frame["label"].unique()[:MOST_WAITING]), names]


def _view_chances(chances: Chances | None) -> dict[str, Any] | None:
    if chances is None:
        return None
    arms: list[tuple[str, str, Chance]] = [("with", "With the therapy", chances.treated)]
    if chances.untreated is not None:
        arms.append(("without", "Without it", chances.untreated))
    return {
        "sentence": describe_chances(chances),
        "dots": _picture_dots(arms),
        "arms": [
            {
                "shade": shade,
                "label": label,
                "p": format_percent(found.p),
                "range": f"{format_percent(found.low)} to {format_percent(found.high)}",
                "low": round(100 * found.low),
                "expected": round(100 * found.p),
                "high": round(100 * found.high),
                "icons": picture_hundred((found.p, found.low, found.high), shade, label.lower()),
            }
            for shade, label, found in arms
        ],
    }


def _picture_dots(arms: list[tuple[str, str, Chance]]) -> Markup:
    frame = pd.DataFrame(
        [{"label": label, "shade": shade, "p": found.p, "dots": found.dots} for shade, label, found in arms]
    )
    said = "; ".join(
        f"{label}: half of the dots between {format_percent(found.dots[len(found.dots) // 4])} and "
        f"{format_percent(found.dots[-len(found.dots) // 4])}"
        for _, label, found in arms
    )
    return svg_markup(plot_chance_dots(frame), "dots", f"Twenty dots each for her chance. {said}.")


def _view_option(row: dict[Any, Any]) -> dict[str, Any]:
    """Return an option as the table prints it."""
    head, _, rest = str(row["label"]).partition(", ")
    supported = row["support"] == "supported"
    is_reference = row["verdict"] == "reference"
    claim = str(row["verdict"]) if "than" in str(row["verdict"]) else ""
    return {
        "head": head,
        "rest": rest,
        "is_reference": is_reference,
        "standing": str(row["support"]),
        "extrapolated": bool(row["extrapolated"]),
        "claim": claim,
        "p": float(row["p"]),
        "low": float(row["low"]),
        "high": float(row["high"]),
        "chance": describe_range(float(row["p"]), float(row["low"]), float(row["high"])),
        "difference": "reference" if is_reference else _say_points(row),
        "best": "—" if not supported or is_missing(row["best"]) else format_percent(row["best"]),
        "loss": "—"
        if not supported or is_missing(row["expected_loss"])
        else format_number(100 * row["expected_loss"], 0),
        "had": _say_who_had(row),
    }


def _say_who_had(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the women of training, those like her among them, and those of published arms."""
    here = f"{row['n_women']} ({row['n_alike_with']})" if row["n_women"] else ""
    arms = f"{row['arm_women']} in {row['n_arms']} arm{'' if row['n_arms'] == 1 else 's'}" if row["n_arms"] else ""
    return (here, arms) if here else (arms or "nobody", "")


def _say_left_out(n: int) -> str:
    if not n:
        return ""
    return (
        f"{n} more {'regimen' if n == 1 else 'regimens'} that few women had, or none, "
        f"{'is' if n == 1 else 'are'} left out for room."
    )


def _view_waiting(frame: pd.DataFrame) -> dict[str, Any] | None:
    if frame.empty:
        return None
    rows = [{"label": label, "cells": [_view_later(row) for row in _rows(part)]} for label, part in _by_label(frame)]
    heads = ["Now" if not month else f"In {month:g} months" for month in dict.fromkeys(frame["months"])]
    return {"heads": heads, "rows": rows, "sentence": describe_waiting(_rows(frame))}


def _by_label(frame: pd.DataFrame) -> Any:
    return frame.groupby("label", sort=False)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _view_later(row: dict[str, Any]) -> tuple[str, str]:
    chance = describe_range(float(row["p"]), float(row["low"]), float(row["high"]))
    if not row["months"]:
        return chance, ""
    alone = row.get("recovered")
    meanwhile = "" if is_missing(alone) else f"; {format_percent(alone)} before the treatment"
    return chance, f"{_say_points(row)} points{meanwhile}"


def _say_points(row: Mapping[str, Any]) -> str:
    names = ("difference", "difference_low", "difference_high")
    point, low, high = (format_signed(100 * float(row[name]), 0) for name in names)
    return f"{point} ({low} to {high})"
