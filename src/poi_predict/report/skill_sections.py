"""What may be believed: the verdict on skill, the size of the cohort, the ladder and the permutation null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionFigure, SectionTable
from poi_predict.report.evidence_figures import (
    NULL_METRICS,
    NULL_WORDS,
    RUNG_WORDS,
    plot_ladder,
    plot_permutation_null,
)
from poi_predict.report.formatting import (
    format_estimate,
    format_number,
    format_p_value,
    format_percent,
    is_missing,
)
from poi_predict.report.glossary import describe_metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    Plain = Mapping[str, Any]

__all__ = [
    "as_sentence",
    "build_ladder_section",
    "build_null_section",
    "build_sample_size_section",
    "describe_skill",
    "ladder_banner",
]

RULE = "shown if p ≤ 0.01, weak if p ≤ 0.05, and in both the log loss must be below that of prevalence; otherwise none"
CONSTANT = "the predictions are constant"
OVERRIDDEN = (
    "LADDER OVERRIDDEN: this study asked for a model beyond what its number of women supports. "
    "Its figures are likely to be too good."
)


def describe_skill(assessment: Plain, model: str) -> str:
    """Return the verdict in words, with its p-value and rule; it stands first in the report.

    Parameters
    ----------
    assessment : mapping
        Of ``assessment.json``: ``skill``, ``skill_test``, ``ladder``, ``n_patients``, ``events``.
    model : str
        The primary model in words.

    Examples
    --------
    >>> test = {"p_value": 0.31, "metric": "log_loss_reduction", "observed": -0.01, "n_permutations": 200}
    >>> women = {"n_patients": 60, "events": 8, "sample_size": {"prevalence": 0.13}}
    >>> print(describe_skill({"skill": "none", "skill_test": test, **women}, "Ridge"))
    No skill shown: with these 60 women (8 events) the predictions of Ridge cannot be distinguished from chance. With
    the outcomes shuffled among the women it did as well or better in 61 of 200 runs (p = 0.31). Quote the
    overall rate (13 of 100) to every woman.
    """
    test = assessment.get("skill_test") or {}
    note = str(test.get("note") or "")
    if assessment["skill"] == "not_assessed":
        return f"Not tested against chance. {as_sentence(note)}Nothing is said of skill.".strip()
    if _is_constant(assessment):
        return (
            f"No skill: {model} gives every woman the same chance, since nothing that it learns from distinguishes "
            f"these women. {_quote(assessment)}"
        )
    p = test.get("p_value")
    if is_missing(p) or p is None:
        why = note or (assessment.get("ladder") or {}).get("reason") or ""
        return f"No skill shown: there is no model to test. {as_sentence(why)}{_quote(assessment)}".strip()
    said = _describe_tested(assessment, model, float(p), test.get("n_permutations") or 0)
    return f"{said} {_describe_beyond(assessment.get('beyond_published') or {})}".strip()


def _describe_beyond(gains: Plain) -> str:
    """Say whether these women added anything to what was published; nothing for a model that borrows nothing."""
    gain, ranks = gains.get("log_loss") or {}, gains.get("c_statistic") or {}
    low, high = gain.get("ci_low"), gain.get("ci_high")
    if low is None or high is None:
        return ""
    figures = f"log loss better by {format_estimate(gain['estimate'], low, high, digits=3)}"
    if ranks.get("ci_low") is not None:
        found = format_estimate(ranks["estimate"], ranks["ci_low"], ranks["ci_high"])
        figures += f", c-statistic better by {found}"
    if low > 0:
        return f"It predicts better than the published evidence alone, without these women, would have: {figures}."
    if high < 0:
        return f"The published evidence alone, without these women, would have predicted better: {figures}."
    return (
        "What these women add to the published evidence is compatible with no difference: against the evidence alone, "
        f"{figures}; a negative figure is worse."
    )


def _quote(assessment: Plain) -> str:
    rate = (assessment.get("sample_size") or {}).get("prevalence")
    said = "" if is_missing(rate) or rate is None else f" ({100 * rate:.0f} of 100)"
    return f"Quote the overall rate{said} to every woman."


def _describe_tested(assessment: Plain, model: str, p: float, runs: int) -> str:
    who = f"with these {assessment['n_patients']} women ({assessment['events']} events)"
    as_good = max(0, round(p * (runs + 1)) - 1)
    chance = (
        f"With the outcomes shuffled among the women it did as well or better in {as_good} of {runs} runs "
        f"({format_p_value(p)})"
    )
    if assessment["skill"] == "shown":
        return (
            f"Skill shown: {model} predicts better than giving every woman the same overall rate. {chance}. "
            "Whether it holds in another clinic is not known."
        )
    if assessment["skill"] == "weak":
        return (
            f"Weak evidence of skill: {model} does better than chance would often do, and not by enough to act on. "
            f"{chance}. No model is registered for use."
        )
    if p > 0.05:
        found = f"{who} the predictions of {model} cannot be distinguished from chance"
    else:
        found = f"{who} {model} predicts no better than the overall rate"
    return f"No skill shown: {found}. {chance}. {_quote(assessment)}"


def _is_constant(assessment: Plain) -> bool:
    """Whether the primary model's predictions are the same for all women of every fold."""
    figures = (assessment.get("candidates") or {}).get(assessment.get("primary")) or {}
    reason = (figures.get("c_statistic") or {}).get("reason")
    return reason is not None and str(reason).startswith(CONSTANT)


def ladder_banner(assessment: Plain) -> tuple[str, ...]:
    """Return the banner of an overridden ladder, for every page of the run; none otherwise."""
    return (OVERRIDDEN,) if (assessment.get("ladder") or {}).get("overridden") else ()


def as_sentence(text: str) -> str:
    """Return text with a capital, a full stop and a space after it; nothing for nothing."""
    text = text.strip()
    return "" if not text else f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'} "


SIZE_WORDS: Mapping[str, tuple[str, str]] = {
    "n": ("Women", "n"),
    "n_patients": ("Women", "n"),
    "effective_n": ("Effective number of women, after weighting", "1"),
    "events": ("Effective number in the smaller outcome group", "1"),
    "effective_events": ("Effective number in the smaller outcome group", "1"),
    "prevalence": ("Share of responders", "%"),
    "n_parameters": ("Candidate columns", "n"),
    "parameters": ("Candidate columns", "n"),
    "events_per_parameter": ("Events for each parameter", "1"),
    "c_statistic": ("c-statistic assumed in planning", "2"),
    "assumed_c_statistic": ("c-statistic assumed in planning", "2"),
    "r2_cox_snell": ("Cox–Snell R² assumed in planning", "3"),
    "anticipated_r2": ("Cox–Snell R² assumed in planning", "3"),
    "for_shrinkage": ("Women needed for little overfitting (shrinkage 0.9 or more)", "n"),
    "for_r2": ("Women needed for a small gap between apparent and adjusted R²", "n"),
    "for_prevalence": ("Women needed to know the prevalence within ± 5 points", "n"),
    "for_mape": ("Women needed for a mean prediction error of 5 points", "n"),
    "required": ("Women needed for all criteria", "n"),
    "required_events": ("Responders among them", "n"),
    "affordable_parameters": ("Parameters this many women support", "n"),
    "expected_shrinkage": ("Shrinkage to expect (1 is no overfitting)", "2"),
    "expected_mape": ("Mean error of one woman's chance to expect", "points"),
}


SHOWN_ELSEWHERE = ("estimate", "ci_low", "ci_high", "level")
"""Parts of the prevalence's interval, which stands in the verdict."""


def build_sample_size_section(sample_size: Plain) -> Section:
    """Return what the number of women supports, after Riley and others (2020) and van Smeden and others (2019).

    Parameters
    ----------
    sample_size : mapping
        Plain results, nested groups allowed; a value that is None is shown with ``<key>_reason`` or ``reason``.
    """
    flat = {key: value for key, value in _flatten(sample_size).items() if key not in SHOWN_ELSEWHERE}
    rows = [
        {"Quantity": words, "This cohort": _format_size(value, kind)}
        for key, value in flat.items()
        for words, kind in [SIZE_WORDS.get(key, (key.replace("_", " ").capitalize(), ""))]
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    said = [str(value) for key, value in flat.items() if isinstance(value, str) and key.endswith(("reason", "note"))]
    text = (
        "Worked out before any model was fitted. A model with more parameters than the cohort supports fits noise; its "
        "figures look good here and fail elsewhere."
    )
    note = (
        "Criteria of Riley and others (2020, doi:10.1136/bmj.m441); expected error of van Smeden and others (2019, "
        "doi:10.1177/0962280218784726), for a model without a penalty."
    )
    verdict = _compare_sizes(flat)
    paragraphs = (text, *((verdict,) if verdict else ()), *map(as_sentence, said))
    tables = (SectionTable("What this number of women supports", pd.DataFrame(rows), note),) if rows else ()
    return Section("How much these women can tell", paragraphs, tables, after="data")


def _flatten(values: Plain) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if hasattr(value, "items"):
            flat |= {name: found for name, found in _flatten(value).items() if name not in flat}
        else:
            flat[str(key)] = value
    return flat


def _compare_sizes(flat: Plain) -> str:
    required, n = flat.get("required"), flat.get("n", flat.get("n_patients"))
    if required is None or n is None or is_missing(required) or is_missing(n):
        return ""
    if n >= required:
        return f"The {n:.0f} women are as many as the criteria ask for ({required:.0f})."
    return f"The criteria ask for {required:.0f} women; there are {n:.0f}. Expect predictions that are too extreme."


def _format_size(value: float, kind: str) -> str:
    if is_missing(value):
        return "not estimable"
    if kind == "%":
        return format_percent(value)
    if kind == "points":
        return f"{format_number(100 * value, 1)} points of chance"
    if kind in ("1", "2", "3"):
        return format_number(value, int(kind))
    return format_number(value, 0 if float(value).is_integer() else 2)


def build_ladder_section(ladder: Plain, n: int | None = None) -> Section:
    """Return the model tier that this cohort supports, why, and how many women the next one needs.

    Parameters
    ----------
    ladder : mapping
        ``rung``, ``reason``, ``next_n``, ``overridden``, ``events``, ``parameters``, ``rungs``.
    n : int, optional
        Women of this cohort.
    """
    rung, rungs = str(ladder["rung"]), list(ladder.get("rungs") or ())
    here = RUNG_WORDS.get(rung, rung)
    paragraphs = [
        f"This cohort supports the model tier “{here}”. {as_sentence(str(ladder.get('reason') or ''))}".strip()
    ]
    if ladder.get("next_n"):
        paragraphs.append(f"The next tier needs about {ladder['next_n']} women with the same share of responders.")
    if ladder.get("overridden"):
        paragraphs.append(OVERRIDDEN)
    paragraphs.append("A model above this tier may be shown for comparison; it cannot be the primary model.")
    rows = [
        {
            "Tier": f"{RUNG_WORDS.get(str(each['rung']), each['rung'])}{'  ← here' if each['rung'] == rung else ''}",
            "Needs": each.get("needs") or "nothing",
            "Women needed": "—" if is_missing(each.get("n")) else format_number(each["n"], 0),
            "Supported": "yes" if each.get("supported") else "no",
        }
        for each in rungs
    ]
    if not rungs:
        return Section("Which model this cohort can carry", tuple(paragraphs), after="data")
    figure = SectionFigure(
        plot_ladder(rungs, rung, n),
        "The model tiers, from the most modest up.",
        f"Model tiers. This cohort supports {here}"
        + (f"; the next tier needs {ladder['next_n']} women." if ladder.get("next_n") else "."),
        "Dot: women that the tier needs, at this share of responders; open where there are too few. Vertical line: the "
        "women there are. Blue: the tier taken.",
    )
    table = SectionTable("What each tier needs", pd.DataFrame(rows))
    return Section("Which model this cohort can carry", tuple(paragraphs), (table,), (figure,), after="data")


def build_null_section(
    null: Plain, skill_test: Plain | None = None, draws: Mapping[str, ArrayLike] | None = None
) -> Section:
    """Return the distribution of every headline metric when there is nothing to find, beside what was observed.

    Parameters
    ----------
    null : mapping
        Metric → ``observed``, ``mean``, ``q05``, ``q95``, ``p_value``.
    skill_test : mapping, optional
        ``p_value``, ``n_permutations``, ``rule``, ``observed``.
    draws : mapping, optional
        Metric → values under permuted outcomes, for the histograms.
    """
    test = skill_test or {}
    if not null:
        why = as_sentence(str(test.get("note") or "no model was fitted that could be tested"))
        return Section("Could this be chance?", (f"Not tested. {why}".strip(),), after="verdict")
    said = (as_sentence(str(test["note"])),) if test.get("note") else ()
    runs = test.get("n_permutations")
    times = f"{runs} times" if runs else "many times"
    text = (
        f"The outcomes were shuffled among the women {times}, within each centre where centres are recorded, and "
        "the whole procedure (imputation, penalty, cross-validation) was run again on each. That is what the figures "
        "look like when there is nothing to find. The verdict is the place of the real figure among them."
    )
    folds, repeats = test.get("folds"), test.get("repeats")
    how = (
        f"The real outcome is measured here as the shuffled ones are, by {folds} folds and {repeats} repeats; the "
        "figures of the other sections come from the full cross-validation and may differ a little."
    )
    alike = (how,) if folds and repeats else ()
    rows = [
        {
            "Metric": NULL_WORDS.get(name, describe_metric(name).label),
            "Observed": _not_estimable_or(found.get("observed")),
            "Nothing to find: mean": format_number(found.get("mean"), 3),
            "middle 90 %": _between(found.get("q05"), found.get("q95")),
            "One-sided p": format_p_value(found.get("p_value")).removeprefix("p = ").removeprefix("p "),
        }
        for name, found in _in_order(null)
    ]
    figure = SectionFigure(
        plot_permutation_null(null, draws),
        "What chance alone gives, and what was observed.",
        "Histograms of metrics under permuted outcomes. "
        + "; ".join(f"{row['Metric']} observed {row['Observed']}, p {row['One-sided p']}" for row in rows)
        + ".",
        "Grey: runs with shuffled outcomes. Blue: the real run, measured alike. Skill is where they part.",
    )
    rule = str(test.get("rule") or RULE).rstrip(".")
    note = f"Rule of the verdict: {rule}. The other metrics are shown beside it."
    table = SectionTable("Observed, and under shuffled outcomes", pd.DataFrame(rows), note)
    return Section("Could this be chance?", (text, *alike, *said), (table,), (figure,), after="verdict")


def _in_order(null: Plain) -> list[tuple[str, Plain]]:
    names = [name for name in NULL_METRICS if name in null] + [name for name in null if name not in NULL_METRICS]
    return [(name, null[name]) for name in names]


def _between(low: float | None, high: float | None) -> str:
    return "—" if is_missing(low) or is_missing(high) else f"{format_number(low, 3)} to {format_number(high, 3)}"


def _not_estimable_or(value: float | None) -> str:
    return "not estimable" if is_missing(value) else format_number(value, 3)
