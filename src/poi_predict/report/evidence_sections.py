"""The evidence in the report: what the training found about skill, size and stability, as sections.

Every function takes the plain values of one key of ``assessment.json`` (and arrays where a figure needs them) and
returns a `Section`; `build_evidence_sections` puts all of them in reading order. A part that a run does not have is
left out; a part that could not be estimated says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poi_predict.report.content import Section, SectionTable
from poi_predict.report.performance_sections import (
    build_calibration_error_section,
    build_decision_curve_section,
    build_instability_section,
    build_resampled_brier_section,
)
from poi_predict.report.skill_sections import (
    as_sentence,
    build_ladder_section,
    build_null_section,
    build_sample_size_section,
    describe_skill,
    ladder_banner,
)
from poi_predict.report.subgroup_sections import build_internal_external_section, build_subgroup_section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Plain = Mapping[str, Any]

__all__ = [
    "build_calibration_error_section",
    "build_decision_curve_section",
    "build_evidence_sections",
    "build_instability_section",
    "build_internal_external_section",
    "build_ladder_section",
    "build_leakage_section",
    "build_null_section",
    "build_resampled_brier_section",
    "build_sample_size_section",
    "build_subgroup_section",
    "describe_skill",
    "ladder_banner",
]


def build_evidence_sections(assessment: Plain, arrays: Mapping[str, Any] | None = None) -> tuple[Section, ...]:
    """Return every evidence section that a run has, in reading order.

    Parameters
    ----------
    assessment : mapping
        The content of ``assessment.json``. Read where present: ``null``, ``skill_test``, ``sample_size``,
        ``ladder``, ``subgroups``, ``internal_external``, ``instability``, ``calibration_errors``,
        ``brier_632_plus`` (a mapping of estimates each), ``leakage``, ``n_patients``.
    arrays : mapping, optional
        What JSON does not hold: ``null_draws`` (metric → array), ``p_response`` (n,), ``p_refits``
        (n, refits), ``outcome`` (``y_true``, perhaps ``weight``, ``patient``), ``decision_curve`` (frame),
        ``overall`` (metric → figure of all women), ``brier_roads`` (road → estimate).
    """
    have: Mapping[str, Any] = arrays or {}
    return (*_size_and_skill(assessment, have), *_performance(assessment, have), *_holding(assessment))


def _size_and_skill(assessment: Plain, have: Plain) -> Iterator[Section]:
    if "null" in assessment:
        yield build_null_section(assessment["null"] or {}, assessment.get("skill_test"), have.get("null_draws"))
    if assessment.get("sample_size"):
        yield build_sample_size_section(assessment["sample_size"])
    if assessment.get("ladder"):
        yield build_ladder_section(assessment["ladder"], assessment.get("n_patients"))


def _performance(assessment: Plain, have: Plain) -> Iterator[Section]:
    if assessment.get("calibration_errors"):
        yield build_calibration_error_section(assessment["calibration_errors"])
    if assessment.get("brier_632_plus"):
        yield build_resampled_brier_section(assessment["brier_632_plus"], have.get("brier_roads"))
    curve = have.get("decision_curve")
    if curve is not None and len(curve):
        yield build_decision_curve_section(curve)
    if assessment.get("instability"):
        yield build_instability_section(
            assessment["instability"], have.get("p_response"), have.get("p_refits"), have.get("outcome")
        )
    if "subgroups" in assessment:
        yield build_subgroup_section(assessment["subgroups"] or (), have.get("overall"))


def _holding(assessment: Plain) -> Iterator[Section]:
    if assessment.get("internal_external"):
        yield build_internal_external_section(assessment["internal_external"])
    if assessment.get("leakage"):
        yield build_leakage_section(assessment["leakage"])


def build_leakage_section(leakage: Plain) -> Section:
    """Return the leakage ledger: questions, computed answers, and what was counted.

    Parameters
    ----------
    leakage : mapping
        ``questions``: each with ``question``, ``answer`` and ``finding``.
    """
    rows = [
        {"Question": each["question"], "Answer": each["answer"], "What was counted": as_sentence(each["finding"])}
        for each in leakage.get("questions", ())
    ]
    text = (
        "What would not be known of a new woman must not reach the model or the figures. These questions were answered "
        "by counting, during the run. Where nothing was counted, or counts cannot decide, the answer is unclear."
    )
    unclear = sum(row["Answer"] == "unclear" for row in rows)
    left = (f"{unclear} of {len(rows)} answers are unclear: a person has to look.",) if unclear else ()
    tables = (SectionTable("Leakage ledger", pd.DataFrame(rows)),) if rows else ()
    return Section("Did anything leak?", (text, *left), tables, after="end")
