"""What the report of a training says of regimens: what was given, who was alike, the contrasts, the value of a rule.

`build_regimen_sections` reads ``assessment.details["regimens"]``, plain values that JSON can hold::

    {
      "rule": str,                      RegimenSettings.rule
      "reference": str,                 name of the option that the others are compared with
      "randomised": bool,               whether the regimen was randomised
      "options": [                      RegimenComparison.as_dict()["options"]
        {"name", "label", "protocol", "declared", "n_women", "n_arms", "arm_women", "support"}],
      "excluded": [                     OptionList.as_dict()["excluded"]
        {"name", "label", "reason", "source"}],
      "women": {                        verdicts of the women of training, counted
        "n": int, "kinds": {"better" | "partly" | "not distinguishable" | "no comparison": int},
        "best" | "better" | "worse": {label of an option: women of whom it is said}},
      "no_centre": str or None,         a sentence where no centre is recorded
      "confounded": [                   Confounded.as_dict(), of the variables of the protocol
        {"variable", "other", "level", "share", "n_mixed", "n", "perfect", "sentence"}],
      "overlap": {                      Overlap.as_dict(), or {"reason": why there is none}
        "balance": [{"variable", "term", "kind", "option", "reference", "before", "after"}],
        "positivity": [{"arm", "option", "n", "below", "above", "low", "median", "high"}],
        "arms": [{"option", "n", "effective_n", "support_low", "support_high"}],
        "in_support": float, "confounded": [...], "sentences": [str]},
      "effects": {                      Effects.as_dict(), or {"reason": why there are none}
        "values": [{"option", "n", "estimate": E, "naive": E}],
        "contrasts": [{"option", "reference", "difference": E, "simultaneous": E, "naive": E, "risk_ratio": E,
                       "evalue": {"point", "limit", ..., "sentence"} | None, "distinguishable", "sentence"}],
        "notes": [str]},
      "value": {                        PolicyValue.as_dict(), or {"reason": why there is none}
        "value": E, "gains": [{"against", "kind", "value": E, "gain": E}], "best", "gain_over_best": E,
        "chosen": {option: share}, "supported", "verdict", "notes": [str]}
    }

E is ``Estimate.as_dict()``: ``estimate, ci_low, ci_high, method, reason, level``. A key that is not there leaves its
part out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.cohort import read_codebook
from poi_predict.report.borrowed_words import name_variable
from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.formatting import format_number, format_percent, format_signed, is_missing
from poi_predict.report.glossary import describe_level
from poi_predict.report.regimen_cohort_figures import NOTABLE, plot_balance, plot_positivity
from poi_predict.report.regimen_effects import build_effect_section, build_value_section
from poi_predict.report.regimen_words import LOTS, NO_LOTS, say_confounded, tidy_sentence
from poi_predict.report.skill_sections import as_sentence
from poi_predict.report.uncertain_factors import write_in_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from poi_predict.cohort import Codebook

    Plain = Mapping[str, Any]

__all__ = ["build_regimen_sections"]

MOST_ROWS = 12
SAID_OF = (("best", "better than every other"), ("better", "better than the reference"), ("worse", "worse than it"))


def build_regimen_sections(details: Plain, codebook: Codebook | None = None) -> tuple[Section, ...]:
    """Return what the report says of regimens, in reading order; nothing for a training without them.

    Parameters
    ----------
    details : mapping
        ``assessment.details``; its key ``regimens`` is described above.
    codebook : Codebook, optional
        Labels of the variables; the shipped one by default.

    Examples
    --------
    >>> build_regimen_sections({"skill": "none"})
    ()
    >>> found = build_regimen_sections({"regimens": {"effects": {"reason": "all women had the same"}}})
    >>> found[0].paragraphs
    ('Not estimable. All women had the same.',)
    """
    regimens = details.get("regimens")
    if not regimens:
        return ()
    parts = (
        _given(regimens),
        _overlap(regimens, codebook or read_codebook()),
        build_effect_section(regimens),
        build_value_section(regimens),
    )
    return tuple(part for part in parts if part is not None)


def _given(regimens: Plain) -> Section | None:
    options = list(regimens.get("options") or ())
    if not options:
        return None
    enough = sum(option["support"] == "supported" for option in options)
    judged = "all" if enough == len(options) else f"only {enough}"
    first = (
        f"{len(options)} regimens are compared for every woman; {judged} "
        f"{'has' if enough == 1 else 'have'} enough data to judge."
    )
    said = [first, *_count_verdicts(regimens.get("women") or {})]
    if regimens.get("rule"):
        said.append(tidy_sentence(f"The rule: {regimens['rule']}"))
    shown = [_view_option(option) for option in options[:MOST_ROWS]]
    left = len(options) - len(shown)
    note = f"{left} more regimens that fewer women had are left out here." if left else ""
    tables = [SectionTable("The regimens and who had them", pd.DataFrame(shown), note)]
    excluded = [{"Left out": item["label"], "Why": _say_why(item)} for item in regimens.get("excluded") or ()]
    if excluded:
        tables.append(SectionTable("Regimens that are not compared", pd.DataFrame(excluded)))
    return Section("Which regimens were given", tuple(said), tuple(tables), after="data")


def _view_option(option: Plain) -> dict[str, str]:
    arms = "—" if not option["n_arms"] else f"{option['arm_women']} in {option['n_arms']}"
    return {
        "Regimen": str(option["label"]),
        "Women of this cohort": str(option["n_women"]),
        "Women of published arms": arms,
        "Data": {"supported": "enough", "few": "few"}.get(str(option["support"]), "none"),
    }


def _say_why(item: Plain) -> str:
    return f"{item['reason']} ({item['source']})" if item.get("source") else str(item["reason"])


def _count_verdicts(women: Plain) -> Iterator[str]:
    n, kinds = int(women.get("n") or 0), women.get("kinds") or {}
    if not n:
        return
    if kinds.get("too few draws"):
        yield (
            "Too few refits or draws for a verdict on the regimens of single women; 100 are needed. Train with "
            "validation.bootstrap of 200."
        )
        return
    none = int(kinds.get("not distinguishable", 0)) + int(kinds.get("no comparison", 0))
    if none == n:
        yield f"For none of the {n} women of this cohort could the regimens be distinguished."
        return
    yield f"For {none} of the {n} women of this cohort the regimens cannot be distinguished."
    for key, words in SAID_OF:
        said = sorted((women.get(key) or {}).items(), key=lambda item: -int(item[1]))
        if said:
            yield f"Called {words}: {'; '.join(f'{label} (of {count} women)' for label, count in said)}."


def _overlap(regimens: Plain, codebook: Codebook) -> Section | None:
    overlap = regimens.get("overlap")
    confounded = [say_confounded(item) for item in regimens.get("confounded") or ()]
    if overlap is None and not confounded:
        return None
    title, said = "Were women with different regimens alike?", [LOTS if regimens.get("randomised") else NO_LOTS]
    said += [str(regimens["no_centre"])] if regimens.get("no_centre") else []
    reason = None if overlap is None else overlap.get("reason")
    if overlap is None or reason:
        unknown = f"Who had which regimen could not be modelled. {as_sentence(str(reason))}".strip() if reason else ""
        return Section(title, tuple(filter(None, (*said, _join(confounded), unknown))), after="data")
    confounded = list(dict.fromkeys([*confounded, *(say_confounded(item) for item in overlap["confounded"])]))
    left_out = [str(text) for text in overlap["sentences"] if str(text).startswith("Not compared")]
    said += [_join(confounded), _say_balance(overlap, codebook), _join(left_out)]
    figures = tuple(_draw_overlap(overlap, codebook))
    tables = (_tabulate_balance(overlap["balance"], codebook), _tabulate_arms(overlap["arms"]))
    return Section(title, tuple(filter(None, said)), tables, figures, after="data")


def _join(sentences: Sequence[str]) -> str:
    return tidy_sentence(" ".join(sentences))


def _say_balance(overlap: Plain, codebook: Codebook) -> str:
    """Say how many covariates differ before and after weighting, and how many women lie where all can be compared."""
    inside = f"{format_percent(overlap['in_support'])} of the women lie where all regimens were in use."
    if not overlap["balance"]:
        return inside
    frame = _find_largest(overlap["balance"], codebook)
    before, after = (int((frame[side] > NOTABLE).sum()) for side in ("before", "after"))
    worst: dict[Any, Any] = frame.sort_values("after", ascending=False, kind="stable").to_dict("records")[0]
    largest = f"; the largest imbalance is in {write_in_sentence(worst['label'])} ({_say_size(worst['after'])})"
    return (
        f"Women of some two regimens differ by more than {NOTABLE:g} standard deviations in {before} of {len(frame)} "
        f"covariates, and still in {after} once weighted{largest if after else ''}. {inside}"
    )


def _draw_overlap(overlap: Plain, codebook: Codebook) -> Iterator[SectionFigure]:
    if overlap["balance"]:
        frame = _find_largest(overlap["balance"], codebook)
        worst = "; ".join(
            f"{row['label']} {_say_size(row['before'])} before and {_say_size(row['after'])} after"
            for row in frame.sort_values("before", ascending=False, kind="stable").head(3).to_dict("records")
        )
        yield SectionFigure(
            plot_balance(frame),
            "How far apart women with different regimens are.",
            f"Standardised differences of {len(frame)} covariates before and after weighting. Largest: {worst}.",
            "Each row is a covariate: the largest difference between any two regimens. Open circle: as they were; "
            "blue: weighted so that they should be alike. Right of 0.1 they differ.",
        )
    frame = pd.DataFrame(overlap["positivity"]).assign(
        arm=lambda found: found["arm"].map(tidy_sentence), option=lambda found: found["option"].map(tidy_sentence)
    )
    cells = frame[frame["arm"] != frame["option"]].sort_values("below", ascending=False, kind="stable")
    rare = cells.iloc[0]
    yield SectionFigure(
        plot_positivity(frame),
        "Where nobody can be compared.",
        f"Map of {frame['arm'].nunique()} by {frame['option'].nunique()} regimens. Most often ruled out: "
        f"{rare['option']} for {format_percent(rare['below'])} of the women who had {rare['arm']}.",
        "Each row is a group of women by what they had (how many); columns are the regimens in the same order: the "
        "share of them for whom it was all but ruled out. About those the data cannot say what it would have done.",
    )


def _name_covariate(row: Plain, codebook: Codebook) -> str:
    label = name_variable(str(row["variable"]), codebook)
    return f"{label}: {describe_level(str(row['term']))}" if row.get("term") else label


def _find_largest(balance: Sequence[Plain], codebook: Codebook) -> pd.DataFrame:
    """Return of each covariate the largest absolute difference of any pair; infinite where one is."""
    frame = pd.DataFrame(
        [
            {"label": _name_covariate(row, codebook)}
            | {side: float("inf") if is_missing(row[side]) else abs(float(row[side])) for side in ("before", "after")}
            for row in balance
        ]
    )
    return frame.groupby("label", sort=False, as_index=False).max()


def _tabulate_balance(balance: Sequence[Plain], codebook: Codebook) -> SectionTable:
    def size(row: Plain) -> float:
        return float("inf") if is_missing(row["before"]) else abs(float(row["before"]))

    rows = [
        {
            "Covariate": _name_covariate(row, codebook),
            "Regimens": tidy_sentence(f"{row['option']} against {row['reference']}"),
            "Before": _say_size(row["before"], signed=True),
            "After": _say_size(row["after"], signed=True),
        }
        for row in sorted(balance, key=size, reverse=True)[:MOST_ROWS]
    ]
    note = f"The {len(rows)} largest of {len(balance)}, before weighting." if len(balance) > len(rows) else ""
    return SectionTable("Standardised differences", pd.DataFrame(rows), note)


def _tabulate_arms(arms: Sequence[Plain]) -> SectionTable:
    rows = [
        {
            "Regimen": tidy_sentence(str(arm["option"])),
            "Women": str(arm["n"]),
            "Worth, weighted": format_number(float(arm["effective_n"]), 0),
            "Chance of it in all groups": (
                f"{format_percent(arm['support_low'])} to {format_percent(arm['support_high'])}"
                if arm["support_low"] <= arm["support_high"]
                else "no common range"
            ),
        }
        for arm in arms
    ]
    return SectionTable("Women of each regimen, and what they are worth after weighting", pd.DataFrame(rows))


def _say_size(value: float | None, *, signed: bool = False) -> str:
    if is_missing(value) or value is None or math.isinf(value):
        return "wholly apart"
    return format_signed(float(value)) if signed else format_number(float(value))
