"""Every page that a training writes: report, model card, reporting guidelines, and the equation where there is one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from poi_predict.modeling import CATALOG, linear_terms, pool_coefficients
from poi_predict.report import (
    StudyText,
    build_report_content,
    render_model_card,
    render_report,
)
from poi_predict.report.equation import build_equation, build_equation_section
from poi_predict.report.guideline_facts import collect_facts
from poi_predict.report.reporting_guidelines import (
    GuidelineContent,
    fill_tripod,
    render_guidelines,
    render_guidelines_markdown,
    screen_probast,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.outcomes import Training
    from poi_predict.report import ReportContent
    from poi_predict.report.equation import Equation
    from poi_predict.scoring import Provenance
    from poi_predict.study import Study
    from poi_predict.validation import Assessment

__all__ = ["RunPages", "build_run_pages"]


@dataclass(frozen=True)
class RunPages:
    """The pages of a training.

    Attributes
    ----------
    content : ReportContent
        What the report says; its frames also go to the experiment store.
    report : str
        ``report.html``.
    card : str
        The model card, Markdown; kept in the bundle.
    others : mapping of str to str
        Further files by name: the guidelines and, for a linear model, its equation or, over several
        imputations, its pooled coefficients.
    """

    content: ReportContent
    report: str
    card: str
    others: dict[str, str]


def build_run_pages(training: Training, provenance: Provenance) -> RunPages:
    """Render all pages of a training.

    Parameters
    ----------
    training : Training
    provenance : Provenance
    """
    study = training.study
    content = build_report_content(
        StudyText(study.name, study.title, study.question, study.population, study.endpoint_label),
        training.cohort,
        training.analysis,
        training.development,
        training.assessment,
        training.explanation,
        provenance.lines(),
    )
    equation = _equation(training)
    others = _guidelines(training, content)
    if equation is not None:
        content = replace(content, extra_sections=(*content.extra_sections, build_equation_section(equation)))
        others["equation.json"] = json.dumps(equation.as_dict(), indent=2, ensure_ascii=False) + "\n"
        others["equation.txt"] = equation.text() + "\n"
    pooled = pool_coefficients(training.development.primary, training.development.data)
    if pooled is not None:
        others["coefficients.csv"] = pooled.to_csv(index=False, lineterminator="\n")
    return RunPages(content, render_report(content), render_model_card(content), others)


def _equation(training: Training) -> Equation | None:
    primary = training.assessment.primary
    pipeline = training.development.primary
    if CATALOG[primary].family != "linear" or "scale" not in pipeline.named_steps:
        return None
    return build_equation(
        linear_terms(pipeline),
        pipeline.named_steps["features"],
        training.study.codebook,
        study=training.study.name,
        endpoint=training.study.endpoint_label,
        model=CATALOG[primary].label,
        synthetic=training.assessment.synthetic,
    )


def _guidelines(training: Training, content: ReportContent) -> dict[str, str]:
    facts = collect_facts(training.assessment.as_dict(), _study_facts(training, content))
    pages = GuidelineContent(
        study_name=content.study_name,
        title=content.title,
        items=fill_tripod(facts),
        questions=screen_probast(facts),
        synthetic=content.synthetic,
        banners=content.banners,
        provenance=content.provenance,
    )
    return {"guidelines.html": render_guidelines(pages), "guidelines.md": render_guidelines_markdown(pages)}


def _study_facts(training: Training, content: ReportContent) -> dict[str, Any]:
    """Say what the study and its data are, in the words that the guidelines take up."""
    study, analysis, assessment = training.study, training.analysis, training.assessment
    codebook, predictors, horizon = study.codebook, study.features.predictors, study.endpoint.horizon_months
    n_errors, n_warnings = len(training.cohort.findings.errors), len(training.cohort.findings.warnings)
    missing = analysis.data[[name for name in predictors if name in analysis.data]].isna().any().sum()
    return {
        "title": study.title,
        "question": study.question,
        "population": study.population.rstrip("."),
        "endpoint": study.endpoint_label,
        "horizon_months": None if horizon is None else f"{horizon:g}",
        "study_name": study.name,
        "study_sha256": study.sha256,
        "source_file": training.cohort.source_name,
        "source_sha256": training.cohort.fingerprint.sha256,
        "synthetic_note": "The women are made up (SYNTHETIC)." if assessment.synthetic else None,
        "inclusion": "; ".join(rule.text for rule in study.inclusion) or None,
        "predictors": ", ".join(codebook[name].label for name in predictors),
        "treatment_predictors": ", ".join(codebook[n].label for n in predictors if codebook[n].role == "protocol"),
        "treatment_note": _describe_treatment(study, assessment, predictors),
        "n_centres": None if analysis.centre is None else len(set(analysis.centre.tolist())),
        "attrition_note": "; ".join(
            f"{row['step']}: {row['excluded_rows']} rows left out"
            for row in content.attrition.to_dict("records")
            if row["excluded_rows"]
        )
        or "No row was left out",
        "findings_note": f"The checks of the table found {n_errors} errors and {n_warnings} warnings.",
        "weights_note": content.weights_note,
        "missing_note": (
            f"{missing} of {len(predictors)} predictors have missing values. Linear models impute them within every "
            "resample (EM under a multivariate normal, with a flag a variable); the evidence model averages over what "
            "they may be, by published distributions; trees take them as they are."
        ),
        "transformation_note": (
            "Where they are predictors, hormones and durations enter as logarithms, values below detection at "
            "the limit over √2 with a flag, categories as indicators with rare levels pooled; nothing is "
            "chosen by the outcome."
        ),
        "specification_note": "The bundle holds the whole model; a linear one is also written out in equation.json.",
        "limits_note": " ".join(content.limits),
        "seed": study.validation.seed,
        "censoring": study.endpoint.censoring if study.endpoint.horizon_months is not None else None,
        "n_censored": analysis.n_censored,
        "n_unfollowed": analysis.n_unfollowed,
        "primary_label": CATALOG[assessment.primary].label,
        "candidates": ", ".join(CATALOG[c.name].label for c in assessment.candidates if c.name != assessment.primary),
        "verdict": content.verdict,
    }


def _describe_treatment(study: Study, assessment: Assessment, predictors: Sequence[str]) -> str | None:
    """Say what the model knows of women without the treatment; nothing where the study has no treatment."""
    if assessment.details.get("evidence"):
        return (
            "The model answers with the therapy and without it; women without it are known from published cohorts, so "
            "this comparison is not randomised"
        )
    if all(study.codebook[name].role != "protocol" for name in predictors):
        return None
    if study.regimens.randomised:
        return "The treatment was randomised and is a predictor; the model predicts under each arm of the trial"
    return "The model describes treated women; it cannot say what would have happened without the therapy"
