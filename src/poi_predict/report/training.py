"""The report of one training, filled from what the training found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.cohort import AnalysisSet, Codebook, Cohort, compute_table_one
from poi_predict.modeling import CATALOG, CORRECTED_SUFFIX
from poi_predict.privacy import LEAST
from poi_predict.report.borrowed_sections import build_borrowed_sections, computation_banner, conflict_banner
from poi_predict.report.content import ReportContent, Section, SectionTable, empty_frame
from poi_predict.report.evidence_sections import build_evidence_sections, describe_skill, ladder_banner
from poi_predict.report.figures import count_predictions
from poi_predict.report.glossary import describe_metric
from poi_predict.report.regimen_sections import build_regimen_sections
from poi_predict.report.small_counts import hide_findings, hide_missing, pool_losses
from poi_predict.report.tables import format_estimate, format_number
from poi_predict.validation import compute_calibration_curve, compute_proportion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from poi_predict.explain import Explanation
    from poi_predict.modeling import Development
    from poi_predict.validation import Assessment

__all__ = ["StudyText", "build_report_content", "describe_verdict"]

CENTRE = "centre"
N_GROUPS = 5
ATTRIBUTION_GROUPS = 5
SUBGROUP_METRICS = ("c_statistic", "calibration_in_the_large", "o_e_ratio")
SYNTHETIC_BANNER = "SYNTHETIC: every woman in this report is made up. Nothing here says anything about patients."
ALONE = "Whether the therapy works: there is no comparison here with women who were not treated."
COMPARED = "Whether the therapy works: women without it are known from other studies only; it was not randomised."
CHOSEN = "Which protocol is better for whom: protocols were chosen by clinicians, not randomised."


@dataclass(frozen=True)
class StudyText:
    """What a study says of itself: name, title, question, population and endpoint in words."""

    name: str
    title: str
    question: str
    population: str
    endpoint: str


def build_report_content(
    text: StudyText,
    cohort: Cohort,
    analysis: AnalysisSet,
    development: Development,
    assessment: Assessment,
    explanation: Explanation,
    provenance: Mapping[str, str],
) -> ReportContent:
    """Fill the report of a training.

    Parameters
    ----------
    text : StudyText
    cohort : Cohort
        As read; only counts and its findings' sentences are used.
    analysis : AnalysisSet
    development : Development
    assessment : Assessment
    explanation : Explanation
        Of the primary model, for every woman analysed.
    provenance : mapping of str to str
        Shown as given.
    """
    variables = [name for name in explanation_variables(development) if name in analysis.data]
    codebook = cohort.codebook
    return ReportContent(
        study_name=text.name,
        title=text.title,
        question=text.question,
        population=text.population,
        endpoint=text.endpoint,
        verdict=describe_verdict(assessment),
        skill=assessment.details["skill"],
        n=assessment.n,
        n_patients=assessment.n_patients,
        events=assessment.events,
        response_rate=float(np.average(analysis.y_true, weights=analysis.weight)),
        primary=assessment.primary,
        champion=assessment.champion,
        synthetic=assessment.synthetic,
        banners=_banners(assessment, codebook),
        weights_note=analysis.describe_follow_up(),
        attrition=pool_losses(analysis.attrition, _find_least(assessment)),
        table_one=_table_one(analysis, codebook, variables, _find_least(assessment)),
        findings=hide_findings(cohort.findings.frame(), _find_least(assessment)),
        performance=_performance(assessment),
        calibration=_calibration(development),
        calibration_groups=_calibration_groups(development),
        predictions=_prediction_counts(development),
        attribution=_attribution(explanation, codebook),
        attribution_points=_attribution_points(explanation, analysis.data, codebook),
        warnings=assessment.warnings,
        limits=_limits(assessment, cohort),
        provenance=provenance,
        extra_sections=(
            *_second_opinion(assessment),
            *build_evidence_sections(assessment.as_dict(), _evidence_arrays(development, assessment)),
            *build_regimen_sections(assessment.details, codebook),
            *build_borrowed_sections(assessment.details, codebook),
        ),
    )


def _banners(assessment: Assessment, codebook: Codebook) -> tuple[str, ...]:
    details = assessment.details
    made_up = (SYNTHETIC_BANNER,) if assessment.synthetic else ()
    return (*made_up, *ladder_banner(details), *conflict_banner(details, codebook), *computation_banner(details))


def _find_least(assessment: Assessment) -> int:
    """Return how many women a shown count must be of."""
    return int((assessment.details.get("privacy") or {}).get("least", LEAST))


def _table_one(analysis: AnalysisSet, codebook: Codebook, variables: list[str], least: int) -> pd.DataFrame:
    y_true = np.select([analysis.status == "event", analysis.status == "no_event"], [1.0, 0.0], np.nan)
    table = compute_table_one(analysis.eligible, codebook, variables, y_true, analysis.status, least)
    return hide_missing(table, least)


def explanation_variables(development: Development) -> list[str]:
    """Clinical variables of the models, in the study's order; centres, which a clinic may want unnamed, aside."""
    return [str(name) for name in development.data.X.columns if "__" not in str(name) and name != CENTRE]


def describe_verdict(assessment: Assessment) -> str:
    """Say what the figures allow: the test against shuffled outcomes, then the cross-validated c-statistic.

    A model that is not told apart from chance has shown no skill, whatever its c-statistic.
    """
    said = describe_skill(assessment.as_dict(), CATALOG[assessment.primary].label)
    c = assessment.candidate(assessment.primary).metrics["c_statistic"]
    if assessment.primary == "prevalence" or not c.is_estimable:
        return said
    return f"{said} Its cross-validated c-statistic is {c}."


def _evidence_arrays(development: Development, assessment: Assessment) -> dict[str, Any]:
    """Collect what the evidence figures need and JSON does not hold; none of it leaves the pictures."""
    data, primary = development.data, development.plan.primary
    usable = [b for b, reason in enumerate(development.refits.failures) if reason is None]
    found = assessment.candidate(primary).metrics
    arrays: dict[str, Any] = {
        "p_response": development.p_apparent[primary],
        "null_draws": {name: draws.to_numpy() for name, draws in development.null_draws.items()},
        "p_refits": development.refits.p_original[usable].T,
        "outcome": {"y_true": data.y_true, "weight": data.weight, "patient": data.patient},
        "overall": {n: found[n].estimate for n in SUBGROUP_METRICS if found[n].estimate is not None},
        "brier_roads": {
            "Cross-validation": found["brier"].as_dict(),
            "Optimism bootstrap": found[f"brier{CORRECTED_SUFFIX}"].as_dict(),
        },
    }
    curve = assessment.details.get("decision_curve")
    if curve:
        arrays["decision_curve"] = pd.DataFrame(curve)
    return arrays


def _limits(assessment: Assessment, cohort: Cohort) -> tuple[str, ...]:
    return (
        *_limits_of_therapy(assessment, cohort),
        "How the model does in another clinic: every figure comes from this one cohort.",
        "Causes: an attribution says what the model used, not what would happen if the variable were changed.",
        f"Small differences between candidates: with {assessment.events} events their intervals overlap.",
    )


def _limits_of_therapy(assessment: Assessment, cohort: Cohort) -> tuple[str, ...]:
    """Say what is not known of the therapy; nothing where there is none, or where it was randomised."""
    if assessment.details.get("evidence"):
        return (COMPARED, CHOSEN)
    protocol = [
        name for name, variable in cohort.codebook.items() if variable.role == "protocol" and name in cohort.data
    ]
    given = bool(cohort.data[protocol].notna().any(axis=None))
    randomised = (assessment.details.get("regimens") or {}).get("randomised")
    return (ALONE, CHOSEN) if given and not randomised else ()


def _performance(assessment: Assessment) -> pd.DataFrame:
    frame = assessment.frame()
    frame.insert(1, "label", [CATALOG[name].label for name in frame["candidate"]])
    return frame[~frame["metric"].str.endswith(CORRECTED_SUFFIX)].reset_index(drop=True)


def _second_opinion(assessment: Assessment) -> tuple[Section, ...]:
    """Show the primary model by Harrell's bootstrap, beside the cross-validation it is judged by."""
    frame = assessment.frame()
    frame = frame[frame["metric"].str.endswith(CORRECTED_SUFFIX)]
    shown = pd.DataFrame(
        {
            "Metric": [describe_metric(name.removesuffix(CORRECTED_SUFFIX)).label for name in frame["metric"]],
            "Apparent": [format_number(value) for value in frame["apparent"]],
            "Corrected, 95 % interval": [
                format_estimate(row["estimate"], row["ci_low"], row["ci_high"], reason=row["reason"])
                for row in frame.to_dict("records")
            ],
        }
    )
    label = CATALOG[assessment.primary].label
    text = (
        f"{label}, validated in another way: the whole procedure is repeated in bootstrap resamples of the women, "
        "and what each refit loses from its own resample to the original women is taken off the apparent "
        "figure (Harrell's optimism). With few events for each variable this correction is known to be too mild; "
        "where the two differ, trust the cross-validation above."
    )
    table = SectionTable("Apparent performance and the same corrected for optimism", shown)
    return (Section("A second opinion", (text,), (table,), after="performance"),)


def _out_of_fold(development: Development, name: str) -> NDArray[np.float64] | None:
    p = development.cross_validated.p_response[name]
    return None if p.size == 0 or np.isnan(p).any() else p


def _calibration(development: Development) -> pd.DataFrame:
    name, data = development.plan.primary, development.data
    p = _out_of_fold(development, name)
    if p is None:
        return empty_frame("calibration")
    frame = compute_calibration_curve(data.y_true, p, data.weight, patient=data.patient).frame
    frame = frame.rename(columns={"predicted": "p", "ci_low": "low", "ci_high": "high"})
    return frame.assign(candidate=name)


def _calibration_groups(development: Development) -> pd.DataFrame:
    """Women in groups by prediction: the mean prediction against the weighted share of responders."""
    name, data = development.plan.primary, development.data
    p = _out_of_fold(development, name)
    if p is None:
        return empty_frame("calibration_groups")
    mean = p.mean(axis=1)
    rows = []
    for members in np.array_split(np.argsort(mean, kind="stable"), min(N_GROUPS, max(1, len(mean) // 10))):
        weight, y = data.weight[members], data.y_true[members]
        observed = float(np.average(y, weights=weight))
        effective = float(weight.sum() ** 2 / (weight**2).sum())
        interval = compute_proportion(observed * effective, effective)
        rows.append(
            {
                "candidate": name,
                "predicted": float(np.average(mean[members], weights=weight)),
                "observed": observed,
                "low": interval.ci_low,
                "high": interval.ci_high,
                "n": len(members),
            }
        )
    return pd.DataFrame(rows)


def _prediction_counts(development: Development) -> pd.DataFrame:
    name, data = development.plan.primary, development.data
    p = _out_of_fold(development, name)
    if p is None:
        return empty_frame("predictions")
    return count_predictions(data.y_true, p.mean(axis=1), data.weight).assign(candidate=name)


def _attribution(explanation: Explanation, codebook: Codebook) -> pd.DataFrame:
    frame = explanation.summary()
    frame.insert(1, "label", [codebook[name].label for name in frame["variable"]])
    return frame


def _attribution_points(explanation: Explanation, data: pd.DataFrame, codebook: Codebook) -> pd.DataFrame:
    """Mean attribution of groups of women with like values, and the mean rank of these; none of fewer than five."""
    rows = []
    for j, name in enumerate(explanation.variables):
        values, numeric = data[name], codebook[name].is_numeric or codebook[name].kind == "binary"
        rank = values.rank(pct=True).astype(float) if numeric else pd.Series(np.nan, index=values.index)
        like = (ATTRIBUTION_GROUPS * rank).apply(np.ceil) if numeric else values
        group = like.astype(object).where(values.notna(), "not known").to_numpy().astype(str)
        few = [level for level, n in zip(*np.unique(group, return_counts=True), strict=True) if n < LEAST]
        group = np.where(np.isin(group, few), "others", group)
        for level in np.unique(group):
            chosen = group == level
            if chosen.sum() >= LEAST:
                mean, place = float(explanation.attributions[chosen, j].mean()), rank.to_numpy()[chosen].mean()
                rows.append((name, round(mean, 2), place, int(chosen.sum())))
    return pd.DataFrame(rows, columns=["variable", "attribution", "value_rank", "n"])
