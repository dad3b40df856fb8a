"""The second opinion in the report: regimens compared as if every woman had had each, and the value of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.formatting import (
    format_estimate,
    format_number,
    format_percent,
    format_signed,
    is_missing,
    join_words,
)
from poi_predict.report.regimen_cohort_figures import plot_contrasts, plot_gains
from poi_predict.report.regimen_words import tidy_sentence
from poi_predict.report.skill_sections import as_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Plain = Mapping[str, Any]

__all__ = ["build_effect_section", "build_value_section"]

MOST_CONTRASTS = 15
EFFECT_TITLE = "Regimens compared as if every woman had had each"
VALUE_TITLE = "Is choosing by the model worth it?"
INTRO = (
    "A second opinion beside the model: what would have happened had every woman of this cohort had each regimen, "
    "adjusted for what is known of them. It is right if either the model of the outcome or the model of who got what "
    "is. It knows nothing of reasons that were not written down."
)
E_VALUE = (
    "E-value: how much likelier an unrecorded reason would have to make both the regimen and the outcome to explain "
    "the contrast away (VanderWeele and Ding 2017, doi:10.7326/M16-2607); in brackets for the limit nearer to no "
    "effect, 1 where the interval includes no effect."
)


def build_effect_section(regimens: Plain) -> Section | None:
    """Return the doubly robust contrasts with the naive ones beside them and their E-values.

    Parameters
    ----------
    regimens : mapping
        See `regimen_sections`; read are ``effects`` and ``reference``.
    """
    effects = regimens.get("effects")
    if not effects:
        return None
    if effects.get("reason"):
        return Section(EFFECT_TITLE, (_say_reason(effects),), after="explanation")
    contrasts, left_out = _choose(effects["contrasts"], regimens)
    frame = pd.DataFrame([_flatten(contrast) for contrast in contrasts])
    first = tidy_sentence(" ".join(str(contrast["sentence"]) for contrast in contrasts[:4]))
    apart = "the women differed by chance" if regimens.get("randomised") else "women were chosen"
    figure = SectionFigure(
        plot_contrasts(frame),
        "Contrasts between regimens, adjusted and not.",
        f"Intervals of {len(frame)} contrasts. {first}",
        "Dot and thick bar: adjusted, 95 % interval of this contrast alone; thin bar: of all contrasts together, which "
        f"decides. Open diamond: the plain comparison. Where dot and diamond are apart, {apart}.",
    )
    tables = (
        SectionTable(
            "Contrasts, in points of the outcome (95 % interval)",
            pd.DataFrame([_view_contrast(contrast) for contrast in contrasts]),
            E_VALUE if any(contrast.get("evalue") for contrast in contrasts) else "",
        ),
        SectionTable(
            "Of 100 women, had every woman had it", pd.DataFrame([_view_value(value) for value in effects["values"]])
        ),
    )
    notes = " ".join((*left_out, *effects["notes"]))
    said = tuple(tidy_sentence(text) for text in (INTRO, _say_verdict(effects["contrasts"]), notes) if text)
    return Section(EFFECT_TITLE, said, tables, (figure,), after="explanation")


def build_value_section(regimens: Plain) -> Section | None:
    """Return whether treating by the model beats giving everyone the same.

    Parameters
    ----------
    regimens : mapping
        See `regimen_sections`; read is ``value``.
    """
    value = regimens.get("value")
    if not value:
        return None
    if value.get("reason"):
        return Section(VALUE_TITLE, (_say_reason(value),), after="explanation")
    estimated = [gain for gain in value["gains"] if not is_missing(gain["gain"]["estimate"])]
    rows = [{"label": _name_way(gain), **_pick(gain["gain"], "gain")} for gain in estimated]
    figures = () if not rows else (_draw_gains(pd.DataFrame(rows), str(value["verdict"])),)
    chosen = sorted(((share, name) for name, share in value["chosen"].items() if share > 0), reverse=True)
    judged = f"{_say(value['value'])} of 100 women would have the outcome"
    if is_missing(value["value"]["estimate"]):
        judged = "what it is worth cannot be given here"
    rule = (
        f"The rule, learnt without the women it is judged on: {judged}. "
        f"It chooses {join_words(f'{name} for {format_percent(share)}' for share, name in chosen)}."
    )
    said = tuple(tidy_sentence(text) for text in (str(value["verdict"]), rule, " ".join(value["notes"])) if text)
    table = SectionTable(
        "Choosing by the model against other ways of treating (95 % interval)",
        pd.DataFrame(
            [
                {
                    "Way of treating": _name_way(gain),
                    "Outcome, of 100 women": _say(gain["value"]),
                    "Gain of the rule, points": _say(gain["gain"], signed=True),
                    "Chosen by the rule": (
                        "—" if gain["kind"] != "everyone" else format_percent(value["chosen"].get(gain["against"]))
                    ),
                }
                for gain in value["gains"]
            ]
        ),
    )
    return Section(VALUE_TITLE, said, (table,), figures, after="explanation")


def _draw_gains(rows: pd.DataFrame, verdict: str) -> SectionFigure:
    return SectionFigure(
        plot_gains(rows),
        "What choosing by the model gains.",
        f"Intervals of the gain over {len(rows)} other ways of treating. {verdict}",
        "Dot and bar: points gained by choosing for each woman what the model says is best, with the 95 % interval "
        "that holds together with the others. Left of the dashed line the rule does worse.",
    )


def _say_reason(part: Plain) -> str:
    return f"Not estimable. {as_sentence(str(part['reason']))}".strip()


def _choose(contrasts: Sequence[Plain], regimens: Plain) -> tuple[list[Plain], tuple[str, ...]]:
    """Keep the contrasts that fit on a page: those with the reference first."""
    if len(contrasts) <= MOST_CONTRASTS:
        return list(contrasts), ()
    names = {regimens.get("reference")}
    names |= {option["label"] for option in regimens.get("options") or () if option["name"] in names}
    first = [c for c in contrasts if names & {c["option"], c["reference"]}]
    shown = [*first, *(c for c in contrasts if c not in first)][:MOST_CONTRASTS]
    return shown, (f"{len(shown)} of {len(contrasts)} contrasts are shown.",)


def _say_verdict(contrasts: Sequence[Plain]) -> str:
    told = [str(contrast["sentence"]) for contrast in contrasts if contrast["distinguishable"]]
    if not told:
        return "No two regimens can be distinguished, all contrasts taken together."
    count = "One contrast leaves" if len(told) == 1 else f"{len(told)} contrasts leave"
    return f"{count} out 0, all taken together: {' '.join(told)}"


def _flatten(contrast: Plain) -> dict[str, Any]:
    return {
        "label": _name_pair(contrast),
        **_pick(contrast["difference"], "difference"),
        "together_low": contrast["simultaneous"]["ci_low"],
        "together_high": contrast["simultaneous"]["ci_high"],
        "naive": contrast["naive"]["estimate"],
    }


def _pick(found: Plain, name: str) -> dict[str, Any]:
    return {name: found["estimate"], "ci_low": found["ci_low"], "ci_high": found["ci_high"]}


def _view_contrast(contrast: Plain) -> dict[str, str]:
    ratio, evalue = contrast["risk_ratio"], contrast.get("evalue")
    limit = "" if not evalue or is_missing(evalue["limit"]) else f" ({format_number(evalue['limit'])})"
    return {
        "Contrast": _name_pair(contrast),
        "Adjusted": _say(contrast["difference"], signed=True),
        "All together": _say_interval(contrast["simultaneous"]),
        "Before adjusting": _say(contrast["naive"], signed=True),
        "Risk ratio": format_estimate(ratio["estimate"], ratio["ci_low"], ratio["ci_high"], reason=ratio["reason"]),
        "E-value": "—" if not evalue else f"{format_number(evalue['point'])}{limit}",
        "Distinguishable": "yes" if contrast["distinguishable"] else "no",
    }


def _view_value(value: Plain) -> dict[str, str]:
    return {
        "Regimen": tidy_sentence(str(value["option"])),
        "Women who had it": str(value["n"]),
        "Adjusted": _say(value["estimate"]),
        "Before adjusting": _say(value["naive"]),
    }


def _say(found: Plain, *, signed: bool = False) -> str:
    """Return an estimate of probabilities per 100, with its interval, or why there is none."""
    show = format_signed if signed else format_number
    if is_missing(found["estimate"]):
        return f"not estimable: {found['reason']}"
    point = show(100 * float(found["estimate"]), 1)
    if is_missing(found["ci_low"]):
        return f"{point}, no interval: {found['reason']}"
    return f"{point} ({_say_interval(found, signed=signed)})"


def _say_interval(found: Plain, *, signed: bool = True) -> str:
    show = format_signed if signed else format_number
    if is_missing(found["ci_low"]):
        return "—"
    return f"{show(100 * float(found['ci_low']), 1)} to {show(100 * float(found['ci_high']), 1)}"


def _name_pair(contrast: Plain) -> str:
    return tidy_sentence(f"{contrast['option']} against {contrast['reference']}")


def _name_way(gain: Plain) -> str:
    return tidy_sentence(f"everyone gets {gain['against']}") if gain["kind"] == "everyone" else "as it was done"
