"""One woman's page, filled from her row, her explanation and what is known of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.explain.uncertainty import UncertainExplanation
from poi_predict.modeling import CATALOG
from poi_predict.report.borrowed_words import brand_banners, describe_contrast
from poi_predict.report.content import PatientContent, Section
from poi_predict.report.glossary import describe_level
from poi_predict.report.skill_sections import as_sentence
from poi_predict.report.tables import format_estimate
from poi_predict.report.uncertain_factors import build_factor_section, write_in_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poi_predict.cohort import Codebook, Variable
    from poi_predict.explain import Explanation

__all__ = ["build_patient_content"]

SYNTHETIC_BANNER = "SYNTHETIC: this model was made from made-up women. It says nothing about a real one."
ALONE = "Whether the therapy helps her: women who were not treated are not in this model."
COMPARED = (
    "Whether the therapy helps her: women without it are known from other studies only; the therapy was not randomised."
)
PROTOCOLS = "Which protocol would be better for her: “poi-predict regimens” compares them on a page of its own."
LIMITS = ("What changing one of her values would do: the model was not built to answer that.",)
MILLION = 1e6
WOMEN = {True: "the women of training", False: "the women in published cohorts"}
FLAG_WORDS = {
    "missing": "{label} is not known; it was filled in from the other variables.",
    "outside_training": "{label} lies outside what 95 % of {women} had; the model extrapolates.",
    "far_combination": "Her values together are unlike those of nearly all {women}; the model extrapolates.",
    "too_much_missing": "So much about her is not known that this says more of {women} than of her.",
    "centre_unknown": "She is not known to be of the clinic of training; the range allows for another clinic.",
    "protocol_not_seen": "No woman behind this model had this cell source, this route, or both together.",
}


def build_patient_content(
    patient_id: str,
    row: pd.Series,
    score: Mapping[str, Any],
    explanation: Explanation | UncertainExplanation,
    codebook: Codebook,
    model: Mapping[str, Any],
    contrast: Mapping[str, Any] | None = None,
) -> PatientContent:
    """Fill one woman's page.

    Parameters
    ----------
    patient_id : str
        As given on the command line.
    row : Series
        Her canonical values; they stand on her page only.
    score : mapping
        p_response, ci_low, ci_high and flags, as scored.
    explanation : Explanation or UncertainExplanation
        Of this one row. With error bars, the factors are drawn with them, and one whose direction is not sure is
        shown so.
    codebook : Codebook
        The contract's.
    model : mapping
        ``assessment`` and ``contract`` facts: study, question, endpoint, primary, n, events, metrics, synthetic, and
        perhaps ``brands``, the words that every page made with the model must carry.
    contrast : mapping, optional
        What she may expect with the therapy and without, for a model that knows both: ``p_with``, ``with_low``,
        ``with_high``, ``p_without``, ``without_low``, ``without_high``, ``difference``, ``difference_low``,
        ``difference_high`` (probabilities) and ``distinguishable``.
    """
    assessment = model["assessment"]
    uncertain = explanation if isinstance(explanation, UncertainExplanation) else None
    shown = explanation.explanation if isinstance(explanation, UncertainExplanation) else explanation
    factors = _factors(row, shown, codebook)
    sections = [_contrast_section(contrast)] if contrast else []
    if uncertain is not None:
        factors = factors.assign(**_error_bars(uncertain))
        chance = (shown.baseline_probability, float(shown.probability[0]))
        sections.insert(0, build_factor_section(factors, chance, _pairs(uncertain, codebook)))
    return PatientContent(
        patient_id=patient_id,
        study_name=model["study"],
        question=model["question"],
        endpoint=model["endpoint"],
        model_label=CATALOG[assessment["primary"]].label,
        n=assessment["n"],
        events=assessment["events"],
        response_rate=(assessment.get("sample_size") or {}).get("prevalence"),
        p_response=float(score["p_response"]),
        ci_low=_known(score["ci_low"]),
        ci_high=_known(score["ci_high"]),
        baseline_probability=shown.baseline_probability,
        factors=factors,
        flags=_flags(str(score["flags"]), codebook, WOMEN[bool(assessment["n"])]),
        performance=_performance(assessment),
        synthetic=model["synthetic"],
        banners=(*((SYNTHETIC_BANNER,) if model["synthetic"] else ()), *brand_banners(model.get("brands") or ())),
        limits=(*_limits_of_therapy(assessment, codebook, contrast), *LIMITS),
        provenance=model["provenance"],
        extra_sections=tuple(sections),
    )


def _limits_of_therapy(
    assessment: Mapping[str, Any], codebook: Codebook, contrast: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Say what is not known of the therapy; nothing where there is none, and no doubt where it was randomised."""
    protocol = any(variable.role == "protocol" for variable in codebook.values())
    if not contrast and not protocol:
        return ()
    randomised = (assessment.get("regimens") or {}).get("randomised")
    return (*(() if randomised else (COMPARED if contrast else ALONE,)), *((PROTOCOLS,) if protocol else ()))


def _performance(assessment: Mapping[str, Any]) -> str:
    if not assessment["n"]:
        return "It was never tried on women: it rests on published sums alone."
    c = assessment["candidates"][assessment["primary"]].get("c_statistic", {})
    found = format_estimate(c.get("estimate"), c.get("ci_low"), c.get("ci_high"), reason=c.get("reason"))
    return f"Cross-validated c-statistic of the model: {found}.{_skill(assessment)}"


def _skill(assessment: Mapping[str, Any]) -> str:
    if assessment.get("skill") == "not_assessed":
        note = as_sentence(str((assessment.get("skill_test") or {}).get("note") or ""))
        return f" It was not tested against chance. {note}".rstrip()
    waits = (assessment.get("leakage") or {}).get("to_review")
    if waits and assessment.get("skill") == "shown":
        return f" A person has to look first whether this was known before treatment: {', '.join(waits)}."
    return "" if assessment["champion"] else " It was not shown to predict better than the overall rate."


def _contrast_section(contrast: Mapping[str, Any]) -> Section:
    return Section("With and without the therapy", (" ".join(describe_contrast(contrast)),))


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _factors(row: pd.Series, explanation: Explanation, codebook: Codebook) -> pd.DataFrame:
    share = explanation.probability_share[0]
    return pd.DataFrame(
        {
            "variable": list(explanation.variables),
            "label": [codebook[name].label for name in explanation.variables],
            "value": [_shown(row, codebook[name]) for name in explanation.variables],
            "log_odds": explanation.attributions[0],
            "probability_share": share,
        }
    )


def _error_bars(uncertain: UncertainExplanation) -> dict[str, Any]:
    frame = uncertain.frame()
    return {name: frame[name].to_numpy() for name in ("low", "high", "same_sign", "stable", "share_low", "share_high")}


def _pairs(uncertain: UncertainExplanation, codebook: Codebook) -> pd.DataFrame:
    frame = uncertain.pair_frame()
    return frame.assign(
        **{name: [write_in_sentence(codebook[v].label) for v in frame[name]] for name in ("first", "second")}
    )


def _shown(row: pd.Series, variable: Variable) -> str:
    value = row.get(variable.name)
    if value is None or pd.isna(value):
        return "not known"
    if variable.kind == "binary":
        return "yes" if value else "no"
    if not variable.is_numeric:
        return ", ".join(describe_level(level) for level in str(value).split("+"))
    below = "< " if row.get(f"{variable.name}__below", False) else ""
    unit = "" if variable.unit in (None, "count") else f" {variable.unit}"
    if value >= MILLION:
        return f"{below}{float(value) / MILLION:.3g} million{unit}"
    return f"{below}{float(value):.4g}{unit}"


def _flags(flags: str, codebook: Codebook, women: str) -> tuple[str, ...]:
    said = []
    for flag in filter(None, flags.split(";")):
        kind, _, name = flag.partition(":")
        if kind in FLAG_WORDS:
            label = codebook[name].label if name else ""
            said.append(FLAG_WORDS[kind].format(label=label, women=women))
    return tuple(said)
