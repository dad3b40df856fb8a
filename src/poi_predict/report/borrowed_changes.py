"""What the women of a cohort changed of what was believed before them: each effect, and the chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.borrowed_figures import choose_effects, plot_learning_curve, plot_prior_to_posterior
from poi_predict.report.borrowed_words import GROUPS, describe_step, keep_together, name_effect, name_effect_group
from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.formatting import format_estimate, format_interval, format_number, format_percent, is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort import Codebook

    Plain = Mapping[str, Any]

__all__ = ["build_change_section"]

BY_WOMEN, BY_ARMS = "What the women of this cohort changed", "What the published arms changed"
MUCH, LITTLE = 0.5, 0.05
MOST_NAMED = 6
NOBODY = "No woman was added: these are the published evidence and the priors alone."


def build_change_section(evidence: Plain, codebook: Codebook) -> Section | None:
    """Return prior and posterior of every effect, and how the chance moved as women were added.

    Parameters
    ----------
    evidence : mapping
        ``effects`` and ``learning_curve``. Levels of studies and centres are no effects and are left out.
    codebook : Codebook
        Roles of the variables.
    """
    effects = _read_effects(evidence, codebook)
    curve = [each for each in evidence.get("learning_curve") or () if not is_missing(each.get("p_with"))]
    if not effects and not curve:
        return None
    n = max((int(each["n"]) for each in curve), default=0)
    figures = [_draw_curve(curve)] if n > 0 else []
    link = str(evidence.get("link") or "logit")
    figures += _draw_effects(effects, link)
    tables = (_tabulate_effects(effects, link),) if effects else ()
    said = [_say_shares(effects, n)] if effects and n else []
    said += _say_curve(curve) if n else [NOBODY]
    title = BY_WOMEN if n else BY_ARMS
    return Section(
        title, (*said, *([_HOW if n else _HOW_ARMS] if effects else ())), tables, tuple(figures), after="explanation"
    )


_HOW = (
    "Effects on which this cohort has no data keep their published value. That is not a finding of this cohort, "
    "whatever the width of its interval; the table gives the source of each."
)
_HOW_ARMS = (
    "An effect that no arm has spoken to stays where it was assumed, whatever the width of its interval; the table "
    "gives the source of each."
)


def _read_effects(evidence: Plain, codebook: Codebook) -> list[dict[str, Any]]:
    flagged = set((evidence.get("conflict") or {}).get("flagged") or ())
    found = []
    for each in evidence.get("effects") or ():
        kind = name_effect_group(str(each["parameter"]), codebook)
        if kind is not None:
            label = name_effect(each, codebook)
            found.append(
                {**each, "label": label, "kind": kind, "group": GROUPS[kind], "flagged": each["parameter"] in flagged}
            )
    places = list(GROUPS)
    return sorted(found, key=lambda each: (places.index(str(each["kind"])), -float(each["mean"])))


def _draw_effects(effects: Sequence[Plain], link: str) -> list[SectionFigure]:
    if not effects:
        return []
    frame = pd.DataFrame([dict(each) for each in effects])
    shown = choose_effects(frame)
    if shown.empty:
        return []
    left = len(frame) - len(shown)
    rest = f" {left} effects that lie near zero and that no data moved stand in the table only." if left else ""
    flagged = " Rust and !: in conflict with what was believed." if shown["flagged"].any() else ""
    return [
        SectionFigure(
            plot_prior_to_posterior(shown, link=link),
            "What was believed of each effect before, and what is believed now.",
            f"Prior and posterior intervals of {len(shown)} effects. The table gives the numbers.",
            "Grey: what was believed before, middle 95 %. Blue: what is believed now. To the right of the line more "
            "women respond, for the step that the table names. The bars say how much of what is known of each effect "
            f"was assumed, comes from published arms, or from these women.{flagged}{rest}",
        )
    ]


def _tabulate_effects(effects: Sequence[Plain], link: str) -> SectionTable:
    show, scale = (_show_odds, "Odds ratio") if link == "logit" else (_show_effect, f"Effect ({link})")
    rows = []
    for each in effects:
        middle, half = float(each["prior_mean"]), 1.96 * float(each["prior_sd"])
        rows.append(
            {
                "Effect": ", ".join(filter(None, (str(each["label"]), describe_step(str(each["parameter"]))))),
                f"{scale} before": show(middle, middle - half, middle + half),
                f"{scale} now": show(each["mean"], each.get("ci_low"), each.get("ci_high")),
                "Assumed / arms / women": _shares(each),
                "Source": str(each.get("source") or "—"),
            }
        )
    note = (
        "95 % intervals in brackets. The fourth column shares out the information: how much of it was assumed (prior), "
        "comes from published arms, or from the women of this cohort. An effect is part of a prediction, not "
        "what changing a variable would do."
    )
    return SectionTable("Every effect, before and now", pd.DataFrame(rows), note)


def _show_odds(*log_odds: float | None) -> str:
    found = [None if value is None or is_missing(value) else math.exp(min(value, 20.0)) for value in log_odds]
    digits = 1 if any(value is not None and value >= 10 for value in found) else 2
    interval = format_interval(found[1], found[2], digits)
    point = format_number(found[0], digits)
    return keep_together(f"{point} ({interval})") if interval else point


def _show_effect(middle: float, low: float | None, high: float | None) -> str:
    return keep_together(format_estimate(middle, low, high))


def _shares(effect: Plain) -> str:
    shares = [effect.get(name) for name in ("share_prior", "share_arms", "share_patients")]
    if any(is_missing(share) for share in shares):
        return "—"
    return keep_together(" / ".join(f"{100 * float(share or 0):.0f}" for share in shares) + " %")


def _say_shares(effects: Sequence[Plain], n: int) -> str:
    known = [each for each in effects if not is_missing(each.get("share_patients"))]
    many = [str(each["label"]) for each in known if each["share_patients"] > MUCH]
    few = sum(each["share_patients"] < LITTLE for each in known)
    names = f" ({', '.join(many)})" if 0 < len(many) <= MOST_NAMED else ""
    return (
        f"{n} women were added to the evidence. For {len(many) or 'none'} of {len(known)} effects they supplied more "
        f"than half of what is known{names}; for {few or 'none'} less than one twentieth."
    )


def _draw_curve(curve: Sequence[Plain]) -> SectionFigure:
    first, last = _ends(curve)
    return SectionFigure(
        plot_learning_curve(pd.DataFrame([dict(each) for each in curve])),
        "How the chance of women like these moved as they were added to the evidence, in random order.",
        f"Lines with bands, from 0 to {last['n']} women. With therapy {format_percent(first['p_with'])} at first and "
        f"{format_percent(last['p_with'])} at last; without {format_percent(first['p_without'])} and "
        f"{format_percent(last['p_without'])}.",
        "Left end: the published evidence alone. Blue, solid: with therapy. Rust, dashed: without. The bands are 95 % "
        "intervals; they narrow as far as the women teach something.",
    )


def _ends(curve: Sequence[Plain]) -> tuple[Plain, Plain]:
    ordered = sorted(curve, key=lambda each: int(each["n"]))
    return ordered[0], ordered[-1]


def _say_curve(curve: Sequence[Plain]) -> list[str]:
    first, last = _ends(curve)

    def of_100(found: Plain, name: str) -> str:
        middle, low, high = (format_number(100 * found[key], 0) for key in (f"p_{name}", f"{name}_low", f"{name}_high"))
        return f"{middle} ({low} to {high})"

    start = "By the evidence alone" if not int(first["n"]) else f"After {first['n']} women"
    text = (
        f"{start}, {of_100(first, 'with')} of 100 women like these would have the outcome with the therapy and "
        f"{of_100(first, 'without')} without; with all {last['n']} women, {of_100(last, 'with')} and "
        f"{of_100(last, 'without')}."
    )
    return [text]
